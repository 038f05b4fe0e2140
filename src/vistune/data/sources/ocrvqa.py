"""OCR-VQA: questions about book covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_object
from vistune.data.sources.base import Rows, SetInfo, Source, beside, matching, named_objects, objects, text_of, texts_of
from vistune.data.sources.ocr_tokens import read_ocr
from vistune.data.sources.pictures import book_cover

_NUMBERS = {"train": 1, "val": 2, "test": 3}
_OCR = "ocr_tokens.json"


class OCRVQA(Source):
    """The release's dataset.json, a record per cover with several questions; one Example a question.

    The OCR tokens of the paper's instructions were never published; those of ``ocr_tokens.json``, in the form of
    TextVQA's Rosetta files, are taken where there is such a file.
    """

    info = SetInfo(
        name="ocrvqa",
        title="OCR-VQA",
        group="ocr_vqa",
        role="held-in",
        splits={"train": 800_000, "val": 100_000, "test": 100_000},  # InstructBLIP appendix C
        rounded=frozenset(_NUMBERS),
        metric="accuracy",
        licence="research use",
        url="https://ocr-vqa.github.io",
        folder="ocrvqa",
        annotations=dict.fromkeys(_NUMBERS, (("dataset.json",),)),
        optional=(_OCR,),
        images=("ocrvqa/images", "ocr_vqa/images"),
        train_split="train",
        eval_split="test",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Covers of the split with their questions."""
        (path,) = self.paths(files, split)
        ocr = read_ocr(beside(files, _OCR))
        covers = matching(named_objects(read_json_object(path)), lambda record: record.get("split") == _NUMBERS[split])
        return objects(covers, lambda record: {**record, "ocr_tokens": ocr.get(record["name"], ())})

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """Questions about one cover."""
        questions, answers = texts_of(record, "questions"), texts_of(record, "answers")
        if len(questions) != len(answers):
            raise BadRow(Reason.MISSING_FIELD, f"there are {len(questions)} questions but {len(answers)} answers.")
        suffix = PurePosixPath(text_of(record, "imageURL")).suffix
        image = book_cover(files, record["name"], suffix)
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            yield Example(
                f"{record['name']}-{number}",
                self.info.name,
                target=answer,
                images=(image,),
                question=question,
                ocr_tokens=record["ocr_tokens"],
                source_ids=(f"amazon:{record['name']}",),
            )
