"""VSR: is what is said about the place of two things in a picture true?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_jsonl
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.pictures import coco_id, first_image

_FOLDERS = ("", "zeroshot/", "splits/zeroshot/", "data/splits/zeroshot/")
_SPLITS = {"train": 3_489, "dev": 340, "test": 1_222}


class VSR(Source):
    """The zero-shot split of the repository's jsonl files; the statement stands as ``question``."""

    info = SetInfo(
        name="vsr",
        title="VSR",
        group="visual_reasoning",
        templates="statement",
        role="held-out",
        splits=_SPLITS,  # cambridgeltl/vsr_zeroshot, dataset card
        metric="accuracy",
        licence="Apache-2.0",
        url="https://github.com/cambridgeltl/visual-spatial-reasoning",
        folder="vsr",
        annotations={split: (tuple(f"{folder}{split}.jsonl" for folder in _FOLDERS),) for split in _SPLITS},
        images=("vsr/images", "coco/train2017", "coco/val2017"),
        train_split="train",
        eval_split="test",
        candidates="true, false",
        verbalizers={"true": ("yes", "true"), "false": ("no", "false")},
    )

    def records(self, files: Files, split: str) -> Rows:
        """Statements."""
        (path,) = self.paths(files, split)
        return objects(read_jsonl(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One statement."""
        name = text_of(record, "image")
        number = coco_id(name)
        label = field_of(record, "label")
        if label not in (0, 1):
            raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the label is {label!r}, expected 0 or 1.")
        folders = ("vsr/images", "coco/train2017", "coco/val2017")
        options = [(folder, name) for folder in folders]
        options += [(f"coco/{part}", f"COCO_{part}_{number:012d}.jpg") for part in ("train2014", "val2014")]
        yield Example(
            f"{split}-{place.index}",
            self.info.name,
            target="true" if label == 1 else "false",
            images=(first_image(files, options),),
            candidates=("true", "false"),
            question=text_of(record, "caption"),
            parts=tuple(name for name in (record.get("relation"),) if isinstance(name, str) and name),
            source_ids=(f"coco:{number}",),
        )
