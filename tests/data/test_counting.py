"""One is one."""

from __future__ import annotations

from vistune.data.counting import count_of


def test_numbers_and_their_nouns() -> None:
    assert [count_of(number, "row") for number in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]
    assert count_of(1, "reply", "replies") == "1 reply" and count_of(3, "reply", "replies") == "3 replies"
