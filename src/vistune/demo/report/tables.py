"""The report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

LABELS = {"instructblip": "InstructBLIP", "llava": "LLaVA"}
_ROLES = (("held-in", "Held-in tasks: tuned on, new pictures"), ("held-out", "Held-out tasks: never tuned on"))


def percent(value: float | None, error: float | None = None) -> str:
    """ "93.2" with its standard error in small, or a dash."""
    if value is None:
        return "–"
    small = "" if error is None else f" <small>± {100 * error:.1f}</small>"
    return f"{100 * value:.1f}{small}"


def figures_table(results: Mapping[str, Any], record: Mapping[str, Any], core: Sequence[str]) -> str:
    """Every task with both models' accuracies, by ranking and by generation, and the floors beside them."""
    tasks = results["instructblip"]["tasks"]
    head = (
        "<tr><th>Task</th><th>InstructBLIP<br>ranking</th><th>InstructBLIP<br>free answer</th><th>LLaVA<br>ranking</th>"
        "<th>LLaVA<br>free answer</th><th>Majority</th><th>Blind</th><th>Questions</th></tr>"
    )
    rows = []
    for role, title in _ROLES:
        names = [name for name, figures in tasks.items() if figures["role"] == role]
        if not names:
            continue
        rows.append(f'<tr class="group"><td colspan="8">{title}</td></tr>')
        rows += [_task_row(name, results, record) for name in names]
        counted = [name for name in names if name in core]
        if len(counted) > 1:
            rows.append(_mean_row(counted, results))
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _task_row(name: str, results: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    cells = [f"<td>{escape(name)}</td>"]
    for model, tone in (("instructblip", "a"), ("llava", "b")):
        figures, errors = results[model]["tasks"][name], record["standard_errors"][model][name]
        cells.append(f'<td class="{tone}"><strong>{percent(figures["rank"], errors["rank"])}</strong></td>')
        cells.append(f"<td>{percent(figures['generate'], errors['generate'])}</td>")
    shared = results["llava"]["tasks"][name]
    cells.append(f'<td class="floor">{percent(shared["majority"])}</td>')
    cells.append(f'<td class="floor">{percent(shared["blind"], record["standard_errors"]["blind"][name]["rank"])}</td>')
    cells.append(f'<td class="floor">{shared["n"]:,}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _mean_row(names: Sequence[str], results: Mapping[str, Any]) -> str:
    def mean(model: str, kind: str) -> float | None:
        values = [results[model]["tasks"][name][kind] for name in names]
        return None if None in values else sum(values) / len(values)

    cells = [f"<td>mean of {', '.join(escape(name) for name in names)}</td>"]
    cells[0] = cells[0].replace("<td>", '<td class="wrap">')
    for model, tone in (("instructblip", "a"), ("llava", "b")):
        cells.append(f'<td class="{tone}"><strong>{percent(mean(model, "rank"))}</strong></td>')
        cells.append(f"<td>{percent(mean(model, 'generate'))}</td>")
    cells += [f'<td class="floor">{percent(mean("llava", kind))}</td>' for kind in ("majority", "blind")]
    return f'<tr class="mean">{"".join(cells)}<td></td></tr>'


def text_knowledge_table(known: Mapping[str, Mapping[str, float]], results: Mapping[str, Any]) -> str:
    """What the language model could answer about scenes in words before it was given to any of the models."""
    tasks = results["instructblip"]["tasks"]
    rows = []
    for name, figures in tasks.items():
        own, theirs = known.get("own", {}).get(name), known.get("task", {}).get(name)
        if own is None and theirs is None:
            continue
        best = max(value for value in (own, theirs) if value is not None)
        floor = max(figures["majority"], figures["blind"] or 0.0)
        verdict = (
            "knew it" if best > floor + 0.5 * (1 - floor) else "partly" if best > floor + 0.05 else "did not know it"
        )
        rows.append(
            f"<tr><td>{escape(name)}</td><td class='l'>{figures['role']}</td><td>{percent(own)}</td>"
            f"<td>{percent(theirs)}</td><td class='l'>{verdict}</td></tr>"
        )
    head = (
        "<tr><th>Task</th><th class='l'>Role</th><th>In the wordings<br>it was trained on</th>"
        "<th>In the task's<br>own wordings</th><th class='l'>From text it</th></tr>"
    )
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
