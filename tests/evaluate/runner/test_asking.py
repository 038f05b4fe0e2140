"""Answers of the runner are those of the model asked one by one, whatever the batches; pictures are encoded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.evaluate.runner.rig import GREEDY, RANKED, answered, predictor, questions

from vistune.errors import CheckpointError, ImageError, InputError
from vistune.evaluate.runner.asking import How, best_of, fits, rows_to_ask, scores_in_order
from vistune.infer.predictor import Predictor


def test_free_answers_are_those_of_the_model_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, examples = predictor(tiny_checkpoint), questions(tmp_path)
    found = answered(model, examples, GREEDY, batch_size=5)
    alone = [model.generate([e.images[0]], [e.instruction], **GREEDY.arguments)[0] for e in examples]
    assert [found[example.id]["text"] for example in examples] == alone
    assert len(set(alone)) > 1


def test_scores_are_those_of_the_model_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, examples = predictor(tiny_checkpoint), questions(tmp_path)
    found = answered(model, examples, RANKED, batch_size=5)
    for example in examples:
        [ranking] = model.rank([example.images[0]], [example.instruction], [list(example.candidates or ())])
        row = found[example.id]
        assert row["scores"] == pytest.approx(ranking.scores, rel=1e-5, abs=1e-4)
        assert best_of(row) == ranking.answer


@pytest.mark.parametrize("how", [GREEDY, RANKED], ids=["generate", "rank"])
def test_no_answer_depends_on_the_batch_size(tiny_checkpoints: dict[str, Path], tmp_path: Path, how: How) -> None:
    model, examples = predictor(tiny_checkpoints["instructblip-llama"]), questions(tmp_path)
    runs = [answered(model, examples, how, size) for size in (1, 5, 64)]
    for example in examples:
        first, *others = [run[example.id] for run in runs]
        for other in others:
            assert other.get("text") == first.get("text")
            assert other.get("scores") == (
                pytest.approx(first["scores"], rel=1e-5, abs=1e-4) if "scores" in first else None
            )


def test_a_picture_is_encoded_once(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, examples = predictor(tiny_checkpoints["llava-mlp"]), questions(tmp_path, pictures=3, each=6)
    encoded = 0
    original = model.model.encode_images

    def counting(pixels: Any) -> Any:
        nonlocal encoded
        encoded += len(pixels)
        return original(pixels)

    monkeypatch.setattr(model.model, "encode_images", counting)
    answered(model, examples, GREEDY, batch_size=2)
    assert encoded == 3


def test_the_prompt_is_shown_as_sent_without_the_answer(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    for name in ("llava-mlp", "instructblip-t5"):
        model = predictor(tiny_checkpoints[name])
        [row] = rows_to_ask(model.processor, questions(tmp_path, 1, 1), GREEDY, "model")
        assert row.prompt.count("<image>") == 1 and "in picture 0?" in row.prompt and "never seen" not in row.prompt
        own = model.processor.prompt_ids("what is in picture 0?", 1)
        assert row.encoded.input_ids == own


def test_long_lists_keep_their_best(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    model = predictor(tiny_checkpoints["instructblip-llama"])
    candidates = tuple(f"answer {number}" for number in range(230))
    examples = [replace(e, candidates=candidates) for e in questions(tmp_path, 1, 2)]
    row = answered(model, examples, RANKED)["q0"]
    [ranking] = model.rank([examples[0].images[0]], [examples[0].instruction], list(candidates))
    assert row["of"] == 230 and len(row["scores"]) == 20 and best_of(row) == ranking.answer
    assert row["candidates"] == [candidates[place] for place in ranking.order[:20]]
    scores = scores_in_order(row, candidates)
    assert scores.count(float("-inf")) == 210
    assert max(range(230), key=scores.__getitem__) == ranking.best


def test_lists_of_a_row_are_scored_whole(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Visual Dialog's ranks need the scores of all 100 candidates."""
    from dataclasses import replace

    model = predictor(tiny_checkpoints["instructblip-llama"])
    candidates = tuple(f"answer {number}" for number in range(100))
    examples = [replace(e, candidates=candidates) for e in questions(tmp_path, 1, 1)]
    row = answered(model, examples, RANKED)["q0"]
    assert row["candidates"] == list(candidates) and "of" not in row
    assert float("-inf") not in scores_in_order(row, candidates)


def test_equal_choices_count_once_each(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    model = predictor(tiny_checkpoints["instructblip-llama"])
    examples = [replace(e, candidates=("red", "blue", "red")) for e in questions(tmp_path, 1, 1)]
    scores = scores_in_order(answered(model, examples, RANKED)["q0"], ("red", "blue", "red"))
    assert scores[0] == scores[2] != scores[1]


def test_what_cannot_be_asked(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    model: Predictor = predictor(tiny_checkpoints["llava-mlp"])
    [example] = questions(tmp_path, 1, 1)
    with pytest.raises(InputError, match="'q0' shall be ranked but has no candidates"):
        rows_to_ask(model.processor, [replace(example, candidates=None)], RANKED, "model")
    with pytest.raises(ImageError, match="no image"):
        rows_to_ask(model.processor, [replace(example, images=(tmp_path / "none.png",))], GREEDY, "model")
    (tmp_path / "0.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match=r"0\.png"):
        answered(model, [example], GREEDY)


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5"])
def test_a_model_that_gives_no_numbers_has_no_best_candidate(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, family: str
) -> None:
    model = predictor(tiny_checkpoints[family])
    with torch.no_grad():
        next(model.model.language.parameters())[:] = float("nan")
    with pytest.raises(CheckpointError, match=r"Row 'q\d': the model's score of 'red' is nan; its weights are damaged"):
        answered(model, questions(tmp_path, 1, 1), RANKED)


def test_what_a_file_holds_may_not_be_the_answer_of_a_row(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model = predictor(tiny_checkpoints["instructblip-llama"])
    examples = questions(tmp_path, 1, 1)
    [free] = rows_to_ask(model.processor, examples, GREEDY, "model")
    [ranked] = rows_to_ask(model.processor, examples, RANKED, "model")
    assert ranked.candidates == ("red", "a small blue star")
    said, scored = {"text": "red"}, {"candidates": ["red", "a small blue star"], "scores": [1.0, 2.0]}
    assert fits(said, free) and not fits(said, ranked)
    assert fits(scored, ranked) and not fits(scored, free)
    for other in (["a small blue star", "red"], ["red", "x"], ["red"]):
        assert not fits({**scored, "candidates": other}, ranked)
    assert not fits({**scored, "of": 3}, ranked)
    assert fits({"candidates": ["red"], "scores": [1.0], "of": 2}, ranked)
    assert not fits({"candidates": ["x"], "scores": [1.0], "of": 2}, ranked)
