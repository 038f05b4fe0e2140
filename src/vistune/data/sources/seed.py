"""SEED-Bench: multiple-choice questions about pictures and short videos, nine and three kinds (Li et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json, read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.pictures import first_image

_PICTURES = ("seed/SEED-Bench-image", "seed/images")
_FRAMES = ("seed/SEED-Bench-video-image", "seed/video_images")
_LETTERS = "abcd"
# Folders of the frames that the release has of its three kinds of videos.
_EIGHT_FRAMES = {10: "ssv2_8_frame", 11: "kitchen_8_frame", 12: "breakfast_8_frame"}


class SEEDBench(Source):
    """The release's SEED-Bench.json. ``parts``: "image" or "video", and the kind of question.

    Of a video LLaVA-1.5 sees the middle frame, which its extract_video_frames.py saves as KIND_QUESTION.png in
    SEED-Bench-video-image; the release's own eight frames of each video do too, of which the fourth is taken.
    """

    info = SetInfo(
        name="seed",
        title="SEED-Bench",
        group="knowledge_vqa",
        splits={"test": 19_242},  # 14,233 about pictures, 5,009 about videos
        metric="accuracy",
        licence="CC BY-NC 4.0",
        url="https://huggingface.co/datasets/AILab-CVC/SEED-Bench",
        folder="seed",
        annotations={"test": (("SEED-Bench.json",),)},
        images=(_PICTURES[0], _FRAMES[0]),
        eval_split="test",
        candidates="the question's four choices",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with the name of their kind."""
        (path,) = self.paths(files, split)
        content = read_json(path)
        kinds = content.get("question_type") if isinstance(content, dict) else None
        names = {str(number): name for name, number in kinds.items()} if isinstance(kinds, dict) else {}
        return objects(
            read_json_array(path, "questions"),
            lambda record: {**record, "kind": names.get(str(record.get("question_type_id")), "")},
        )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        choices = tuple(text_of(record, f"choice_{letter}") for letter in _LETTERS)
        letter = text_of(record, "answer").lower()
        if letter not in tuple(_LETTERS):
            raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the answer is {letter!r}, expected A to D.")
        number, data = str(field_of(record, "question_id", int, str)), str(field_of(record, "data_id", int, str))
        kind = text_of(record, "data_type")
        if kind == "image":
            options = [(folder, name) for folder in _PICTURES for name in (data, f"{data}.jpg", f"{data}.png")]
        else:
            type_id = field_of(record, "question_type_id", int)
            frames = f"task{type_id}/{_EIGHT_FRAMES.get(type_id, '')}/{number}/4.png"
            names = (f"{type_id}_{number}.png", f"v1_video/{frames}", frames)
            options = [(folder, name) for folder in _FRAMES for name in names]
        yield Example(
            number,
            self.info.name,
            target=choices[_LETTERS.index(letter)],
            images=(first_image(files, options),),
            candidates=choices,
            question=text_of(record, "question"),
            choices=choices,
            parts=tuple(part for part in (kind, record["kind"]) if part),
        )
