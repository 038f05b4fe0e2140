"""Which sample is learned from at which step: several data sets mixed by a power of their sizes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vistune.errors import RecipeError

# Draws per block of random choices. The counts before each block are kept: any step is reached in steps / block work.
_BLOCK = 4096


class Mixture:
    """Probability of data set d = size_d^power / sum of size^power: 0.5 is InstructBLIP's (section 2.4), 1 proportional
    to size, 0 uniform.

    The order is a pure function of (seed, step): nothing has to be stored to go on after a stop. Within a data set
    every sample comes once before any comes twice, in an order shuffled anew each time.

    Args:
        sizes: number of samples by data set.
        power: exponent on the sizes.
        seed: of the order.
        weights: further factors on the probabilities by data set (the paper lowered A-OKVQA and raised OKVQA by hand).

    Raises:
        RecipeError: no data set, an empty one, a negative power, or a weight that is not positive or of no data set.
    """

    def __init__(
        self, sizes: Mapping[str, int], power: float = 0.5, seed: int = 0, weights: Mapping[str, float] | None = None
    ) -> None:
        _check(sizes, power, weights or {})
        self.names = tuple(sizes)
        self.sizes = tuple(sizes.values())
        self.seed = seed
        shares = np.array([size**power * (weights or {}).get(name, 1.0) for name, size in sizes.items()])
        self.probabilities = shares / shares.sum()
        self._before = [np.zeros(len(self.names), dtype=np.int64)]
        self._block: tuple[int, np.ndarray, np.ndarray] | None = None
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def draws(self, step: int, batch_size: int) -> list[tuple[int, int]]:
        """(data set, sample) of each row of the batch of this step, both as indices."""
        first = step * batch_size
        return [self._draw(number) for number in range(first, first + batch_size)]

    def table(self) -> list[tuple[str, int, float]]:
        """(name, size, probability) by data set, for people."""
        return list(zip(self.names, self.sizes, self.probabilities.tolist(), strict=True))

    def _draw(self, number: int) -> tuple[int, int]:
        block, place = divmod(number, _BLOCK)
        chosen, ranks = self._choices(block)
        which = int(chosen[place])
        ordinal = int(self._before[block][which] + ranks[place])
        epoch, position = divmod(ordinal, self.sizes[which])
        return which, int(self._order(which, epoch)[position])

    def _choices(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Data sets drawn in a block, and how many draws of the same set precede each in the block."""
        while len(self._before) <= block:
            chosen = self._choose(len(self._before) - 1)
            self._before.append(self._before[-1] + np.bincount(chosen, minlength=len(self.names)))
        if self._block is None or self._block[0] != block:
            chosen = self._choose(block)
            ranks = np.zeros(_BLOCK, dtype=np.int64)
            for which in range(len(self.names)):
                same = chosen == which
                ranks[same] = np.arange(same.sum())
            self._block = (block, chosen, ranks)
        return self._block[1:]

    def _choose(self, block: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 0, block])
        return rng.choice(len(self.names), size=_BLOCK, p=self.probabilities)

    def _order(self, which: int, epoch: int) -> np.ndarray:
        known = self._orders.get(which)
        if known is None or known[0] != epoch:
            rng = np.random.default_rng([self.seed, 1, which, epoch])
            known = (epoch, rng.permutation(self.sizes[which]))
            self._orders[which] = known
        return known[1]


def _check(sizes: Mapping[str, int], power: float, weights: Mapping[str, float]) -> None:
    if not sizes:
        raise RecipeError("The mixture has no data sets; name at least one.")
    for name, size in sizes.items():
        if size < 1:
            raise RecipeError(f"Data set {name!r} has {size} samples; leave it out of the mixture or give it rows.")
    if power < 0:
        raise RecipeError(
            f"The mixture's power is {power}; expected 0 (uniform) or more, 0.5 for the square root of sizes."
        )
    for name, weight in weights.items():
        if name not in sizes:
            raise RecipeError(
                f"The mixture weighs {name!r}, which it does not hold; expected one of {', '.join(sizes)}."
            )
        if weight <= 0:
            raise RecipeError(
                f"The weight of {name!r} is {weight}; expected a positive number, or leave the data set out."
            )
