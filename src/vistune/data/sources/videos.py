"""Questions about videos: MSVD-QA and MSRVTT-QA, which come in the same form and rank answers seen in training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vistune.data.answer_lists import list_answers, read_answer_list
from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, beside, objects, text_of
from vistune.data.sources.pictures import first_image

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

ANSWER_FILES = ("answers.txt", "train_ans2label.json", "qa_ans2label.json")
"""Lists of answers to rank, the first that is there: one's own, or LAVIS's."""

_FILES = {split: ((f"{split}_qa.json", f"qa_{split}.json"),) for split in ("train", "val", "test")}


class VideoQuestions(Source):
    """Questions of xudejing/video-question-answering: {"id", "video_id", "question", "answer"}.

    LAVIS's files (qa_test.json, lavis/datasets/datasets/video_vqa_datasets.py) have the file's name as ``video``, and
    ``question_id``.

    num_ranked: how many answers published results are ranked over, None where it is not said.
    """

    num_ranked: int | None = None

    def records(self, files: Files, split: str) -> Rows:
        """Questions."""
        (path,) = self.paths(files, split)
        return objects(read_json_array(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        source_ids: tuple[str, ...] = ()
        if "video" in record:
            name = str(field_of(record, "question_id", int, str))
            video = text_of(record, "video")
            places = [(folder, video) for folder in self.info.images]
        else:
            name = str(field_of(record, "id", int, str))
            places, source_ids = self.places(files, field_of(record, "video_id", int))
        yield Example(
            name,
            self.info.name,
            target=text_of(record, "answer"),
            images=(video_of(name, files, places),),
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
    def places(self, files: Files, number: int) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        """Where the video of a number may stand, as folders and names, and what it is called across sets."""


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


def video_of(row: str, files: Files, places: Iterable[tuple[str, str]]) -> ImageRef:
    """Frames of a row's video, sampled uniformly: four (section 3). The first of the places that is there.

    Raises:
        BadRow: none is, or a name leads out of the data root.
    """
    from vistune.data.video import VideoFrames

    looked = list(places)
    try:
        return VideoFrames(first_image(files, looked))
    except BadRow as error:
        if error.reason != Reason.MISSING_IMAGE:
            raise
        folders, names = (" or ".join(dict.fromkeys(part)) for part in zip(*looked, strict=True))
        raise BadRow(
            Reason.MISSING_IMAGE,
            f"the video of row {row!r} is missing: there is no {names} in {folders}, nor in an archive beside them.",
        ) from error
