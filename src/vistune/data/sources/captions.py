"""Captions of a picture as Examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Reason
from vistune.data.example import Example


def captioned(
    task: str, name: str, image: Any, captions: tuple[str, ...], source_ids: tuple[str, ...], each_alone: bool
) -> Iterator[Example]:
    """Captions of a picture as one Example, or as one each.

    Raises:
        BadRow: there is no caption, or an empty one.
    """
    if not captions or not all(captions):
        raise BadRow(Reason.EMPTY_ANSWER, f"the picture {name} has no caption or an empty one, expected text.")
    if each_alone:
        for number, caption in enumerate(captions):
            yield Example(f"{name}-{number}", task, target=caption, images=(image,), source_ids=source_ids)
    elif len(captions) == 1:
        yield Example(name, task, target=captions[0], images=(image,), source_ids=source_ids)
    else:
        yield Example(name, task, images=(image,), answers=captions, references=captions, source_ids=source_ids)
