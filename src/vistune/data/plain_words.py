"""Special tokens in a row's own words, such as the ``</s>`` of a web page: written so that they are read as text."""

from __future__ import annotations

import logging
import re
from typing import Any

MARK = "<image>"
"""Where a picture stands in what a user says."""

logger = logging.getLogger(__name__)


def apart(token: str) -> str:
    """A special token as text: ``< /s>``.

    A blank makes text of it for every tokenizer. To leave out special tokens when the words are cut would not: some
    vocabularies (unigram, whole words) hold ``</s>`` as a piece of text too.
    """
    return f"{token[0]} {token[1:]}"


class PlainWords:
    """Writes the special tokens of tokenizers apart: read as they stand they would end an answer, or be a picture.

    Args:
        tokenizers: transformers'; None is left out. image_token: what stands for a picture in the model's text.
    """

    def __init__(self, *tokenizers: Any, image_token: str = MARK) -> None:
        tokens = {token for tokenizer in tokenizers if tokenizer is not None for token in _special(tokenizer)}
        tokens.add(image_token)
        self._in_answers = _pattern(tokens | {MARK})
        self._in_questions = _pattern(tokens - {MARK})
        self._told = False

    def question(self, text: str) -> str:
        """What the user says; a mark ``<image>`` in it stays a mark."""
        return self._written(text, self._in_questions)

    def answer(self, text: str) -> str:
        """What the assistant answers, where nothing stands for a picture."""
        return self._written(text, self._in_answers)

    def _written(self, text: str, pattern: re.Pattern[str]) -> str:
        written = pattern.sub(lambda found: apart(found[0]), text)
        if written != text and not self._told:
            self._told = True
            logger.warning("Special tokens in the words of rows are written apart, first %r", pattern.findall(text)[0])
        return written


def _special(tokenizer: Any) -> set[str]:
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return {token for token in {*tokenizer.all_special_tokens, *added} if len(token) > 1}


def _pattern(tokens: set[str]) -> re.Pattern[str]:
    """Any of the tokens, the longest first; without tokens, nothing."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or r"(?!)")
