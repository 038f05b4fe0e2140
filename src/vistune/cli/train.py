"""`vistune train`: a recipe, from its model to a tuned one; or what it is and what it would cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vistune.cli.effect import refuse_without_effect
from vistune.cli.failures import RESUME_HINT

if TYPE_CHECKING:
    from vistune.train.recipe import LoadedRecipe


def _print_names(wanted: bool) -> None:
    """Names and titles of the recipes that come with vistune."""
    if not wanted:
        return
    from vistune.train.recipe import recipe_titles

    for name, title in recipe_titles().items():
        typer.echo(f"{name:46} {title}")
    raise typer.Exit


def train(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that comes with vistune.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings that differ, such as stages.instruct.batch_size=32."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME if not given.")] = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", envvar="VISTUNE_DATA_ROOT", help="Folder of the known data sets."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what stands in the run's folder.")] = False,
    print_it: Annotated[
        bool, typer.Option("--print", help="Print the whole recipe, with where each setting is from, and exit.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print sizes, FLOPs, memory and time, and exit; nothing is downloaded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: as JSON.")] = False,
    gpu: Annotated[str, typer.Option("--gpu", help="With --dry-run: a100-40, a100-80, h100, ...")] = "a100-80",
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="With --dry-run: their number.")] = 8,
    utilisation: Annotated[
        float, typer.Option("--utilisation", min=0.01, max=1.0, help="With --dry-run: share of their peak (MFU).")
    ] = 0.4,
    list_them: Annotated[
        bool,
        typer.Option("--list", callback=_print_names, is_eager=True, help="Print all recipes by name, and exit."),
    ] = False,
) -> None:
    """Train a model as a recipe says: its stages one after the other, with checkpoints, evaluation and a summary.

    After Ctrl-C or SIGTERM, or when the machine failed, the same command with --resume goes on. Several processes are
    started with torchrun, as in [dim]torchrun --nproc-per-node 8 -m vistune train ...[/dim]

    [bold]Example:[/bold]  vistune train tiny/instructblip stages.instruct.steps=100 --out runs/first
    """
    from vistune.train.recipe import load_recipe, resolved_yaml

    if not dry_run:
        refuse_without_effect(ctx, ("as_json", "gpu", "gpus", "utilisation"), "it goes with --dry-run")
    loaded = load_recipe(recipe, overrides or [])
    if print_it:
        typer.echo(resolved_yaml(loaded), nl=False)
    if dry_run:
        _tell_cost(loaded, gpu, gpus, utilisation, as_json)
    if print_it or dry_run:
        return
    ctx.meta[RESUME_HINT] = "run the same command with --resume to go on from here"
    from vistune.evaluate.training import make_evaluator
    from vistune.train.run import run_recipe

    run_recipe(
        loaded,
        out=out,
        resume=resume,
        evaluator=make_evaluator,
        data_root=data_root,
        command=sys.argv,
        say=typer.echo,
        bar=sys.stderr.isatty(),
    )


def _tell_cost(loaded: LoadedRecipe, gpu: str, gpus: int, utilisation: float, as_json: bool) -> None:
    import json

    from vistune.train.recipe.cost.estimate import Machine, estimate
    from vistune.train.recipe.cost.estimate import as_json as plain
    from vistune.train.recipe.cost.hardware import gpu_of
    from vistune.train.recipe.cost.text import cost_text

    costs = estimate(loaded.recipe, Machine(gpu_of(gpu), gpus, utilisation))
    if as_json:
        content = {"recipe": loaded.name, "parallel": loaded.recipe.parallel, "stages": plain(costs)}
        typer.echo(json.dumps(content, indent=1))
    else:
        typer.echo(cost_text(loaded, costs))
