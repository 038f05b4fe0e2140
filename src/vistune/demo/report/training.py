"""How the models were trained: loss curves, stages, settings, times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.demo.folders import PARTS_FILE, stage_folder
from vistune.demo.plan import blind_stage, instructblip_stages, llava_stages
from vistune.demo.report.charts import COLOURS
from vistune.train.reports.curve import loss_chart
from vistune.train.reports.json_log import LOG_FILE, read_log

if TYPE_CHECKING:
    from vistune.demo.setup import Settings
    from vistune.train.recipe.stage import Stage

_OPTIMISER = (
    "AdamW with betas 0.9 and 0.999, weight decay 0.05 (not on biases and norms), gradients clipped at norm 1, linear "
    "warm-up, then a cosine to 0. Tasks (answers, for own data) are drawn with a probability proportional to the "
    "square root of their sizes."
)


def _stages(settings: Settings) -> list[tuple[str, Stage]]:
    plan = settings.plan()
    return [
        *(("instructblip", stage) for stage in instructblip_stages(plan)),
        *(("llava", stage) for stage in llava_stages(plan)),
        ("blind", blind_stage(plan)),
    ]


def curves_section(out: Path, settings: Settings) -> str:
    """A loss curve for each stage."""
    figures = []
    for model, stage in _stages(settings):
        losses = [float(entry["loss"]) for entry in read_log(stage_folder(out, stage.name) / LOG_FILE)]
        if losses:
            chart = loss_chart(losses, COLOURS.get(model, "var(--soft)"))
            words = f"<strong>{escape(stage.name)}</strong>, {len(losses):,} steps of {stage.batch_size}"
            figures.append(f"<figure>{chart}<figcaption>{words}</figcaption></figure>")
    return (
        "<h2>Loss</h2><p class='lead'>Cross-entropy for each learned token; light: every step, dark: running mean.</p>"
        f'<div class="curves">{"".join(figures)}</div>'
    )


def settings_section(out: Path, settings: Settings, record: Mapping[str, Any]) -> str:
    """Stages with what trained in them, the command, the data, times and versions."""
    rows = "".join(_stage_row(out, stage, record["seconds"]) for _, stage in _stages(settings))
    head = (
        "<tr><th>Stage</th><th class='l'>Trains (parameters, peak learning rate)</th><th class='l'>Frozen</th>"
        "<th>Steps</th><th>Batch</th><th>Time</th></tr>"
    )
    command = f"vistune demo --minutes {settings.minutes:g} --seed {settings.seed}"
    if settings.data is not None:
        command += f" --data {settings.data}"
    data = "; ".join(f"{name} {count:,}" for name, count in record["rows"].items())
    times = ", ".join(f"{escape(phase)} {value:.0f} s" for phase, value in record["seconds"].items())
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return (
        f"<h2>Settings</h2><pre><code>{escape(command)}</code></pre>"
        f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
        f"<p class='note'>{_OPTIMISER}</p><p class='note'>Rows to tune on: {escape(data)}.</p>"
        f"<p class='note'>Times: {times}.</p><footer>{escape(versions)}. The tuned models lie beside this file in "
        "<code>instructblip/</code> and <code>llava/</code>: "
        '<code>vistune ask llava PICTURE "What is there?"</code></footer>'
    )


def _stage_row(out: Path, stage: Stage, seconds: Mapping[str, float]) -> str:
    path = stage_folder(out, stage.name) / PARTS_FILE
    parts: list[tuple[str, int, bool]] = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.exists() else []
    rates = {str(part): rate for part, rate in stage.train.items()}
    trains = ", ".join(f"{escape(part)} ({count:,}, {rates[part]:g})" for part, count, trained in parts if trained)
    frozen = ", ".join(f"{escape(part)} ({count:,})" for part, count, trained in parts if not trained)
    spent = next((value for phase, value in seconds.items() if phase.endswith(f": {stage.name}")), 0.0)
    return (
        f"<tr><td>{escape(stage.name)}</td><td class='l wrap'>{trains}</td><td class='l wrap'>{frozen}</td>"
        f"<td>{stage.steps:,}</td><td>{stage.batch_size}</td><td>{spent:.0f} s</td></tr>"
    )
