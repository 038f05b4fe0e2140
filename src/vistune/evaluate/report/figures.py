"""Figures as a person reads them: on the scale of the papers' tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
"""A benchmark of results.json; everything but its name may be missing."""

_PRINTED = 100
_METRICS = {
    "cider": "CIDEr",
    "vqa": "VQA accuracy",
    "vqa-evalai": "VQA accuracy",
    "aokvqa-da": "direct-answer accuracy",
    "ivqa": "iVQA accuracy",
    "exact": "accuracy, exact match",
    "phrases": "F1 of named objects",
    "hallucination": "CHAIR-i, lower is better",
    "choice": "accuracy",
    "circular": "accuracy, circular",
    "ranks": "MRR",
    "verdict": "accuracy",
    "sentences": "accuracy",
    "pope": "F1",
    "auc": "AUC",
    "mme": "points",
    "retrieval": "mean recall",
    "judge": "judged",
}


def title_of(entry: Entry) -> str:
    """Its title, or its name."""
    return str(entry.get("title") or entry["name"])


def metric_of(entry: Entry) -> str:
    """The metric in words."""
    metric = str(entry.get("metric") or "")
    return _METRICS.get(metric, metric)


def printed(entry: Entry, value: float) -> float:
    """A figure on the papers' scale: fractions times 100."""
    return value * _PRINTED if entry.get("unit") == "fraction" else value


def number(value: float) -> str:
    """One digit after the point, the typographical minus."""
    return f"{value:,.1f}".replace("-", "−")


def signed(value: float) -> str:
    """With its sign."""
    return f"+{number(value)}" if value >= 0 else number(value)


def shown(entry: Entry, value: float | None) -> str:
    """A figure of the benchmark on the papers' scale; a dash where there is none."""
    return "–" if value is None else number(printed(entry, value))


def interval(entry: Entry, ends: Sequence[float] | None) -> str:
    """ "[48.1, 50.3]", or "" where there is none."""
    return f"[{shown(entry, ends[0])}, {shown(entry, ends[1])}]" if ends else ""


def plain(value: Any) -> str:
    """Any figure of the details as it stands: whole numbers whole, others with four digits; an interval as one."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.0f} %"


def duration(seconds: float) -> str:
    """ "0.4 s", "12 s", "3 min 20 s", "2 h 05 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def missing_words(entry: Entry) -> str:
    """Why there is no figure."""
    if entry.get("public_answers") is False:
        return "no public answers"
    if entry.get("metric") == "judge":
        return "scored by a judge"
    return str(entry.get("note") or "not measured")
