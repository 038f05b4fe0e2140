"""`vistune data preview`: what a model would learn from a data set, as a page to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from vistune.cli.data.named import columns_of, find_source
from vistune.cli.data.options import Columns, DataRoot, Pictures
from vistune.data.counting import count_of

if TYPE_CHECKING:
    from vistune.data.bad_rows import RowLog
    from vistune.data.example import Example
    from vistune.data.processor import Processor
    from vistune.data.sources.base import SetInfo
    from vistune.data.templates import Style, Template


def preview(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A known set (`vistune data list`), rows of your own as `vistune data build` takes them, or a folder "
            "that it built.",
        ),
    ],
    data_root: DataRoot = None,
    out: Annotated[
        Path | None, typer.Option(help="The page to write.", show_default="preview-NAME.html in this folder")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Which split.", show_default="the training split, of held-out sets the other")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A checkpoint folder or hub name whose tokens and format are shown.",
            show_default="the picture world's tokenizer",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="Conversation format: v1, v0, plain, llama_2, ...", show_default="the model's own, or none"),
    ] = None,
    templates: Annotated[
        str | None,
        typer.Option(metavar="GROUP|FILE", help="Templates to write the rows with.", show_default="those of the set"),
    ] = None,
    style: Annotated[
        str, typer.Option(metavar="instruction|plain|identifier", help="Instructions, or a multitask baseline.")
    ] = "instruction",
    column: Columns = None,
    images: Pictures = None,
    rows: Annotated[int, typer.Option(min=1, max=200, help="How many rows to show.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the templates and answers drawn.")] = 0,
) -> None:
    """Write a page that shows rows of a data set in every wording: pictures, tokens, and what is learned from.

    [bold]Examples:[/bold]
      vistune data preview okvqa --data-root data
      vistune data preview my/train.jsonl --model runs/demo/llava --format v1
    """
    from vistune.data.bad_rows import OnError, RowLog
    from vistune.data.preview.collect import collect
    from vistune.data.preview.page import build_page
    from vistune.data.storage import written_whole

    log = RowLog(OnError("skip", max_share=1.0))
    examples, info = _examples(source, data_root, split, column or [], images, log)
    processor = _processor(model, format)
    first, examples = _peek(examples)
    wordings = _templates(templates, style, info, first)
    shown = collect(examples, processor, wordings, log, format=format, rows=rows, seed=seed)
    page = build_page(info.title or info.name, _facts(info, split, model, format, style, wordings), shown, processor)
    target = out or Path(f"preview-{re.sub(r'[^A-Za-z0-9_.-]+', '-', info.name).strip('-.')}.html")
    with written_whole(target) as part:
        part.write_text(page, encoding="utf-8")
    if log.bad:
        typer.echo(f"{log.summary()}; they are listed at the end of the page", err=True)
    typer.echo(f"{count_of(len(shown.rows), 'row')} written to {target}")


def _examples(
    source: str, data_root: Path | None, split: str | None, columns: list[str], images: Path | None, log: RowLog
) -> tuple[Iterable[Example], SetInfo]:
    """The rows, read as they are needed, and what is known about their set."""
    from vistune.data.arrow import ArrowExamples, is_built
    from vistune.data.rows import read_rows
    from vistune.data.sources.base import SetInfo

    if is_built(source):
        return ArrowExamples(source), SetInfo(Path(source).resolve().name)
    chosen, files = find_source(source, data_root, columns_of(columns), images)
    return read_rows(chosen, files, split or _usual_split(chosen.info), log=log), chosen.info


def _usual_split(info: SetInfo) -> str:
    """What a person has of a set: what is trained on, or of held-out sets what is measured on."""
    first, second = info.train_split, info.eval_split
    return (second or first if info.role == "held-out" else first or second) or "train"


def _peek(examples: Iterable[Example]) -> tuple[Example | None, Iterable[Example]]:
    rest = iter(examples)
    first = next(rest, None)
    return first, rest if first is None else chain([first], rest)


def _templates(given: str | None, style: str, info: SetInfo, first: Example | None) -> list[Template]:
    """Those asked for; else the set's, or for one's own rows those that fit what they hold."""
    from vistune.data.catalogue import SOURCES
    from vistune.data.recipe_sets import own_group
    from vistune.data.templates import load_templates

    known = info.name in SOURCES
    group = given or (info.templates or info.group if known else own_group(first) if first else None)
    # The paper names the task alone for held-out sets (InstructBLIP, section 3.4).
    title = "" if info.role == "held-out" else info.title or info.name
    return load_templates(group, cast("Style", style), title) if group else []


def _processor(model: str | None, format: str | None) -> Processor:
    if model is None:
        from vistune.data.preview.stand_in import stand_in_processor

        return stand_in_processor(format)
    from vistune.checkpoint.opening import open_folder
    from vistune.checkpoint.processors import build_processor

    return build_processor(open_folder(model))


def _facts(
    info: SetInfo, split: str | None, model: str | None, format: str | None, style: str, templates: list[Template]
) -> dict[str, str]:
    counts = ", ".join(name if count is None else f"{name} {count:,}" for name, count in info.splits.items())
    return {
        "Name": info.name,
        "Task group": f"{info.group}, {info.role}" if info.url else "",
        "Split shown": split or _usual_split(info),
        "Splits": counts,
        "Metric": info.metric.strip("-"),
        "Licence": info.licence,
        "Get it from": info.url,
        "Tokens of": model or "the picture world's tokenizer (no model was named)",
        "Format": format or ("the model's own" if model else "none"),
        "Style": f"{style}, {len(templates)} templates" if templates else "rows in words of their own",
    }
