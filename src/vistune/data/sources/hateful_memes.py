"""Hateful Memes: is a picture with words on it hateful?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_jsonl
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of


class HatefulMemes(Source):
    """The challenge's jsonl files. ``context`` is the text on the meme; "val" is dev_seen, once called dev."""

    info = SetInfo(
        name="hateful_memes",
        title="Hateful Memes",
        group="classification",
        role="held-out",
        # Kiela et al. 2020, section 3.4 (8,500 + 500 + 1,000), and the second phase of the challenge (540, 2,000)
        splits={"train": 8_500, "val": 500, "test": 1_000, "dev_unseen": 540, "test_unseen": 2_000},
        metric="ROC AUC",
        licence="Hateful Memes dataset licence (research use)",
        url="https://hatefulmemeschallenge.com",
        folder="hateful_memes",
        annotations={
            "train": (("train.jsonl",),),
            "val": (("dev_seen.jsonl", "dev.jsonl"),),
            "test": (("test_seen.jsonl", "test.jsonl"),),
            "dev_unseen": (("dev_unseen.jsonl",),),
            "test_unseen": (("test_unseen.jsonl",),),
        },
        images=("hateful_memes/img",),
        train_split="train",
        eval_split="val",
        candidates="yes, no",
        verbalizers={"yes": ("yes", "true"), "no": ("no", "false")},
    )

    def records(self, files: Files, split: str) -> Rows:
        """Memes."""
        (path,) = self.paths(files, split)
        return objects(read_jsonl(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One meme."""
        label = record.get("label")
        # The first release's test.jsonl has no labels.
        if label not in (0, 1) and not (label is None and split.startswith("test")):
            raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the label is {label!r}, expected 0 or 1.")
        yield Example(
            str(field_of(record, "id", int, str)),
            self.info.name,
            target=None if label is None else "yes" if label else "no",
            images=(files.image(text_of(record, "img"), self.info.folder),),
            candidates=("yes", "no"),
            context=text_of(record, "text"),
        )
