"""MSRVTT-QA: questions about 10,000 web video clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vistune.data.files import Files
from vistune.data.sources.pictures import first_image
from vistune.data.sources.videos import VideoQuestions, frames_of, video_info

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

_VIDEOS = (
    "msrvtt_qa/videos",
    "msrvtt_qa/video",
    "msrvtt_qa/TrainValVideo",
    "msrvtt_qa/TestVideo",
    "msrvtt_qa/videos/all",
)


class MSRVTTQA(VideoQuestions):
    """Questions by number of video, MSR-VTT's videos as video6513.mp4."""

    info = video_info(
        name="msrvtt_qa",
        title="MSRVTT-QA",
        # 243,680 pairs, Xu et al. 2017, table 1
        splits={"train": 158_581, "val": 12_278, "test": 72_821},
        url="https://github.com/xudejing/video-question-answering, "
        "https://www.microsoft.com/en-us/research/publication/msr-vtt-a-large-video-description-dataset",
        folder="msrvtt_qa",
        images=_VIDEOS,
    )

    def video(self, files: Files, number: int) -> tuple[ImageRef, tuple[str, ...]]:
        """A clip by its number."""
        found = first_image(files, ((folder, f"video{number}.mp4") for folder in _VIDEOS))
        return frames_of(found), (f"msrvtt:{number}",)
