"""Tokens of a sample as HTML: one chip each, those that are learned from marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from vistune.model.losses import IGNORE

if TYPE_CHECKING:
    from vistune.data.batch import Encoded
    from vistune.data.processor import Processor

_VISIBLE = {"▁": "·", "Ġ": "·", "Ċ": "⏎", "<0x0A>": "⏎", "\n": "⏎", "<0x09>": "⇥"}


def token_strip(encoded: Encoded, processor: Processor) -> str:
    """All tokens of the sample in reading order; the decoder's behind an arrow for encoder-decoders."""
    if processor.encoder_decoder:
        prompt = _chips(encoded.input_ids, [False] * len(encoded.input_ids), processor)
        target = encoded.labels or []
        return f'<p class="tokens">{prompt}<b class="arrow">→</b>{_chips(target, [True] * len(target), processor)}</p>'
    labels = encoded.labels or [IGNORE] * len(encoded.input_ids)
    return f'<p class="tokens">{_chips(encoded.input_ids, [label != IGNORE for label in labels], processor)}</p>'


def counts(encoded: Encoded, processor: Processor) -> str:
    """ "61 tokens, 32 of them image, 5 learned from; the Q-Former reads 12" """
    labels = encoded.labels or []
    learned = sum(label != IGNORE for label in labels)
    total = len(encoded.input_ids) + (len(labels) if processor.encoder_decoder else 0)
    images = encoded.input_ids.count(processor.image_token_id)
    parts = [f"{total} tokens"]
    parts += [f"{images} of them image"] if images else []
    parts.append(f"{learned} learned from")
    reads = f"; the Q-Former reads {len(encoded.instruction_ids)}" if encoded.instruction_ids is not None else ""
    return ", ".join(parts) + reads


def _chips(ids: Sequence[int], learned: Sequence[bool], processor: Processor) -> str:
    special = set(processor.tokenizer.all_special_ids)
    made = []
    for (token, counted), run in groupby(zip(ids, learned, strict=True)):
        length = len(list(run))
        if token == processor.image_token_id:
            made.append(f'<i class="image">{escape(processor.image_token)} ×{length}</i>')
            continue
        names = [name for name, given in (("learned", counted), ("special", token in special)) if given]
        made += [f'<i class="{" ".join(names)}" title="{token}">{_piece(token, processor.tokenizer)}</i>'] * length
    return "".join(made)


def _piece(token: int, tokenizer: Any) -> str:
    """A token's text with white space made visible; bytes of other characters stay what they are."""
    piece = str(tokenizer.convert_ids_to_tokens(token))
    for hidden, shown in _VISIBLE.items():
        piece = piece.replace(hidden, shown)
    return escape(piece)
