"""MMBench: multiple-choice questions that count only if they are right in every order of their choices."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

from vistune.data.archives import ImageBytes
from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_csv
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of

LETTERS = "ABCD"
ROUND = 1_000_000
"""Rows of one question in other orders of its choices have its index plus a multiple of this (the release's way)."""

_NAMES = {
    "dev": (
        "mmbench_dev_20230712.tsv",
        "mmbench_dev_en_20231003.tsv",
        "MMBench_DEV_EN_legacy.tsv",
        "MMBench_DEV_EN.tsv",
    ),
    "dev_cn": ("mmbench_dev_cn_20231003.tsv", "MMBench_DEV_CN_legacy.tsv", "MMBench_DEV_CN.tsv"),
    "test": (
        "mmbench_test_20230712.tsv",
        "mmbench_test_en_20231003.tsv",
        "MMBench_TEST_EN_legacy.tsv",
        "MMBench_TEST_EN.tsv",
    ),
}
# Longer digits are a picture; none is as short.
_LONGEST_INDEX = 12
# An empty cell, as the release's files have been written.
_EMPTY = ("", "nan", "none")


class MMBench(Source):
    """The release's tsv files, pictures in them as base64, or the index of the row that has the picture.

    ``id`` is the index, ``parts`` the kind of question and the group of it, ``context`` the hint. Files have a row for
    each order of the choices.
    """

    info = SetInfo(
        name="mmbench",
        title="MMBench",
        group="knowledge_vqa",
        splits={"dev": 4_377, "dev_cn": 4_329, "test": 6_718},  # rows, all orders of the choices counted
        rounded=frozenset({"dev", "dev_cn", "test"}),
        unlabelled=frozenset({"test"}),
        metric="accuracy over circular rounds",
        licence="Apache-2.0",
        url="https://github.com/open-compass/MMBench",
        folder="mmbench",
        annotations={split: (names,) for split, names in _NAMES.items()},
        eval_split="dev",
        candidates="the question's choices",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions, with the picture of the row that they name."""
        (path,) = self.paths(files, split)
        pictures: dict[str, str] = {}

        def with_picture(record: Any) -> dict[str, Any]:
            index, cell = text_of(record, "index"), text_of(record, "image")
            if cell.isdecimal() and len(cell) <= _LONGEST_INDEX:
                if cell not in pictures:
                    raise BadRow(Reason.MISSING_IMAGE, f"row {index} takes the picture of row {cell}, which has none.")
                return {**record, "picture": cell, "image": pictures[cell]}
            # All rounds of a question go by one name, so that its picture is encoded once.
            first = str(int(index) % ROUND) if index.isdecimal() else index
            name = first if pictures.get(first) == cell else index
            pictures[name] = cell
            return {**record, "picture": name, "image": cell}

        return objects(read_csv(path, "\t"), with_picture)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question in one order of its choices."""
        choices = tuple(text for letter in LETTERS if (text := _cell(record, letter)))
        if len(choices) < 2:
            raise BadRow(Reason.MISSING_FIELD, f"the question has {len(choices)} choices, expected at least two.")
        letter = _cell(record, "answer")
        labelled = split not in self.info.unlabelled and "answer" in record
        if labelled and (len(letter) != 1 or letter not in ascii_uppercase[: len(choices)]):
            raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the answer is {letter!r}, expected A to {LETTERS[-1]}.")
        category, group = _cell(record, "category"), _cell(record, "l2-category")
        yield Example(
            text_of(record, "index"),
            self.info.name,
            target=choices[LETTERS.index(letter)] if labelled else None,
            images=(_picture(record),),
            candidates=choices,
            question=text_of(record, "question"),
            context=_cell(record, "hint"),
            choices=choices,
            parts=tuple(part for part in (category, group) if part),
        )


def _cell(record: Any, name: str) -> str:
    value = str(record.get(name) or "").strip()
    return "" if value.lower() in _EMPTY else value


def _picture(record: Any) -> ImageBytes:
    try:
        return ImageBytes(f"picture of row {record['picture']}", base64.b64decode(record["image"], validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRow(Reason.BROKEN_IMAGE, f"the picture is no base64 ({error}).") from error
