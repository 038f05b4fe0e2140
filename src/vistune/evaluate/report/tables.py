"""The tables at the head of the report: every benchmark, and beside what the papers print."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vistune.evaluate.report.figures import Entry, interval, metric_of, missing_words, number, shown, title_of
from vistune.evaluate.report.published import AVERAGE, Cell, Comparison, comparisons

# Wider tables are set closer.
_FEW_COLUMNS = 8


def figures_table(entries: Sequence[Entry]) -> str:
    """Value, interval, number of rows, protocol and the span of published figures of each benchmark."""
    head = (
        "<tr><th>Benchmark</th><th>Measured</th><th class='wide-only'>95 % interval</th><th>n</th>"
        "<th class='l wide-only'>Protocol</th><th>Published<span class='wide-only'>, lowest to highest</span></th></tr>"
    )
    rows = "".join(_row(entry) for entry in entries)
    notes = [row.get("note") or "" for entry in entries for row in entry.get("published") or ()]
    noted = any(word in note for note in notes for word in ("trained on", "fine-tuned on"))
    told = " Published figures are also those of models trained on a set; the tables below tell which." if noted else ""
    return (
        f'<div class="scroll"><table class="figures-table"><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
        "<p class='note'>On the scale of the papers' tables: CIDEr, MRR and AUC are times 100. Intervals are bootstrap "
        f"ones over the rows.{told}</p>"
    )


def _row(entry: Entry) -> str:
    average = entry["name"] == AVERAGE
    link = title_of(entry) if average else f"#{entry['name']}"
    title = escape(title_of(entry)) if average else f'<a href="{escape(link)}">{escape(title_of(entry))}</a>'
    protocol = escape(str(entry.get("protocol") or ""))
    about = ", ".join(part for part in (metric_of(entry), str(entry.get("split") or "")) if part)
    narrow = f"<small class='narrow-only'>{protocol}</small>" if protocol else ""
    ends = interval(entry, entry.get("interval"))
    if entry.get("value") is None:
        value = f"<em>{escape(missing_words(entry))}</em>"
    else:
        value = f"<strong>{shown(entry, entry['value'])}</strong><small class='narrow-only'>{ends}</small>"
    count = f"{entry['n']:,}" if entry.get("n") is not None else ""
    return (
        f"<tr{' class=mean' if average else ''}><td>{title}<small>{escape(about)}</small>{narrow}</td><td>{value}</td>"
        f"<td class='wide-only'>{ends}</td><td>{count}</td><td class='l wide-only'>{protocol}</td>"
        f"<td>{_span(entry)}</td></tr>"
    )


def _span(entry: Entry) -> str:
    figures = [row["printed"] for row in entry.get("published") or () if not row.get("part")]
    if not figures:
        return ""
    low, high = number(min(figures)), number(max(figures))
    return f"{low if low == high else f'{low} – {high}'}"


def published_tables(entries: Sequence[Entry], model: str) -> str:
    """A table for each table of a paper; "" where the papers print nothing of what was run."""
    tables = "".join(_comparison(found, model) for found in comparisons(entries))
    if not tables:
        return ""
    return (
        "<h2 id='published'>Beside what the papers print</h2><p class='lead'>The first row was measured here; all "
        "others are published figures, taken from the tables named and not measured again.</p>"
        f"{tables}"
    )


def _comparison(found: Comparison, model: str) -> str:
    notes: list[str] = []
    head = "".join(f"<th>{escape(column)}</th>" for column in found.columns)
    own = "".join(f"<td>{_own(cell)}</td>" for cell in found.measured)
    rows = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_theirs(cell, notes)}</td>' for cell in cells)}</tr>"
        for name, cells in found.rows.items()
    )
    group = f'<tr class="group"><td>published</td><td colspan="{len(found.columns)}"></td></tr>'
    many = " many" if len(found.columns) > _FEW_COLUMNS else ""
    listed = "".join(f"<br>{mark * '*'} {escape(note)}" for mark, note in enumerate(notes, 1))
    return (
        f"<h3>{escape(found.table)} <small>published; {escape(found.paper)}</small></h3>"
        f'<div class="scroll tables"><table class="close{many}"><thead><tr><th></th>{head}</tr></thead><tbody>'
        f'<tr class="own"><td>{escape(model)}<small>measured</small></td>{own}</tr>{group}{rows}</tbody></table></div>'
        f"{f'<p class=note>{listed[4:]}</p>' if notes else ''}"
    )


def _own(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    ends = f"<br><small>[{number(cell.interval[0])}, {number(cell.interval[1])}]</small>" if cell.interval else ""
    return f"{number(cell.value)}{ends}"


def _theirs(cell: Cell | None, notes: list[str]) -> str:
    if cell is None:
        return ""
    if cell.note and cell.note not in notes:
        notes.append(cell.note)
    mark = "*" * (notes.index(cell.note) + 1) if cell.note else ""
    return f"{number(cell.value)}{mark}"
