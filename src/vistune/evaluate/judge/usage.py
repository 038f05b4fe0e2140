"""What reviews took: tokens and, where prices are known, money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vistune.data.counting import count_of
from vistune.data.readers import read_jsonl


def count_usage(reviews: Path, price_in: float | None = None, price_out: float | None = None) -> dict[str, Any]:
    """Tokens asked and answered over all reviews of a file; those from the cache cost nothing again.

    Args:
        price_in, price_out: of a million tokens asked and answered, in any currency.

    Returns:
        input_tokens, output_tokens, requests, cached, uncounted (replies whose tokens the judge did not tell), cost
        (None without both prices), words (the same as a sentence).
    """
    rows = [row for _, row in read_jsonl(reviews) if isinstance(row, dict)]
    paid = [row for row in rows if not row.get("cached")]
    counted = [row for row in paid if row.get("input_tokens") is not None and row.get("output_tokens") is not None]
    asked = sum(row["input_tokens"] for row in counted)
    answered = sum(row["output_tokens"] for row in counted)
    cost = None
    if price_in is not None and price_out is not None:
        cost = (asked * price_in + answered * price_out) / 1e6
    uncounted = len(paid) - len(counted)
    words = f"{count_of(len(paid), 'request')}, {len(rows) - len(paid):,} from the cache; "
    words += f"{count_of(asked, 'token')} asked, {answered:,} answered"
    words += f" ({count_of(uncounted, 'reply', 'replies')} did not tell)" if uncounted else ""
    words += f"; cost {cost:.4f}" if cost is not None else ""
    return {
        "input_tokens": asked,
        "output_tokens": answered,
        "requests": len(paid),
        "cached": len(rows) - len(paid),
        "uncounted": uncounted,
        "cost": cost,
        "words": words,
    }
