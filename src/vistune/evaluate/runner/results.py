"""results.json: what a run measured, and with what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.storage import written_whole
from vistune.errors import DataError
from vistune.train.run.provenance import versions

if TYPE_CHECKING:
    from vistune.evaluate.runner.outcome import BenchmarkResult
    from vistune.evaluate.runner.request import Request

RESULTS = "results.json"


def write_results(
    request: Request, results: Sequence[BenchmarkResult], machine: dict[str, Any], model_key: str | None
) -> dict[str, Any]:
    """Write what is measured so far; returned as it stands in the file.

    Raises:
        StorageError: the disk is full or does not allow it.
    """
    content: dict[str, Any] = {
        "model": request.model,
        "model_key": model_key,
        "suite": request.suite,
        "data_root": None if request.data_root is None else str(request.data_root),
        "seed": request.seed,
        "limit": request.limit,
        "shuffle": request.shuffle,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": machine,
        "seconds": round(sum(result.seconds for result in results), 3),
        "finished": len(results) == len(request.benchmarks),
        "benchmarks": [result.entry(request.out) for result in results],
    }
    # Numbers of numpy and the like become plain ones; what has no figure (NaN) becomes null.
    content = json.loads(json.dumps(content, default=_plain), parse_constant=lambda _: None)
    with written_whole(request.out / RESULTS) as new:
        new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return content


def read_results(run: Path) -> dict[str, Any]:
    """The content of a run folder's results.json.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = run / RESULTS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{str(run)!r} holds no {RESULTS}; give the folder of a finished `vistune eval`.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r} is damaged ({error}); run `vistune eval` again.") from None
    if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), list):
        raise DataError(f"{str(path)!r} is no results file of `vistune eval`.")
    return content


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
