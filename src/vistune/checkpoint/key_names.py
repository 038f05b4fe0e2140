"""Many tensor names in few words: layers.{0-31}.{norm1,norm2}.{weight,bias}"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_FEW = 5


def compress(keys: Iterable[str]) -> str:
    """All names: one by one if they are few, else what they share written once, with braces as in a shell."""
    names = list(keys)
    if len(names) <= _FEW:
        return ", ".join(names)
    tree: dict[str, Any] = {}
    for name in names:
        node = tree
        for word in name.split("."):
            node = node.setdefault(word, {})
        node[""] = {}  # a name may also be the beginning of another
    return ", ".join(_render(tree))


def _render(node: dict[str, Any]) -> list[str]:
    """One text for each group of children that have the same below them."""
    groups: dict[str, list[str]] = {}
    for word, child in node.items():
        if not word:
            groups.setdefault("", [])
            continue
        below = _render(child)
        texts = [text for text in below if text]
        rest = "" if not texts else "." + (texts[0] if len(texts) == 1 else _braces(texts))
        if texts and len(texts) < len(below):
            groups.setdefault("", []).append(word)
        groups.setdefault(rest, []).append(word)
    return [(_braces(_ranges(words)) if words else "") + rest for rest, words in groups.items()]


def _braces(words: list[str]) -> str:
    return words[0] if len(words) == 1 and "-" not in words[0] else "{" + ",".join(words) + "}"


def _ranges(words: list[str]) -> list[str]:
    """['0', '1', '2', '5', 'norm'] -> ['0-2', '5', 'norm']"""
    numbers = sorted(int(word) for word in words if word.isdigit())
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return texts + [word for word in words if not word.isdigit()]
