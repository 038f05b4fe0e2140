"""Rows as instructions: a template and an answer are drawn for a sample and an epoch, and put into words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from vistune.data.example import Example
from vistune.data.plain_words import MARK
from vistune.data.templates.draw import draw, draw_answer
from vistune.data.templates.template import Template
from vistune.data.templates.write import fitting, history_text, write


@dataclass(frozen=True)
class Instructor:
    """Writes examples; the same for the same example, epoch and seed, wherever it runs.

    Args:
        templates: to draw from; empty: rows keep their own words.
        seed: of the draws.
    """

    templates: tuple[Template, ...] = ()
    seed: int = 0

    def __call__(self, example: Example, epoch: int = 0) -> Example:
        """The example with instruction and target.

        Raises:
            BadRow: the template needs a field that the row has not.
        """
        if not self.templates:
            return example if example.turns else replace(example, target=draw_answer(example, None, self.seed, epoch))
        template = draw(fitting(self.templates, example), self.seed, epoch, example.id)
        return write(example, template, draw_answer(example, template, self.seed, epoch))


class SplitTurns(Sequence[Example]):
    """Conversations as one sample a turn; other rows as they are.

    For models and formats that hold one question and one answer. Earlier rounds stand in front of the question in the
    words of InstructBLIP's Visual Dialog prompt (appendix E); how the paper fed LLaVA's conversations is not published.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples
        self._places = [
            (row, turn) for row, example in enumerate(examples) for turn in range(max(1, len(example.turns)))
        ]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        """One turn as an example: ``id`` gains "#" and the number of the turn."""
        if isinstance(index, slice):
            return [self._one(place) for place in self._places[index]]
        return self._one(self._places[index])

    def __iter__(self) -> Iterator[Example]:
        return (self._one(place) for place in self._places)

    def _one(self, place: tuple[int, int]) -> Example:
        row, turn = place
        example = self._examples[row]
        if not example.turns:
            return example
        earlier = tuple((_words(question), answer) for question, answer in example.turns[:turn])
        question, answer = example.turns[turn]
        front = f"Dialog history: {history_text(earlier)}\n " if earlier else ""
        return replace(
            example,
            id=f"{example.id}#{turn + 1}",
            instruction=front + _words(question),
            target=answer,
            history=earlier,
            turns=(),
        )


def _words(question: str) -> str:
    return question.replace(MARK, "").strip()
