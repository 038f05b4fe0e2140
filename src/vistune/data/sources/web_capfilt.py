"""Web CapFilt: 14 million pictures of the web with the captions that BLIP wrote for them and kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array, read_parquet
from vistune.data.sources.base import Rows, SetInfo, Source, matching, objects, text_of
from vistune.data.sources.captions import captioned


class WebCapFilt(Source):
    """Captions and pictures as they come from the web, in one of two forms.

    ``shards/``: what img2dataset makes of BLIP's list of links (``--output_format webdataset``): 00000.parquet beside
    00000.tar, ...; links that gave no picture are passed over, as the shards hold nothing of them.
    ``captions.json`` or BLIP's file name: a list of {"image": path in images/, "caption"}; a row without "image" is
    bad, as nothing tells where the picture of a link was put.
    """

    info = SetInfo(
        name="web_capfilt",
        title="Web CapFilt",
        group="caption",
        role="held-in",
        splits={"train": 14_000_000},  # InstructBLIP appendix C; fewer of the links still work every year
        rounded=frozenset({"train"}),
        licence="BSD-3-Clause (captions)",
        url="https://github.com/salesforce/BLIP#pre-training-datasets-download",
        folder="web_capfilt",
        annotations={"train": (("shards", "captions.json", "ccs_synthetic_filtered_large.json"),)},
        images=("web_capfilt/images",),
        train_split="train",
        mirror_safe=True,
    )

    def records(self, files: Files, split: str) -> Rows:
        """Captions in the order of the shards or of the list."""
        (path,) = self.paths(files, split)
        if not path.is_dir():
            return objects(read_json_array(path))
        return matching(objects(read_parquet(path)), lambda record: record.get("status", "success") == "success")

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One caption."""
        caption = text_of(record, "caption")
        if "key" in record:
            key = text_of(record, "key")
            shard = place.file.removesuffix(".parquet")
            image = files.image(f"{key}.jpg", f"{self.info.folder}/shards/{shard}")
        elif "image" in record:
            key = str(place.index)
            image = files.image(text_of(record, "image"), f"{self.info.folder}/images")
        else:
            raise BadRow(
                Reason.MISSING_FIELD,
                "there is no 'image' beside 'url' and 'caption'; fetch the pictures with img2dataset into shards/.",
            )
        yield from captioned(self.info.name, key, image, (caption,), (), each_alone=False)
