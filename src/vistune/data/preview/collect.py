"""What the page shows: some rows of a set, in every wording, as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from vistune.data.bad_rows import RowLog
from vistune.data.formats import NONE
from vistune.data.instruct import Instructor, SplitTurns
from vistune.data.templates.draw import draw, draw_answer
from vistune.data.templates.template import Template
from vistune.data.templates.write import fitting, write
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.batch import Encoded
    from vistune.data.example import Example
    from vistune.data.processor import Processor

# So many rows are read for each that is shown, and those shown are spread over them.
_SPREAD = 25


@dataclass(frozen=True)
class Wording:
    """A row in the words of one template.

    Args:
        template: None for rows in words of their own. drawn: whether training draws this one in epoch 0.
        example: as written. encoded: its tokens, or None if it cannot be used. problem: then why.
    """

    template: Template | None
    drawn: bool
    example: Example
    encoded: Encoded | None
    problem: str = ""


@dataclass(frozen=True)
class PreviewRow:
    """A row as the data set has it, and its wordings."""

    example: Example
    wordings: tuple[Wording, ...]


@dataclass(frozen=True)
class Preview:
    """Rows to show. ``read``: how many were read for them; ``log``: those that cannot be used."""

    rows: tuple[PreviewRow, ...]
    read: int
    log: RowLog


def collect(
    examples: Iterable[Example],
    processor: Processor,
    templates: Sequence[Template],
    log: RowLog,
    *,
    format: str | None = None,
    rows: int = 6,
    seed: int = 0,
) -> Preview:
    """Rows spread over the beginning of a set, each in every wording that fits it.

    Args:
        examples: of the set; no more are read than needed. log: counts its bad rows.
        templates: none for rows in words of their own.
        format: conversation format; None: the checkpoint's own. Where it holds one answer, conversations are split.

    Raises:
        DataError: the set has no usable row.
    """
    from vistune.data.encode import own_format

    found = list(islice(examples, rows * _SPREAD))
    if not found:
        raise DataError(f"There is no row to show: {log.summary()}.")
    number = min(rows, len(found))
    chosen: Sequence[Example] = [found[place * len(found) // number] for place in range(number)]
    if (format or own_format(processor)) == NONE:
        chosen = list(SplitTurns(chosen))[:rows]
    shown = tuple(PreviewRow(example, _wordings(example, processor, templates, format, seed)) for example in chosen)
    return Preview(shown, len(found), log)


def _wordings(
    example: Example, processor: Processor, templates: Sequence[Template], format: str | None, seed: int
) -> tuple[Wording, ...]:
    own = bool(example.instruction or example.turns)
    if not templates or (own and not any("instruction" in template.fields for template in templates)):
        return (_wording(None, True, Instructor((), seed)(example), processor, format),)
    fit = fitting(templates, example)
    drawn = draw(fit, seed, 0, example.id)
    return tuple(_written(example, template, template is drawn, processor, format, seed) for template in fit)


def _written(
    example: Example, template: Template, drawn: bool, processor: Processor, format: str | None, seed: int
) -> Wording:
    try:
        written = write(example, template, draw_answer(example, template, seed, epoch=0))
    except DataError as error:
        return Wording(template, drawn, example, None, str(error))
    return _wording(template, drawn, written, processor, format)


def _wording(
    template: Template | None, drawn: bool, example: Example, processor: Processor, format: str | None
) -> Wording:
    try:
        return Wording(template, drawn, example, processor.encode_example(example, format))
    except DataError as error:
        return Wording(template, drawn, example, None, str(error))
