"""`vistune data build`: any source as sharded Arrow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vistune.cli.data.features import FeatureChoice, load_encoder, write_features
from vistune.cli.data.named import columns_of, find_source, is_own
from vistune.cli.data.options import Columns, DataRoot, Pictures
from vistune.cli.effect import refuse_without_effect
from vistune.cli.failures import RESUME_HINT
from vistune.data.counting import count_of

if TYPE_CHECKING:
    from vistune.data.arrow import ArrowExamples
    from vistune.data.bad_rows import RowLog
    from vistune.data.example import Example
    from vistune.data.files import Files
    from vistune.data.sources.base import Source

_TELL_EVERY_S = 10.0


SourceName = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A known set (`vistune data list`), a file of your own (jsonl, json, csv, tsv, parquet), a folder of them "
        "or of tar shards, or hub:NAME.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The folder to write; a set built there before is replaced.",
        show_default="DATA_ROOT/built/NAME/SPLIT for a known set, where recipes find it",
    ),
]
Split = Annotated[str | None, typer.Option(help="Which split.", show_default="the training split")]
EmbedImages = Annotated[
    bool, typer.Option("--embed-images", help="Keep the pictures themselves instead of their paths.")
]
CheckImages = Annotated[bool, typer.Option("--check-images", help="Open every picture on the way.")]
OnBadRow = Annotated[str, typer.Option(metavar="raise|skip", help="Stop at a bad row, or leave it out and list it.")]
MaxBad = Annotated[float, typer.Option(metavar="SHARE", help="With skip: stop when a larger share of the rows is bad.")]
Features = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Also encode the pictures with the image encoder of this checkpoint (a folder or a name on the hub).",
    ),
]
FeaturesOut = Annotated[
    Path | None,
    typer.Option(
        help="The folder of features, which data sets and encoders may share.", show_default="features beside OUT"
    ),
]
FeaturesDtype = Annotated[str, typer.Option(metavar="bfloat16|float16|float32", help="What features are stored as.")]
Transform = Annotated[
    str, typer.Option(metavar="checkpoint|resize|crop|pad", help="How pictures are made square for the features.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read features that are there already again, and replace damaged ones.")
]
Device = Annotated[str, typer.Option(help="Where features are computed: auto, cpu, cuda, cuda:1, ...")]

# Options of --features.
_OF_FEATURES = ("features_out", "features_dtype", "transform", "verify", "device")


def build(
    ctx: typer.Context,
    source: SourceName,
    out: Out = None,
    data_root: DataRoot = None,
    split: Split = None,
    column: Columns = None,
    images: Pictures = None,
    embed_images: EmbedImages = False,
    check_images: CheckImages = False,
    on_error: OnBadRow = "raise",
    max_bad: MaxBad = 0.01,
    features: Features = None,
    features_out: FeaturesOut = None,
    features_dtype: FeaturesDtype = "bfloat16",
    transform: Transform = "checkpoint",
    verify: Verify = False,
    device: Device = "auto",
) -> None:
    """Write a data set as Arrow files that open at once, however many rows there are.

    With --features, pictures that have no features yet are encoded; that may be stopped and started again, and several
    processes may share the work.

    [bold]Examples:[/bold]
      vistune data build my/train.jsonl --column image=file --out built/mine
      vistune data build web_capfilt --data-root data
    """
    from vistune.data.bad_rows import OnError, RowLog

    if features is None:
        refuse_without_effect(ctx, _OF_FEATURES, "they are encoded with --features, which is not given")
    if on_error == "raise":
        refuse_without_effect(ctx, ["max_bad"], "without --on-error skip the first bad row stops it")
    chosen, files = find_source(source, data_root, columns_of(column or []), images)
    part = split or chosen.info.train_split or chosen.info.eval_split or "train"
    target = out or _usual_place(source, data_root, part)
    wanted = None
    if features is not None:
        where = features_out or target.parent / "features"
        wanted = FeatureChoice(features, where, features_dtype, transform, device, verify)
    # Before anything is written: a model that is not there should not be found out hours later.
    encoder = load_encoder(wanted) if wanted is not None else None
    log = RowLog(OnError(on_error, max_bad))  # type: ignore[arg-type]
    built = _written(source, chosen, files, part, target, log, embed_images, check_images)
    typer.echo(f"{log.summary()}; {count_of(len(built), 'example')} written to {target}")
    if wanted is not None and encoder is not None:
        ctx.meta[RESUME_HINT] = "run the same command again to go on with the features"
        write_features(built, encoder, wanted, skip=on_error == "skip")


def _written(
    name: str,
    chosen: Source,
    files: Files,
    split: str,
    target: Path,
    log: RowLog,
    embed_images: bool,
    check_images: bool,
) -> ArrowExamples:
    """The set, as it stands in its folder then."""
    from vistune.data.arrow_build import build_arrow
    from vistune.data.rows import read_rows

    rows = read_rows(chosen, files, split, log=log, check_images=check_images or embed_images)
    said = {"source": name, "split": split}
    return build_arrow(_counted(rows), target, root=files.root, embed_images=embed_images, source=said, log=log)


def _usual_place(name: str, data_root: Path | None, split: str) -> Path:
    """Where recipes look for a known set that stands built.

    Raises:
        InputError: rows of one's own, for which there is no such place.
    """
    from vistune.data.recipe_sets import built_place
    from vistune.errors import InputError

    if data_root is None or is_own(name):
        raise InputError(f"Where should {name} be written? Give a folder with --out.")
    return built_place(data_root, name, split)


def _counted(rows: Iterable[Example]) -> Iterator[Example]:
    """The same rows; every ten seconds their number so far goes to stderr.

    Raises:
        DataError: there are none.
    """
    from vistune.errors import DataError

    told, number = time.monotonic(), 0
    for number, row in enumerate(rows, 1):
        if number % 1000 == 0 and time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            typer.echo(f"{number:,} rows", err=True)
        yield row
    if not number:
        raise DataError("There are no rows to build a set of; check the file and its split.")
