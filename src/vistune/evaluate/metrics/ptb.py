"""The tokeniser of the COCO caption evaluator: Penn Treebank tokens, lower case, without punctuation.

The evaluator runs the PTBTokenizer of Stanford CoreNLP 3.4.1 and drops tokens of punctuation. Its behaviour is
described here anew: at each place the longest rule wins, the earlier one if several are as long; rules that look ahead
count what they look at. What cannot be seen after the punctuation is gone is left out (periods doubled at the end of
sentences). Letters beyond Unicode's basic plane, such as emoji, are dropped, as there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from vistune.evaluate.metrics.ptb_words import SPACES

PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Tokens that the evaluator drops. It lists brackets too, in capitals that tokens no longer have: they stay."""

_BLANK = re.compile(r"[ \t\r\n\f]+")
_OTHER_SPACES = re.compile(f"(?![ \t\r\n\f])[{SPACES}]")  # may stand inside of an address
_USUAL_BEGINNING = "A person"
# An ending of a word ("'s", "'ll") may stand before the letter: "gr\u2019ss." is "gr", "\u2019s", "s".
_LONE_LETTER = re.compile("(?:(?<![A-Za-z])|['\x92\u2019;][A-Za-z]{1,2})[A-Za-z]\\.$")


def ptb_tokenize(text: str, following: str = _USUAL_BEGINNING) -> list[str]:
    """Tokens of a caption, in lower case and without punctuation.

    A token may hold a no-break space where the tokeniser keeps two words as one (fractions, telephone numbers).

    Args:
        following: the caption on the next line of the file that the evaluator makes, "" for none. A single letter and
            period at the end ("vitamin C.") stay together or not by what begins there. Where it is not known, as most
            captions begin.
    """
    return _tokenize(text, f"\n{following}" if following else "")


def tokenize_lines(texts: Sequence[str]) -> list[list[str]]:
    """Tokens of captions that stand on lines one after the other."""
    found, ahead = [], ""
    for text in reversed(texts):
        found.append(_tokenize(text, ahead))
        # Rules look over empty lines, and tell the end of a line from that of the file.
        ahead = f"\n{text}" + (ahead[:1] if text.strip() else ahead)
    return found[::-1]


def _tokenize(text: str, ahead: str) -> list[str]:
    """Tokens of a caption; ``ahead`` is what follows it in the file."""
    chunks = [chunk for chunk in _BLANK.split(text) if chunk]
    following = ahead.lstrip()
    reaches_on = not following or any(_reaches_on(*pair) for pair in pairwise([*chunks, following]))
    if reaches_on or _OTHER_SPACES.search(text):
        return list(_tokens(text, ahead))
    return [token for chunk in chunks for token in _tokens_of_chunk(chunk)]


def _reaches_on(chunk: str, following: str) -> bool:
    """Whether a rule may look over the space behind a chunk: tags, numbers in groups, periods."""
    first = following[0]
    if "<" in chunk:
        return True
    if chunk[-1] == ".":
        return first in ".<" or first.isdigit() or (first.isupper() and _LONE_LETTER.search(chunk) is not None)
    return first.isdigit() and any(character.isdigit() for character in chunk)


@lru_cache(maxsize=1 << 17)
def _tokens_of_chunk(chunk: str) -> tuple[str, ...]:
    return _tokens(chunk, "\n\n")


def _tokens(text: str, ahead: str) -> tuple[str, ...]:
    """Tokens of a text by the rules, which may look at what follows it."""
    line = text.replace("\n", " ") + ahead
    place, found = 0, []
    while place < len(text):
        made, place = _next(line, place)
        found.append(made)
    lowered = (token.lower() for token in found if token)
    return tuple(token for token in lowered if token not in PUNCTUATION)


def _next(line: str, place: int) -> tuple[str, int]:
    """The token at a place ("" for what no rule takes, or what is dropped) and where the next one begins."""
    from vistune.evaluate.metrics.ptb_rules import rules_for  # builds the patterns, which takes a moment

    longest, best, stop = place, None, place + 1
    for rule in rules_for(line[place]):
        match = rule.pattern.match(line, place)
        if match and match.end() > longest:
            longest, best, stop = match.end(), rule, match.end(1) - rule.give_back
    return ("" if best is None else best.action(line[place:stop])), stop
