"""What rows that belong together have in common, by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vistune.data.example import Example


def sentence_of(example: Example) -> str:
    """NLVR's "1572-0" is about sentence 1572; NLVR2's "dev-850-0-1" about sentence 1 of set 850, whatever the pair."""
    parts = example.id.split("-")
    return parts[0] if len(parts) <= 2 else "-".join((*parts[:-2], parts[-1]))


def picture_of(example: Example) -> str:
    """MME's TASK/PICTURE/LINE without the line."""
    return example.id.rpartition("/")[0]
