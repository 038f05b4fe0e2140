"""What a judge is told: our own rules, or a rule file in the released form, and the message that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from vistune.data.readers import read_json
from vistune.errors import DataError, InputError

Sees = Literal["boxes", "caption", "nothing"]
Message = dict[str, str]

SYSTEM = "You are a helpful and precise assistant for checking the quality of the answer."
"""As published (llava/eval/eval_gpt_review_visual.py)."""
_FILE = Path(__file__).parent / "rules.yaml"


@dataclass(frozen=True)
class Rule:
    """How the two answers are called, and what the judge shall do."""

    role: str
    prompt: str


class Rules:
    """The rule for a question.

    Args:
        path: a rule file in the released form, ``{category: {"role", "prompt"}}``; None: our own.

    Raises:
        DataError: the file is none.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._given = None if path is None else _read(path)

    def of(self, category: str, sees: Sees) -> Rule:
        """The rule for a category; in a released file that of pictures with a caption alone is ``llava_bench_...``.

        Raises:
            InputError: the file has none for it.
        """
        if self._given is None:
            return _own(sees)
        key = f"llava_bench_{category}" if sees == "caption" else category
        rule = self._given.get(key) or (self._given.get("default") if sees == "nothing" else None)
        if rule is None:
            raise InputError(
                f"The rule file {str(self._path)!r} has no rule {key!r}; it has {', '.join(sorted(self._given))}."
            )
        return rule


def messages(context: str | None, question: str, first: str, second: str, rule: Rule) -> list[Message]:
    """System and user message in the published form (eval_gpt_review_bench.py), without a block for no context."""
    blocks = [f"[Context]\n{context}\n\n"] if context is not None else []
    blocks.append(f"[Question]\n{question}\n\n")
    for number, answer in ((1, first), (2, second)):
        name = f"{rule.role} {number}"
        blocks.append(f"[{name}]\n{answer}\n\n[End of {name}]\n\n")
    blocks.append(f"[System]\n{rule.prompt}\n\n")
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "".join(blocks)}]


@cache
def _own(sees: Sees) -> Rule:
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    words = content["sees"][sees].strip()
    return Rule(content["role"], content["prompt"].replace(" {sees}", f" {words}" if words else ""))


def _read(path: Path) -> dict[str, Rule]:
    content: Any = read_json(path)
    try:
        return {key: Rule(str(rule["role"]), str(rule["prompt"])) for key, rule in dict(content).items()}
    except (KeyError, TypeError, ValueError) as error:
        what = "a mapping" if isinstance(content, Mapping) else type(content).__name__
        raise DataError(
            f"{path} is no rule file ({what}); expected a JSON object of categories with `role` and `prompt`."
        ) from error
