"""ScienceQA with a second model (LLaVA section 5.2): it complements ours, or a judge decides where the two differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vistune.data.counting import count_of
from vistune.errors import DataError
from vistune.evaluate.judge.rules import Message
from vistune.evaluate.metrics import extract_choice

Source = Literal["first", "second", "judge"]

SYSTEM = "You decide between two answers to a multiple-choice question."


@dataclass(frozen=True)
class Decision:
    """The answer that counts for a question, and whose it is."""

    id: str
    answer: str
    source: Source


@dataclass(frozen=True)
class Item:
    """A question with both models' answers. question: its words, which only a judge needs."""

    id: str
    first: str
    second: str
    n_choices: int
    question: str = ""

    @property
    def choices(self) -> tuple[int | None, int | None]:
        """The option that each answer names."""
        return extract_choice(self.first, self.n_choices), extract_choice(self.second, self.n_choices)


def join(
    first: Mapping[str, str], second: Mapping[str, str], references: Mapping[str, Mapping[str, Any]]
) -> list[Item]:
    """Both models' answers joined on the references' ids.

    Raises:
        DataError: a model has no answer to a question, or one to an unknown question.
    """
    for name, answers in (("first", first), ("second", second)):
        missing = [key for key in references if key not in answers]
        unknown = [key for key in answers if key not in references]
        if missing or unknown:
            what = f"no answer to {missing[0]!r}" if missing else f"an answer to an unknown question, {unknown[0]!r}"
            raise DataError(
                f"The {name} model has {what} ({len(missing)} missing, {len(unknown)} unknown of {len(references)}); "
                "give answers to the same questions."
            )
    return [
        Item(key, first[key], second[key], int(row["n_choices"]), str(row.get("question", "")))
        for key, row in references.items()
    ]


def complement(items: Sequence[Item]) -> list[Decision]:
    """The second model's answer wherever it names an option, else the first's (published: GPT-4's, else LLaVA's).

    Where neither names one the first's words stand and count as wrong; the released script draws an option instead.
    """
    return [
        Decision(item.id, item.first, "first") if item.choices[1] is None else Decision(item.id, item.second, "second")
        for item in items
    ]


def by_judge(items: Sequence[Item], ask: Callable[[str], str | None]) -> tuple[list[Decision], list[str]]:
    """The judge's answer where the two name different options and it names one; the first's everywhere else.

    Args:
        ask: the judge's words on a question by its id, None if it has none.

    Returns:
        The decisions, and the ids of questions where the judge's words name no option.

    Raises:
        DataError: that is so of every question.
    """
    decisions, unread, words = [], [], ""
    for item in items:
        first, second = item.choices
        told = ask(item.id) if first != second else None
        if told is not None and extract_choice(told, item.n_choices) is not None:
            decisions.append(Decision(item.id, told, "judge"))
            continue
        decisions.append(Decision(item.id, item.first, "first"))
        if told is not None:
            unread.append(item.id)
            words = words or told
    if unread and not any(decision.source == "judge" for decision in decisions):
        raise DataError(
            f"None of {count_of(len(unread), 'reply', 'replies')} of the judge names one option (the first is "
            f"{words[:80]!r}); check the judge."
        )
    return decisions, unread


def judge_messages(item: Item) -> list[Message]:
    """Both answers with their reasons, and what is asked for. The wording is ours: the paper's was not released."""
    user = (
        f"[Question]\n{item.question}\n\n[Assistant 1]\n{item.first}\n\n[End of Assistant 1]\n\n"
        f"[Assistant 2]\n{item.second}\n\n[End of Assistant 2]\n\n[System]\nThe two assistants answer the question "
        "differently. Weigh their reasons, say which one holds and why, and end with the words: The answer is X. "
        "Put the letter of the right option in place of X, and write these words once only.\n\n"
    )
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
