"""Cells of people's own tables, in whatever type they come, as text, lists of text and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.archives import ArchiveMember, ImageBytes
from vistune.data.bad_rows import BadRow, Reason

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.files import Files


def text_cell(value: Any, column: str) -> str:
    """Text without blanks around it; numbers in figures, True and False as yes and no.

    Raises:
        BadRow: something else.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value).strip()
    raise BadRow(Reason.MISSING_FIELD, f"the column {column!r} holds {_short(value)}, expected text.")


def texts_cell(value: Any, column: str) -> tuple[str, ...]:
    """Several texts: a list, a list written as JSON (in csv), or one text alone. Objects give their "answer" or "text".

    Raises:
        BadRow: something else, or JSON that is none.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise BadRow(
                Reason.BAD_JSON, f"the column {column!r} holds {_short(value)}, which is no JSON list ({error.msg})."
            ) from error
    if value is None:
        return ()
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        value = value["text"]
    return tuple(text_cell(_worded(item), column) for item in (value if isinstance(value, list | tuple) else [value]))


def rounds_cell(value: Any, column: str) -> tuple[tuple[str, str], ...]:
    """Earlier rounds of a dialogue: a list of [question, answer] or {"question": ..., "answer": ...}.

    Raises:
        BadRow: something else.
    """
    rounds = []
    for item in value if isinstance(value, list | tuple) else [value]:
        pair = [item.get("question"), item.get("answer")] if isinstance(item, Mapping) else item
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise BadRow(
                Reason.MISSING_FIELD, f"the column {column!r} holds {_short(item)}, expected [question, answer]."
            )
        rounds.append((text_cell(pair[0], column), text_cell(pair[1], column)))
    return tuple(rounds)


def image_cell(value: Any, column: str, files: Files) -> ImageRef:
    """A picture: a path, the bytes of a file, {"bytes": ..., "path": ...} as Hub sets have it, or a picture itself.

    Raises:
        BadRow: nothing there, no such file, or a path that leaves the data root.
    """
    from PIL.Image import Image

    if isinstance(value, Mapping):
        path, data = value.get("path"), value.get("bytes")
        value = ImageBytes(str(path or column), data) if data is not None else path
    if isinstance(value, bytes):
        return ImageBytes(column, value)
    if isinstance(value, Image | ArchiveMember | ImageBytes):
        return value
    if isinstance(value, str | Path) and str(value).strip():
        return files.image(str(value))
    raise BadRow(Reason.MISSING_IMAGE, f"the column {column!r} holds {_short(value)}, expected the path of a picture.")


def images_cell(value: Any, column: str, files: Files) -> tuple[ImageRef, ...]:
    """Pictures in reading order: a list, a list of paths written as JSON (in csv), one alone, or none.

    Raises:
        BadRow: as `image_cell`.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = texts_cell(value, column)
    if value is None or value == "":
        return ()
    return tuple(image_cell(item, column, files) for item in (value if isinstance(value, list | tuple) else [value]))


def _worded(item: Any) -> Any:
    if isinstance(item, Mapping):
        return item.get("answer", item.get("text"))
    return item


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
