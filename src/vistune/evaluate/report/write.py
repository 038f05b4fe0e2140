"""report.html and results.md from a run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vistune.data.storage import written_whole
from vistune.errors import DataError

REPORT, MARKDOWN = "report.html", "results.md"


def write_report(run_folder: Path) -> Path:
    """Write the report of a run beside its results.json; what the results do not hold is left out.

    Returns:
        The path of report.html.

    Raises:
        DataError: there is no results.json, or it is damaged. StorageError: the report cannot be written.
    """
    from vistune.evaluate.report.markdown import build_markdown
    from vistune.evaluate.report.page import build_page
    from vistune.evaluate.runner.results import read_results

    results = read_results(run_folder)
    mistakes = {str(entry["name"]): _mistakes(run_folder, entry) for entry in results["benchmarks"]}
    pages = {REPORT: build_page(results, mistakes), MARKDOWN: build_markdown(results)}
    for name, text in pages.items():
        with written_whole(run_folder / name) as part:
            part.write_text(text, encoding="utf-8")
    return run_folder / REPORT


def _mistakes(run_folder: Path, entry: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The worst answers that lie beside the rows; none where there is no such file."""
    if not entry.get("rows"):
        return ()
    path = (run_folder / str(entry["rows"])).with_suffix(".mistakes.json")
    if not path.is_file():
        return ()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not JSON ({error}); delete it, or run vistune eval again.") from None
    return found if isinstance(found, list) else ()
