"""MSRVTT-QA: questions about 10,000 web video clips."""

from __future__ import annotations

from vistune.data.files import Files
from vistune.data.sources.videos import VideoQuestions, video_info

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

    def places(self, files: Files, number: int) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        """A clip by its number."""
        return [(folder, f"video{number}.mp4") for folder in _VIDEOS], (f"msrvtt:{number}",)
