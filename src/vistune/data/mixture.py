"""Which sample is learned from at which step: several data sets mixed by a power of their sizes.

Everything has a closed form in (seed, number of the draw): no draw costs more than another, no memory grows with draws
or sizes, and nothing but the step has to be kept to go on after a stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vistune.data.permutation import Permutation, seed_of, shuffled
from vistune.errors import RecipeError

# Shares are kept as integers out of this: how often a set is drawn before a block is then exact, however many blocks.
_WHOLE = 1 << 40
_SMALLEST_BLOCK, _LARGEST_BLOCK = 256, 1 << 20


@dataclass(frozen=True, slots=True)
class Draw:
    """A sample to learn from: data set and place in it, both as indices, and how often all of the set came before."""

    set: int
    index: int
    epoch: int


class Mixture:
    """Probability of data set d = size_d^power / sum of size^power: 0.5 is InstructBLIP's (section 2.4), 1 proportional
    to size, 0 uniform.

    The order is a pure function of (seed, step). Shares are kept evenly: after any number of draws a set has been drawn
    as often as its probability says, but for a few draws. Within a data set every sample comes once before any comes
    twice, in an order shuffled anew each time.

    Args:
        sizes: number of samples by data set.
        power: exponent on the sizes.
        seed: of the order.
        weights: further factors on the probabilities by data set (the paper lowered A-OKVQA and raised OKVQA by hand).
        homogeneous: all samples of a step are of one data set (as LAVIS draws them); else every sample is drawn alone.

    Raises:
        RecipeError: no data set, an empty one, a negative power, a weight that is not positive or of no data set, or a
            probability below one in a million.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        power: float = 0.5,
        seed: int = 0,
        weights: Mapping[str, float] | None = None,
        homogeneous: bool = False,
    ) -> None:
        _check(sizes, power, weights or {})
        self.names = tuple(sizes)
        self.sizes = tuple(sizes.values())
        self.seed = seed
        self.homogeneous = homogeneous
        shares = np.array([float(size) ** power * (weights or {}).get(name, 1.0) for name, size in sizes.items()])
        self.probabilities = shares / shares.sum()
        self._borders = [*(int(border) for border in np.cumsum(self.probabilities)[:-1] * _WHOLE), _WHOLE]
        self._block_size = _block_size(self.names, self._borders)
        self._block: tuple[int, np.ndarray, np.ndarray] | None = None
        self._orders: dict[int, tuple[int, Permutation]] = {}

    def draws(self, step: int, batch_size: int) -> list[Draw]:
        """The samples of the batch of this step."""
        first = step * batch_size
        if not self.homogeneous:
            return [self.draw(number) for number in range(first, first + batch_size)]
        which, ordinal = self._choice(step)
        return [self._sample(which, ordinal * batch_size + place) for place in range(batch_size)]

    def draw(self, number: int) -> Draw:
        """The sample of this number (0, 1, ...) where samples are drawn alone."""
        return self._sample(*self._choice(number))

    def table(self) -> list[tuple[str, int, float]]:
        """(name, size, probability) by data set, for people."""
        return list(zip(self.names, self.sizes, self.probabilities.tolist(), strict=True))

    def _choice(self, number: int) -> tuple[int, int]:
        """Data set of a draw, and how many draws of that set there were before."""
        block, place = divmod(number, self._block_size)
        if self._block is None or self._block[0] != block:
            self._block = (block, *self._choices(block))
        _, chosen, ordinals = self._block
        return int(chosen[place]), int(ordinals[place])

    def _choices(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Data set and ordinal of each draw of a block, shuffled."""
        before = self._drawn_before(block)
        counts = self._drawn_before(block + 1) - before
        ordered = np.repeat(np.arange(len(counts)), counts)
        chosen = ordered[shuffled(len(ordered), seed_of(self.seed, "block", block))]
        ordinals = np.empty_like(chosen)
        # Sorted by set, and within a set by time: the n-th draw of a set in this block has the n-th ordinal.
        ranks = np.arange(len(chosen)) - np.repeat(np.cumsum(counts) - counts, counts)
        ordinals[np.argsort(chosen, kind="stable")] = ranks + np.repeat(before, counts)
        return chosen, ordinals

    def _drawn_before(self, block: int) -> np.ndarray:
        """How often each set is drawn in all blocks before: rounded cumulative shares, so that blocks come out full."""
        borders = [0, *(block * self._block_size * border // _WHOLE for border in self._borders)]
        return np.diff(np.array(borders, dtype=np.int64))

    def _sample(self, which: int, ordinal: int) -> Draw:
        epoch, position = divmod(ordinal, self.sizes[which])
        known = self._orders.get(which)
        if known is None or known[0] != epoch:
            # By name: another data set in the mixture does not change the order within this one.
            known = (epoch, Permutation(self.sizes[which], seed_of(self.seed, self.names[which], epoch)))
            self._orders[which] = known
        return Draw(which, known[1](position), epoch)


def _block_size(names: tuple[str, ...], borders: list[int]) -> int:
    """Draws per block: so many that each set is drawn in every block (counts of blocks are then never negative)."""
    widths = [border - before for before, border in zip([0, *borders[:-1]], borders, strict=True)]
    rarest = min(range(len(widths)), key=widths.__getitem__)
    if widths[rarest] * _LARGEST_BLOCK < _WHOLE:
        raise RecipeError(
            f"Data set {names[rarest]!r} would be drawn less than once in a million samples (probability "
            f"{widths[rarest] / _WHOLE:.1e}); give it a larger weight, or leave it out."
        )
    return max(_SMALLEST_BLOCK, -(-_WHOLE // widths[rarest]))


def _check(sizes: Mapping[str, int], power: float, weights: Mapping[str, float]) -> None:
    if not sizes:
        raise RecipeError("The mixture has no data sets; name at least one.")
    for name, size in sizes.items():
        if size < 1:
            raise RecipeError(f"Data set {name!r} has {size} samples; leave it out of the mixture or give it rows.")
    if not (math.isfinite(power) and power >= 0):
        raise RecipeError(
            f"The mixture's power is {power}; expected 0 (uniform) or more, 0.5 for the square root of sizes."
        )
    for name, weight in weights.items():
        if name not in sizes:
            raise RecipeError(
                f"The mixture weighs {name!r}, which it does not hold; expected one of {', '.join(sizes)}."
            )
        if not (math.isfinite(weight) and weight > 0):
            raise RecipeError(
                f"The weight of {name!r} is {weight}; expected a positive number, or leave the data set out."
            )
