"""What stands in one report from several commands: each benchmark was measured by one, with settings of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vistune.evaluate.report.figures import title_of

_PART = "these are not the figures of the whole sets."


def limits(results: Mapping[str, Any]) -> str:
    """A warning where only some rows were asked."""
    asked = _groups(results, _asked)
    if not any(asked):
        return ""
    if len(asked) == 1:
        return f"Of each benchmark only a part of the questions was asked ({next(iter(asked))}): {_PART}"
    told = "; ".join(f"{which} of {', '.join(titles)}" for which, titles in asked.items() if which)
    return f"Of some benchmarks only a part of the questions was asked ({told}): {_PART}"


def setting(results: Mapping[str, Any], name: str, words: Callable[[Any], str] = str) -> str:
    """A command's setting: one for all, or each with the benchmarks that were measured with it; "" for none."""
    groups = _groups(results, lambda command: "" if command.get(name) is None else words(command[name]))
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(f"{value or 'none'} ({', '.join(titles)})" for value, titles in groups.items())


def suites(results: Mapping[str, Any]) -> list[str]:
    """Those that were run."""
    return [name for name in _groups(results, lambda command: command.get("suite") or "") if name]


def _groups(results: Mapping[str, Any], words: Callable[[Mapping[str, Any]], str]) -> dict[str, list[str]]:
    """Titles of benchmarks by what is said of their command; what a benchmark does not say, the whole file does."""
    found: dict[str, list[str]] = {}
    for entry in results["benchmarks"]:
        found.setdefault(words({**results, **entry}), []).append(title_of(entry))
    return found or {words(results): []}


def _asked(command: Mapping[str, Any]) -> str:
    limit = command.get("limit")
    if not limit:
        return ""
    shuffled = command.get("shuffle")
    return f"{limit:,} (shuffled, seed {command.get('seed', 0)})" if shuffled else f"the first {limit:,}"
