"""A key is equal if and only if model, prompt, settings, candidates and pictures are."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from tests.evaluate.runner.rig import GREEDY, RANKED, predictor, questions
from tests.evaluate.runner.test_matching import Side
from tests.tiny import picture

from vistune.data.example import Example
from vistune.errors import ImageError
from vistune.evaluate.runner import keys
from vistune.evaluate.runner.asking import How, rows_to_ask
from vistune.evaluate.runner.keys import model_key, weights_hash

T = TypeVar("T")


def test_a_model_s_key_is_that_of_its_weights(tiny_checkpoints: dict[str, Path]) -> None:
    folder = tiny_checkpoints["instructblip-llama"]
    model, again = predictor(folder), predictor(folder)
    key = model_key(model)
    assert key == model_key(again) and len(key) == 32
    with torch.no_grad():
        again.model.connector.projection.bias[0] += 1e-7
    assert model_key(again) != key
    other = predictor(tiny_checkpoints["instructblip-t5"])
    assert model_key(other) != key


def test_what_is_no_weight_counts_too(tiny_checkpoints: dict[str, Path]) -> None:
    model = predictor(tiny_checkpoints["llava-mlp"])
    key = model_key(model)
    assert model.model.generation_config is not None
    model.model.generation_config.num_beams = 3
    other = model_key(model)
    assert other != key
    model.processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    assert model_key(model) not in (key, other)
    assert weights_hash(model.model) == weights_hash(predictor(tiny_checkpoints["llava-mlp"]).model)
    model.model.half()
    assert weights_hash(model.model) != weights_hash(predictor(tiny_checkpoints["llava-mlp"]).model)


def test_rows(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    processor = predictor(tiny_checkpoints["llava-mlp"]).processor

    def key(example: Example, how: How = GREEDY, model: str = "m") -> str:
        [row] = rows_to_ask(processor, [example], how, model)
        return row.key

    [first, second] = questions(tmp_path, 2, 1)
    first = replace(first, candidates=("red", "blue"))
    own = key(first)
    assert own == key(replace(first, id="other", target="x", references=("y",)))
    longer = How("generate", {**GREEDY.arguments, "max_new_tokens": 6})
    others = [
        key(replace(first, instruction=first.instruction + "?")),
        key(replace(first, images=second.images)),
        key(first, longer),
        key(first, RANKED),
        key(replace(first, candidates=("blue", "red")), RANKED),
        key(first, model="n"),
    ]
    assert len({own, *others}) == len(others) + 1
    # The same picture under another name is the same; another one under the same name is not.
    copied = tmp_path / "copy.png"
    copied.write_bytes((tmp_path / "0.png").read_bytes())
    assert key(replace(first, images=(copied,))) == own
    picture(9).save(tmp_path / "0.png")
    assert key(first) != own


def test_a_key_is_what_it_was_in_folders_of_earlier_versions(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Else finished answers would be asked for again."""
    processor = predictor(tiny_checkpoints["llava-mlp"]).processor
    first, second = questions(tmp_path, 2, 1)
    pair = replace(first, images=(*first.images, *second.images), candidates=("red", "blue"))
    [row] = rows_to_ask(processor, [pair], RANKED, "m")

    def short(content: bytes) -> bytes:
        return hashlib.blake2b(content, digest_size=16).digest()

    parts = [
        json.dumps(["m", ["rank", RANKED.arguments]], sort_keys=True).encode(),
        json.dumps([row.encoded.input_ids, row.encoded.instruction_ids]).encode(),
        *(b"|" + short((tmp_path / f"{number}.png").read_bytes()) for number in range(2)),
        b"candidates" + short(b'["red", "blue"]'),
    ]
    assert row.key == short(b"".join(parts)).hex()


def together(function: Callable[[Any], T]) -> list[T | BaseException]:
    """What two processes come to."""
    table, meeting = [None, None], threading.Barrier(2, timeout=60)

    def run(rank: int) -> T | BaseException:
        try:
            return function(Side(rank, table, meeting))
        except (ImageError, SystemExit) as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_two_processes_read_each_picture_once_and_agree(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = predictor(tiny_checkpoints["llava-mlp"]).processor
    examples: Sequence[Example] = questions(tmp_path, pictures=5, each=3)
    examples = [*examples, replace(examples[0], id="two", images=(*examples[1].images, *examples[0].images))]
    alone = [row.key for row in rows_to_ask(processor, examples, GREEDY, "m")]
    read: Counter[str] = Counter()

    def reading(ref: Path, original: Any = keys.content_keys) -> list[bytes]:
        read[str(ref)] += 1
        found: list[bytes] = original(ref)
        return found

    monkeypatch.setattr(keys, "content_keys", reading)

    def both(side: Any) -> list[str]:
        return [row.key for row in rows_to_ask(processor, examples, GREEDY, "m", side)]

    assert together(both) == [alone, alone]
    assert read == {str(tmp_path / f"{number}.png"): 1 for number in range(5)}


def test_one_process_tells_of_a_picture_that_its_share_lacks(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = predictor(tiny_checkpoints["llava-mlp"]).processor
    examples = questions(tmp_path, pictures=4, each=1)
    original = keys.content_keys

    def damaged(*numbers: int) -> list[Any]:
        def reading(ref: Path) -> list[bytes]:
            if int(ref.stem) in numbers:
                raise ImageError(f"cannot read {ref.stem}")
            return original(ref)

        with monkeypatch.context() as patch:
            patch.setattr(keys, "content_keys", reading)
            return together(lambda side: rows_to_ask(processor, examples, GREEDY, "m", side))

    first, second = damaged(3)
    assert isinstance(first, SystemExit) and str(second) == "cannot read 3" and second.ref is examples[3].images[0]
    for error, rank in zip(damaged(0, 1, 2, 3), range(2), strict=True):
        assert str(error) == "cannot read 0" if rank == 0 else isinstance(error, SystemExit)
    (tmp_path / "2.png").unlink()
    first, second = together(lambda side: rows_to_ask(processor, examples, GREEDY, "m", side))
    assert "2.png" in str(first) and isinstance(second, SystemExit)
