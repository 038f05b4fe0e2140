"""A table as an Excel workbook of one sheet, which MMBench's server takes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.errors import InputError

if TYPE_CHECKING:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet


def check_openpyxl() -> None:
    """Whether workbooks can be written here.

    Raises:
        InputError: openpyxl is not installed.
    """
    if find_spec("openpyxl") is None:
        raise InputError("MMBench's file is an Excel workbook, which needs openpyxl; `pip install 'vistune[eval]'`.")


def write_workbook(rows: Sequence[Sequence[str | int]], path: Path) -> None:
    """Write a sheet: whole numbers as numbers, texts as they are, without signs that XML cannot hold.

    Raises:
        InputError: openpyxl is not installed.
    """
    check_openpyxl()
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    book.save(path)


def _cell(sheet: WriteOnlyWorksheet, value: str | int) -> WriteOnlyCell:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if isinstance(value, int):
        return WriteOnlyCell(sheet, value)
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value))
    # What begins with "=" is an answer, no formula.
    cell.data_type = "s"
    return cell
