"""Is a data set whole? Files, numbers of rows, pictures that open, ids, pictures shared by training and measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.archives import archives_of, stands_for
from vistune.data.check_split import Progress, SplitCheck, SplitReader
from vistune.data.counting import count_of
from vistune.data.sources.base import Source, unknown_split
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.files import Files
    from vistune.data.sources.base import SetInfo

# How far the number of rows may be from one that is known in round figures only.
_ROUNDED = 0.05


@dataclass
class CheckReport:
    """What was found of a set. ``problems`` must be dealt with before the set can be used; ``notes`` need a look.

    Args:
        image_folders, optional: folders of pictures, and files that the set can do without: whether they are there.
        answers: number of answers to rank, of sets that rank one list.
        shared_pictures: number of pictures that the training split shares with another, by the other's name.
    """

    name: str
    data_root: str
    url: str
    image_folders: dict[str, bool] = field(default_factory=dict)
    optional: dict[str, bool] = field(default_factory=dict)
    answers: int | None = None
    splits: dict[str, SplitCheck] = field(default_factory=dict)
    shared_pictures: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of using the set."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {"ok": self.ok, **asdict(self)}


def check_set(
    source: Source,
    data_root: Path | str,
    splits: Sequence[str] = (),
    open_images: int | None = 100,
    progress: Progress | None = None,
) -> CheckReport:
    """Read a set's release files through and look at its pictures.

    Args:
        splits: those that must be there; () is what the set is for: its training split if it is trained on, else the
            one it is measured on. Others are looked at too where their files are.
        open_images: how many pictures of each split to open, spread over it, the same ones every time; None is all.
        progress: told (split, rows so far) every now and then.

    Raises:
        DataError: no such data root, or no such split.
    """
    info = source.info
    files = source.files(data_root)
    report = CheckReport(info.name, str(data_root), info.url)
    report.image_folders = {str(files.root / folder): _is_there(files.root / folder) for folder in info.images}
    report.optional = {str(files.folder / name): (files.folder / name).is_file() for name in info.optional}
    if unknown := [split for split in splits if split not in info.annotations]:
        raise DataError(unknown_split(info, unknown[0]))
    needed = splits or _needed(info)
    train_pictures: set[int] | None = None
    # The training split first: the others are held against its pictures.
    order = sorted(splits or info.annotations, key=lambda split: split != info.train_split)
    for split in order:
        found = _find_files(info, files, split)
        if found.missing and split not in needed:
            continue
        report.splits[split] = found
        if found.missing:
            looked = "; ".join(" or ".join(paths) for paths in found.missing)
            report.problems.append(f"{split}: files are missing, looked at {looked}")
            continue
        reader = SplitReader(source, files, split, open_images, keep_pictures=len(order) > 1)
        try:
            reader.read(found, progress)
        except DataError as error:
            report.problems.append(f"{split}: {error}")
            continue
        _judge(info, split, found, reader, report)
        if split == info.train_split:
            train_pictures = reader.pictures
        elif train_pictures is not None:
            report.shared_pictures[split] = len(train_pictures & reader.pictures)
    _look_at_answers(source, files, report)
    for split, count in report.shared_pictures.items():
        if count:
            report.notes.append(f"{split}: {count_of(count, 'picture')} also in {info.train_split!r}")
    return report


def _is_there(folder: Path) -> bool:
    """Whether there are pictures: a folder, or archives that stand for it."""
    return folder.is_dir() or any(stands_for(archive, folder.name) for archive in archives_of(folder.parent))


def _needed(info: SetInfo) -> tuple[str, ...]:
    first = info.eval_split if info.role == "held-out" else info.train_split
    return (first or next(iter(info.annotations)),)


def _look_at_answers(source: Source, files: Files, report: CheckReport) -> None:
    """Count the answers to rank, of a set that ranks one list for all questions and whose questions are there."""
    measured = report.splits.get(source.info.eval_split or "")
    if type(source).candidates is Source.candidates or measured is None or measured.missing:
        return
    try:
        answers = source.candidates(files)
    except DataError as error:
        report.problems.append(f"answers to rank: {error}")
        return
    report.answers = len(answers) if answers else None
    if not answers:
        names = " or ".join(source.info.optional)
        report.notes.append(f"there is no list of answers to rank: neither {names}, nor the training questions")


def _find_files(info: SetInfo, files: Files, split: str) -> SplitCheck:
    found = SplitCheck(expected=info.splits.get(split))
    for names in info.annotations[split]:
        paths = files.annotation_candidates(*names)
        there = next((path for path in paths if path.exists()), None)
        if there is not None:
            found.files.append(str(there))
        else:
            found.missing.append([str(path) for path in paths])
    return found


def _judge(info: SetInfo, split: str, found: SplitCheck, reader: SplitReader, report: CheckReport) -> None:
    if found.bad:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.bad.items())
        report.problems.append(f"{split}: rows that cannot be used: {reasons}; the first: {found.first_bad[0]}")
    elif not found.rows:
        report.problems.append(f"{split}: the files hold no rows")
    elif found.expected is not None and found.rows != found.expected:
        sentence = f"{split}: {count_of(found.rows, 'row')}, the release has {found.expected:,}"
        if split not in info.rounded:
            report.problems.append(sentence)
        elif abs(found.rows - found.expected) > _ROUNDED * found.expected:
            report.notes.append(f"{sentence} (in round figures)")
    if found.broken:
        report.problems.append(f"{split}: {len(found.broken):,} pictures do not open; the first: {found.broken[0]}")
    if reader.unread:
        report.notes.append(f"{split}: videos were not opened: {reader.unread}")
