"""TextVQA: questions about the text in pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, beside, objects, said, text_of, texts_of
from vistune.data.sources.ocr_tokens import read_ocr

_ROSETTA = "TextVQA_Rosetta_OCR_v0.2_{}.json"


class TextVQA(Source):
    """The release's TextVQA_0.5.1_*.json, with the OCR tokens of its Rosetta files where they are."""

    info = SetInfo(
        name="textvqa",
        title="TextVQA",
        group="ocr_vqa",
        role="held-out",
        splits={"train": 34_602, "val": 5_000, "test": 5_734},  # textvqa.org/dataset
        unlabelled=frozenset({"test"}),
        metric="VQA accuracy",
        licence="CC BY 4.0",
        url="https://textvqa.org/dataset",
        folder="textvqa",
        annotations={split: ((f"TextVQA_0.5.1_{split}.json",),) for split in ("train", "val", "test")},
        optional=tuple(_ROSETTA.format(split) for split in ("train", "val", "test")),
        # Pictures of the validation split are in the training folder.
        images=("textvqa/train_images", "textvqa/test_images"),
        train_split="train",
        eval_split="val",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with the picture's OCR tokens."""
        (path,) = self.paths(files, split)
        ocr = read_ocr(beside(files, _ROSETTA.format(split)))
        return objects(
            read_json_array(path, "data"),
            lambda record: {**record, "ocr_tokens": ocr.get(field_of(record, "image_id", str), ())},
        )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        key = record["image_id"]
        answers = () if split in self.info.unlabelled else said(texts_of(record, "answers"))
        yield Example(
            str(field_of(record, "question_id", int, str)),
            self.info.name,
            images=(files.image(f"{key}.jpg", f"textvqa/{'test' if split == 'test' else 'train'}_images"),),
            question=text_of(record, "question"),
            ocr_tokens=record["ocr_tokens"],
            answers=answers,
            references=answers,
            source_ids=(f"openimages:{key}",),
        )
