"""Retrieval in several sittings: finished work is taken when and only when model, picture and text are equal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.model.stage1_rig import CAPTIONS, build
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer

from vistune.data.pairs import PairProcessor
from vistune.evaluate.runner import keys
from vistune.evaluate.runner import matching as module
from vistune.evaluate.runner.keys import stage1_key
from vistune.evaluate.runner.matching import Matcher, share, shared_scores
from vistune.infer.retrieval import RetrievalScores, retrieval_scores
from vistune.train.parallel.processes import Processes

COUNT, CANDIDATES = 7, 3


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    model, processor = build().eval(), PairProcessor(bert_tokenizer(), blip_image_processor())
    return Matcher(model, processor, stage1_key(model, processor), Processes.alone(), 2)


@pytest.fixture
def refs(tmp_path: Path) -> list[Path]:
    """Seven pictures; the last one is a copy of the first."""
    paths = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        picture(number % (COUNT - 1)).save(path)
    return paths


# One stands twice.
TEXTS = [*CAPTIONS, CAPTIONS[1]]


class Done:
    """What was really computed."""

    def __init__(self) -> None:
        self.pictures = self.texts = self.pairs = 0

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Done:
    """Counts, in place of nothing: the functions run as ever."""
    counts = Done()

    def counting(name: str, what: str, number: Callable[..., int]) -> None:
        original = getattr(module, name)

        def call(*arguments: Any) -> Any:
            setattr(counts, what, getattr(counts, what) + number(*arguments))
            return original(*arguments)

        monkeypatch.setattr(module, name, call)

    counting("encode_images", "pictures", lambda _m, _p, images: len(images))
    counting("embed_texts", "texts", lambda _m, _p, rows: len(rows))
    counting("matches", "pairs", lambda _m, _p, _f, rows, _b: len(rows))
    return counts


def scores(matcher: Matcher, refs: Sequence[Path], folder: Path, texts: Sequence[str] = TEXTS) -> RetrievalScores:
    found, _ = shared_scores(matcher, refs, texts, folder, "some", CANDIDATES)
    assert found is not None
    return found


def same(one: RetrievalScores, other: RetrievalScores) -> bool:
    """To rounding, candidates too."""
    return all(
        torch.allclose(getattr(one, side), getattr(other, side), rtol=1e-4, atol=1e-5)
        for side in ("similarities", "image_to_text", "text_to_image")
    )


@pytest.mark.parametrize("size", [1, 3, 64])
def test_scores_are_those_of_one_call_for_any_batch_size(
    matcher: Matcher, refs: list[Path], tmp_path: Path, size: int
) -> None:
    # Without what is twice: which of two equal ones is a candidate is open.
    once, texts = refs[:-1], TEXTS[:-1]
    wanted = retrieval_scores(matcher.model, matcher.processor, once, texts, CANDIDATES, 5)
    assert same(scores(replace(matcher, batch_size=size), once, tmp_path / "out", texts), wanted)


def test_equal_pictures_and_texts_are_computed_once(
    matcher: Matcher, refs: list[Path], tmp_path: Path, done: Done
) -> None:
    found = scores(matcher, refs, tmp_path / "out")
    assert (done.pictures, done.texts) == (COUNT - 1, len(CAPTIONS))
    assert torch.equal(found.similarities[0], found.similarities[-1])
    assert torch.equal(found.similarities[:, 1], found.similarities[:, -1])
    assert torch.equal((found.image_to_text > float("-inf")).sum(1), torch.full((COUNT,), CANDIDATES))


def test_a_second_run_computes_nothing(matcher: Matcher, refs: list[Path], tmp_path: Path, done: Done) -> None:
    first = scores(matcher, refs, tmp_path / "out")
    assert done.pairs > 0
    done.clear()
    again, reused = shared_scores(replace(matcher, batch_size=64), refs, TEXTS, tmp_path / "out", "some", CANDIDATES)
    assert again is not None and (done.pictures, done.texts, done.pairs, reused) == (0, 0, 0, COUNT)
    for side in ("similarities", "image_to_text", "text_to_image"):
        assert torch.equal(getattr(first, side), getattr(again, side))


@pytest.mark.parametrize(("stopped", "after"), [("encode_images", 2), ("embed_texts", 1), ("matches", 3)])
def test_it_goes_on_where_it_was_stopped(
    matcher: Matcher,
    refs: list[Path],
    tmp_path: Path,
    done: Done,
    monkeypatch: pytest.MonkeyPatch,
    stopped: str,
    after: int,
) -> None:
    whole = scores(matcher, refs, tmp_path / "whole")
    every = (done.pictures, done.texts, done.pairs)
    done.clear()
    original, calls = getattr(module, stopped), iter(range(100))

    def stopping(*arguments: Any) -> Any:
        if next(calls) == after:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, stopped, stopping)
        with pytest.raises(KeyboardInterrupt):
            scores(matcher, refs, tmp_path / "cut")
    # As a kill leaves it: the last line is cut off, and that work is lost.
    [part] = (tmp_path / "cut").glob("answers.*.jsonl")
    part.write_bytes(part.read_bytes()[:-7])
    kept = part.read_bytes().splitlines(keepends=True)[:-1]
    done.clear()
    assert same(scores(matcher, refs, tmp_path / "cut"), whole)
    pictures, texts = every[0], every[1]
    pairs = sum(b'"of"' in line for line in kept)
    # A picture goes through the encoder again if its pairs are not done.
    assert done.pictures == pictures - pairs
    assert done.texts == texts - max(0, len(kept) - pairs - pictures)
    assert done.pairs < every[2] if stopped == "matches" else done.pairs == every[2]
    assert pairs == (after - 1 if stopped == "matches" else 0)


def test_nothing_is_taken_wrongly(matcher: Matcher, refs: list[Path], tmp_path: Path, done: Done) -> None:
    folder = tmp_path / "out"
    few = refs[:3]

    def computed(using: Matcher = matcher, texts: Sequence[str] = TEXTS) -> tuple[int, int, int]:
        done.clear()
        found, _ = shared_scores(using, few, texts, folder, "some")
        assert found is not None
        wanted = retrieval_scores(using.model, using.processor, few, texts)
        assert same(found, wanted)
        return done.pictures, done.texts, done.pairs

    texts = len(CAPTIONS)
    assert computed() == (3, texts, 3 * texts)
    picture(40).save(few[1])
    assert computed() == (1, 0, texts)
    assert computed(texts=[*TEXTS[:-2], "a new text"]) == (3, 1, 3)
    other = build(seed=1).eval()
    another = replace(matcher, model=other, key=stage1_key(other, matcher.processor))
    assert computed(another) == (3, texts, 3 * texts)
    # What was finished with the first model is still there.
    assert computed() == (0, 0, 0)
    few.append(refs[3])
    assert computed() == (1, 0, texts)


def test_damaged_lines_are_done_again(matcher: Matcher, refs: list[Path], tmp_path: Path, done: Done) -> None:
    whole = scores(matcher, refs, tmp_path)
    path = tmp_path / "answers.jsonl"
    lines = path.read_text().splitlines()
    of_picture = next(number for number, line in enumerate(lines) if '"of"' not in line)
    of_pairs = next(number for number, line in enumerate(lines) if '"of"' in line)
    lines[of_picture] = lines[of_picture].replace('"data": "', '"data": "AAAA')
    lines[of_pairs] = lines[of_pairs].replace('"data": "', '"data": "?')
    path.write_text("\n".join(lines) + "\n")
    done.clear()
    assert same(scores(matcher, refs, tmp_path), whole)
    assert done.pictures + done.texts >= 1 and done.pairs >= 1


@dataclass
class Side:
    """One of two processes, as a thread; for real ones see test_retrieval.py."""

    rank: int
    table: list[Any]
    meeting: threading.Barrier
    size: int = 2

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def collect(self, value: Any) -> list[Any]:
        self.table[self.rank] = value
        self.meeting.wait()
        values = list(self.table)
        self.meeting.wait()
        return values

    def broadcast(self, value: Any) -> Any:
        return self.collect(value)[0]


def test_two_processes_do_a_share_each(
    matcher: Matcher, refs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: Counter[tuple[str, int]] = Counter()
    read: Counter[str] = Counter()
    ranks: dict[int, int] = {}

    def counting(name: str, original: Any, *arguments: Any) -> Any:
        rows = arguments[3] if name == "matches" else arguments[2]
        computed[name, ranks[threading.get_ident()]] += len(rows)
        return original(*arguments)

    for name in ("encode_images", "embed_texts", "matches"):
        monkeypatch.setattr(module, name, partial(counting, name, getattr(module, name)))

    def reading(ref: Path, original: Any = keys.content_keys) -> list[bytes]:
        read[str(ref)] += 1
        found: list[bytes] = original(ref)
        return found

    monkeypatch.setattr(keys, "content_keys", reading)
    table, meeting = [None, None], threading.Barrier(2, timeout=60)

    def run(rank: int) -> tuple[RetrievalScores | None, int]:
        ranks[threading.get_ident()] = rank
        using: Any = replace(matcher, processes=Side(rank, table, meeting))  # type: ignore[arg-type]
        return shared_scores(using, refs, TEXTS, tmp_path / "two", "some", CANDIDATES)

    with ThreadPoolExecutor(2) as pool:
        (found, _), (nothing, _) = pool.map(run, range(2))
    assert found is not None and nothing is None
    shares = dict(computed)
    assert shares["encode_images", 0] == shares["encode_images", 1] == (COUNT - 1) / 2
    assert shares["embed_texts", 0] == shares["embed_texts", 1] == len(CAPTIONS) / 2
    assert set(read.values()) == {1} and len(read) == COUNT
    ranks[threading.get_ident()] = 0
    computed.clear()
    assert same(found, scores(matcher, refs, tmp_path / "alone"))
    assert shares["matches", 0] + shares["matches", 1] == computed["matches", 0]
    assert min(shares["matches", 0], shares["matches", 1]) > 0


def test_weights_tokenizer_and_sizes_make_the_key(matcher: Matcher) -> None:
    model, processor = build().eval(), matcher.processor
    assert stage1_key(model, processor) == matcher.key
    other = PairProcessor(bert_tokenizer(), blip_image_processor())
    other.image_processor.image_mean = [0.1, 0.2, 0.3]
    with torch.no_grad():
        model.heads.itm_head.bias[0] += 1
    assert len({matcher.key, stage1_key(model, processor), stage1_key(build().eval(), other)}) == 3


def test_shares_are_even_and_pictures_stay_where_they_are() -> None:
    left = {0: [1] * 50, 1: [1], 2: [1, 2], 3: [1], 5: [1, 2, 3]}
    assert share(left, {}, 1) == [[0, 1, 2, 3, 5]]
    assert share(left, {0: 1, 5: 0}, 2) == [[5, 1, 2, 3], [0]]
    assert share({}, {0: 0}, 3) == [[], [], []]
