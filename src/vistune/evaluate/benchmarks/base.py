"""What a benchmark is: rows of one split of a data set, and what they score. The words are a protocol's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import InputError
from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.metrics import Score


@dataclass(frozen=True)
class Benchmark(BenchmarkSpec):
    """A split of a data set and its metric; fields as of `BenchmarkSpec`."""

    @property
    def unit(self) -> str:
        """Of the figure: "fraction", "percent" or "points"."""
        from vistune.evaluate.benchmarks.scoring import scorer

        return scorer(self.metric).unit

    def examples(
        self, data_root: Path | None, *, limit: int | None = None, shuffle: bool = False, seed: int = 0
    ) -> list[Example]:
        """The rows, not yet in words, in the release's order or shuffled.

        Args:
            data_root: the folder of the data sets; the picture world needs none.
            limit: how many questions; what belongs together (MME's pairs, orders of choices) stays together.

        Raises:
            DataError: something is missing, with the paths looked at, or a row cannot be used.
            InputError: no data root where one is needed, or a limit below 1.
        """
        from vistune.evaluate.benchmarks.loading import load_examples

        return load_examples(self, data_root, limit=limit, shuffle=shuffle, seed=seed)

    def needs(self) -> list[str]:
        """Paths below the data root, with their alternatives: "vsr/test.jsonl or vsr/zeroshot/test.jsonl"."""
        from vistune.evaluate.benchmarks.there import needs

        return needs(self)

    def missing(self, data_root: Path | None) -> list[str]:
        """Those of `needs` that are not there; all where there is no data root."""
        from vistune.evaluate.benchmarks.there import missing

        return missing(self, data_root)

    def score(self, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
        """The official figure.

        Args:
            examples: as `examples` gave them. answers: one each, in the same order.

        Returns:
            With ``details["parts"]`` where rows have parts (NoCaps's domains, ScienceQA's columns, MME's tasks).

        Raises:
            InputError: the answers are not public, a judge scores it, or answers are missing or do not fit.
        """
        from vistune.evaluate.benchmarks.scoring import score

        return score(self, examples, answers)

    def texts(self, examples: Sequence[Example]) -> list[str]:
        """Of retrieval, the captions of all pictures, in order."""
        return [text for example in examples for text in (example.references or (str(example.target),))]

    def score_retrieval(self, examples: Sequence[Example], image_to_text: Any, text_to_image: Any) -> Score:
        """Recalls of pictures and their captions.

        Args:
            image_to_text: [pictures, texts]. text_to_image: [texts, pictures]; higher is better, -inf no candidate.

        Raises:
            InputError: no retrieval benchmark, or sizes that do not fit.
        """
        from vistune.evaluate.benchmarks.scoring.retrieval import score_retrieval

        if self.answer != "score":
            raise InputError(f"{self.name} is no retrieval benchmark; score its answers.")
        return score_retrieval(examples, image_to_text, text_to_image)
