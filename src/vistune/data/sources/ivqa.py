"""iVQA: questions about pieces of how-to videos, answered by five people each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_csv
from vistune.data.sources.base import Rows, SetInfo, Source, objects, said, text_of
from vistune.data.sources.videos import video_of

_VIDEOS = ("ivqa/videos", "ivqa/video")
_SUFFIXES = ("mp4", "webm", "mkv")


class IVQA(Source):
    """The release's csv files. A video is the piece asked about: VIDEO_START_END.mp4, or VIDEO.mp4 cut already."""

    info = SetInfo(
        name="ivqa",
        title="iVQA",
        group="video_qa",
        role="held-out",
        splits={"train": 6_000, "val": 2_000, "test": 2_000},  # Yang et al. 2021, section 5
        rounded=frozenset({"train", "val", "test"}),
        metric="min(people who said it / 2, 1)",
        licence="Apache-2.0 (videos: YouTube terms)",
        url="https://github.com/antoyang/just-ask",
        folder="ivqa",
        annotations={split: ((f"{split}.csv",),) for split in ("train", "val", "test")},
        images=_VIDEOS,
        train_split="train",
        eval_split="test",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions."""
        (path,) = self.paths(files, split)
        return objects(read_csv(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        video = text_of(record, "video_id")
        row = f"{video}-{place.index}"
        start, end = (_seconds(record, name) for name in ("start", "end"))
        names = [f"{video}_{start}_{end}", video]
        places = [(folder, f"{name}.{suffix}") for folder in _VIDEOS for name in names for suffix in _SUFFIXES]
        answers = said(text_of(record, f"answer{number}") for number in range(1, 6))
        yield Example(
            row,
            self.info.name,
            images=(video_of(row, files, places),),
            question=text_of(record, "question"),
            answers=answers,
            references=answers,
            source_ids=(f"youtube:{video}",),
        )


def _seconds(record: Any, name: str) -> str:
    """A time as it stands in file names, whole seconds without a point; "" where there is none."""
    value = str(record.get(name) or "").strip()
    try:
        number = float(value) if value else 0.0
    except ValueError as error:
        raise BadRow(Reason.MISSING_FIELD, f"the field {name!r} is {value!r}, expected seconds.") from error
    return str(int(number)) if value and number.is_integer() else value
