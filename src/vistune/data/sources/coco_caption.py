"""COCO Caption in Karpathy's split: what BLIP-2 and InstructBLIP train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from vistune.data.bad_rows import Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, matching, objects, text_of, texts_of
from vistune.data.sources.captions import captioned
from vistune.data.sources.pictures import coco_id, coco_image

# "restval" pictures train too, as everywhere since Karpathy's split.
_SPLITS = {"train": ("train", "restval"), "val": ("val",), "test": ("test",)}


class CocoCaption(Source):
    """Karpathy's dataset_coco.json, or the files that LAVIS made of it (coco_karpathy_train.json, ...).

    Training has one Example per caption, as LAVIS counts; the other splits one per picture with all its captions.
    """

    info = SetInfo(
        name="coco_caption",
        title="COCO Caption",
        group="caption",
        role="held-in",
        # LAVIS's docs: 566747 captions, those of 113,287 pictures; 5,000 pictures each to measure on
        splits={"train": 566_747, "val": 5_000, "test": 5_000},
        metric="CIDEr",
        licence="CC BY 4.0",
        url="https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip, https://cocodataset.org",
        folder="coco",
        annotations={
            split: (
                (
                    "dataset_coco.json",
                    "annotations/dataset_coco.json",
                    f"coco_karpathy_{split}.json",
                    f"annotations/coco_karpathy_{split}.json",
                ),
            )
            for split in _SPLITS
        },
        images=("coco/train2014", "coco/val2014"),
        train_split="train",
        eval_split="test",
        mirror_safe=True,
    )

    def records(self, files: Files, split: str) -> Rows:
        """Pictures with their captions; of LAVIS's training file, captions with their picture."""
        (path,) = self.paths(files, split)
        if path.name != "dataset_coco.json":
            return objects(read_json_array(path))
        return matching(objects(read_json_array(path, "images")), lambda record: record.get("split") in _SPLITS[split])

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """Captions of one picture."""
        whole = "sentences" in record or isinstance(record.get("caption"), list)
        if "sentences" in record:
            name = text_of(record, "filename")
            captions = tuple(text_of(sentence, "raw") for sentence in field_of(record, "sentences", list))
        else:
            name = text_of(record, "image")
            captions = texts_of(record, "caption") if whole else (text_of(record, "caption"),)
        number = coco_id(name)
        folder = "train2014" if "train2014" in PurePosixPath(name).name else "val2014"
        image = coco_image(files, number, folder)
        yield from captioned(
            self.info.name,
            str(number) if whole else f"{number}-{place.index}",
            image,
            captions,
            (f"coco:{number}",),
            each_alone=split == "train" and whole,
        )
