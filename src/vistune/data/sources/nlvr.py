"""NLVR and NLVR2: is what a sentence says of a picture, or of two photographs, true?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_jsonl
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.pictures import first_image

# Each drawing comes in six orders of its boxes; the first is taken.
_ORDER = 0
_VERDICTS = {"true": ("true", "yes"), "false": ("false", "no")}


class _Statements(Source):
    def records(self, files: Files, split: str) -> Rows:
        """Statements."""
        (path,) = self.paths(files, split)
        return objects(read_jsonl(path))


class NLVR(_Statements):
    """NLVR's lines {identifier, sentence, label, directory}: drawings SPLIT/images/DIRECTORY/SPLIT-IDENTIFIER-0.png.

    The statement stands as ``question``. Identifiers are SENTENCE-DRAWING: up to four drawings share a sentence.
    """

    info = SetInfo(
        name="nlvr",
        title="NLVR",
        group="visual_reasoning",
        templates="statement",
        splits={"train": 12_410, "dev": 989, "test": 990},  # rows of lil-lab/nlvr; one order of boxes each
        metric="accuracy",
        licence="CC BY 4.0",
        url="https://github.com/lil-lab/nlvr",
        folder="nlvr",
        annotations={
            split: ((f"{split}.jsonl", f"{split}.json", f"{split}/{split}.json", f"nlvr/{split}/{split}.json"),)
            for split in ("train", "dev", "test")
        },
        images=(),
        train_split="train",
        eval_split="test",
        candidates="true, false",
        verbalizers=_VERDICTS,
    )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One statement about one drawing."""
        key = text_of(record, "identifier")
        name = f"{split}-{key}-{_ORDER}.png"
        base = self.info.folder
        options = [(base, text_of(record, "image"))] if record.get("image") else []
        if record.get("directory") is not None:
            folders = (f"{split}/images", f"nlvr/{split}/images", f"images/{split}")
            options += [(f"{base}/{folder}/{record['directory']}", name) for folder in folders]
        options.append((f"{base}/images/{split}", name))
        yield Example(
            key,
            self.info.name,
            target=verdict(record),
            images=(first_image(files, options),),
            candidates=("true", "false"),
            question=text_of(record, "sentence"),
        )


class NLVR2(_Statements):
    """NLVR2's lines {identifier, sentence, label} about two photographs, SPLIT-SET-PAIR-img0.png and -img1.png.

    Identifiers are SPLIT-SET-PAIR-SENTENCE: up to four pairs share a sentence.
    """

    info = SetInfo(
        name="nlvr2",
        title="NLVR2",
        group="visual_reasoning",
        templates="statement",
        splits={"train": 86_373, "dev": 6_982, "test1": 6_967},  # Suhr et al. 2019, table 2
        metric="accuracy",
        licence="CC BY 4.0 (pictures: terms of their own)",
        url="https://github.com/lil-lab/nlvr",
        folder="nlvr2",
        annotations={
            split: ((f"{split}.json", f"data/{split}.json", f"{split}.jsonl"),) for split in ("train", "dev", "test1")
        },
        images=("nlvr2/images", "nlvr2/dev", "nlvr2/test1"),
        train_split="train",
        eval_split="test1",
        candidates="true, false",
        verbalizers=_VERDICTS,
    )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One statement about two photographs."""
        key = text_of(record, "identifier")
        stem = key.rpartition("-")[0]
        folders = [f"nlvr2/{folder}" for folder in (split, f"images/{split}", "images")]
        if record.get("directory") is not None:
            folders.insert(0, f"nlvr2/images/{split}/{record['directory']}")
        pair = tuple(first_image(files, ((folder, f"{stem}-img{side}.png") for folder in folders)) for side in (0, 1))
        yield Example(
            key,
            self.info.name,
            target=verdict(record),
            images=pair,
            candidates=("true", "false"),
            question=text_of(record, "sentence"),
        )


def verdict(record: Any) -> str:
    """The label as "true" or "false", which NLVR2 writes with a capital.

    Raises:
        BadRow: it is neither.
    """
    label = text_of(record, "label").lower()
    if label not in _VERDICTS:
        raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the label is {label!r}, expected 'true' or 'false'.")
    return label
