"""OK-VQA: questions about COCO pictures that need knowledge from outside of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.sources.base import Rows, SetInfo, Source
from vistune.data.sources.vqa_files import vqa_records
from vistune.data.sources.vqav2 import vqa_example


class OKVQA(Source):
    """The release's two files a split. Answers are its stemmed "answer", as LAVIS takes them, not "raw_answer"."""

    info = SetInfo(
        name="okvqa",
        title="OKVQA",
        group="knowledge_vqa",
        role="held-in",
        splits={"train": 9_009, "val": 5_046},  # okvqa.allenai.org/download
        metric="VQA accuracy",
        licence="CC BY 4.0",
        url="https://okvqa.allenai.org/download.html",
        folder="okvqa",
        annotations={
            split: (
                (f"OpenEnded_mscoco_{split}2014_questions.json",),
                (f"mscoco_{split}2014_annotations.json",),
            )
            for split in ("train", "val")
        },
        images=("coco/train2014", "coco/val2014"),
        train_split="train",
        eval_split="val",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with their answers."""
        questions, annotations = self.paths(files, split)
        return vqa_records(questions, annotations)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        yield vqa_example(self.info.name, record, files, f"{split}2014")
