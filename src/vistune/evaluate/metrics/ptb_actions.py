"""What the Penn Treebank tokeniser makes of the text that a rule takes."""

from __future__ import annotations

import re

_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ROUND = {"(": "-lrb-", ")": "-rrb-"}
_QUOTES = str.maketrans(
    dict.fromkeys("\x91\u2018\u201b\u2039", "`")
    | dict.fromkeys("\x92\u2019\u203a", "'")
    | dict.fromkeys("\x93\u201c\xab", "``")
    | dict.fromkeys("\x94\u201d\xbb", "''")
)
_CURRENCIES = {"\xa2": "cents", "\xa3": "#"} | dict.fromkeys("\x80\xa4\u20a0\u20ac", "$")
_FRACTIONS = {"\xbc": "1/4", "\xbd": "1/2", "\xbe": "3/4", "\u2153": "1/3", "\u2154": "2/3"}
_ENTITIES = {"&lt;": "<", "&gt;": ">"}


def keep(text: str) -> str:
    """The text as it is."""
    return text


def drop(text: str) -> str:
    """No token."""
    return ""


def without_soft_hyphens(text: str) -> str:
    """Words without soft hyphens; soft hyphens alone are a hyphen."""
    return text.replace("\xad", "") or "-"


def unbroken(text: str) -> str:
    """No spaces that could part the token."""
    return text.replace(" ", "\xa0")


def telephone(text: str) -> str:
    """A telephone number as one token, its brackets by name."""
    return unbroken(face(text))


def open_quote(text: str) -> str:
    """A straight quote in front of a word; an entity in capitals stays as it is."""
    return {"'": "`", '"': "``", "&quot;": "``"}.get(text, text)


def close_quotes(text: str) -> str:
    """Quotes of all kinds as one or two straight or slanted ones; straight ones close."""
    text = re.sub("&apos;", "'", re.sub('&quot;|"', "''", text))
    return text.translate(_QUOTES)


def dash(text: str) -> str:
    """A dash."""
    return "--"


def ellipsis(text: str) -> str:
    """Three periods."""
    return "..."


def hyphens(text: str) -> str:
    """Three or four hyphens are a dash."""
    return "--" if 3 <= len(text) <= 4 else text


def money(text: str) -> str:
    """Currencies that the treebank writes otherwise."""
    return _CURRENCIES.get(text, text)


def fraction(text: str) -> str:
    """A fraction in digits."""
    return _FRACTIONS.get(text, text)


def ampersand(text: str) -> str:
    """Entities of ampersands resolved."""
    return re.sub("&amp;", "&", text, flags=re.IGNORECASE)


def bracket(text: str) -> str:
    """A bracket by its name."""
    return _BRACKETS.get(text) or _ENTITIES.get(text.lower(), text)


def face(text: str) -> str:
    """A smiley with its brackets by name."""
    return "".join(_ROUND.get(mark, mark) for mark in text)
