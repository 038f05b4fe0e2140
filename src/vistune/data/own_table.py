"""A row of people's own tables as an Example, by the names of its columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.images import count_images
from vistune.data.own_cells import image_cell, images_cell, rounds_cell, text_cell, texts_cell
from vistune.data.sources.conversations import turns_of, with_image
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.files import Files

COLUMNS: dict[str, str] = {
    "id": "unique name of the row; its place in the file where there is none",
    "image": "a picture, or a list of them",
    "images": "several pictures in reading order",
    "video": "a video file",
    "instruction": "words put to the model as they are",
    "question": "a question, put into words by a template",
    "answer": "the right answer, a list of them, or the number of the right choice counted from 0",
    "answers": "right answers of which one is drawn anew each epoch",
    "choices": "answers to choose from",
    "candidates": "answers to rank; the choices where there are none",
    "references": "answers that count as right; the answers where there are none",
    "context": "a hint, or the text on the picture",
    "ocr_tokens": "words read on the picture",
    "history": "earlier rounds, [question, answer] each",
    "caption": "a description: the answer where there is neither question nor answer",
    "lecture": "background of the question",
    "rationale": "why the answer is right",
    "conversations": "a conversation in LLaVA's form, or messages of role and content",
}
"""Columns that are read, by the names they have unless others are given, and what they hold."""

_SPOKEN = ("instruction", "question", "caption", "conversations")


class OwnColumns:
    """Which column holds what.

    Args:
        names: by the keys of `COLUMNS`, where they differ. A column that is named here must be in every row.

    Raises:
        DataError: a key that is none of `COLUMNS`.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.given = dict(names or {})
        if unknown := sorted(set(self.given) - set(COLUMNS)):
            raise DataError(f"There is no column of the kind {unknown[0]!r}; expected one of {', '.join(COLUMNS)}.")
        self.names = {kind: kind for kind in COLUMNS} | self.given

    def cells(self, record: Any) -> dict[str, Any]:
        """The cells of a row by kind; kinds that the row has no column for are left out.

        Raises:
            BadRow: the record is no object, lacks a column that was named, or has nothing to put to a model.
        """
        if not isinstance(record, Mapping):
            raise BadRow(Reason.BAD_JSON, f"this is a {type(record).__name__}, expected an object with columns.")
        found = ", ".join(repr(str(key)) for key in record) or "none"
        for kind, name in self.given.items():
            if name not in record:
                raise BadRow(Reason.MISSING_FIELD, f"there is no column {name!r} for the {kind}, only {found}.")
        cells = {kind: _none_if_nan(record[name]) for kind, name in self.names.items() if name in record}
        if all(cells.get(kind) is None for kind in _SPOKEN):
            raise BadRow(
                Reason.MISSING_FIELD,
                f"there is no instruction, question, caption or conversation among the columns {found}; say which "
                "column it is.",
            )
        return cells


def _none_if_nan(value: Any) -> Any:
    """Tables that pandas wrote have NaN where nothing stands."""
    return None if isinstance(value, float) and math.isnan(value) else value


