"""The page itself: one HTML file without anything from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from vistune.data.pages import html_page
from vistune.data.preview.collect import Preview, PreviewRow, Wording
from vistune.data.preview.pictures import picture_strip
from vistune.data.preview.style import STYLE
from vistune.data.preview.tokens import counts, token_strip

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.processor import Processor

_BAD_ROWS = 20
_LEGEND = (
    '<p class="legend"><span class="tokens"><i>read</i><i class="special">special</i><i class="image">image</i>'
    '<i class="learned">learned from</i></span> · is a space, ⏎ a line break. Nothing else enters the loss.</p>'
)


def build_page(title: str, facts: Mapping[str, str], preview: Preview, processor: Processor) -> str:
    """The whole page.

    Args:
        title: of the data set. facts: what is known about it, in the order of the page.
        processor: that made the tokens.
    """
    rows = "".join(_row(number, row, processor) for number, row in enumerate(preview.rows, 1))
    known = "".join(f"<dt>{escape(name)}</dt><dd>{_linked(value)}</dd>" for name, value in facts.items() if value)
    body = f"<h1>{escape(title)}</h1><dl class='facts'>{known}</dl>{_LEGEND}{rows}{_bad_rows(preview)}"
    return html_page(title, STYLE, body)


def _row(number: int, row: PreviewRow, processor: Processor) -> str:
    wordings = "".join(_wording(wording, processor, alone=len(row.wordings) == 1) for wording in row.wordings)
    many = f"<h3>{len(row.wordings)} wordings, one is drawn each epoch</h3>" if len(row.wordings) > 1 else ""
    return (
        f'<section><h2>{number} <small>{escape(row.example.id)}</small></h2><div class="row">'
        f'<div class="pictures">{picture_strip(row.example.images)}<dl>{_fields(row.example)}</dl></div>'
        f'<div class="wordings">{many}{wordings}</div></div></section>'
    )


def _fields(example: Example) -> str:
    """What the data set says about the row."""
    said: list[tuple[str, str]] = [
        (name, str(getattr(example, name)))
        for name in ("question", "context", "caption", "lecture", "rationale")
        if getattr(example, name)
    ]
    said += [("earlier", f"{question} {answer}") for question, answer in example.history]
    said += [("choices", " | ".join(example.choices))] if example.choices else []
    said += [("target", example.target)] if example.target is not None else []
    said += [("answers", _counted(example.answers))] if example.answers else []
    said += [("OCR tokens", ", ".join(example.ocr_tokens))] if example.ocr_tokens else []
    said += [("pictures", ", ".join(example.source_ids))] if example.source_ids else []
    return "".join(f"<dt>{name}</dt><dd>{_shortened(value)}</dd>" for name, value in said)


def _counted(answers: Sequence[str]) -> str:
    return ", ".join(f"{text} ×{count}" if count > 1 else text for text, count in Counter(answers).most_common())


def _wording(wording: Wording, processor: Processor, alone: bool) -> str:
    if wording.encoded is None:
        return f'<div class="wording"><p class="problem">{escape(wording.problem)}</p></div>'
    badges = ""
    if wording.template is not None:
        published = wording.template.published
        badges += f'<span class="badge">{escape(wording.template.source) if published else "ours"}</span>'
    badges += '<span class="badge drawn">drawn in epoch 0</span>' if wording.drawn and not alone else ""
    opened = " open" if wording.drawn or alone else ""
    return (
        f'<div class="wording{" drawn" if wording.drawn and not alone else ""}">{_turns(wording.example)}'
        f"<details{opened}><summary>{counts(wording.encoded, processor)}{badges}</summary>"
        f"{token_strip(wording.encoded, processor)}</details></div>"
    )


def _turns(example: Example) -> str:
    turns = example.turns or ((example.instruction, example.target or ""),)
    return "".join(
        f'<p class="said">{_lines(question) or "<em>no instruction</em>"} <mark>{_lines(answer)}</mark></p>'
        for question, answer in turns
    )


def _lines(text: str) -> str:
    return escape(text.strip()).replace("\n", "<br>")


def _shortened(value: str, most: int = 600) -> str:
    return _lines(value if len(value) <= most else value[:most] + " ...")


def _linked(value: str) -> str:
    return f'<a href="{escape(value)}">{escape(value)}</a>' if value.startswith("https://") else escape(value)


def _bad_rows(preview: Preview) -> str:
    bad = preview.log.bad
    if not bad:
        return f"<footer>{preview.read:,} rows were read for this page, all of them usable.</footer>"
    listed = "".join(f"<li>{escape(str(row))}</li>" for row in bad[:_BAD_ROWS])
    more = f"<li>and {len(bad) - _BAD_ROWS} more</li>" if len(bad) > _BAD_ROWS else ""
    return f"<footer><h3>{escape(preview.log.summary())}</h3><ul>{listed}{more}</ul></footer>"
