"""Questions about videos: MSVD-QA and MSRVTT-QA, which come in the same form and rank answers seen in training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vistune.data.answer_lists import list_answers, read_answer_list
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.rows import BadRow, Place, field_of
from vistune.data.sources.base import Rows, SetInfo, Source, beside, objects, text_of

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

ANSWER_FILES = ("answers.txt", "train_ans2label.json", "qa_ans2label.json")
"""Lists of answers to rank, the first that is there: one's own, or LAVIS's."""

_FILES = {split: ((f"{split}_qa.json", f"qa_{split}.json"),) for split in ("train", "val", "test")}


class VideoQuestions(Source):
    """Questions of xudejing/video-question-answering: {"id", "video_id", "question", "answer"}.

    num_ranked: how many answers published results are ranked over, None where it is not said.
    """

    num_ranked: int | None = None

    def records(self, files: Files, split: str) -> Rows:
        """Questions."""
        (path,) = self.paths(files, split)
        return objects(read_json_array(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        number = field_of(record, "video_id", int)
        video, source_ids = self.video(files, number)
        yield Example(
            str(field_of(record, "id", int, str)),
            self.info.name,
            target=text_of(record, "answer"),
            images=(video,),
            question=text_of(record, "question"),
            source_ids=source_ids,
        )

    def candidates(self, files: Files) -> tuple[str, ...] | None:
        """The answers of a list in the set's folder, else those of the training split; None if neither is there."""
        given = beside(files, *ANSWER_FILES)
        if given is not None:
            return read_answer_list(given)
        there = beside(files, *self.info.annotations["train"][0]) is not None
        return self.answer_list(files) if there else None

    def answer_list(self, files: Files, splits: Sequence[str] = ("train",)) -> tuple[str, ...]:
        """Every answer of the splits, the most frequent first: what `write_answer_list` makes a list of.

        Raises:
            DataError: a split's file is missing.
        """
        records = (record for split in splits for _, record in self.records(files, split))
        answers = (record.get("answer") for record in records if not isinstance(record, BadRow))
        return list_answers(answer.strip() for answer in answers if isinstance(answer, str) and answer.strip())

    @abstractmethod
    def video(self, files: Files, number: int) -> tuple[ImageRef, tuple[str, ...]]:
        """The video of a number and what it is called across sets.

        Raises:
            BadRow: it is not there.
        """


def video_info(**fields: Any) -> SetInfo:
    """What both sets share."""
    return SetInfo(
        group="video_qa",
        role="held-out",
        metric="accuracy",
        licence="not stated (videos: YouTube terms)",
        annotations=_FILES,
        optional=ANSWER_FILES,
        train_split="train",
        eval_split="test",
        candidates="the answers of the training split",
        **fields,
    )


def frames_of(found: Any) -> ImageRef:
    """Frames of a video file or member, sampled uniformly: four (section 3)."""
    from vistune.data.video import VideoFrames

    video: ImageRef = VideoFrames(found)
    return video
