"""Flickr30K in Karpathy's split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, matching, objects, text_of
from vistune.data.sources.captions import captioned
from vistune.data.sources.pictures import first_image

_IMAGES = ("flickr30k/flickr30k-images", "flickr30k/flickr30k_images", "flickr30k/images")


class Flickr30K(Source):
    """Karpathy's dataset_flickr30k.json: five captions a picture. Training has one Example per caption."""

    info = SetInfo(
        name="flickr30k",
        title="Flickr30K",
        group="caption",
        role="held-out",
        # 29,000 + 1,014 + 1,000 pictures with five captions each, Karpathy and Fei-Fei 2015, section 4
        splits={"train": 145_000, "val": 1_014, "test": 1_000},
        metric="CIDEr",
        licence="research use (pictures: Flickr terms)",
        url="https://shannon.cs.illinois.edu/DenotationGraph, "
        "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
        folder="flickr30k",
        annotations=dict.fromkeys(
            ("train", "val", "test"), (("dataset_flickr30k.json", "annotations/dataset_flickr30k.json"),)
        ),
        images=_IMAGES,
        train_split="train",
        eval_split="test",
        mirror_safe=True,
    )

    def records(self, files: Files, split: str) -> Rows:
        """Pictures of the split with their captions."""
        (path,) = self.paths(files, split)
        return matching(objects(read_json_array(path, "images")), lambda record: record.get("split") == split)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """Captions of one picture."""
        name = text_of(record, "filename")
        captions = tuple(text_of(sentence, "raw") for sentence in field_of(record, "sentences", list))
        image = first_image(files, ((folder, name) for folder in _IMAGES))
        key = name.partition(".")[0]
        yield from captioned(
            self.info.name, key, image, captions, (f"flickr:{key}",), each_alone=split == self.info.train_split
        )
