"""TextCaps: captions that read the text in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, beside, objects, text_of, texts_of
from vistune.data.sources.ocr_tokens import read_ocr
from vistune.data.sources.pictures import first_image

_ROSETTA = "TextVQA_Rosetta_OCR_v0.2_{}.json"


class TextCaps(Source):
    """The release's TextCaps_0.1_*.json, a row per caption; pictures and OCR tokens are TextVQA's and may stand there.

    Training has one Example per caption, the other splits one per picture with all its captions.
    """

    info = SetInfo(
        name="textcaps",
        title="TextCaps",
        group="text_caption",
        role="held-in",
        # 21,953 training pictures with five captions each, 3,166 and 3,289 pictures: Sidorov et al. 2020, section 3
        splits={"train": 109_765, "val": 3_166, "test": 3_289},
        unlabelled=frozenset({"test"}),
        metric="CIDEr",
        licence="CC BY 4.0",
        url="https://textvqa.org/textcaps/dataset",
        folder="textcaps",
        annotations={split: ((f"TextCaps_0.1_{split}.json",),) for split in ("train", "val", "test")},
        optional=tuple(_ROSETTA.format(split) for split in ("train", "val", "test")),
        images=("textcaps/train_images", "textcaps/test_images", "textvqa/train_images", "textvqa/test_images"),
        train_split="train",
        eval_split="val",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Captions with the picture's OCR tokens; where not trained on, the first row of each picture only."""
        (path,) = self.paths(files, split)
        rosetta = _ROSETTA.format(split)
        ocr = read_ocr(beside(files, rosetta, f"../textvqa/{rosetta}"))
        known: set[str] = set()
        rows = objects(
            read_json_array(path, "data"),
            lambda record: {**record, "ocr_tokens": ocr.get(str(field_of(record, "image_id")), ())},
        )
        for place, record in rows:
            if isinstance(record, BadRow) or split == self.info.train_split:
                yield place, record
            elif record["image_id"] not in known:
                known.add(record["image_id"])
                yield place, record

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One caption, or one picture with all of them."""
        key = text_of(record, "image_id")
        part = "test_images" if split == "test" else "train_images"
        image = first_image(files, ((f"{folder}/{part}", f"{key}.jpg") for folder in ("textcaps", "textvqa")))
        common: dict[str, Any] = {
            "task": self.info.name,
            "images": (image,),
            "ocr_tokens": record["ocr_tokens"],
            "source_ids": (f"openimages:{key}",),
        }
        if split == self.info.train_split:
            number = field_of(record, "caption_id", int, str)
            yield Example(f"{key}-{number}", target=text_of(record, "caption_str"), **common)
        elif split in self.info.unlabelled:
            yield Example(key, **common)
        else:
            captions = texts_of(record, "reference_strs")
            yield Example(key, answers=captions, references=captions, **common)
