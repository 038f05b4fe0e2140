"""Everything about one benchmark: parts, columns, leanings, mistakes, settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from vistune.data.counting import count_of
from vistune.evaluate.report.charts import histogram, pairs
from vistune.evaluate.report.figures import (
    Entry,
    duration,
    interval,
    metric_of,
    missing_words,
    plain,
    printed,
    shown,
    signed,
    title_of,
)
from vistune.evaluate.report.judged import TOLD, judged_words
from vistune.evaluate.report.mistakes import mistake_cards

_FEW_BINS = 2
_COUNTED = ("unparsed", "empty", "neither")
_NAMES = {
    "unparsed": "answers not understood",
    "empty": "empty answers",
    "neither": "answers that begin with neither yes nor no",
    "no_right_candidate": "rows whose right answer is none of the candidates",
}


def section(entry: Entry, mistakes: Sequence[Mapping[str, Any]]) -> str:
    """A benchmark's part of the page; what is not known of it is left out."""
    analysis = entry.get("analysis") or {}
    blocks = [
        _details(entry, analysis),
        *_leanings(analysis),
        *(_column(entry, found) for found in analysis.get("by", ())),
    ]
    listed = "".join(block for block in blocks if block)
    return (
        f'<section id="{escape(str(entry["name"]))}"><h2>{escape(title_of(entry))}{_headline(entry)}</h2>'
        f'<p class="note">{_about(entry)}</p>{f"<div class=blocks>{listed}</div>" if listed else ""}'
        f"{mistake_cards(entry, analysis.get('mistakes'), mistakes)}{_settings(entry)}</section>"
    )


def _headline(entry: Entry) -> str:
    if entry.get("value") is None:
        return f" <small>{escape(missing_words(entry))}</small>"
    return f"<strong>{shown(entry, entry['value'])}</strong> <small>{interval(entry, entry.get('interval'))}</small>"


def _about(entry: Entry) -> str:
    facts = [metric_of(entry), f"split {entry['split']}" if entry.get("split") else ""]
    facts += [count_of(entry["n"], "row") if entry.get("n") is not None else "", str(entry.get("role") or "")]
    facts += [f"protocol {entry['protocol']}" if entry.get("protocol") else ""]
    if entry.get("seconds") is not None:
        facts.append(duration(entry["seconds"]))
    told = escape(" · ".join(fact for fact in facts if fact))
    if entry.get("public_answers") is False:
        told += "<br>The answers of this split are not public, so nothing is scored here"
        written = entry.get("submission")
        told += f"; the official file is <code>{escape(written)}</code>." if written else "; see --submission."
    if judge := judged_words(entry):
        told += f"<br>{escape(judge[:1].upper() + judge[1:])}"
    if entry.get("choices"):
        told += f"<br>{escape(str(entry['choices']))}"
    return told


def _details(entry: Entry, analysis: Mapping[str, Any]) -> str:
    """Further figures; parts that are told with intervals below are not told twice."""
    details = dict(entry.get("details") or {})
    if judged_words(entry):
        details = {name: value for name, value in details.items() if name not in TOLD}
    if analysis.get("by"):
        details.pop("parts", None)
    single = {name: value for name, value in details.items() if isinstance(value, (int, float, str))}
    # Nothing went wrong: nothing to tell.
    single = {name: value for name, value in single.items() if value or name not in _COUNTED}
    made = ""
    if single:
        rows = "".join(
            f"<tr><td>{escape(_words(name))}</td><td>{plain(value)}</td></tr>" for name, value in single.items()
        )
        made += f"<div><h3>Details <small>on the evaluator's own scale</small></h3>{_table('', rows)}</div>"
    for name, group in details.items():
        if isinstance(group, Mapping) and group:
            made += f"<div><h3>{escape(_words(name).capitalize())}</h3>{_group(group)}</div>"
    return made


def _group(group: Mapping[str, Any]) -> str:
    rows = {name: value if isinstance(value, Mapping) else {"value": value} for name, value in group.items()}
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    head = "<th></th>" + "".join(f"<th>{escape(_words(column))}</th>" for column in columns)
    body = "".join(
        f"<tr><td>{escape(name)}</td>{_cells([row.get(key, '') for key in columns])}</tr>" for name, row in rows.items()
    )
    return _table(head, body)


