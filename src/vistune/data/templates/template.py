"""One wording of an instruction, with named fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from vistune.errors import RecipeError

FIELDS: dict[str, str] = {
    "question": "the question, or a statement to judge",
    "answer": "the right answer, one drawn where there are several",
    "choices": "(a) red (b) blue",
    "upper_choices": "(A) red (B) blue",
    "lettered_choices": "A. red, and B. blue on a line of its own",
    "letter": "the letter of the right choice: B",
    "context": "a hint, or the text on a meme",
    "ocr_tokens": "words read in the picture, the first 30, joined by commas",
    "all_ocr_tokens": "all of these words",
    "history": "earlier rounds: Question: ... Answer: ...",
    "caption": "a caption of the picture",
    "lecture": "background knowledge",
    "rationale": "the explanation of the answer",
    "instruction": "the words that the row brings",
}
"""What may stand in braces, and what it gives."""

_TOKEN = re.compile(r"\[\[|\]\]|\{\{|\}\}|\[|\]|\{[^{}]*\}|\{|\}")


@dataclass(frozen=True)
class Template:
    """A wording of an instruction and of what is to be learned.

    ``{question}`` and the other `FIELDS` stand in braces; ``{context|none}`` says what stands in for an empty one. A
    part in square brackets, ``[Context: {context} ]``, is left out where a field in it is empty. Double brackets and
    braces stand for themselves.

    Args:
        text: the instruction. target: what is learned.
        published: whether a paper prints it so. source: which one, and where.

    Raises:
        RecipeError: an unknown field, or a bracket or brace without its partner.
    """

    text: str
    target: str = "{answer}"
    published: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        parse(self.text)
        parse(self.target)

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the instruction names."""
        return frozenset(piece.field for part in parse(self.text) for piece in part.pieces if piece.field)

    @property
    def needs(self) -> frozenset[str]:
        """The fields without which the instruction cannot be written."""
        required = (piece for part in parse(self.text) if not part.optional for piece in part.pieces)
        return frozenset(piece.field for piece in required if piece.field and piece.default is None)

    @property
    def names_choices(self) -> bool:
        """Whether the instruction lists the choices of rows that have some, or the letter of one is learned."""
        return any(name.endswith("choices") for name in self.fields) or self.target == "{letter}"

    @property
    def shows_choices(self) -> bool:
        """Whether the instruction lists the choices and cannot do without."""
        return any(name.endswith("choices") for name in self.needs)

    def fill(self, text: str, value_of: Callable[[str], str]) -> str:
        """``text``, which is the instruction or the target, with its fields filled in.

        Args:
            value_of: gives the words of a field, "" where the row has none.

        Raises:
            KeyError: the name of a field that is needed and empty.
        """
        return "".join(part.fill(value_of) for part in parse(text))


@dataclass(frozen=True)
class Piece:
    """Text as it stands, or a field and what stands in for it where it is empty (None: it is needed)."""

    text: str = ""
    field: str | None = None
    default: str | None = None


@dataclass(frozen=True)
class Part:
    """Pieces in a row; ``optional``: they stood in square brackets."""

    pieces: tuple[Piece, ...]
    optional: bool

    def fill(self, value_of: Callable[[str], str]) -> str:
        """The words; "" for an optional part that lacks a field."""
        words = []
        for piece in self.pieces:
            value = value_of(piece.field) or piece.default if piece.field else piece.text
            if value is None:
                if self.optional:
                    return ""
                raise KeyError(piece.field)
            words.append(value)
        return "".join(words)


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[Part, ...]:
    """A template's text as parts.

    Raises:
        RecipeError: an unknown field, or a bracket or brace without its partner.
    """
    parts: list[Part] = []
    pieces: list[Piece] = []
    inside, end = False, 0
    for match in _TOKEN.finditer(text):
        pieces.append(Piece(text[end : match.start()]))
        end, token = match.end(), match.group()
        if token in ("[[", "]]", "{{", "}}"):
            pieces.append(Piece(token[0]))
        elif token in ("[", "]"):
            if inside is (token == "["):
                raise RecipeError(f"The template {text!r} has {token!r} in the wrong place; double it to mean itself.")
            parts.append(Part(tuple(pieces), inside))
            pieces, inside = [], token == "["
        else:
            pieces.append(_field(token, text))
    if inside:
        raise RecipeError(f"The template {text!r} has '[' without ']'; close it, or double it to mean itself.")
    parts.append(Part((*pieces, Piece(text[end:])), False))
    return tuple(parts)


def _field(token: str, text: str) -> Piece:
    if len(token) == 1:
        raise RecipeError(f"The template {text!r} has {token!r} without its partner; double it to mean itself.")
    name, bar, default = token[1:-1].partition("|")
    if name not in FIELDS:
        raise RecipeError(f"The template {text!r} has the field {name!r}; expected one of {', '.join(FIELDS)}.")
    return Piece(field=name, default=default if bar else None)
