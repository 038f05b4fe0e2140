"""A row's fields put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase

from vistune.data.bad_rows import BadRow, Reason
from vistune.data.example import Example
from vistune.data.plain_words import MARK, apart
from vistune.data.templates.draw import draw_answer
from vistune.data.templates.template import Template

MAX_OCR_TOKENS = 30


def write(example: Example, template: Template, answer: str | None = None) -> Example:
    """The example with its instruction and target in the template's words.

    Rows that come in words of their own (an instruction, or turns) keep them, unless the template puts something around
    them with ``{instruction}``.

    Args:
        answer: the right answer; None: what `draw_answer` gives in epoch 0.

    Raises:
        BadRow: the template needs a field that the row has not, or the answer is none of the choices.
    """
    if answer is None:
        answer = draw_answer(example, template, seed=0, epoch=0)
    own = example.turns[0][0] if example.turns else example.instruction
    if own and "instruction" not in template.fields:
        return example if example.turns else replace(example, target=answer)
    fields = _Fields(example, answer, own)
    instruction = _filled(template, template.text, fields)
    if example.turns:
        return replace(example, turns=((instruction, example.turns[0][1]), *example.turns[1:]))
    target = None if answer is None else _filled(template, template.target, fields)
    written = replace(example, instruction=instruction, target=target)
    return _with_letters(written) if template.target == "{letter}" else written


def fitting(templates: Sequence[Template], example: Example) -> list[Template]:
    """The templates that this row can be written with: with its choices if it has some and a template shows them, else
    without; all of them if none fits, so that `write` says what is missing.
    """
    with_choices = [template for template in templates if template.shows_choices]
    if example.choices and with_choices:
        return with_choices
    return [template for template in templates if not template.shows_choices] or list(templates)


def _filled(template: Template, text: str, fields: _Fields) -> str:
    try:
        return template.fill(text, fields.words)
    except KeyError as error:
        name = error.args[0]
        raise BadRow(
            Reason.MISSING_FIELD,
            f"the row {fields.example.id!r} of {fields.example.task!r} has no {name!r}, which the template {text!r} "
            "needs; give it one, or use a template without.",
        ) from None


class _Fields:
    """The words of each field of `template.FIELDS` for one row."""

    def __init__(self, example: Example, answer: str | None, own: str) -> None:
        self.example = example
        self.answer = answer
        self._own = own

    def words(self, name: str) -> str:
        """What stands for ``{name}``, "" if the row has nothing for it."""
        if name in ("instruction", "question"):
            return self._own if name == "instruction" else self.example.question
        # Only what the user says holds marks of pictures.
        return self._said(name).replace(MARK, apart(MARK))

    def _said(self, name: str) -> str:
        example = self.example
        if name == "letter":
            return self._letter()
        if name.endswith("choices"):
            return listed_choices(example.choices, name)
        if name == "ocr_tokens":
            return ", ".join(example.ocr_tokens[:MAX_OCR_TOKENS])
        if name == "all_ocr_tokens":
            return ", ".join(example.ocr_tokens)
        if name == "history":
            return history_text(example.history)
        if name == "answer":
            return self.answer or ""
        return str(getattr(example, name))

    def _letter(self) -> str:
        if self.answer is None or not self.example.choices:
            return ""
        letter = letter_of(self.answer, self.example.choices)
        if letter is None:
            raise BadRow(
                Reason.UNKNOWN_ANSWER_INDEX,
                f"the answer {self.answer!r} of row {self.example.id!r} is none of its choices {self.example.choices}.",
            )
        return letter


def history_text(history: Sequence[tuple[str, str]]) -> str:
    """Earlier rounds as text: "Question: ... Answer: ..." for each, by spaces apart."""
    return " ".join(f"Question: {question} Answer: {answer}" for question, answer in history)


def listed_choices(choices: Sequence[str], style: str = "choices") -> str:
    """Choices in one of the three styles of `template.FIELDS`: "(a) red (b) blue" is InstructBLIP's."""
    _check_number(choices)
    if style == "lettered_choices":
        return "\n".join(f"{letter}. {text}" for letter, text in zip(ascii_uppercase, choices, strict=False))
    letters = ascii_lowercase if style == "choices" else ascii_uppercase
    return " ".join(f"({letter}) {text}" for letter, text in zip(letters, choices, strict=False))


def letter_of(answer: str, choices: Sequence[str]) -> str | None:
    """The capital letter of an answer among its choices; None if it is not there."""
    plain = [choice.strip().casefold() for choice in choices]
    wanted = answer.strip().casefold()
    if wanted in plain:
        return ascii_uppercase[plain.index(wanted)]
    return None


def _with_letters(example: Example) -> Example:
    """Candidates and references as letters, where the letter is what the model answers."""
    references = [letter for text in example.references if (letter := letter_of(text, example.choices))]
    return replace(example, candidates=tuple(ascii_uppercase[: len(example.choices)]), references=tuple(references))


def _check_number(choices: Sequence[str]) -> None:
    if len(choices) > len(ascii_uppercase):
        raise BadRow(
            Reason.UNKNOWN_ANSWER_INDEX,
            f"a row has {len(choices)} choices; expected at most {len(ascii_uppercase)}, one a letter.",
        )
