"""Which template and which answer a sample gets: functions of the seed, the epoch and the sample's id alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.templates.template import Template


def draw(templates: Sequence[Template], seed: int, epoch: int, sample_id: str) -> Template:
    """One of the templates, each as likely as any other, drawn anew every epoch.

    Raises:
        InputError: there are none.
    """
    if not templates:
        raise InputError("There is no template to draw from; give at least one.")
    return templates[pick(len(templates), "template", seed, epoch, sample_id)]


def draw_answer(example: Example, template: Template | None, seed: int, epoch: int) -> str | None:
    """The answer to learn from: one of ``answers`` if the row has them, else ``target``; None if it has neither.

    Each entry is as likely as any other, so an answer that more people gave is learned from more often (VQA sets list
    the answers of ten people). Where the choices are shown, or words are the row's own, ``target`` comes first.
    """
    own = template is None or (bool(example.choices) and template.names_choices)
    if not example.answers or (own and example.target is not None):
        return example.target
    return example.answers[pick(len(example.answers), "answer", seed, epoch, example.id)]


def pick(number: int, *key: object) -> int:
    """A number from 0 to ``number`` - 1, the same for the same key in every process and on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % number
