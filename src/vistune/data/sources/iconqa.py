"""IconQA: questions about abstract diagrams, the part with choices in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json
from vistune.data.sources.base import Rows, SetInfo, Source, choice_at, text_of, texts_of
from vistune.errors import DataError


class IconQA(Source):
    """The folders of the release, one a question: iconqa/test/choose_txt/ID with data.json and image.png."""

    info = SetInfo(
        name="iconqa",
        title="IconQA",
        group="visual_reasoning",
        role="held-out",
        splits={"train": 18_946, "val": 6_316, "test": 6_316},  # iconqa.github.io, multi-text-choice
        metric="accuracy",
        licence="CC BY-NC-SA 4.0",
        url="https://iconqa.github.io",
        folder="iconqa",
        annotations={
            split: (
                (
                    f"{split}/choose_txt",
                    f"iconqa/{split}/choose_txt",
                    f"iconqa_data/iconqa/{split}/choose_txt",
                ),
            )
            for split in ("train", "val", "test")
        },
        images=(),
        train_split="train",
        eval_split="test",
        candidates="the question's choices",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions in the order of their numbers."""
        (folder,) = self.paths(files, split)
        names = sorted((path.name for path in folder.iterdir() if path.is_dir()), key=lambda name: (len(name), name))
        for index, name in enumerate(names):
            place = Place(f"{name}/data.json", index=index)
            try:
                record = read_json(folder / name / "data.json")
            except DataError as error:
                yield place, BadRow(Reason.BAD_JSON, str(error), place)
                continue
            where = (folder / name).relative_to(files.root).as_posix()
            yield place, {**record, "name": name, "folder": where} if isinstance(record, dict) else record

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        choices = texts_of(record, "choices")
        yield Example(
            record["name"],
            self.info.name,
            target=choice_at(choices, field_of(record, "answer")),
            images=(files.image("image.png", record["folder"]),),
            candidates=choices,
            question=text_of(record, "question"),
            choices=choices,
        )
