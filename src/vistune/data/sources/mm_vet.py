"""MM-Vet: open questions that take several abilities at once, graded by a judge (Yu et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_object
from vistune.data.sources.base import Rows, SetInfo, Source, named_objects, text_of, texts_of


class MMVet(Source):
    """The release's mm-vet.json. ``parts``: the abilities; the reference may give several answers with <OR>, <AND>."""

    info = SetInfo(
        name="mm_vet",
        title="MM-Vet",
        group="vqa",
        splits={"test": 218},
        metric="score of a judge",
        licence="Apache-2.0",
        url="https://github.com/yuweihao/MM-Vet",
        folder="mm-vet",
        annotations={"test": (("mm-vet.json",),)},
        images=("mm-vet/images",),
        eval_split="test",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with their names, v1_0 and so on."""
        (path,) = self.paths(files, split)
        return named_objects(read_json_object(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        name = text_of(record, "imagename")
        yield Example(
            record["name"],
            self.info.name,
            target=text_of(record, "answer"),
            images=(files.image(name, "mm-vet/images"),),
            question=text_of(record, "question"),
            parts=texts_of(record, "capability"),
        )
