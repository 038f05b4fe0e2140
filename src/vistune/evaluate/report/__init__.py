"""The report of an evaluation: what stands behind the figures, and the pages that show them."""

from __future__ import annotations

from vistune.evaluate.report.analysis.analyse import analyse
from vistune.evaluate.report.analysis.own_columns import read_columns, warn_of_unused
from vistune.evaluate.report.write import write_report

__all__ = ["analyse", "read_columns", "warn_of_unused", "write_report"]
