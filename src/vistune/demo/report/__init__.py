"""The demo's report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vistune.demo.setup import Settings
    from vistune.evaluate.run import EvalTask


def write_report(
    out: Path, settings: Settings, tasks: Sequence[EvalTask], results: Mapping[str, Any], record: Mapping[str, Any]
) -> None:
    """Write ``report.html`` into the run's folder; see vistune.demo.report.page."""
    from vistune.demo.report.page import build_page

    page = build_page(out, settings, tasks, results, record)
    temporary = out / "report.html.new"
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(out / "report.html")
