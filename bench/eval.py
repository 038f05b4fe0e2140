"""`vistune eval` beside the usual ways, on random weights, from closed pictures to answers.

    python bench/eval.py [--repeats 3] [--json] [--only shared own generation]

shared      ranking 1,000 answers that all questions share. Goal: 10 x the published algorithm.
own         ranking 4 answers of each question's own. Goal: 3 x.
generation  answers of 10 tokens beside a loop over transformers' processor and generate at the same batch size, for
            one question a picture (goal: 1.5 x) and for 6 (goal: at least 2 x more).

Published ranking: see bench/rank.py. Sizes: those of bench/train_model.py, where the image encoder has the share of the
work that ViT-g has beside FlanT5-XL. Prompts have the spread of TextVQA's with OCR tokens and ScienceQA's with hints:
log-normal, 20 words in the median. Both sides run in turns, and the answers are compared.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from common import WORDS, instructblip
from PIL import Image
from rank import PROMPT, answers, published
from train_model import write_model, write_pictures
from transformers import AutoProcessor, InstructBlipForConditionalGeneration, LlavaForConditionalGeneration

import vistune
from vistune.data.example import Example
from vistune.evaluate.runner.asking import How, answer_windows, rows_to_ask
from vistune.evaluate.runner.plan import plan
from vistune.infer.predictor import Predictor

BATCH = 16
SHARED, OWN = 1000, 4
NEW_TOKENS = 10
QUESTIONS_A_PICTURE = 6
MEDIAN_WORDS, SPREAD, MOST_WORDS = 20, 0.8, 200
Kind = Literal["instructblip", "llava"]
GENERATE = How(
    "generate", {"do_sample": False, "num_beams": 1, "min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
)


def ours(predictor: Predictor, examples: Sequence[Example], how: How) -> dict[str, Any]:
    """Answers by id, from words and closed pictures on, with the keys of rows as `vistune eval` makes them."""
    rows = rows_to_ask(predictor.processor, examples, how, "model")
    batches = answer_windows(predictor, plan(rows, BATCH), how, BATCH)
    return {row["id"]: row.get("text", row.get("scores")) for batch in batches for row in batch}


def ranking(kind: str, candidates: int, questions: int, pictures: list[Path]) -> dict[str, Callable[[], Any]]:
    """Both ways of ranking; published reads one question at a time, as predict_class does where lists differ."""
    predictor = instructblip(kind)
    shared = tuple(answers(candidates))
    lists = [shared if candidates == SHARED else tuple(answers(candidates, seed)) for seed in range(questions)]
    examples = [
        Example(str(number), "ranked", PROMPT, images=(pictures[number],), candidates=listed)
        for number, listed in enumerate(lists)
    ]

    def theirs() -> dict[str, Any]:
        return {e.id: published(predictor, Image.open(str(e.images[0])), list(e.candidates or ())) for e in examples}

    how = How("rank", {"closing_token": None, "reduce": "sum"})

    def mine() -> dict[str, Any]:
        # Lists of 1,000 keep their best 100 on disk: compared are whole ones.
        found = ours(predictor, examples, how)
        return {name: scores for name, scores in found.items() if len(scores) == candidates}

    return {"theirs": theirs, "ours": mine}


def generation(
    kind: Kind, folder: Path, questions: int, rows: int, pictures: list[Path]
) -> dict[str, Callable[[], Any]]:
    """Both ways of generating, on a model folder that both read."""
    predictor = vistune.load(folder, device="cpu")
    loop = _Loop(kind, folder)
    draw = random.Random(0)
    examples = [
        Example(str(number), "asked", _words(draw), images=(pictures[number // questions % len(pictures)],))
        for number in range(rows)
    ]
    # Rows of a picture lie apart in many releases (POPE's categories, MME's tasks).
    draw.shuffle(examples)
    return {"theirs": lambda: loop(examples), "ours": lambda: ours(predictor, examples, GENERATE)}


class _Loop:
    """The loop of transformers' documentation."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        makers: dict[str, Any] = {
            "instructblip": InstructBlipForConditionalGeneration,
            "llava": LlavaForConditionalGeneration,
        }
        self._model = makers[kind].from_pretrained(folder, dtype=torch.float32).eval()
        self._processor = AutoProcessor.from_pretrained(folder)
        self._processor.tokenizer.padding_side = "left"
        self._mark = "<image>\n" if kind == "llava" else ""
        self._cut = kind == "llava"

    @torch.inference_mode()
    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(examples), BATCH):
            some = examples[start : start + BATCH]
            images = [Image.open(str(example.images[0])).convert("RGB") for example in some]
            texts = [self._mark + example.instruction for example in some]
            batch = dict(self._processor(images=images, text=texts, padding=True, return_tensors="pt"))
            batch.pop("token_type_ids", None)
            ids = self._model.generate(
                **batch, do_sample=False, num_beams=1, min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS
            )
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


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return bool(a == b)
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) < 1e-3


def measure(only: Sequence[str], repeats: int) -> dict[str, dict[str, float]]:
    """All comparisons by name."""
    report: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = write_pictures(folder / "pictures", 96)
        for kind in ("llama", "t5"):
            if "shared" in only:
                report[f"rank {SHARED} shared, {kind}"] = compare(ranking(kind, SHARED, 4, pictures), 4, repeats)
            if "own" in only:
                report[f"rank {OWN} own, {kind}"] = compare(ranking(kind, OWN, 64, pictures), 64, repeats)
        kinds: tuple[Kind, ...] = ("instructblip", "llava")
        for model in kinds if "generation" in only else ():
            write_model(model, folder / model)
            rows = 96
            for questions in (1, QUESTIONS_A_PICTURE):
                sides = generation(model, folder / model, questions, rows, pictures)
                report[f"generate, {model}, {questions} a picture"] = compare(sides, rows, repeats)
    return report


def main() -> None:
    """Print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["shared", "own", "generation"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(options.only, options.repeats)
    if options.json:
        print(json.dumps(report, indent=1))
        return
    for name, row in report.items():
        print(
            f"{name:38} {row['ratio']:5.1f} x ({row['lowest']:.1f} to {row['highest']:.1f}), "
            f"{1e3 * row['theirs_seconds_a_row']:.0f} -> {1e3 * row['ours_seconds_a_row']:.0f} ms a row, "
            f"different answers: {row['different']:.0f}"
        )


if __name__ == "__main__":
    main()
