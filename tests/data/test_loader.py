"""Batches ahead of the model: the same ones however they are made, and from where they were left."""

from __future__ import annotations

import json
import os
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.families import load_pair
from tests.tiny import picture

from vistune.data.bad_rows import BadRow, OnError, Reason, RowLog
from vistune.data.batch import Batch, Encoded
from vistune.data.batch_maker import LoadImages
from vistune.data.example import Example
from vistune.data.instruction_set import InstructionSet
from vistune.data.loader import Loader
from vistune.data.mixture import Draw, Mixture
from vistune.data.packing import Length, RowSize
from vistune.data.plans import GroupPlanner, Lengths, Planner, RowPlanner, Share, StepPlanner
from vistune.data.processor import Processor
from vistune.data.transforms import ImageTransform
from vistune.errors import DataError, InputError, TrainingError

ANSWERS = ("red", "a small cat on a chair", "two", "yes it is there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        picture(number).save(made / f"{number}.png")
    (made / "broken.png").write_bytes((made / "0.png").read_bytes()[:200])
    return made


@pytest.fixture
def processor(tiny_checkpoints: dict[str, Path]) -> Processor:
    return load_pair(tiny_checkpoints["instructblip-llama"]).predictor.processor


def sets(processor: Processor, folder: Path, bad: dict[int, str] | None = None) -> list[InstructionSet]:
    """Questions about pictures, and a set of pure text; ``bad`` gives rows of the first another picture."""
    pictured = [
        Example(
            f"a-{n}", "a", f"What is thing number {n}?", ANSWERS[n % 4], (folder / (bad or {}).get(n, f"{n % 4}.png"),)
        )
        for n in range(20)
    ]
    text = [Example(f"b-{n}", "b", f"Why {n}?" + " so" * (n % 5), ANSWERS[n % 4]) for n in range(6)]
    return [InstructionSet("a", pictured, processor), InstructionSet("b", text, processor)]


def mixture(data: list[InstructionSet]) -> Mixture:
    return Mixture({item.name: len(item) for item in data}, seed=2)


def planner(kind: str, data: list[InstructionSet]) -> Planner:
    """One of each kind."""
    mixed = mixture(data)
    if kind == "steps":
        return StepPlanner(mixed, 4)
    if kind == "packed steps":
        return StepPlanner(mixed, 8, RowSize(60))
    if kind == "rows":
        return RowPlanner(mixed, Lengths(data, False), RowSize(60), num_rows=2)
    return GroupPlanner(mixed, Lengths(data, False), 4, window=3)


KINDS = ("steps", "packed steps", "rows", "groups")


def same(one: Batch, other: Batch) -> bool:
    tensors = zip(one.model_inputs().values(), other.model_inputs().values(), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_do_not_depend_on_the_number_of_workers(kind: str, processor: Processor, folder: Path) -> None:
    data = sets(processor, folder)
    made = [list(Loader(planner(kind, data), data, processor, workers=n, steps=7)) for n in (0, 2)]
    assert len(made[0]) == len(made[1]) == 7
    assert all(same(*pair) for pair in zip(*made, strict=True))
    assert any(batch.pixel_values is not None for batch in made[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_loader_goes_on_where_the_last_batch_was_taken(kind: str, processor: Processor, folder: Path) -> None:
    data = sets(processor, folder)
    straight = list(Loader(planner(kind, data), data, processor, steps=7))
    first = Loader(planner(kind, data), data, processor, workers=1, steps=7)
    before = list(islice(first, 4))
    state = json.dumps(first.state_dict())
    assert len(state) < 2000
    second = Loader(planner(kind, data), data, processor, steps=7)
    second.load_state_dict(json.loads(state))
    after = list(second)
    assert [batch.ids for batch in before + after] == [batch.ids for batch in straight]
    assert all(same(*pair) for pair in zip(before + after, straight, strict=True))
    # And the one that was left goes on too, whatever its worker had made ahead.
    assert [batch.ids for batch in first] == [batch.ids for batch in straight[4:]]


def test_packed_rows_are_of_one_size_and_packed_steps_hold_all_their_samples(
    processor: Processor, folder: Path
) -> None:
    data = sets(processor, folder)
    for batch in Loader(planner("rows", data), data, processor, steps=5):
        assert batch.input_ids.shape == (2, 60)
    padded = list(Loader(StepPlanner(mixture(data), 8), data, processor, steps=3))
    packed = list(Loader(planner("packed steps", data), data, processor, steps=3))
    for one, other in zip(padded, packed, strict=True):
        assert sorted(one.ids) == sorted(other.ids)
        assert one.num_learned(False) == other.num_learned(False)
        assert other.fill(False) > one.fill(False)


def test_processes_share_a_step_among_them(processor: Processor, folder: Path) -> None:
    data = sets(processor, folder)
    whole = list(Loader(StepPlanner(mixture(data), 6), data, processor, steps=3))
    parts = [
        list(Loader(StepPlanner(mixture(data), 6, share=Share(rank, 2)), data, processor, steps=3)) for rank in (0, 1)
    ]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert batch.ids[0::2] == shares[0].ids
        assert batch.ids[1::2] == shares[1].ids
    rows = [RowPlanner(mixture(data), Lengths(data, False), RowSize(60), 2, Share(rank, 2)).plan() for rank in (0, 1)]
    both = planner("rows", data).plan()
    assert rows[0].draws + rows[1].draws == both.draws


class Counted:
    """A set of ten million samples that notes which were made."""

    name = "many"

    def __init__(self) -> None:
        self.made = 0

    def __len__(self) -> int:
        return 10_000_000

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        self.made += 1
        return Encoded(f"{index}", [1] * (5 + index % 9), [1] * (5 + index % 9))


@pytest.mark.parametrize("kind", ["steps", "rows", "groups"])
def test_going_on_after_ten_million_samples_takes_no_time(kind: str, processor: Processor) -> None:
    data: Any = [Counted()]
    planned = planner(kind, data)
    begun = planned.state_dict()
    state = {**begun, **{name: 2_500_000 for name in ("step", "number") if name in begun}}
    if kind == "rows":
        state["number"] = 10_000_000
    loader = Loader(planned, data, processor, steps=2)
    loader.load_state_dict({"planner": state, "given": 0})
    started = time.process_time()
    batches = list(loader)
    assert time.process_time() - started < 1
    assert len(batches) == 2
    assert data[0].made < 400
    assert len(json.dumps(loader.state_dict())) < 4096


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["steps", "packed steps", "rows", "groups"])
def test_bad_samples_are_left_out_and_counted(
    kind: str, workers: int, processor: Processor, folder: Path, tmp_path: Path
) -> None:
    data = sets(processor, folder, {3: "gone.png", 7: "broken.png"})
    log = RowLog(OnError("skip", max_share=0.5))
    batches = list(Loader(planner(kind, data), data, processor, workers=workers, steps=20, log=log))
    ids = {name for batch in batches for name in batch.ids}
    assert not ids & {"a-3", "a-7"}
    assert len(batches) == 20
    assert set(log.counts()) == {"missing image", "broken image"}
    assert str(log.bad[0]).startswith("a, record ")
    log.write(tmp_path / "skipped.jsonl")
    assert "gone.png" in (tmp_path / "skipped.jsonl").read_text()


@pytest.mark.parametrize("workers", [0, 1])
def test_the_first_bad_sample_is_an_error_by_default(workers: int, processor: Processor, folder: Path) -> None:
    data = sets(processor, folder, dict.fromkeys(range(20), "gone.png"))
    with pytest.raises(BadRow, match=r"^a, record \d+: in row 'a-\d+' there is no image '.*gone.png'") as caught:
        list(Loader(StepPlanner(mixture(data), 4), data, processor, workers=workers, steps=3))
    assert caught.value.reason is Reason.MISSING_IMAGE
    log = RowLog(OnError("skip", max_share=1.0))
    with pytest.raises(DataError, match="No sample of a whole batch can be used"):
        list(Loader(StepPlanner(Mixture({"a": 20}), 4), data, processor, workers=workers, steps=3, log=log))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_longer_than_a_row_is_named(workers: int, processor: Processor, folder: Path) -> None:
    data = sets(processor, folder)
    with pytest.raises(InputError, match=r"Sample [ab]-\d+ has \d+ tokens, more than the 6 of a packed row"):
        list(Loader(StepPlanner(mixture(data), 4, RowSize(6)), data, processor, workers=workers, steps=1))
    with pytest.raises(InputError, match="more than the 6 of a packed row"):
        RowPlanner(mixture(data), Lengths(data, False), RowSize(6), 1).plan()


def test_a_worker_that_dies_is_said(processor: Processor, folder: Path) -> None:
    def die(sample: Encoded, draw: Draw) -> Encoded:
        os._exit(9)

    data = sets(processor, folder)
    with pytest.raises(TrainingError, match="A process that prepares data died"):
        list(Loader(StepPlanner(mixture(data), 4), data, processor, die, workers=1, steps=1))


def test_random_crops_are_those_of_sample_and_epoch(processor: Processor, folder: Path) -> None:
    data = sets(processor, folder)
    load = LoadImages(processor, ImageTransform("random-crop"), mirror_safe=(True, False))
    made = [list(Loader(StepPlanner(mixture(data), 4), data, processor, load, workers=n, steps=3)) for n in (0, 2)]
    assert all(same(*pair) for pair in zip(*made, strict=True))
    sample = data[0].tokens(0)
    first, again, next_epoch = (load(sample, Draw(0, 0, epoch)).pixel_values for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, next_epoch)


def test_a_sample_that_speaks_of_sides_is_never_mirrored(processor: Processor, folder: Path) -> None:
    transform = ImageTransform("random-crop", scale=(1.0, 1.0))

    def mirrored(words: str, safe: bool) -> int:
        data = [
            InstructionSet("a", [Example(str(n), "a", words, "yes", (folder / "0.png",)) for n in range(30)], processor)
        ]
        loads = [LoadImages(processor, transform, (flip,)) for flip in (safe, False)]
        samples = [data[0].tokens(n) for n in range(30)]
        return sum(
            not torch.equal(*(load(sample, Draw(0, n, 0)).pixel_values for load in loads))
            for n, sample in enumerate(samples)
        )

    assert 5 < mirrored("is it red ?", True) < 25
    assert mirrored("is it red ?", False) == 0
    assert mirrored("is it left ?", True) == 0


def test_loading_leaves_the_models_random_numbers_alone(processor: Processor, folder: Path) -> None:
    data = sets(processor, folder)
    drawn = []
    for workers in (None, 0, 1):
        torch.manual_seed(5)
        if workers is not None:
            list(Loader(StepPlanner(mixture(data), 4), data, processor, workers=workers, steps=2))
        drawn.append(float(torch.rand(())))
    assert len(set(drawn)) == 1


def test_lengths_count_bad_samples_where_they_are_asked_to(processor: Processor) -> None:
    data = [InstructionSet("x", [Example("1", "x", "Why?")], processor)]
    log = RowLog(OnError("skip"))
    assert Lengths(data, False, log)(Draw(0, 0, 0)) is None
    assert len(log.bad) == 1
    assert Lengths(data, False)(Draw(0, 0, 0)) is None
    good = [InstructionSet("x", [Example("1", "x", "Why?", "so")], processor)]
    tokens = len(good[0].tokens(0).input_ids)
    assert Lengths(good, False)(Draw(0, 0, 0)) == ("1", Length(tokens), False)
