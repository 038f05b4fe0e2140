"""VQAv2: questions about COCO pictures with the answers of ten people each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.sources.base import Rows, SetInfo, Source, text_of
from vistune.data.sources.pictures import coco_image
from vistune.data.sources.vqa_files import vqa_records

FOLDERS = {"train": "train2014", "val": "val2014", "test": "test2015", "test-dev": "test2015"}
_FILES = {
    "train": ("v2_OpenEnded_mscoco_train2014_questions.json", "v2_mscoco_train2014_annotations.json"),
    "val": ("v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json"),
    "test": ("v2_OpenEnded_mscoco_test2015_questions.json",),
    "test-dev": ("v2_OpenEnded_mscoco_test-dev2015_questions.json",),
}


class VQAv2(Source):
    """The release's question and annotation files, as they are unpacked."""

    info = SetInfo(
        name="vqav2",
        title="VQAv2",
        group="vqa",
        role="held-in",
        # visualqa.org/download, balanced real images
        splits={"train": 443_757, "val": 214_354, "test": 447_793, "test-dev": 107_394},
        unlabelled=frozenset({"test", "test-dev"}),
        metric="VQA accuracy",
        licence="CC BY 4.0",
        url="https://visualqa.org/download.html",
        folder="vqav2",
        annotations={split: tuple((name,) for name in names) for split, names in _FILES.items()},
        images=("coco/train2014", "coco/val2014", "coco/test2015"),
        train_split="train",
        eval_split="val",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with their answers."""
        questions, *annotations = self.paths(files, split)
        return vqa_records(questions, annotations[0] if annotations else None)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        yield vqa_example(self.info.name, record, files, FOLDERS[split])


def vqa_example(task: str, record: Any, files: Files, folder: str) -> Example:
    """A question of a VQA release about a COCO picture.

    Raises:
        BadRow: a field or the picture is missing.
    """
    return Example(
        str(record["question_id"]),
        task,
        images=(coco_image(files, record["image_id"], folder),),
        question=text_of(record, "question"),
        answers=record["answers"],
        references=record["answers"],
        source_ids=(f"coco:{record['image_id']}",),
    )
