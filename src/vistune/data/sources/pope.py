"""POPE: is an object in a COCO picture or not, asked of random, popular and adversarial objects (Li et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_jsonl
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.pictures import coco_id, coco_image

CATEGORIES = ("random", "popular", "adversarial")
"""How the objects that are not there were chosen; a file each."""


class POPE(Source):
    """The three files on COCO. The category stands in ``parts``, and before the number in ``id``."""

    info = SetInfo(
        name="pope",
        title="POPE",
        group="vqa",
        # AoiDragon/POPE, output/coco: 3,000 rows a file; LLaVA's copy has 2,910 random ones
        splits={"test": 9_000},
        rounded=frozenset({"test"}),
        metric="F1",
        licence="MIT",
        url="https://github.com/AoiDragon/POPE",
        folder="pope",
        annotations={
            "test": tuple(
                tuple(f"{folder}coco_pope_{category}.json" for folder in ("", "coco/", "output/coco/"))
                for category in CATEGORIES
            )
        },
        images=("coco/val2014",),
        eval_split="test",
        candidates="yes, no",
        verbalizers={"yes": ("yes",), "no": ("no",)},
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions of all categories, with their category."""
        for category, path in zip(CATEGORIES, self.paths(files, split), strict=True):
            yield from objects(read_jsonl(path), lambda record, name=category: {**record, "category": name})  # type: ignore[misc]

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        label = text_of(record, "label").lower()
        if label not in ("yes", "no"):
            raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the label is {label!r}, expected 'yes' or 'no'.")
        number = coco_id(text_of(record, "image"))
        yield Example(
            f"{record['category']}-{field_of(record, 'question_id', int, str)}",
            self.info.name,
            target=label,
            images=(coco_image(files, number, "val2014"),),
            candidates=("yes", "no"),
            question=text_of(record, "text"),
            source_ids=(f"coco:{number}",),
            parts=(record["category"],),
        )
