"""A number and what it counts, for sentences."""

from __future__ import annotations


def count_of(number: int, noun: str, several: str = "") -> str:
    """ "1 row", "0 rows", "1,200 rows".

    Args:
        noun: what one is called. several: what others are called, if not by an s.
    """
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
