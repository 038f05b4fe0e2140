"""VizWiz-VQA: what blind people asked about their own photographs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.pictures import first_image
from vistune.data.sources.vqa_files import answers_in


class VizWiz(Source):
    """The release's train.json, val.json and test.json, one question a picture."""

    info = SetInfo(
        name="vizwiz",
        title="VizWiz-VQA",
        group="vqa",
        role="held-out",
        splits={"train": 20_523, "val": 4_319, "test": 8_000},  # vizwiz.org/tasks-and-datasets/vqa, 2020 version
        unlabelled=frozenset({"test"}),
        metric="VQA accuracy",
        licence="CC BY 4.0",
        url="https://vizwiz.org/tasks-and-datasets/vqa",
        folder="vizwiz",
        annotations={
            split: ((f"{split}.json", f"Annotations/{split}.json", f"annotations/{split}.json"),)
            for split in ("train", "val", "test")
        },
        images=("vizwiz/train", "vizwiz/val", "vizwiz/test", "vizwiz/images"),
        train_split="train",
        eval_split="test",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions."""
        (path,) = self.paths(files, split)
        return objects(read_json_array(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        name = text_of(record, "image")
        answers = () if split in self.info.unlabelled else answers_in(record)
        yield Example(
            name.rpartition(".")[0] or name,
            self.info.name,
            images=(first_image(files, ((f"vizwiz/{folder}", name) for folder in (split, "images"))),),
            question=text_of(record, "question"),
            answers=answers,
            references=answers,
        )
