"""Cards of the worst answers: picture, prompt, what was said and what is right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from vistune.evaluate.report.figures import Entry, shown

_OPEN = 6
# Characters from which on cards are wider.
_LONG = 100
# Nothing else goes into the page as an address.
_PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+")


def mistake_cards(entry: Entry, counts: Mapping[str, int] | None, mistakes: Sequence[Mapping[str, Any]]) -> str:
    """The first few open, the others folded; "" where there are none."""
    if not mistakes:
        return ""
    cards = [_card(entry, mistake) for mistake in mistakes]
    wide = any(len(str(text)) > _LONG for mistake in mistakes for text in _texts(mistake))
    rest = cards[_OPEN:]
    folded = f"<details><summary>{len(rest)} more</summary>{_grid(rest, wide)}</details>" if rest else ""
    told = f" <small>{len(cards)} of {counts['wrong']:,} not fully right</small>" if counts else ""
    return f"<h3>Worst answers{told}</h3>{_grid(cards[:_OPEN], wide)}{folded}"


def _grid(cards: Sequence[str], wide: bool) -> str:
    return f'<div class="answers{" wide" if wide else ""}">{"".join(cards)}</div>'


def _texts(mistake: Mapping[str, Any]) -> list[Any]:
    return [mistake.get("prompt"), mistake.get("answer"), *(mistake.get("right") or ())]


def _card(entry: Entry, mistake: Mapping[str, Any]) -> str:
    pictures = [str(uri) for uri in mistake.get("pictures") or () if _PICTURE.fullmatch(str(uri))]
    images = "".join(f'<img alt="" src="{uri}">' for uri in pictures)
    if mistake.get("problem"):
        images += f'<p class="problem">{escape(str(mistake["problem"]))}</p>'
    right = " <span class='note'>or</span> ".join(escape(str(text)) for text in mistake.get("right") or ())
    lines = f"<dt>answer</dt><dd>{escape(str(mistake.get('answer') or '')) or '<em>nothing</em>'}</dd>"
    lines += f"<dt>right</dt><dd>{right}</dd>" if right else ""
    if mistake.get("score") is not None:
        lines += f"<dt>score</dt><dd>{shown(entry, mistake['score'])}</dd>"
    lines += f"<dt>id</dt><dd class='note'>{escape(str(mistake.get('id', '')))}</dd>"
    many = "" if len(pictures) == 1 else " many"
    return (
        f'<div class="answer{many}"><div class="pictures">{images}</div><div><q>'
        f"{escape(str(mistake.get('prompt') or ''))}</q><dl>{lines}</dl></div></div>"
    )
