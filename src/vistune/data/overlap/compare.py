"""The comparison of a recipe with a suite, and the report of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vistune.data.overlap.aliases import load_aliases
from vistune.data.overlap.gather import PictureTable, SetPictures, gather
from vistune.data.overlap.looks import Looks, look_at
from vistune.data.overlap.match import DISTANCE, Match, same_bytes, similar
from vistune.data.overlap.sets import NamedRows
from vistune.errors import DataError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Shared:
    """Pictures of an evaluation set that are in a training set.

    pictures: of the evaluation set's, found in any way; share: of all it has. by: how many were found by name ("id"),
    as the same bytes, and by look; one may be found in several ways. examples: some pairs.
    """

    train: str
    evaluation: str
    pictures: int
    share: float
    by: dict[str, int]
    examples: list[dict[str, Any]]


@dataclass
class OverlapReport:
    """What :func:`compare` found.

    train, evaluation: by set the numbers of rows, pictures, named pictures, and pictures that do not open. missing:
    sets that are not there, and why. aliases: file of Visual Genome's names, None: they were not translated. plain:
    pictures that have too little in them to be known by their look.
    """

    train: dict[str, dict[str, int]] = field(default_factory=dict)
    evaluation: dict[str, dict[str, int]] = field(default_factory=dict)
    shared: list[Shared] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    aliases: str | None = None
    plain: int = 0
    looked_at: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return asdict(self)


def compare(
    train: Iterable[NamedRows],
    evaluation: Iterable[NamedRows],
    data_root: Path | None = None,
    *,
    look: bool = True,
    cache: Path | None = None,
    workers: int | None = None,
    distance: int = DISTANCE,
    examples: int = 5,
    on_progress: Progress | None = None,
) -> OverlapReport:
    """Find the pictures that training and evaluation sets share.

    Args:
        data_root: where Visual Genome's table of names is looked for.
        look: open the pictures and compare them; else only names and paths.
        cache, workers, distance: see ``look_at`` and ``similar``. examples: pairs kept of each two sets.
        on_progress: takes a line for people.

    Raises:
        DataError: none of the sets of a side is there.
    """
    tell = on_progress or (lambda line: None)
    report = OverlapReport(looked_at=look)
    aliases, path = load_aliases(data_root)
    report.aliases = str(path) if path else None
    table = PictureTable()
    trains = _gather_all(train, table, aliases, look, report, tell)
    evaluations = _gather_all(evaluation, table, aliases, look, report, tell)
    matches: list[Match] = []
    if look:
        ours, theirs = _looks(trains, table, cache, workers, tell), _looks(evaluations, table, cache, workers, tell)
        report.plain = int(ours.plain.sum() + theirs.plain.sum())
        _count_unreadable(trains, ours)
        _count_unreadable(evaluations, theirs)
        matches = [*same_bytes(ours, theirs)]
        matches += similar(
            ours, theirs, table, distance=distance, on_progress=lambda done, of: tell(f"{done:,} of {of:,} pairs")
        )
    else:
        both = set().union(*(s.pictures for s in trains)) & set().union(*(s.pictures for s in evaluations))
        matches = [Match(row, row, "bytes") for row in sorted(both)]
    report.train = {found.label: _numbers(found) for found in trains}
    report.evaluation = {found.label: _numbers(found) for found in evaluations}
    by_row: dict[int, list[Match]] = {}
    for match in matches:
        by_row.setdefault(match.evaluation, []).append(match)
    for tested in evaluations:
        for learned in trains:
            shared = _shared(learned, tested, by_row, table, examples)
            if shared is not None:
                report.shared.append(shared)
    return report


def _gather_all(
    sets: Iterable[NamedRows],
    table: PictureTable,
    aliases: dict[str, str],
    look: bool,
    report: OverlapReport,
    tell: Progress,
) -> list[SetPictures]:
    found = []
    for chosen in sets:
        try:
            found.append(
                gather(
                    chosen,
                    table,
                    aliases,
                    look_up=look,
                    on_progress=lambda label, rows: tell(f"{label}: {rows:,} rows"),
                )
            )
        except DataError as error:
            report.missing[chosen.label] = str(error)
    if not found:
        labels = ", ".join(report.missing)
        raise DataError(f"There is nothing to compare, of {labels}: {next(iter(report.missing.values()), 'no sets')}")
    return found


def _looks(
    sets: list[SetPictures], table: PictureTable, cache: Path | None, workers: int | None, tell: Progress
) -> Looks:
    rows = sorted(set().union(*(found.pictures for found in sets)))
    return look_at(
        table, rows, cache, workers=workers, on_progress=lambda done, of: tell(f"{done:,} of {of:,} pictures looked at")
    )


def _count_unreadable(sets: list[SetPictures], looks: Looks) -> None:
    broken = set(looks.unreadable)
    for found in sets:
        found.unreadable += len(found.pictures & broken)


def _numbers(found: SetPictures) -> dict[str, int]:
    return {
        "rows": found.rows,
        "pictures": len(found.pictures),
        "named": len(found.ids),
        "unreadable": found.unreadable,
    }


def _shared(
    learned: SetPictures, tested: SetPictures, by_row: dict[int, list[Match]], table: PictureTable, examples: int
) -> Shared | None:
    by: dict[str, set[int | str]] = {"id": set(), "bytes": set(), "look": set()}
    pairs: list[dict[str, Any]] = []
    for name in sorted(learned.ids.keys() & tested.ids.keys()):
        row = tested.ids[name]
        # A picture without a file counts under its name.
        by["id"].add(row if row >= 0 else name)
        pairs.append({"how": "id", "id": name})
    for row in sorted(tested.pictures & by_row.keys()):
        for match in by_row[row]:
            if match.train in learned.pictures:
                by[match.how].add(row)
                pairs.append(_pair(match, table))
    found = set().union(*by.values())
    if not found:
        return None
    pictures = max(len(tested.pictures), len(tested.ids), len(found))
    chosen = [pair for how in by for pair in [p for p in pairs if p["how"] == how][:examples]]
    return Shared(
        learned.label,
        tested.label,
        len(found),
        round(len(found) / pictures, 4),
        {how: len(rows) for how, rows in by.items()},
        chosen,
    )


def _pair(match: Match, table: PictureTable) -> dict[str, Any]:
    pair: dict[str, Any] = {
        "how": match.how,
        "train": str(table.refs[match.train]),
        "evaluation": str(table.refs[match.evaluation]),
    }
    return pair if match.how == "bytes" else {**pair, "distance": match.distance, "likeness": match.likeness}
