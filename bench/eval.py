"""`vistune eval` beside the usual ways, on random weights, from closed pictures to answers.

    python bench/eval.py [--repeats 3] [--device cpu] [--dtype float32] [--json] [--only shared own generation]

shared      ranking 1,000 answers that all questions share. Goal: 10 x the published algorithm. T5 also after some steps
            on such answers (bench/tuned.py), as random weights leave nothing to choose from.
own         ranking 4 answers of each question's own. Goal: 3 x. (T5's published algorithm reads a prompt once too.)
generation  answers of 10 tokens beside a loop over transformers' processor and generate at the same batch size, for
            one question a picture (goal: 1.5 x), for 2, and for 6 (goal: at least 2 x more). As published,
            InstructBLIP answers with 5 beams and LLaVA-1.5 greedily.

Published ranking: see bench/rank.py. Models of generation: bench/eval_models.py, the released ones on a scale of 1 to
95. Prompts have the spread of TextVQA's with OCR tokens and ScienceQA's with hints: log-normal, 20 words in the median.
Both sides run in turns, and the answers are compared.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import WORDS, instructblip
from eval_models import MODELS, Kind, write_photos, write_scaled
from PIL import Image
from rank import PROMPT, answers, published
from transformers import AutoProcessor, InstructBlipForConditionalGeneration, LlavaForConditionalGeneration
from tuned import tune

import vistune
from vistune.data.example import Example
from vistune.evaluate.runner.asking import How, answer_windows, rows_to_ask
from vistune.evaluate.runner.plan import plan
from vistune.infer.predictor import Predictor
from vistune.infer.prefix import reads_pictures_once

BATCH = 16
SHARED, OWN = 1000, 4
NEW_TOKENS = 10
FEW, MANY = 2, 6
ROWS = 96
MEDIAN_WORDS, SPREAD, MOST_WORDS = 20, 0.8, 200
PARTS = ("shared", "own", "generation")
DECODING: dict[Kind, dict[str, Any]] = {
    "instructblip": {"num_beams": 5, "length_penalty": -1.0},
    "llava": {"num_beams": 1},
}


@dataclass(frozen=True)
class Place:
    """Where generation runs, and in what precision."""

    device: str = "cpu"
    dtype: torch.dtype = torch.float32


LENGTH = {"do_sample": False, "min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}


def ours(predictor: Predictor, examples: Sequence[Example], how: How) -> dict[str, Any]:
    """Answers by id, from words and closed pictures on, with the keys of rows as `vistune eval` makes them."""
    rows = rows_to_ask(predictor.processor, examples, how, "model")
    batches = answer_windows(predictor, plan(rows, BATCH, together=reads_pictures_once(predictor.model)), how, BATCH)
    rows_of = (row for batch in batches for row in batch)
    return {row["id"]: row["text"] if "text" in row else scores_by_candidate(row) for row in rows_of}


def scores_by_candidate(row: dict[str, Any]) -> dict[str, float]:
    """Of 1,000 candidates the best, as they are written down."""
    return dict(zip(row["candidates"], row["scores"], strict=True))


def ranking(
    kind: str, candidates: int, questions: int, pictures: list[Path], tuned: bool = False
) -> dict[str, Callable[[], Any]]:
    """Both ways of ranking; published reads one question at a time, as predict_class does where lists differ."""
    predictor = instructblip(kind)
    shared = tuple(answers(candidates))
    if tuned:
        tune(predictor, shared)
    lists = [shared if candidates == SHARED else tuple(answers(candidates, seed)) for seed in range(questions)]
    examples = [
        Example(str(number), "ranked", PROMPT, images=(pictures[number],), candidates=listed)
        for number, listed in enumerate(lists)
    ]

    def theirs() -> dict[str, Any]:
        found = {}
        for example in examples:
            listed = list(example.candidates or ())
            scores = published(predictor, Image.open(str(example.images[0])), listed)
            found[example.id] = dict(zip(listed, scores, strict=True))
        return found

    how = How("rank", {"closing_token": None, "reduce": "sum"})

    def mine() -> dict[str, Any]:
        return ours(predictor, examples, how)

    return {"theirs": theirs, "ours": mine}


def generation(
    kind: Kind, folder: Path, questions: int, rows: int, pictures: list[Path], place: Place
) -> dict[str, Callable[[], Any]]:
    """Both ways of generating, on a model folder that both read."""
    predictor = vistune.load(folder, device=place.device, dtype=place.dtype)
    decoding = {**LENGTH, **DECODING[kind]}
    loop = _Loop(kind, folder, place, decoding)
    how = How("generate", decoding)
    draw = random.Random(0)
    examples = [
        Example(str(number), "asked", _words(draw), images=(pictures[number // questions % len(pictures)],))
        for number in range(rows)
    ]
    # Rows of a picture lie apart in many releases (POPE's categories, MME's tasks).
    draw.shuffle(examples)
    return {"theirs": lambda: loop(examples), "ours": lambda: ours(predictor, examples, how)}


class _Loop:
    """The loop of transformers' documentation."""

    def __init__(self, kind: Kind, folder: Path, place: Place, decoding: dict[str, Any]) -> None:
        makers: dict[str, Any] = {
            "instructblip": InstructBlipForConditionalGeneration,
            "llava": LlavaForConditionalGeneration,
        }
        self._model = makers[kind].from_pretrained(folder, dtype=place.dtype).to(place.device).eval()
        self._processor = AutoProcessor.from_pretrained(folder)
        self._processor.tokenizer.padding_side = "left"
        self._decoding = decoding
        self._mark = "<image>\n" if kind == "llava" else ""

    @torch.inference_mode()
    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(examples), BATCH):
            some = examples[start : start + BATCH]
            images = [Image.open(str(example.images[0])).convert("RGB") for example in some]
            texts = [self._mark + example.instruction for example in some]
            batch = dict(self._processor(images=images, text=texts, padding=True, return_tensors="pt"))
            batch.pop("token_type_ids", None)
            batch["pixel_values"] = batch["pixel_values"].to(self._model.dtype)
            on_device = {name: tensor.to(self._model.device) for name, tensor in batch.items()}
            ids = self._model.generate(**on_device, **self._decoding)
            ids = ids[:, -NEW_TOKENS:]
            texts = self._processor.batch_decode(ids, skip_special_tokens=True)
            found.update((example.id, text.strip()) for example, text in zip(some, texts, strict=True))
        return found