def row_example(record: Any, columns: OwnColumns, place: Place, files: Files, task: str, num_frames: int) -> Example:
    """The Example that a row describes.

    Raises:
        BadRow: a cell is not what it must be, a picture is missing, an answer is empty or none of the choices.
    """
    cells = columns.cells(record)
    names = columns.names
    number = f"{place.file}-{(place.index or 0) + 1}"
    if cells.get("conversations") is not None:
        # LLaVA's ids name pictures: rows of different kinds about a picture share them.
        row_id = f"{cells['id']}-{(place.index or 0) + 1}" if cells.get("id") is not None else number
        pictures = _pictures(cells, names, files, num_frames)
        turns = turns_of({"conversations": _said(cells["conversations"])})
        return Example(row_id, task, images=pictures, turns=with_image(turns, count_images(pictures)))
    choices = texts_cell(cells.get("choices"), names["choices"])
    target, answers = _answers(cells, names, choices)
    candidates = texts_cell(cells.get("candidates"), names["candidates"]) or choices or None

    def text(kind: str) -> str:
        return text_cell(cells[kind], names[kind]) if cells.get(kind) is not None else ""

    return Example(
        id=text("id") or number,
        task=task,
        instruction=text("instruction"),
        target=target,
        images=_pictures(cells, names, files, num_frames),
        candidates=candidates,
        references=texts_cell(cells.get("references"), names["references"]) or answers,
        ocr_tokens=texts_cell(cells.get("ocr_tokens"), names["ocr_tokens"]),
        choices=choices,
        history=rounds_cell(cells["history"], names["history"]) if cells.get("history") is not None else (),
        answers=answers,
        question=text("question"),
        context=text("context"),
        caption=text("caption"),
        lecture=text("lecture"),
        rationale=text("rationale"),
    )


def _said(conversation: Any) -> Any:
    """Messages of {"role", "content"} in LLaVA's words {"from", "value"}."""
    if not isinstance(conversation, list):
        return conversation
    return [
        {"from": message["role"], "value": message["content"]}
        if isinstance(message, Mapping) and message.keys() >= {"role", "content"}
        else message
        for message in conversation
    ]


def _pictures(cells: dict[str, Any], names: dict[str, str], files: Files, num_frames: int) -> tuple[ImageRef, ...]:
    pictures: list[ImageRef] = []
    for kind in ("image", "images"):
        pictures += images_cell(cells.get(kind), names[kind], files)
    if cells.get("video"):
        pictures.append(_video(cells["video"], names["video"], files, num_frames))
    return tuple(pictures)


def _video(value: Any, column: str, files: Files, num_frames: int) -> ImageRef:
    from vistune.data.archives import ArchiveMember, ImageBytes
    from vistune.data.video import VideoFrames

    found = image_cell(value, column, files)
    if isinstance(found, Path | ArchiveMember | ImageBytes):
        return VideoFrames(found, num_frames)
    raise BadRow(Reason.MISSING_FIELD, f"the column {column!r} holds a {type(found).__name__}, expected a video file.")


def _answers(
    cells: dict[str, Any], names: dict[str, str], choices: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """-> (the one answer, if there is one; the answers to draw from)"""
    if "answers" in cells:
        return None, _not_empty(texts_cell(cells["answers"], names["answers"]), names["answers"])
    if "answer" in cells:
        value = cells["answer"]
        if value is None:
            raise BadRow(Reason.EMPTY_ANSWER, f"the column {names['answer']!r} is empty, expected an answer.")
        if choices:
            return _chosen(value, choices, names["answer"]), ()
        texts = texts_cell(value, names["answer"]) if isinstance(value, list | tuple) else (text_cell(value, "answer"),)
        texts = _not_empty(texts, names["answer"])
        return (None, texts) if len(texts) > 1 else (texts[0], ())
    if cells.get("caption") is not None and cells.get("question") is None:
        return text_cell(cells["caption"], names["caption"]), ()
    return None, ()


def _not_empty(answers: tuple[str, ...], column: str) -> tuple[str, ...]:
    if not answers or not all(answers):
        raise BadRow(Reason.EMPTY_ANSWER, f"the column {column!r} has an empty answer, expected text to learn from.")
    return answers


def _chosen(value: Any, choices: tuple[str, ...], column: str) -> str:
    text = text_cell(value, column)
    if text in choices:
        return text
    if text.isascii() and text.isdigit() and int(text) < len(choices):
        return choices[int(text)]
    raise BadRow(
        Reason.UNKNOWN_ANSWER_INDEX,
        f"the answer {text!r} is none of the choices {', '.join(map(repr, choices))}, nor a number from 0 to "
        f"{len(choices) - 1}.",
    )
