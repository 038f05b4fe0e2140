"""GQA: compositional questions about Visual Genome pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_object
from vistune.data.sources.base import Rows, SetInfo, Source, named_objects, text_of

_SPLITS = ("train", "val", "testdev", "test")


class GQA(Source):
    """The balanced questions of release 1.2, an object of records by question."""

    info = SetInfo(
        name="gqa",
        title="GQA",
        group="visual_reasoning",
        role="held-out",
        # cs.stanford.edu/people/dorarad/gqa/download.html, balanced questions
        splits={"train": 943_000, "val": 132_062, "testdev": 12_578, "test": 95_336},
        unlabelled=frozenset({"test"}),
        metric="accuracy",
        licence="CC BY 4.0",
        url="https://cs.stanford.edu/people/dorarad/gqa/download.html",
        folder="gqa",
        annotations={
            split: (
                (
                    f"questions1.2/{split}_balanced_questions.json",
                    f"{split}_balanced_questions.json",
                    f"questions/{split}_balanced_questions.json",
                ),
            )
            for split in _SPLITS
        },
        images=("gqa/images",),
        train_split="train",
        eval_split="testdev",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with their names."""
        (path,) = self.paths(files, split)
        return named_objects(read_json_object(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        picture = text_of(record, "imageId")
        yield Example(
            record["name"],
            self.info.name,
            target=None if split in self.info.unlabelled else text_of(record, "answer"),
            images=(files.image(f"{picture}.jpg", "gqa/images"),),
            question=text_of(record, "question"),
            parts=_types(record),
            # Numbers are Visual Genome's; pictures named n... were added from Flickr for the test splits.
            source_ids=(f"vg:{picture}" if picture.isdigit() else f"gqa:{picture}",),
        )


def _types(record: Any) -> tuple[str, ...]:
    """What is asked for and about, by which GQA's evaluator tells its accuracy apart: ("query", "attr")."""
    types = record.get("types")
    found = [types.get(name) for name in ("structural", "semantic")] if isinstance(types, dict) else []
    return tuple(name for name in found if isinstance(name, str))
