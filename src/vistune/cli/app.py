"""Entry point of the command `vistune`: the list of commands and the options they all share."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from vistune.cli.ask import ask
from vistune.cli.benchmarks import benchmarks
from vistune.cli.compare import compare
from vistune.cli.convert import convert
from vistune.cli.data.app import data_app
from vistune.cli.demo import demo
from vistune.cli.eval import evaluate
from vistune.cli.failures import FriendlyGroup, show_warnings
from vistune.cli.judge.app import judge_app
from vistune.cli.score import score
from vistune.cli.serve import serve
from vistune.cli.train import train
from vistune.cli.world import world_app

app = typer.Typer(
    name="vistune",
    cls=FriendlyGroup,
    help="Tune, measure and ask vision-language models: InstructBLIP, BLIP-2, LLaVA and LLaVA-1.5.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from vistune import __version__

        typer.echo(f"vistune {__version__}")
        raise typer.Exit


@app.callback()
def shared_options(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="VISTUNE_DEBUG", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Read the options every command shares and keep the libraries underneath quiet."""
    ctx.meta["vistune.debug"] = debug
    # Read by transformers when it is imported, which the commands do later.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    show_warnings()


app.command()(demo)
app.command()(train)
app.command()(ask)
app.command()(serve)
app.command()(convert)
app.command("eval")(evaluate)
app.command()(benchmarks)
app.command()(score)
app.command()(compare)
app.add_typer(data_app, name="data")
app.add_typer(judge_app, name="judge")
app.add_typer(world_app, name="world")


def main() -> None:
    """Run the command line; what `vistune` and `python -m vistune` call."""
    app()
