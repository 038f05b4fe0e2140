"""NoCaps: captions of things that COCO's captions have no words for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vistune.data.bad_rows import BadRow, Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.captions import captioned
from vistune.data.sources.pictures import first_image


class NoCaps(Source):
    """The release's files in COCO's form: pictures, and ten captions each of the validation split.

    The domain (in-domain, near-domain, out-domain), which the validation file tells, stands in ``parts``.
    """

    info = SetInfo(
        name="nocaps",
        title="NoCaps",
        group="caption",
        role="held-out",
        splits={"val": 4_500, "test": 10_600},  # 15,100 pictures, Agrawal et al. 2019, section 3
        unlabelled=frozenset({"test"}),
        metric="CIDEr",
        licence="CC BY 2.0",
        url="https://nocaps.org/download",
        folder="nocaps",
        annotations={
            "val": (("nocaps_val_4500_captions.json", "annotations/nocaps_val_4500_captions.json"),),
            "test": (("nocaps_test_image_info.json", "annotations/nocaps_test_image_info.json"),),
        },
        images=("nocaps/val", "nocaps/test", "nocaps/images"),
        eval_split="val",
        mirror_safe=True,
    )

    def records(self, files: Files, split: str) -> Rows:
        """Pictures with their captions."""
        (path,) = self.paths(files, split)
        captions: dict[Any, list[str]] = {}
        if split not in self.info.unlabelled:
            for _, record in read_json_array(path, "annotations"):
                if not isinstance(record, BadRow) and isinstance(record.get("caption"), str):
                    captions.setdefault(record.get("image_id"), []).append(record["caption"].strip())
        return objects(
            read_json_array(path, "images"),
            lambda record: {**record, "captions": tuple(captions.get(field_of(record, "id"), ()))},
        )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """A picture and its captions."""
        name = text_of(record, "file_name")
        image = first_image(files, ((f"nocaps/{folder}", name) for folder in (split, "images")))
        domain = (record["domain"],) if isinstance(record.get("domain"), str) else ()
        number, key = str(record["id"]), (f"openimages:{record.get('open_images_id') or name.partition('.')[0]}",)
        if split in self.info.unlabelled:
            yield Example(number, self.info.name, images=(image,), source_ids=key, parts=domain)
            return
        for example in captioned(self.info.name, number, image, record["captions"], key, each_alone=False):
            yield replace(example, parts=domain)
