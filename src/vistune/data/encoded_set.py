"""Examples as samples ready for a batch: tokens made when first needed, features from a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from vistune.data.batch import Encoded
from vistune.data.example import Example
from vistune.data.features import Features
from vistune.data.processor import Processor


class EncodedSet:
    """A named list of samples.

    Args:
        name: of the data set or task.
        examples: with a target each, to learn from; or to predict, if ``with_targets`` is False.
        processor: of the model. Prompts are tokenised once and kept.
        features: features or prepared pixels that stand in for the pictures.
        blind: leave the pictures out altogether (the baseline that sees nothing).
        with_targets: whether the answer is part of the sample.
    """

    def __init__(
        self,
        name: str,
        examples: Sequence[Example],
        processor: Processor,
        features: Features | None = None,
        blind: bool = False,
        with_targets: bool = True,
    ) -> None:
        self.name = name
        self.examples = examples
        self._processor = processor
        self.features = None if blind else features
        self._blind = blind
        self._with_targets = with_targets
        self._tokens: dict[int, tuple[Encoded, list[int] | None]] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Encoded:
        """The sample, with features [n, P, D] or pixels if it has pictures."""
        if self.features is None and not self._blind:
            return self._encode(index, None)
        if index not in self._tokens:
            self._tokens[index] = self._prepare(index)
        tokens, rows = self._tokens[index]
        if rows is None or self.features is None:
            return tokens
        values = self.features.read(rows)
        if self.features.pixels:
            return replace(tokens, pixel_values=values)
        return replace(tokens, image_features=values)

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample as token lists, its pictures as references; the same in every epoch."""
        example = self.examples[index]
        shown = replace(
            example,
            target=example.target if self._with_targets else None,
            images=() if self._blind else example.images,
        )
        return self._processor.encode_example(shown)

    def all(self) -> list[Encoded]:
        """Every sample in order."""
        return [self[index] for index in range(len(self))]

    def _prepare(self, index: int) -> tuple[Encoded, list[int] | None]:
        """Tokens without features, and the cache's rows of the pictures."""
        images = self.examples[index].images
        if self.features is None or not images:
            return self._encode(index, None), None
        rows = self.features.rows_of(images)
        return replace(self._encode(index, self.features.read(rows)), image_features=None), rows

    def _encode(self, index: int, features: Tensor | None) -> Encoded:
        example = self.examples[index]
        return self._processor.encode_one(
            example.instruction,
            None if self._blind else list(example.images),
            example.target if self._with_targets else None,
            id=example.id,
            image_features=features,
        )
