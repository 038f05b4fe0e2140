"""Spans to token ids and labels: the whole text is tokenised once, labels follow from where the spans stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from vistune.data.formats.spans import Span, text_of
from vistune.errors import DataError, InputError
from vistune.model.losses import IGNORE

# What stands for a space in front of a word: sentencepiece's, and that of byte-level BPE.
_SPACES = "▁Ġ"


def text_ids(tokenizer: Any, text: str, special: bool = True) -> list[int]:
    """``tokenizer(text, add_special_tokens=special)["input_ids"]``, in a third of the time where it is a plain one."""
    kind: Any = type(tokenizer)
    backend = tokenizer.backend_tokenizer if _is_plain(kind) else None
    if backend is None or backend.truncation or backend.padding or backend.encode_special_tokens:
        ids: list[int] = tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids
    found: list[int] = backend.encode_batch_fast([text], add_special_tokens=special)[0].ids
    return found


@cache
def _is_plain(kind: type) -> bool:
    """Whether a tokenizer's class leaves all the work to the tokenizers library."""
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    return (
        issubclass(kind, PreTrainedTokenizerFast)
        and kind.__call__ is PreTrainedTokenizerBase.__call__
        and kind._encode_plus is PreTrainedTokenizerFast._encode_plus
    )


def tokenise(spans: Sequence[Span], tokenizer: Any) -> tuple[list[int], list[int]]:
    """Token ids of the spans' text with special tokens in front, and labels: the id where learned, else -100.

    A tokenizer that cuts the whole text between two tokens cuts its front on its own in the same way (merges never
    cross the cut; the best segmentation is the best on both sides). So the tokens in front of a learned span are those
    that inference makes of the prompt.

    Raises:
        DataError: a token lies across the beginning or the end of a learned span; it is shown. A learned span without
            tokens. InputError: a tokenizer without offsets.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"{type(tokenizer).__name__} does not tell which text a token stands for; use one with tokenizer.json."
        )
    text = text_of(spans)
    # A chat template may write BOS itself; transformers then adds no special tokens either.
    special = not (tokenizer.bos_token and text.startswith(tokenizer.bos_token))
    encoding = tokenizer(text, add_special_tokens=special, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids: list[int] = encoding["input_ids"]
    first, last = _without_added(encoding["special_tokens_mask"])
    cuts = _Cuts(text, ids, encoding["offset_mapping"], first, last, tokenizer)
    labels = [IGNORE] * last
    ends = list(accumulate(len(span.text) for span in spans))
    for span, end in zip(spans, ends, strict=True):
        if span.learned:
            begin = cuts.token_at(end - len(span.text))
            stop = cuts.token_at(end)
            if begin == stop:
                raise DataError(f"The tokenizer makes no token of {span.text!r}, so there is nothing to learn from.")
            labels[begin:stop] = ids[begin:stop]
    return ids[:last], labels


def _without_added(mask: Sequence[int]) -> tuple[int, int]:
    """The tokens of the text itself. What the tokenizer adds behind (a second closing token) is left out."""
    real = [place for place, added in enumerate(mask) if not added]
    return (real[0], real[-1] + 1) if real else (len(mask), len(mask))


class _Cuts:
    """Where the text is cut into tokens. ``first`` and ``last`` bound those that the tokenizer does not add itself."""

    def __init__(
        self, text: str, ids: list[int], offsets: Sequence[tuple[int, int]], first: int, last: int, tokenizer: Any
    ) -> None:
        self._text, self._ids, self._offsets = text, ids, offsets
        self._first, self._last = first, last
        self._tokenizer = tokenizer
        self._token = first

    def token_at(self, place: int) -> int:
        """The first token that begins at or behind a place of the text; places must not go backwards.

        Raises:
            DataError: a token lies across the place.
        """
        while self._token < self._last and self._offsets[self._token][0] < place:
            self._token += 1
        if self._token > self._first:
            self._check(self._token - 1, place)
        while self._token < self._last and self._begin(self._token) < place:
            self._check(self._token, place)
            self._token += 1
        return self._token

    def _begin(self, token: int) -> int:
        """Where a token begins, with the space that byte-level tokenizers leave out of its offsets."""
        begin = self._offsets[token][0]
        free = self._offsets[token - 1][1] if token > self._first else 0
        if begin <= free or not self._text[begin - 1].isspace():
            return begin
        piece = self._tokenizer.convert_ids_to_tokens(self._ids[token])
        return int(max(free, begin - (len(piece) - len(piece.lstrip(_SPACES)))))

    def _check(self, token: int, place: int) -> None:
        end = self._offsets[token][1]
        if end <= place:
            return
        # Some special tokens swallow the white space behind them; that is no text to learn or to leave out.
        if self._ids[token] in self._tokenizer.all_special_ids and self._text[place:end].isspace():
            return
        shown = self._text[max(0, place - 40) : place] + "|" + self._text[place : place + 40]
        piece = self._tokenizer.convert_ids_to_tokens(self._ids[token])
        raise DataError(
            f"The tokenizer merges {piece!r} across the beginning or end of an answer, marked by | in {shown!r}; use "
            "another conversation format, or a tokenizer that keeps the two apart."
        )
