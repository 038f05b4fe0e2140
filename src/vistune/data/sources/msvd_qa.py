"""MSVD-QA: questions about 1,970 short YouTube clips."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vistune.data.bad_rows import BadRow
from vistune.data.files import Files
from vistune.data.readers import read_lines
from vistune.data.sources.videos import VideoQuestions, video_info

_MAPPING = "youtube_mapping.txt"
_VIDEOS = ("msvd_qa/YouTubeClips", "msvd_qa/videos", "msvd_qa/video")


class MSVDQA(VideoQuestions):
    """Questions by number of video, clips by their YouTube name: youtube_mapping.txt joins them.

    Without that file the clips must be named by number (vid1201.avi), as some copies have them.

    2,423 answers are said to be ranked (github.com/salesforce/LAVIS/issues/333); Just Ask counts 1,852 different ones
    in the training split, so that list holds more than those. To rank it put it beside the questions as answers.txt.
    """

    num_ranked = 2_423

    info = video_info(
        name="msvd_qa",
        title="MSVD-QA",
        # 50,505 pairs, Xu et al. 2017, table 1
        splits={"train": 30_933, "val": 6_415, "test": 13_157},
        url="https://github.com/xudejing/video-question-answering, "
        "https://www.cs.utexas.edu/users/ml/clamp/videoDescription",
        folder="msvd_qa",
        images=_VIDEOS,
    )

    def places(self, files: Files, number: int) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        """A clip, by its YouTube name or by its number."""
        clip = _clips(files.folder / _MAPPING).get(f"vid{number}")
        names = [f"{name}.{suffix}" for name in (clip, f"vid{number}") if name for suffix in ("avi", "mp4")]
        # A name is the video's 11 signs and the seconds of the clip: -4wsuPCjDBc_5_15.
        return [(folder, name) for folder in _VIDEOS for name in names], (f"youtube:{clip[:11]}",) if clip else ()


@lru_cache(maxsize=8)
def _clips(path: Path) -> dict[str, str]:
    """Names of clips by "vid" and number, from lines "-4wsuPCjDBc_5_15 vid1"; none if there is no such file."""
    if not path.is_file():
        return {}
    pairs = (line.split() for _, line in read_lines(path) if not isinstance(line, BadRow))
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