def _column(entry: Entry, found: Mapping[str, Any]) -> str:
    body = "".join(_value_row(entry, value) for value in found["values"])
    head = "<th></th><th>Figure</th><th>n</th><th>Gap to the rest</th>"
    widest = found.get("largest_gap")
    told = ""
    if widest and signed(printed(entry, widest["value"])) != signed(0.0):
        high, low = (escape(str(name)) for name in widest["between"])
        told = (
            f"<p class='note'>Largest gap: {high} over {low}, {signed(printed(entry, widest['value']))} "
            f"{interval(entry, widest['interval'])}.</p>"
        )
    return f"<div><h3>By {escape(str(found['column']))}</h3>{_table(head, body)}{told}</div>"


def _value_row(entry: Entry, value: Mapping[str, Any]) -> str:
    ends, around = value.get("interval"), value.get("gap_interval")
    gap = "–" if value.get("gap") is None else signed(printed(entry, value["gap"]))
    clear = " class='clear'" if around and (around[0] > 0 or around[1] < 0) else ""
    return (
        f"<tr><td>{escape(str(value['value']))}</td><td>{shown(entry, value['figure'])} "
        f"<small>{interval(entry, ends)}</small></td><td>{value['n']:,}</td><td{clear}>{gap} "
        f"<small>{interval(entry, around)}</small></td></tr>"
    )


def _leanings(analysis: Mapping[str, Any]) -> list[str]:
    made = []
    if lengths := analysis.get("lengths"):
        right = lengths.get("references")
        told = f"Answers have {lengths['answers']['mean']:.1f} words in the mean"
        told += f", right answers {right['mean']:.1f}" if right else ""
        empty = lengths.get("empty")
        told += f"; {empty:,} {'is' if empty == 1 else 'are'} empty." if empty else "."
        # One word everywhere is no distribution.
        picture = histogram(lengths["bins"], right is not None) if len(lengths["bins"]) > _FEW_BINS else ""
        made.append(f"<div><h3>Words an answer</h3>{picture}<p class='note'>{told}</p></div>")
    if found := analysis.get("kinds"):
        words = " and ".join(kind["kind"] for kind in found["kinds"])
        neither = f" Neither is said by {count_of(found['neither'], 'answer')}." if found.get("neither") else ""
        rows = [(kind["kind"], kind["said"], kind["right"]) for kind in found["kinds"]]
        told = f"<p class=note>{count_of(found['n'], 'row')} whose right answer is one of them.{neither}</p>"
        made.append(f"<div><h3>Share of {escape(words)}</h3>{pairs(rows, ('said', 'right'))}{told}</div>")
    if places := analysis.get("places"):
        rows = [(f"choice {row['place']}", row["said"], row["right"]) for row in places]
        made.append(f"<div><h3>Place of the choice</h3>{pairs(rows, ('taken', 'right'))}</div>")
    # Yes against no is told already.
    if (frequent := analysis.get("frequent")) and not (found and len(frequent) <= len(found["kinds"])):
        rows = [(row["answer"], row["said"], row["right"]) for row in frequent]
        made.append(f"<div><h3>Answers given most</h3>{pairs(rows, ('given', 'a right answer'))}</div>")
    return made


def _settings(entry: Entry) -> str:
    rows = dict(entry.get("settings") or {})
    rows["answers"] = f"{entry['reused']:,} taken from an earlier run" if entry.get("reused") else None
    rows["rows"] = entry.get("rows")
    listed = "".join(
        f"<dt>{escape(_words(name))}</dt><dd>{escape(_setting(value))}</dd>"
        for name, value in rows.items()
        if value is not None
    )
    return f'<details><summary>Settings</summary><dl class="facts">{listed}</dl></details>' if listed else ""


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cells(values: Sequence[Any]) -> str:
    return "".join(f"<td>{escape(plain(value))}</td>" for value in values)


def _words(name: str) -> str:
    return _NAMES.get(name) or str(name).replace("_", " ")


def _table(head: str, body: str) -> str:
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="scroll"><table class="close">{top}<tbody>{body}</tbody></table></div>'