def _words(draw: random.Random) -> str:
    number = min(MOST_WORDS, max(3, round(MEDIAN_WORDS * draw.lognormvariate(0, SPREAD))))
    return " ".join(f"w{draw.randrange(WORDS)}" for _ in range(number))


def compare(sides: dict[str, Callable[[], Any]], rows: int, repeats: int) -> dict[str, float]:
    """Median of the ratios of runs in turns, the spread of them, seconds a row, and how many answers differ."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(repeats):
        for name, run in sides.items():
            start = time.perf_counter()
            found[name] = run()
            seconds[name].append(time.perf_counter() - start)
    ratios = [theirs / mine for theirs, mine in zip(seconds["theirs"], seconds["ours"], strict=True)]
    return {
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "theirs_seconds_a_row": min(seconds["theirs"]) / rows,
        "ours_seconds_a_row": min(seconds["ours"]) / rows,
        "different": sum(not _same(found["theirs"][name], value) for name, value in found["ours"].items()),
    }


def _same(theirs: Any, mine: Any) -> bool:
    if isinstance(mine, str):
        return bool(theirs == mine)
    return all(abs(theirs[name] - score) < 1e-3 for name, score in mine.items())


def comparisons(
    only: Sequence[str], folder: Path, place: Place
) -> Iterator[tuple[str, int, dict[str, Callable[[], Any]]]]:
    """Name, rows and both sides of every comparison."""
    pictures = write_photos(folder / "pictures", ROWS)
    for kind in ("llama", "t5"):
        for part, candidates, questions in (("shared", SHARED, 1), ("own", OWN, 64)):
            if part in only:
                yield f"rank {candidates} {part}, {kind}", questions, ranking(kind, candidates, questions, pictures)
    if "shared" in only:
        yield f"rank {SHARED} shared, t5, tuned", 1, ranking("t5", SHARED, 1, pictures, tuned=True)
    for model in MODELS if "generation" in only else ():
        write_scaled(model, folder / model.title)
        for questions in (1, FEW, MANY):
            sides = generation(model.kind, folder / model.title, questions, ROWS, pictures, place)
            yield f"generate, {model.title}, {questions} a picture", ROWS, sides


def main() -> None:
    """Print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--device", default="cpu", help="of generation")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32", help="of generation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    place = Place(options.device, getattr(torch, options.dtype))
    report: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, rows, sides in comparisons(options.only, Path(folder), place):
            row = report[name] = compare(sides, rows, options.repeats)
            if not options.json:
                print(
                    f"{name:46} {row['ratio']:5.1f} x ({row['lowest']:.1f} to {row['highest']:.1f}), "
                    f"{1e3 * row['theirs_seconds_a_row']:.0f} -> {1e3 * row['ours_seconds_a_row']:.0f} ms a row, "
                    f"different answers: {row['different']:.0f}",
                    flush=True,
                )
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
