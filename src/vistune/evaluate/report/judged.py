"""What a judge's figure rests on: who judged when, how often, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vistune.data.counting import count_of
from vistune.evaluate.report.figures import Entry, interval, number, shown

TOLD = ("judge", "judged", "read", "replies", "both_orders", "rounds", "unparsed")
"""The details that `judged_words` puts into words."""


def judged_words(entry: Entry) -> str:
    """Sentences about the judge; "" where none has scored the answers."""
    details = entry.get("details") or {}
    if not details.get("judge"):
        return ""
    told = f"judged by {details['judge']} on {str(details.get('judged'))[:10]}"
    if details.get("replies"):
        read, replies = details.get("read"), details["replies"]
        told += f", {count_of(replies, 'reply', 'replies')}{' in both orders' if details.get('both_orders') else ''}"
        unparsed = ", ".join(map(str, details.get("unparsed") or ()))
        if unparsed:
            told += f", {replies - read:,} of which could not be read and are left out (questions {unparsed})"
    if rounds := details.get("rounds"):
        deviation = rounds.get("deviation")
        told += f"; {rounds['n']} rounds: {number(rounds['mean'])}"
        told += f" with a deviation of {number(deviation)}" if deviation is not None else ""
    return f"{told}."


def judged_parts(entry: Entry) -> list[list[str]]:
    """Rows of name, figure, interval and n: categories, or capabilities and their combinations; [] of other figures."""
    details = entry.get("details") or {}
    if not details.get("judge"):
        return []
    parts: dict[str, Any] = {**(details.get("parts") or {}), **named_combinations(details.get("combinations") or {})}
    return [
        [name, shown(entry, part["value"]), interval(entry, part.get("interval")), f"{part['n']:,}"]
        for name, part in parts.items()
    ]


def named_combinations(combinations: Mapping[str, Any]) -> dict[str, Any]:
    """Combinations of one capability are told from the capability: it counts in others too."""
    return {name if ", " in name else f"{name} alone": part for name, part in combinations.items()}
