"""The page: what was done, the figures beside their floors, answers to look at, loss curves, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.pages import html_page
from vistune.demo.folders import answers_file
from vistune.demo.report.charts import Row, accuracy_chart
from vistune.demo.report.pictures import answer_cards
from vistune.demo.report.style import STYLE
from vistune.demo.report.tables import LABELS, figures_table, percent, text_knowledge_table
from vistune.demo.report.training import curves_section, settings_section
from vistune.evaluate.run import EvalTask, read_answers

if TYPE_CHECKING:
    from vistune.demo.setup import Settings

_ABOUT = {
    "instructblip": "Frozen image encoder and language model. Between them an instruction-aware Q-Former with 8 "
    "queries, learned from captions first (BLIP-2, stage 2), then from instructions.",
    "llava": "Patches of a frozen image encoder through one linear layer. The layer learned from captions (stage 1), "
    "then layer and language model from instructions (stage 2).",
}
_HOW_MEASURED = (
    "Accuracies in per cent with one standard error. <em>Ranking</em> picks the candidate answer with the highest "
    "probability; a <em>free answer</em> is generated greedily and has to match exactly (case, articles and "
    "punctuation aside). <em>Majority</em> always gives the most frequent training answer; for held-out tasks, which "
    "have none, the best constant for the test questions themselves. <em>Blind</em> is the language model tuned on the "
    "same rows for as many steps without pictures, by ranking."
)


_OWN_DATA = (
    "Before that, the models learned from captions of vistune's own picture world. The image encoders had seen only "
    "that world, so the last stage tunes them too."
)


def build_page(
    out: Path, settings: Settings, tasks: Sequence[EvalTask], results: Mapping[str, Any], record: Mapping[str, Any]
) -> str:
    """The whole report as HTML."""
    body = "".join(
        (
            _head(settings, record),
            _cards(tasks, results),
            _figures(tasks, results, record),
            _answers(out, tasks),
            _text_knowledge(settings, results),
            curves_section(out, settings),
            settings_section(out, settings, record),
        )
    )
    return html_page("vistune demo", STYLE, body)


def _head(settings: Settings, record: Mapping[str, Any]) -> str:
    if settings.data is None:
        source, chip, more = "pictures of a procedural world", "picture world", ""
    else:
        source, chip, more = f"the pictures in <code>{escape(settings.data)}</code>", "own data", f" {_OWN_DATA}"
    chips = [
        chip,
        f"plan for {settings.minutes:g} minutes",
        f"seed {settings.seed}",
        f"{_longest(record['seconds'])} from start to end",
        record["machine"],
        record["precision"],
    ]
    listed = "".join(f"<li>{escape(chip)}</li>" for chip in chips)
    return (
        "<h1>Two visual instruction tuners, tuned and measured</h1><p class='lead'>A small InstructBLIP and a small "
        f"LLaVA were tuned on {source}. Every figure stands beside two floors: always giving the most frequent answer, "
        f"and the same language model tuned on the same rows without seeing a picture.{more}</p>"
        f"<ul class='chips'>{listed}</ul>"
    )


def _longest(seconds: Mapping[str, float]) -> str:
    """The chains run side by side: the longer one's time."""
    chains: dict[str, float] = {}
    for phase, value in seconds.items():
        chain = phase.split(":")[0]
        chains[chain] = chains.get(chain, 0.0) + value
    longest = round(max(chains.values(), default=0.0))
    return f"{longest // 60} min {longest % 60} s"


def _cards(tasks: Sequence[EvalTask], results: Mapping[str, Any]) -> str:
    cards = []
    for model, tone in (("instructblip", "a"), ("llava", "b")):
        figures = "".join(_headline(tasks, results[model], role) for role in ("held-in", "held-out"))
        cards.append(
            f'<div class="card {tone}"><h3>{LABELS[model]}</h3><div class="figures">{figures}</div>'
            f"<p>{_ABOUT[model]}</p></div>"
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _headline(tasks: Sequence[EvalTask], result: Mapping[str, Any], role: str) -> str:
    accuracy = result[role.replace("-", "_")]
    if accuracy is None:
        return ""
    figures = [result["tasks"][task.name] for task in tasks if task.core and task.role == role]
    floor = sum(max(f["majority"], f["blind"] or 0.0) for f in figures) / len(figures)
    return f"<div><strong>{percent(accuracy)} %</strong>{role}, by ranking<br>floor {percent(floor)} %</div>"


def _figures(tasks: Sequence[EvalTask], results: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    ranked = [task for task in tasks if results["llava"]["tasks"][task.name]["rank"] is not None]
    chart = ""
    if ranked:
        rows = [_chart_row(task, results, record) for task in sorted(ranked, key=lambda task: task.role)]
        caption = "<figcaption>By ranking. Shaded: the higher of the two floors.</figcaption>"
        chart = f'<figure><div class="scroll accuracy">{accuracy_chart(rows, LABELS)}</div>{caption}</figure>'
    notes = [_HOW_MEASURED]
    others = [f"{task.name}: {task.score_name}" for task in tasks if not task.core]
    if others:
        notes.append(
            "Captions are ranked among five, four of them of other pictures; questions to generate among five in the "
            "same wording, four of which have another answer. Their free texts are scored otherwise "
            f"({escape('; '.join(others))}). They do not count in the means."
        )
    listed = "".join(f'<p class="note">{note}</p>' for note in notes)
    core = [task.name for task in tasks if task.core]
    return f"<h2>Figures</h2>{chart}{figures_table(results, record, core)}{listed}"


def _chart_row(task: EvalTask, results: Mapping[str, Any], record: Mapping[str, Any]) -> Row:
    figures = {model: results[model]["tasks"][task.name] for model in LABELS}
    errors = {model: record["standard_errors"][model][task.name]["rank"] for model in LABELS}
    values = {model: (figures[model]["rank"], errors[model]) for model in LABELS}
    return Row(task.name, task.role, values, figures["llava"]["majority"], figures["llava"]["blind"] or 0.0)


def _answers(out: Path, tasks: Sequence[EvalTask]) -> str:
    answers = {
        model: {task.name: read_answers(answers_file(out, model, task.name))[1] for task in tasks} for model in LABELS
    }
    cards = answer_cards(tasks, answers, each=3 if len(tasks) > 1 else 12)
    return (
        "<h2>Answers</h2><p class='lead'>Free answers to pictures that no model was tuned on: the first that both got "
        f"right, and the first that one or both got wrong.</p>{cards}"
    )


def _text_knowledge(settings: Settings, results: Mapping[str, Any]) -> str:
    if settings.data is not None:
        return ""
    from vistune.world.assets import record

    known = record().get("known_from_text", {})
    return (
        "<h2>What the language model knew from text</h2><p class='lead'>Before any model saw a picture, the language "
        "model had read scenes in words and questions about them, in other wordings than any instruction here. Its "
        f"accuracy on scenes in words:</p>{text_knowledge_table(known, results)}"
    )
