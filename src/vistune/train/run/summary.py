"""The page at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vistune.checkpoint.adapters import is_adapter
from vistune.train.reports.curve import CURVE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from vistune.train.recipe.load import LoadedRecipe
    from vistune.train.result import StageResult
    from vistune.train.run.folder import RunFolder


def summary_text(loaded: LoadedRecipe, folder: RunFolder, results: Sequence[StageResult]) -> str:
    """Markdown: what was trained, how it went, where everything is."""
    recipe = loaded.recipe
    lines = [f"# {recipe.title or loaded.name}", ""]
    lines += [f"Recipe `{loaded.name}`{f' ({recipe.source})' if recipe.source else ''}, seed {recipe.seed}.", ""]
    lines += ["| stage | steps | samples | samples/s | last loss | best |", "|---|---|---|---|---|---|"]
    lines += [_row(result) for result in results]
    lines.append("")
    for result in results:
        curve = folder.stage(result.stage) / CURVE_FILE
        if curve.is_file():
            lines += [f"![{result.stage}]({curve.relative_to(folder.path).as_posix()})", ""]
    lines += [*_how_to_ask(folder.model), ""]
    return "\n".join(lines)


def _row(result: StageResult) -> str:
    best = "" if result.best is None else f"{result.metric} {result.best:.4g} after step {result.best_step:,}"
    pace = result.samples / max(result.seconds, 1e-9)
    return f"| {result.stage} | {result.steps:,} | {result.samples:,} | {pace:,.1f} | {result.loss:.4g} | {best} |"


def _how_to_ask(model: Path) -> list[str]:
    from vistune.checkpoint.stage1 import is_stage1

    if is_stage1(model):
        return [f"`{model}` holds the first stage's Q-Former: name it as `model.connector.from` of the next recipe."]
    lines = [f'Ask it with `vistune ask {model} IMAGE "PROMPT"`.']
    if is_adapter(model):
        lines.append(f"It holds adapters; `vistune convert {model} FOLDER` makes one plain checkpoint of them.")
    return lines
