"""A-OKVQA: questions that need knowledge, with four choices, ten direct answers and rationales."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, choice_at, objects, said, text_of, texts_of
from vistune.data.sources.pictures import coco_image

DIFFICULT = "difficult direct answer"
"""Part of questions that are too open for direct answers to be scored."""


class AOKVQA(Source):
    """The release's files, for both of its tasks.

    Multiple choice: ``choices``, ``candidates`` and the right one as ``target``. Direct answer: ``answers``, which are
    also what to score free answers against. ``parts``: `DIFFICULT` or nothing.
    """

    info = SetInfo(
        name="aokvqa",
        title="A-OKVQA",
        group="knowledge_vqa",
        role="held-in",
        splits={"train": 17_056, "val": 1_145, "test": 6_702},  # Schwenk et al. 2022, table 1
        unlabelled=frozenset({"test"}),
        metric="accuracy of choices, VQA accuracy of direct answers",
        licence="Apache-2.0",
        url="https://github.com/allenai/aokvqa",
        folder="aokvqa",
        annotations={split: ((f"aokvqa_v1p0_{split}.json",),) for split in ("train", "val", "test")},
        images=("coco/train2017", "coco/val2017", "coco/test2017"),
        train_split="train",
        eval_split="val",
        candidates="the question's four choices",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions."""
        (path,) = self.paths(files, split)
        return objects(read_json_array(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        choices = texts_of(record, "choices")
        labelled = split not in self.info.unlabelled
        # The README's own example leaves them out; a row of the release has ten.
        direct = texts_of(record, "direct_answers") if labelled and record.get("direct_answers") is not None else ()
        rationales = texts_of(record, "rationales") if record.get("rationales") else ()
        yield Example(
            field_of(record, "question_id", str),
            self.info.name,
            target=choice_at(choices, field_of(record, "correct_choice_idx")) if labelled else None,
            images=(coco_image(files, field_of(record, "image_id"), f"{split}2017"),),
            candidates=choices,
            question=text_of(record, "question"),
            choices=choices,
            rationale=rationales[0] if rationales else "",
            answers=said(direct) if direct else (),
            source_ids=(f"coco:{record['image_id']}",),
            parts=(DIFFICULT,) if record.get("difficult_direct_answer") is True else (),
        )
