"""The worst answers, with small pictures, in a file beside the rows."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.images import open_images
from vistune.data.pages import data_uri
from vistune.data.storage import written_whole
from vistune.errors import VistuneError
from vistune.evaluate.report.analysis.said import right_of

if TYPE_CHECKING:
    from vistune.data.example import Example, ImageRef
    from vistune.evaluate.benchmarks import Benchmark, Given
    from vistune.evaluate.metrics import Score

_MOST = 12
_SIDE = 224
_PICTURES = 4
# Characters of texts that are kept.
_LONG = 400
# Right answers that are kept: so many short ones, or long ones.
_REFERENCES, _SENTENCES, _SENTENCE = 4, 2, 24
# Metrics that count what is wrong.
_LOWER_IS_BETTER = ("hallucination",)
# Figures of single samples that have no upper end.
_OPEN = ("cider",)
_FULL = {"percent": 100.0, "points": 100.0, "fraction": 1.0}


def keep_mistakes(
    path: Path,
    benchmark: Benchmark,
    examples: Sequence[Example],
    prompted: Sequence[Example],
    answers: Sequence[Given],
    texts: Sequence[str | None],
    score: Score,
) -> dict[str, int]:
    """Write the worst answers, at most one a picture; of equally bad ones those that the model was surest of.

    Args:
        path: a JSON file: [{"id", "prompt", "answer", "right", "score", "pictures": [data URI], "problem"}].
        texts: what was said, see :func:`vistune.evaluate.report.analysis.said.said`.

    Returns:
        {"wrong": rows below the best possible figure (of CIDEr, below the best row's), "shown"}.
    """
    losses = _losses(benchmark, score.per_sample)
    wrong = [row for row, loss in enumerate(losses) if loss > 0 and texts[row] is not None]
    # Equally bad and nothing known of how sure: not just those that come first in the file.
    random.Random(0).shuffle(wrong)
    wrong.sort(key=lambda row: (-losses[row], -_sureness(examples[row], answers[row])))
    shown: list[int] = []
    seen: set[object] = set()
    for row in wrong:
        images = tuple(str(image) for image in examples[row].images)
        if len(shown) < _MOST and (not images or images not in seen):
            seen.add(images)
            shown.append(row)
    kept = [_card(examples[row], prompted[row], texts[row], score.per_sample[row]) for row in shown]
    with written_whole(path) as part:
        part.write_text(json.dumps(kept, ensure_ascii=False) + "\n", encoding="utf-8")
    return {"wrong": len(wrong), "shown": len(shown)}


def _losses(benchmark: Benchmark, figures: Sequence[float]) -> list[float]:
    """How far each row is from the best possible figure, or from the best row where there is no such end."""
    if benchmark.metric in _LOWER_IS_BETTER:
        return list(figures)
    full = max(figures) if benchmark.metric in _OPEN else _FULL[benchmark.unit]
    return [full - figure for figure in figures]


def _sureness(example: Example, given: Given) -> float:
    """How far the best candidate is ahead of the right one; 0 where nothing was ranked."""
    candidates, right = example.candidates or (), right_of(example)
    if given.scores is None or len(candidates) != len(given.scores) or not right or right[0] not in candidates:
        return 0.0
    return max(given.scores) - given.scores[candidates.index(right[0])]


def _card(example: Example, asked: Example, text: str | None, figure: float) -> dict[str, Any]:
    pictures, problem = _pictures(example.images)
    return {
        "id": example.id,
        "prompt": _ends(asked.instruction or example.question),
        "answer": _short(text or ""),
        "right": _right(example),
        "score": figure,
        "pictures": pictures,
        "problem": problem,
    }


def _right(example: Example) -> list[str]:
    found = list(dict.fromkeys(right_of(example)))
    long = any(len(text) > _SENTENCE for text in found)
    return [_short(text) for text in found[: _SENTENCES if long else _REFERENCES]]


def _pictures(refs: Sequence[ImageRef]) -> tuple[list[str], str]:
    """The first few pictures or frames; what is wrong with them, if anything."""
    try:
        return [data_uri(image, _SIDE) for image in open_images(refs[:_PICTURES])[:_PICTURES]], ""
    except (VistuneError, OSError) as error:
        return [], str(error)


def _ends(text: str) -> str:
    """Beginning and end of a prompt: what is asked stands behind a history, a hint or choices."""
    return text if len(text) <= _LONG else f"{text[: _LONG // 2]} ... {text[-_LONG // 2 :]}"


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[:_LONG] + " ..."
