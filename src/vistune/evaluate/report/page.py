"""The page: figures, published rows, a picture of them, each benchmark in detail, what it was measured with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from vistune.data.counting import count_of
from vistune.data.pages import html_page
from vistune.evaluate.naming import short_name
from vistune.evaluate.report.charts import overview
from vistune.evaluate.report.commands import limits, setting, suites
from vistune.evaluate.report.details import section
from vistune.evaluate.report.figures import Entry, duration, title_of
from vistune.evaluate.report.published import with_average
from vistune.evaluate.report.style import STYLE
from vistune.evaluate.report.tables import figures_table, published_tables


def build_page(results: Mapping[str, Any], mistakes: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The whole report as HTML.

    Args:
        results: the content of results.json. mistakes: the worst answers by benchmark.
    """
    entries: list[Entry] = list(results["benchmarks"])
    model = model_name(results)
    shown = with_average(entries)
    body = "".join(
        (
            _head(results, entries, model),
            "<h2 id='figures'>Figures</h2>",
            overview(shown),
            figures_table(shown),
            published_tables(shown, model),
            "".join(section(entry, mistakes.get(entry["name"], ())) for entry in entries),
            _times(entries),
            _record(results),
        )
    )
    return html_page(f"Evaluation of {model}", STYLE, body)


def model_name(results: Mapping[str, Any]) -> str:
    """The model's short name."""
    return short_name(str(results.get("model") or "the given answers"))


def _head(results: Mapping[str, Any], entries: Sequence[Entry], model: str) -> str:
    protocols = list(dict.fromkeys(str(entry["protocol"]) for entry in entries if entry.get("protocol")))
    chips = [
        *(f"suite {name}" for name in suites(results)),
        count_of(len(entries), "benchmark"),
        f"protocol {', '.join(protocols)}" if protocols else "",
        count_of(sum(entry.get("n") or 0 for entry in entries), "row"),
        duration(results["seconds"]) if results.get("seconds") is not None else "",
        str(results.get("date") or "")[:10],
    ]
    listed = "".join(f"<li>{escape(chip)}</li>" for chip in chips if chip)
    warning = f"<p class='warn'>{escape(limits(results))}</p>" if limits(results) else ""
    return (
        f"<h1>{escape(model)}</h1><p class='lead'>Evaluated with vistune.</p><ul class='chips'>{listed}</ul>{warning}"
    )


def _times(entries: Sequence[Entry]) -> str:
    timed = [entry for entry in entries if entry.get("seconds") is not None]
    if not timed:
        return ""
    rows = "".join(
        f"<tr><td>{escape(title_of(entry))}</td><td>{entry.get('n') or 0:,}</td><td>{entry.get('reused') or 0:,}</td>"
        f"<td>{duration(entry['seconds'])}</td><td>{_throughput(entry)}</td></tr>"
        for entry in timed
    )
    return (
        "<section id='time'><h2>Time</h2><div class='scroll'><table class='close'><thead><tr><th></th><th>Rows</th>"
        f"<th>From before</th><th>Time</th><th>Rows a second</th></tr></thead><tbody>{rows}</tbody></table></div>"
        "<p class='note'>Of asking and scoring, without loading the model. Rows from before had their answers from an "
        "earlier run of the same model, prompt and settings, and do not count as throughput.</p></section>"
    )


def _throughput(entry: Entry) -> str:
    asked = (entry.get("n") or 0) - (entry.get("reused") or 0)
    return f"{asked / entry['seconds']:,.1f}" if asked > 0 and entry["seconds"] > 0 else "–"


def _record(results: Mapping[str, Any]) -> str:
    facts = {
        "model": results.get("model"),
        "weights": results.get("model_key"),
        "data root": setting(results, "data_root"),
        "limit": setting(results, "limit"),
        "shuffled": setting(results, "shuffle", lambda value: "yes" if value else "no"),
        "seed": setting(results, "seed"),
        "date": setting(results, "date", lambda value: str(value)[:10]),
        "machine": setting(results, "machine", _listed),
        "versions": setting(results, "versions", _listed),
    }
    listed = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in facts.items()
        if value is not None and value != ""
    )
    return (
        f"<section id='settings'><h2>Settings</h2><dl class='facts'>{listed}</dl></section><footer>Figures with "
        "their details are in <code>results.json</code> beside this file, every answer in the rows files that it "
        "names.</footer>"
    )


def _listed(values: Any) -> str:
    if not isinstance(values, Mapping):
        return str(values)
    return ", ".join(f"{name} {value}" for name, value in values.items())
