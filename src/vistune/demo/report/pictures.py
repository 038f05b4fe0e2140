"""Pictures with question, truth and both models' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from vistune.data.example import Example
from vistune.data.images import open_image
from vistune.data.pages import data_uri
from vistune.demo.report.tables import LABELS
from vistune.evaluate.run import Answer, EvalTask

_SIDE = 192
# A free answer that scores less than this is shown as wrong (captions are scored between 0 and 1).
_GOOD = 0.999
# Characters of a truth from which on the cards of a task take the whole width.
_LONG = 60


def answer_cards(
    tasks: Sequence[EvalTask], answers: Mapping[str, Mapping[str, Sequence[Answer]]], each: int = 3
) -> str:
    """For every task some pictures that both models answered right and some that one or both got wrong.

    Args:
        answers: by model and task. each: cards a task.
    """
    groups = []
    for task in tasks:
        by_model = {model: answers[model][task.name] for model in LABELS}
        right = [n for n in range(len(task.examples)) if all(_good(by_model[m][n]) for m in LABELS)]
        wrong = [n for n in range(len(task.examples)) if n not in set(right)]
        chosen = [*right[: each - 1], *wrong]
        chosen = [*chosen, *right[each - 1 :]][:each] if each > 1 else chosen[:1]
        cards = [_card(task, task.examples[n], {m: by_model[m][n] for m in LABELS}) for n in chosen]
        width = " wide" if any(len(str(task.examples[n].target)) > _LONG for n in chosen) else ""
        title = f"<h3>{escape(task.name)} <small>{task.role}</small></h3>" if len(tasks) > 1 else ""
        groups.append(f'{title}<div class="answers{width}">{"".join(cards)}</div>')
    return "".join(groups)


def _good(answer: Answer) -> bool:
    return (answer.score or 0.0) >= _GOOD


def _card(task: EvalTask, example: Example, answers: Mapping[str, Answer]) -> str:
    lines = [f"<dt>truth</dt><dd>{escape(str(example.target))}</dd>"]
    for model, answer in answers.items():
        mark = '<span class="right">✓</span>' if _good(answer) else '<span class="wrong">✗</span>'
        text = escape(answer.generated or "") or "<em>nothing</em>"
        ranked = ""
        if answer.ranked is not None and task.core and answer.ranked != answer.generated:
            sign = '<span class="right">✓</span>' if answer.ranked == answer.target else '<span class="wrong">✗</span>'
            ranked = f" <small>(by ranking: {escape(answer.ranked)} {sign})</small>"
        lines.append(f"<dt>{LABELS[model]}</dt><dd>{mark} {text}{ranked}</dd>")
    picture = data_uri(open_image(example.images[0]), _SIDE)
    return (
        f'<div class="answer"><img alt="" src="{picture}"><div><q>{escape(example.instruction)}</q>'
        f"<dl>{''.join(lines)}</dl></div></div>"
    )
