"""FLOPs of matrix products: forward, the gradients they need, and what is computed twice.

A product of [T, a] and [a, b] is 2Tab FLOPs; the gradient by either side costs the same again. A frozen matrix passes
gradients on but has none of its own. Norms, softmax and activations are not counted (as in torch's FlopCounterMode).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vistune.train.recipe.cost.sizes import Matrix
from vistune.train.recipe.stage import Lora


@dataclass(frozen=True)
class Work:
    """FLOPs.

    Args:
        forward: once. inputs: gradients passed on. weights: gradients of what trains. again: forward a second time,
            where activations are not kept.
    """

    forward: float = 0.0
    inputs: float = 0.0
    weights: float = 0.0
    again: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.forward + other.forward,
            self.inputs + other.inputs,
            self.weights + other.weights,
            self.again + other.again,
        )

    def __mul__(self, factor: float) -> Work:
        return Work(self.forward * factor, self.inputs * factor, self.weights * factor, self.again * factor)

    @property
    def backward(self) -> float:
        """All gradients."""
        return self.inputs + self.weights

    @property
    def total(self) -> float:
        """Everything that is computed."""
        return self.forward + self.backward + self.again

    def recomputed(self, wanted: bool, last: Work | None = None) -> Work:
        """With the forward a second time, if it is wanted and there is a backward at all.

        Args:
            last: what comes after everything that a backward needs, which torch leaves out the second time.
        """
        if not (wanted and self.backward):
            return self
        return Work(self.forward, self.inputs, self.weights, self.forward - (last.forward if last else 0.0))


@dataclass(frozen=True)
class Learning:
    """What is learned in a part.

    Args:
        flows: gradients pass through it. trains: its weights have some. lora: its adapters have, in their place.
    """

    flows: bool
    trains: bool = False
    lora: Lora | None = None


def total(works: Iterable[Work]) -> Work:
    """The sum."""
    result = Work()
    for work in works:
        result = result + work
    return result


def products(matrices: Iterable[Matrix], tokens: float, learning: Learning, passes_on: bool | None = None) -> Work:
    """Tokens through each of the matrices.

    Args:
        passes_on: whether the gradient by the tokens is wanted; None: where gradients flow.
    """
    passes_on = learning.flows if passes_on is None else passes_on
    own_weights = learning.trains and learning.lora is None
    result = Work()
    for matrix in matrices:
        forward = 2.0 * tokens * matrix.inputs * matrix.outputs
        result += Work(forward, forward * passes_on, forward * own_weights)
        if learning.lora is not None and has_adapter(matrix, learning.lora):
            down = 2.0 * tokens * matrix.inputs * learning.lora.r
            up = 2.0 * tokens * matrix.outputs * learning.lora.r
            result += Work(down + up, down * passes_on + up, down + up)
    return result


def attention(queries: float, keys: float, width: float, learning: Learning, query_learns: bool = True) -> Work:
    """Scores and their mixture of values; of heads that are ``width`` wide together.

    Args:
        query_learns: whether the gradient by the queries is wanted too.
    """
    forward = 4.0 * queries * keys * width
    return Work(forward, forward * learning.flows * (2.0 if query_learns else 1.5))


def has_adapter(matrix: Matrix, lora: Lora) -> bool:
    """Whether an adapter is put on a matrix."""
    return lora.targets == "linear" or matrix.name in lora.targets


def lora_parameters(matrices: Iterable[Matrix], lora: Lora) -> int:
    """Parameters of the adapters."""
    return sum(lora.r * (matrix.inputs + matrix.outputs) for matrix in matrices if has_adapter(matrix, lora))
