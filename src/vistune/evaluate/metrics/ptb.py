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
_LONE_LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z]\.$")


def ptb_tokenize(text: str, following: str = _USUAL_BEGINNING) -> list[str]:
    """Tokens of a caption, in lower case and without punctuation.

    A token may hold a no-break space where the tokeniser keeps two words as one (fractions, telephone numbers).

    Args:
        following: the caption on the next line of the file that the evaluator makes, "" for none. A single letter and
            period at the end ("vitamin C.") stay together or not by what begins there. Where it is not known, as most
            captions begin.
    """
    chunks = [chunk for chunk in _BLANK.split(text) if chunk]
    reaches_on = any(_reaches_on(*pair) for pair in pairwise([*chunks, following] if following else chunks))
    if reaches_on or _OTHER_SPACES.search(text):
        return list(_tokens(text, following))
    return [token for chunk in chunks for token in _tokens_of_chunk(chunk)]


def tokenize_lines(texts: Sequence[str]) -> list[list[str]]:
    """Tokens of captions that stand on lines one after the other."""
    return [ptb_tokenize(*pair) for pair in pairwise([*texts, ""])]


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
    return _tokens(chunk)


def _tokens(text: str, following: str = "") -> tuple[str, ...]:
    """Tokens by the rules, of the first of two lines."""
    line = "{}\n{}\n".format(text.replace("\n", " "), following)
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
