"""COCO's objects: which of its 80 kinds a picture shows, for telling what a description makes up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, objects
from vistune.data.sources.pictures import coco_image


class CocoObjects(Source):
    """COCO's instances_val2014.json: a picture, and in ``references`` the names of the objects in it."""

    info = SetInfo(
        name="coco_objects",
        title="COCO objects",
        group="caption",
        splits={"val": 40_504},
        metric="objects that are not there",
        licence="CC BY 4.0",
        url="https://cocodataset.org/#download",
        folder="coco",
        annotations={"val": (("annotations/instances_val2014.json", "instances_val2014.json"),)},
        images=("coco/val2014",),
        eval_split="val",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Pictures with the names of their objects."""
        (path,) = self.paths(files, split)
        names = {
            field_of(record, "id", int): field_of(record, "name", str)
            for _, record in read_json_array(path, "categories")
        }
        found: dict[int, set[str]] = {}
        for _, record in read_json_array(path, "annotations"):
            if isinstance(record, dict) and record.get("category_id") in names:
                found.setdefault(field_of(record, "image_id", int), set()).add(names[record["category_id"]])
        return objects(
            read_json_array(path, "images"),
            lambda record: {**record, "objects": sorted(found.get(field_of(record, "id", int), ()))},
        )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One picture."""
        number = field_of(record, "id", int)
        yield Example(
            str(number),
            self.info.name,
            images=(coco_image(files, number, "val2014"),),
            references=tuple(record["objects"]),
            source_ids=(f"coco:{number}",),
        )
