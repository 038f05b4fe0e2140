"""Which samples share a row."""

from __future__ import annotations

import json
import random

import pytest
from tests.held_in import held_in_lengths

from vistune.data.batch import IGNORE, Encoded, pack
from vistune.data.grouping import group_by_length
from vistune.data.packing import Length, RowPacker, RowSize, even_rows, packed_rows
from vistune.errors import InputError


def fill(rows: list[list[int]], lengths: list[Length], size: RowSize | None = None) -> float:
    """Share of the places that hold a token."""
    used = [(sum(lengths[i].inputs for i in row), sum(lengths[i].targets for i in row)) for row in rows]
    longest = max(i for i, _ in used) + max(t for _, t in used) if size is None else size.max_tokens
    return sum(map(sum, used)) / (len(rows) * longest)


@pytest.mark.parametrize(("max_tokens", "least"), [(512, 0.95), (1024, 0.97), (2048, 0.98)])
def test_a_stream_of_the_held_in_mixture_fills_its_rows(max_tokens: int, least: float) -> None:
    lengths, size = held_in_lengths(6000), RowSize(max_tokens)
    packer = RowPacker(size)
    rows = [row for number, length in enumerate(lengths) if (row := packer.add(number, length))]
    assert fill(rows, lengths, size) > least
    assert all(sum(lengths[number].inputs for number in row) <= max_tokens for row in rows)
    assert sorted(n for row in rows + packer.flush() for n in row) == list(range(6000))
    assert max(row[-1] - row[0] for row in rows) < 300  # none waits long


@pytest.mark.parametrize("encoder_decoder", [False, True])
@pytest.mark.parametrize("batch_size", [64, 128, 192])
def test_a_step_of_the_held_in_mixture_fills_its_rows(batch_size: int, encoder_decoder: bool) -> None:
    lengths, size = held_in_lengths(20 * batch_size, encoder_decoder), RowSize(1024)
    fills = []
    for start in range(0, len(lengths), batch_size):
        step = lengths[start : start + batch_size]
        rows = even_rows(step, size)
        assert sorted(index for row in rows for index in row) == list(range(batch_size))
        assert all(sum(step[index].inputs for index in row) <= 1024 for row in rows)
        fills.append(fill(rows, step))
    assert sum(fills) / len(fills) > 0.95


def test_padding_the_same_samples_would_fill_a_third() -> None:
    """What packing is compared with."""
    lengths = held_in_lengths(6400)
    padded = [
        sum(length.inputs for length in lengths[s : s + 64])
        / (64 * max(length.inputs for length in lengths[s : s + 64]))
        for s in range(0, 6400, 64)
    ]
    assert 0.2 < sum(padded) / len(padded) < 0.45


def test_rows_depend_on_the_lengths_alone_and_go_on_from_their_state() -> None:
    lengths, size = held_in_lengths(2000), RowSize(512)
    straight, first = RowPacker(size), RowPacker(size)
    rows = [straight.add(number, length) for number, length in enumerate(lengths)]
    again = [first.add(number, length) for number, length in enumerate(lengths[:1234])]
    state = json.dumps(first.state_dict())
    assert len(state) < 4000
    second = RowPacker(size)
    second.load_state_dict(json.loads(state))
    again += [second.add(number, length) for number, length in enumerate(lengths[1234:], start=1234)]
    assert again == rows
    assert second.flush() == straight.flush()


def test_targets_have_rows_of_their_own() -> None:
    size = RowSize(100, 10)
    assert even_rows([Length(20, 6), Length(20, 6), Length(20, 4)], size) == [[0, 2], [1]]
    packer = RowPacker(size, open_rows=1)
    assert packer.add(0, Length(20, 6)) is None
    assert packer.add(1, Length(20, 6)) == [0]
    with pytest.raises(InputError, match=r"Sample x has 20 tokens and 11 of its target.*row \(targets: 10\)"):
        size.check("x", Length(20, 11))


def test_a_sample_that_fits_no_row_is_named() -> None:
    samples = [Encoded("short", [1], [1]), Encoded("long one", [1] * 9, [1] * 9)]
    with pytest.raises(InputError, match="Sample long one has 9 tokens, more than the 8 of a packed row"):
        packed_rows(samples, RowSize(8), False)
    with pytest.raises(ValueError, match="row has 10 tokens, more than its 8"):
        pack([samples], 0, length=8)
    with pytest.raises(ValueError, match="all with labels"):
        pack([[Encoded("x", [1])]], 0)


def test_packed_rows_hold_the_samples_in_order() -> None:
    rows = [[Encoded("a", [5, 6], [IGNORE, 6]), Encoded("b", [7], [7])], [Encoded("c", [8], [8])]]
    batch = pack(rows, pad_id=0, length=4)
    assert batch.ids == ["a", "b", "c"]
    assert batch.input_ids.tolist() == [[5, 6, 7, 0], [8, 0, 0, 0]]
    assert batch.segment_ids is not None
    assert batch.segment_ids.tolist() == [[1, 1, 2, 0], [1, 0, 0, 0]]
    assert batch.labels is not None
    assert batch.labels.tolist() == [[IGNORE, 6, 7, IGNORE], [8, IGNORE, IGNORE, IGNORE]]
    assert (batch.num_learned(False), batch.fill(False)) == (1, 0.5)
    apart = pack(rows, pad_id=0, encoder_decoder=True, target_length=5)
    assert apart.target_segments is not None
    assert apart.target_segments.tolist() == [[1, 1, 2, 0, 0], [1, 0, 0, 0, 0]]
    assert (apart.num_learned(True), apart.fill(True)) == (3, 0.5)


def test_groups_are_alike_and_drop_nothing() -> None:
    draw = random.Random(1)
    lengths = [draw.randint(1, 400) for _ in range(160)]
    pictured = [draw.random() < 0.7 for _ in range(160)]
    groups = group_by_length(lengths, pictured, 16, seed=5)
    assert sorted(index for group in groups for index in group) == list(range(160))
    assert {len(group) for group in groups} == {16}
    mixed = [group for group in groups if len({pictured[index] for index in group}) == 2]
    assert len(mixed) <= 1
    spans = [lengths[group[0]] - lengths[group[-1]] for group in groups if group not in mixed]
    assert sum(spans) / len(spans) < 100
    assert groups == group_by_length(lengths, pictured, 16, seed=5)
    assert groups != group_by_length(lengths, pictured, 16, seed=6)
    with pytest.raises(ValueError, match="160 samples do not make whole batches of 15"):
        group_by_length(lengths, pictured, 15, 0)
