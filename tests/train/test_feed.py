"""The feed: the same samples and losses for any number of processes, workers and micro-batches; its place; its cost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import picture
from tests.train.rig import WORDS, examples, load, stage

from vistune.data.bad_rows import BadRow, OnError, Reason, RowLog
from vistune.data.batch import Batch, Encoded
from vistune.data.example import Example
from vistune.data.instruction_set import InstructionSet
from vistune.data.mixture import Draw, Mixture
from vistune.data.pairs import PairBatch, PairProcessor, PairSet
from vistune.data.plans import Share
from vistune.data.processor import Processor
from vistune.data.ready import as_it_is
from vistune.errors import RecipeError
from vistune.train.feed import Feed
from vistune.train.step_data import StepData, learned_samples

STEPS = 4


@pytest.fixture(scope="module", params=["instructblip-llama", "instructblip-t5"])
def processor(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Processor:
    """A decoder's and an encoder-decoder's."""
    return load(tiny_checkpoints[request.param])[1]


def make_feed(processor: Processor, *, rank: int = 0, size: int = 1, micro: int | None = None, **options: Any) -> Feed:
    data = [InstructionSet("a", examples(9, "a"), processor), InstructionSet("b", examples(3, "b"), processor)]
    mixture = Mixture({item.name: len(item) for item in data}, seed=5)
    settings = stage(steps=STEPS, batch_size=8, micro_batch_size=micro)
    return Feed(data, mixture, processor, settings, STEPS, share=Share(rank, size), **options)


def taken(feed: Feed, steps: int = STEPS) -> list[StepData]:
    found = [feed.next() for _ in range(steps)]
    feed.close()
    return found


def names(steps: list[StepData]) -> list[list[str]]:
    return [sorted(step.ids) for step in steps]


@pytest.mark.parametrize("options", [{}, {"max_tokens": 120}, {"group_by_length": True}], ids=str)
def test_samples_do_not_depend_on_processes_workers_or_pieces(processor: Processor, options: dict[str, Any]) -> None:
    reference = taken(make_feed(processor, **options))
    assert all(len(step.ids) == 8 for step in reference)
    for micro in (3, 1):
        pieces = taken(make_feed(processor, micro=micro, **options))
        assert names(pieces) == names(reference)
        assert all(len(step.batches) > 1 for step in pieces) or micro > 1
    shares = [taken(make_feed(processor, rank=rank, size=3, **options)) for rank in range(3)]
    together = [[name for share in shares for name in share[step].ids] for step in range(STEPS)]
    assert [sorted(ids) for ids in together] == names(reference)
    for step in range(STEPS):
        assert sum(share[step].num_learned for share in shares) == reference[step].num_learned
        assert sum(share[step].num_tokens for share in shares) == reference[step].num_tokens


def test_workers_make_the_same_batches(processor: Processor) -> None:
    own, made = taken(make_feed(processor, micro=3)), taken(make_feed(processor, micro=3, workers=2))
    for first, second in zip(own, made, strict=True):
        assert first.draws == second.draws
        for ours, theirs in zip(first.batches, second.batches, strict=True):
            for name, value in ours.model_inputs().items():
                other = theirs.model_inputs()[name]
                assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other


def test_its_place_is_kept_in_kilobytes_and_fits_any_share(processor: Processor) -> None:
    feed = make_feed(processor, workers=2)
    taken(feed, 2)
    text = json.dumps(feed.state_dict())
    assert len(text) < 2000
    rest = []
    for rank in range(2):
        other = make_feed(processor, rank=rank, size=2)
        other.load_state_dict(json.loads(text))
        rest.append(taken(other, 2))
    together = [sorted(rest[0][step].ids + rest[1][step].ids) for step in range(2)]
    assert together == names(taken(make_feed(processor))[2:])


@pytest.mark.parametrize("options", [{}, {"max_tokens": 120}], ids=["padded", "packed"])
def test_every_learned_token_knows_its_sample(processor: Processor, options: dict[str, Any]) -> None:
    for step in taken(make_feed(processor, micro=2, **options)):
        where = torch.cat(step.learned)
        assert len(where) == step.num_learned
        for place, (name, draw) in enumerate(zip(step.ids, step.draws, strict=True)):
            assert name == f"{'ab'[draw.set]}-{draw.index}"
            answer = len(processor.target_ids(WORDS[draw.index % 4]))
            assert int((where == place).sum()) == answer


def test_micro_batches_that_fill_up_learn_nothing(processor: Processor) -> None:
    step = taken(make_feed(processor), 1)[0]
    batches = list(step.answer_batches(3))
    assert len(batches) == 3
    for batch, learned in batches[1:]:
        assert len(learned) == len(learned_samples(batch, processor.encoder_decoder)) == 0
        assert batch.pixel_values is not None


def test_bad_samples_are_left_out_and_listed(processor: Processor, tmp_path: Path) -> None:
    rows = examples(8, "a")
    rows[3] = Example("a-3", "a", "Why?", "no", (tmp_path / "gone.png",))
    data = [InstructionSet("a", rows, processor)]
    log = RowLog(OnError("skip", 0.5))
    feed = Feed(data, Mixture({"a": 8}), processor, stage(batch_size=8), 1, log=log)
    step = taken(feed, 1)[0]
    assert sorted(step.ids) == [f"a-{n}" for n in range(8) if n != 3]
    assert log.counts() == {"missing image": 1}
    strict = Feed(data, Mixture({"a": 8}), processor, stage(batch_size=8), 1)
    with pytest.raises(BadRow, match=r"gone\.png"):
        taken(strict, 1)


def test_processes_without_a_sample_are_refused(processor: Processor) -> None:
    with pytest.raises(RecipeError, match=r"8 samples a step for 9 processes"):
        make_feed(processor, size=9)


class Counted:
    """A set of any size whose rows are made when they are asked for."""

    name = "many"

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """Ten tokens, the number of the row among them."""
        return Encoded(str(index), [5] * 8 + [3, 4], [-100] * 8 + [3, 4])


def test_a_step_costs_the_same_from_a_thousand_to_a_million_samples(processor: Processor) -> None:
    def seconds(size: int) -> float:
        feed = Feed([Counted(size)], Mixture({"many": size}), processor, stage(steps=400, batch_size=32), 400, as_it_is)
        feed.next()
        times = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(40):
                feed.next()
            times.append(time.perf_counter() - began)
        assert len(json.dumps(feed.state_dict())) < 200
        return min(times)

    small, large = seconds(1000), seconds(1_000_000)
    assert large < 1.5 * small + 0.02


class TestPairs:
    """Stage 1's pairs: whole shares in order."""

    @pytest.fixture
    def pairs(self, tiny_checkpoints: dict[str, Path]) -> PairProcessor:
        """With the tiny Q-Former's tokenizer."""
        _, processor = load(tiny_checkpoints["instructblip-llama"])
        return PairProcessor(processor.qformer_tokenizer, processor.image_processor)

    def feed(self, pairs: PairProcessor, rows: list[Example], rank: int = 0, size: int = 1, **log: Any) -> Feed:
        data = [PairSet("a", rows, pairs.tokenizer)]
        settings = stage(objective="blip2_stage1", train={"qformer": 1e-3}, steps=2, batch_size=6, micro_batch_size=2)
        return Feed(data, Mixture({"a": len(rows)}, seed=3), pairs, settings, 2, share=Share(rank, size), **log)

    def test_shares_stand_together_in_order(self, pairs: PairProcessor) -> None:
        rows = examples(9, "a")
        whole = taken(self.feed(pairs, rows), 2)
        shares = [taken(self.feed(pairs, rows, rank, 3), 2) for rank in range(3)]
        for step in range(2):
            assert [name for share in shares for name in share[step].ids] == whole[step].ids
            assert [len(batch) for batch in whole[step].pair_batches()] == [2, 2, 2]
        with pytest.raises(RecipeError, match="6 pairs, which 4 processes cannot share evenly"):
            self.feed(pairs, rows, 0, 4)

    def test_a_bad_pair_is_replaced(self, pairs: PairProcessor, tmp_path: Path) -> None:
        rows = [Example(f"a-{n}", "a", "", f"thing {n}", (picture(n),)) for n in range(5)]
        rows.append(Example("a-5", "a", "", "nothing", (tmp_path / "gone.png",)))
        log = RowLog(OnError("skip", 0.9))
        steps = taken(self.feed(pairs, rows, log=log), 1)
        batches = steps[0].pair_batches()
        assert [len(batch) for batch in batches] == [2, 2, 2]
        assert len(set(steps[0].ids)) == 5
        assert log.counts() == {str(Reason.MISSING_IMAGE): 1}

    def test_answers_and_pairs_are_not_mixed_up(self, pairs: PairProcessor, processor: Processor) -> None:
        step = taken(self.feed(pairs, examples(6, "a")), 1)[0]
        assert all(isinstance(batch, PairBatch) for batch in step.batches)
        with pytest.raises(RecipeError, match="objective blip2_stage1 only"):
            list(step.answer_batches(1))
        answers = taken(make_feed(processor), 1)[0]
        assert all(isinstance(batch, Batch) for batch in answers.batches)
        with pytest.raises(RecipeError, match="learns from pairs"):
            answers.pair_batches()
        with pytest.raises(RecipeError, match="give it the objective blip2_stage1"):
            Feed([], Mixture({"a": 6}), pairs, stage(), 1)


def test_draws_are_those_of_the_mixture(processor: Processor) -> None:
    feed = make_feed(processor)
    step = taken(feed, 1)[0]
    assert sorted(step.draws, key=lambda draw: (draw.set, draw.index, draw.epoch)) == sorted(
        feed.mixture.draws(0, 8), key=lambda draw: (draw.set, draw.index, draw.epoch)
    )
    assert all(isinstance(draw, Draw) for draw in step.draws)
