"""What a report says of several commands' settings: of one for all, or of each with its benchmarks."""

from __future__ import annotations

from typing import Any

from vistune.evaluate.report.commands import limits, setting, suites


def results(*entries: dict[str, Any], **whole: Any) -> dict[str, Any]:
    return {**whole, "benchmarks": [{"name": name, **entry} for name, entry in zip("abc", entries, strict=False)]}


def test_what_all_have_is_told_once() -> None:
    alike = results({"limit": 1000, "seed": 0}, {"limit": 1000, "seed": 0})
    assert limits(alike).startswith("Of each benchmark only a part of the questions was asked (the first 1,000): ")
    assert (setting(alike, "seed"), setting(alike, "date")) == ("0", "")
    assert limits(results({}, {}, limit=None)) == "" == limits(results({"limit": None}, limit=3))


def test_benchmarks_have_settings_of_their_own_before_those_of_the_file() -> None:
    """Files of before have the latter only."""
    found = results({"limit": 3, "shuffle": True, "seed": 7}, {"limit": None}, {}, limit=5, shuffle=False, suite="s")
    assert "(3 (shuffled, seed 7) of a; the first 5 of c)" in limits(found)
    assert setting(found, "limit") == "3 (a); none (b); 5 (c)"
    assert setting(found, "shuffle", lambda value: "yes" if value else "no") == "yes (a); no (b, c)"
    assert suites(found) == ["s"] and suites(results({"suite": None}, {"suite": "t"}, suite="s")) == ["t"]


def test_no_benchmarks() -> None:
    assert "(the first 2)" in limits(results(limit=2)) and setting(results(seed=1), "seed") == "1"
