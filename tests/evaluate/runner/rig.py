"""A tiny model and questions about few pictures, put through the runner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tiny import picture

import vistune
from vistune.data.example import Example
from vistune.evaluate.runner.asking import How, answer_windows, rows_to_ask
from vistune.evaluate.runner.plan import plan
from vistune.infer.predictor import Predictor

GREEDY = How("generate", {"do_sample": False, "num_beams": 1, "max_new_tokens": 5})
RANKED = How("rank", {"closing_token": None, "reduce": "sum"})
COLOURS = ("red", "a small blue star", "green", "no idea")


def predictor(folder: Path) -> Predictor:
    return vistune.load(folder, device="cpu", dtype="float32")


def questions(folder: Path, pictures: int = 4, each: int = 3) -> list[Example]:
    """Rows of different lengths; those of one picture lie apart."""
    paths = []
    for number in range(pictures):
        paths.append(folder / f"{number}.png")
        picture(number).save(paths[-1])
    return [
        Example(
            f"q{number}",
            "asked",
            " ".join(["what is", *["very"] * (number % 5), f"in picture {number}?"]),
            target="never seen",
            images=(paths[number % pictures],),
            candidates=COLOURS[: 2 + number % 3],
        )
        for number in range(pictures * each)
    ]


def answered(model: Predictor, examples: Sequence[Example], how: How, batch_size: int = 4) -> dict[str, dict[str, Any]]:
    """Answers by id."""
    rows = rows_to_ask(model.processor, examples, how, "model")
    return {row["id"]: row for batch in answer_windows(model, plan(rows, batch_size), how, batch_size) for row in batch}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
