"""Every row in exactly one batch of one process; questions about a picture together; batches of like length."""

from __future__ import annotations

import random

import pytest
from tests.tiny import picture

from vistune.data.batch import Encoded
from vistune.evaluate.runner.plan import Row, plan


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number}.png" for number in range(300)]
    for number, path in enumerate(paths):
        picture(number, (8, 8)).save(path)
    draw = random.Random(0)
    made = []
    for number in range(1000):
        images = (paths[number % 300],) if number % 10 else ()
        made.append(
            Row(str(number), Encoded(str(number), [1] * draw.randint(5, 90), images=images), "", None, str(number))
        )
    return made


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 7, 16])
def test_all_rows_once(rows: list[Row], size: int, batch_size: int) -> None:
    shares = [plan(rows, batch_size, rank, size) for rank in range(size)]
    asked = [row.id for windows in shares for window in windows for batch in window for row in batch]
    assert sorted(asked) == sorted(row.id for row in rows)
    loads = [sum(row.length for window in windows for batch in window for row in batch) for windows in shares]
    assert max(loads) - min(loads) < 0.01 * sum(loads)
    assert all(len(batch) <= batch_size for windows in shares for window in windows for batch in window)


def test_a_picture_is_in_one_window_of_one_process(rows: list[Row]) -> None:
    seen: dict[object, set[tuple[int, int]]] = {}
    for rank in range(2):
        for number, window in enumerate(plan(rows, 16, rank, 2)):
            for batch in window:
                for row in batch:
                    for image in row.encoded.images:
                        seen.setdefault(image, set()).add((rank, number))
    assert len(seen) == 270 and all(len(places) == 1 for places in seen.values())


def test_padding_is_rare(rows: list[Row]) -> None:
    def places(batches: list[list[Row]]) -> int:
        return sum(len(batch) * max(row.length for row in batch) for batch in batches)

    planned = [batch for window in plan(rows, 16) for batch in window]
    in_order = [rows[start : start + 16] for start in range(0, len(rows), 16)]
    tokens = sum(row.length for row in rows)
    assert places(planned) < 1.05 * tokens < places(in_order) / 1.5
    lengths = [batch[0].length for batch in planned]
    assert lengths[0] == max(lengths)


def test_of_equal_prompts_those_with_as_long_candidates_stand_together() -> None:
    """What a model reads after the prompt is filled up as well."""
    listed = [(word * 2, word * length) for length in (9, 1) * 4 for word in "abcd"]
    rows = [Row(str(n), Encoded(str(n), [1] * 5), "", candidates, str(n)) for n, candidates in enumerate(listed)]
    batches = [batch for window in plan(rows, 8) for batch in window]
    assert [{len(row.candidates[1]) for row in batch if row.candidates} for batch in batches] == [{9}, {9}, {1}, {1}]


def test_nothing_to_ask() -> None:
    assert plan([], 4) == []
