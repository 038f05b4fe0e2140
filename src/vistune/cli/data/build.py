"""`vistune data build`: any source as sharded Arrow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vistune.cli.data.features import FeatureChoice, load_encoder, write_features
from vistune.cli.failures import RESUME_HINT

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.files import Files
    from vistune.data.sources.base import Source

_TELL_EVERY_S = 10.0


def build(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A known set (`vistune data list`), a file of your own (jsonl, json, csv, tsv, parquet), a folder of "
            "them or of tar shards, or hub:NAME.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; a set built there before is replaced.")],
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="VISTUNE_DATA_ROOT", help="The folder that holds the known sets.", show_default=False),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which split.", show_default="the training split")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=NAME",
            help="The name of a column of your own rows where it differs, as in image=file_name; may be repeated.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="The folder that pictures of your own rows are relative to.", show_default="that of the rows"
        ),
    ] = None,
    embed_images: Annotated[
        bool, typer.Option("--embed-images", help="Keep the pictures themselves instead of their paths.")
    ] = False,
    check_images: Annotated[bool, typer.Option("--check-images", help="Open every picture on the way.")] = False,
    on_error: Annotated[
        str, typer.Option(metavar="raise|skip", help="Stop at a bad row, or leave it out and list it.")
    ] = "raise",
    max_bad: Annotated[
        float, typer.Option(metavar="SHARE", help="With skip: stop when a larger share of the rows is bad.")
    ] = 0.01,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Also encode the pictures with the image encoder of this checkpoint (a folder or a name on the hub).",
        ),
    ] = None,
    features_out: Annotated[
        Path | None,
        typer.Option(
            help="The folder of features, which data sets and encoders may share.", show_default="features beside OUT"
        ),
    ] = None,
    features_dtype: Annotated[
        str, typer.Option(metavar="bfloat16|float16|float32", help="What features are stored as.")
    ] = "bfloat16",
    transform: Annotated[
        str, typer.Option(metavar="checkpoint|resize|crop|pad", help="How pictures are made square for the features.")
    ] = "checkpoint",
    verify: Annotated[
        bool, typer.Option("--verify", help="Read features that are there already again, and replace damaged ones.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where features are computed: auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Write a data set as Arrow files that open at once, however many rows there are.

    With --features, pictures that have no features yet are encoded; that may be stopped and started again, and several
    processes may share the work.

    [bold]Example:[/bold]  vistune data build my/train.jsonl --column image=file --out built/mine
    """
    from vistune.data.arrow_build import build_arrow
    from vistune.data.rows import OnError, RowLog, read_rows

    wanted = None
    if features is not None:
        where = features_out or out.parent / "features"
        wanted = FeatureChoice(features, where, features_dtype, transform, device, verify)
    # Before anything is written: a model that is not there should not be found out hours later.
    encoder = load_encoder(wanted) if wanted is not None else None
    chosen, files = find_source(source, data_root, columns_of(column or []), images)
    part = split or chosen.info.train_split or chosen.info.eval_split or ""
    log = RowLog(OnError(on_error, max_bad))  # type: ignore[arg-type]
    rows = read_rows(chosen, files, part, log=log, check_images=check_images or embed_images)
    built = build_arrow(
        _counted(rows),
        out,
        root=files.root,
        embed_images=embed_images,
        source={"source": source, "split": part},
        log=log,
    )
    typer.echo(f"{log.summary()}; {len(built):,} examples written to {out}")
    if wanted is not None and encoder is not None:
        ctx.meta[RESUME_HINT] = "run the same command again to go on with the features"
        write_features(built, encoder, wanted, skip=on_error == "skip")


def find_source(
    name: str, data_root: Path | None, columns: Mapping[str, str], images: Path | None
) -> tuple[Source, Files]:
    """A known set by its name, or rows of one's own, and where their files are.

    Raises:
        InputError: a known set without a data root or with columns of its own, a name that is neither.
        DataError: files that are not there or of no known kind.
    """
    from vistune.data.catalogue import SOURCES
    from vistune.data.catalogue import source as known_source
    from vistune.data.own import HUB, own_source
    from vistune.errors import InputError

    if name not in SOURCES and (name.startswith(HUB) or Path(name).exists() or Path(name).suffix):
        return own_source(name, columns=columns, images=images)
    chosen = known_source(name)
    if columns or images:
        raise InputError(f"{name} is a known set with columns of its own; --column and --images are for your own rows.")
    if data_root is None:
        raise InputError(f"Where is {name}? Give the folder of the data sets with --data-root.")
    return chosen, chosen.files(data_root)


def columns_of(given: Sequence[str]) -> dict[str, str]:
    """``--column KIND=NAME`` as a mapping.

    Raises:
        InputError: one of another form.
    """
    from vistune.errors import InputError

    columns = {}
    for pair in given:
        kind, equals, column = pair.partition("=")
        if not (kind and equals and column):
            raise InputError(f"--column is {pair!r}; expected KIND=NAME, such as image=file_name.")
        columns[kind] = column
    return columns


def _counted(rows: Iterable[Example]) -> Iterator[Example]:
    """The same rows; every ten seconds their number so far goes to stderr."""
    told = time.monotonic()
    for number, row in enumerate(rows, 1):
        if number % 1000 == 0 and time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            typer.echo(f"{number:,} rows", err=True)
        yield row
