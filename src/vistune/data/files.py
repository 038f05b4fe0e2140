"""Where the files of a data set are: annotations by name, pictures in folders, tar shards or zip files.

An archive stands for what it would be if unpacked where it lies, or into a folder of its own name: the picture
``train/7.jpg`` of a set is found as that file, in ``train.zip`` or ``train-00012.tar`` (with or without ``train/`` in
front of its members' names), or in any archive inside ``train/``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.archives import archives_of, find_member, stands_for
from vistune.data.bad_rows import BadRow, Reason
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.archives import ArchiveMember
    from vistune.data.video import VideoFrames


class Files:
    """The files of one data set below ``root``.

    Args:
        root: the data root: no picture outside of it is ever read. Folders in it may be symbolic links to elsewhere.
        folder: the set's own folder in it; "" for the root itself.

    Raises:
        DataError: there is no such root.
    """

    def __init__(self, root: Path | str, folder: str = "") -> None:
        self.root = Path(root)
        self.folder = self.root / folder
        self._bases: dict[str, Path] = {}
        self._latest: dict[Path, Path] = {}
        if not self.root.is_dir():
            raise DataError(f"There is no data folder {str(self.root)!r}; give the one that holds the data sets.")

    def annotation(self, *names: str, folder: str | None = None) -> Path:
        """The first of these files or folders that is there.

        Args:
            names: relative to ``folder``. folder: relative to the data root; None is the set's own folder.

        Raises:
            DataError: none is, with the exact paths looked at.
        """
        paths = self.annotation_candidates(*names, folder=folder)
        for path in paths:
            if path.exists():
                return path
        looked = " and ".join(repr(str(path)) for path in paths)
        raise DataError(f"An annotation file is missing: there is no {looked}; fetch it or check the data folder.")

    def annotation_candidates(self, *names: str, folder: str | None = None) -> list[Path]:
        """The paths that `annotation` looks at, in order."""
        base = self.folder if folder is None else self.root / folder
        return [base / name for name in names]

    def image(self, name: str, folder: str | None = None, check: bool = True) -> Path | ArchiveMember:
        """A picture by the name that a row gives it.

        Args:
            name: relative to ``folder``; slashes part folders.
            folder: relative to the data root, such as "coco/train2014"; None is the set's own folder.
            check: look whether the file is there. Without, a name that no file has is found out on opening; pictures in
                archives are looked up all the same.

        Raises:
            BadRow: there is no such file, or the name leads out of the data root.
        """
        base = self._base(folder)
        inner = _checked(name)
        if inner.startswith("/"):
            base, inner = self.root, self._below_root(name)
        # Text instead of Path all the way: a mixture has millions of names.
        path = os.path.join(base, inner)
        if not check and _is_folder(base) and not archives_of(base):
            return Path(path)
        real = _real_file(path)
        if real is None:
            member = self._member(Path(path))
            if member is None:
                raise BadRow(
                    Reason.MISSING_IMAGE, f"there is no picture {name!r} in {str(base)!r}, nor in an archive beside it."
                )
            return member
        # Links may lead anywhere inside the root, or inside what the folder itself leads to.
        if not any(real.startswith(_resolved(allowed)) for allowed in (self.root, base)):
            raise BadRow(Reason.PATH_LEAVES_ROOT, f"the path {name!r} leaves the data root: it is a link to {real!r}.")
        return Path(path)

    def video(self, name: str, folder: str | None = None, num_frames: int = 4, check: bool = True) -> VideoFrames:
        """Frames of a video file, opened when they are needed; arguments and errors as in `image`."""
        from vistune.data.video import VideoFrames

        return VideoFrames(self.image(name, folder, check), num_frames)

    def _base(self, folder: str | None) -> Path:
        if folder is None:
            return self.folder
        if folder not in self._bases:
            self._bases[folder] = self.root / folder
        return self._bases[folder]

    def _below_root(self, name: str) -> str:
        for root in (os.path.join(os.path.abspath(self.root), ""), _resolved(self.root)):
            if name.startswith(root) and name != root:
                return name.removeprefix(root)
        raise BadRow(
            Reason.PATH_LEAVES_ROOT, f"the path {name!r} leaves the data root {str(self.root)!r}; expected one inside."
        )

    def _member(self, path: Path) -> ArchiveMember | None:
        inner = path.relative_to(self.root).parts
        for depth in range(len(inner) - 1, -1, -1):
            folder, rest = self.root.joinpath(*inner[:depth]), inner[depth:]
            for archive in self._archives(folder, rest):
                own = len(rest) > 1 and stands_for(archive, rest[0])
                names = ["/".join(rest), "/".join(rest[1:])] if own else ["/".join(rest)]
                member = find_member(archive, names)
                if member is not None:
                    self._latest[folder] = archive
                    return member
        return None

    def _archives(self, folder: Path, rest: Sequence[str]) -> Iterator[Path]:
        """Archives that may hold ``rest``, the likeliest first."""
        # Rows mostly follow the order of the shards.
        latest = self._latest.get(folder)
        if latest is not None:
            yield latest
        named: list[Path] = []
        others: list[Path] = []
        for archive in archives_of(folder):
            if archive != latest:
                (named if len(rest) > 1 and stands_for(archive, rest[0]) else others).append(archive)
        yield from named
        # At the root stand archives of other sets: only those named like the folder are looked into.
        if folder != self.root or len(rest) == 1:
            yield from others


def _checked(name: str) -> str:
    if "\0" in name or (".." in name and ".." in name.split("/")):
        what = "a NUL sign" if "\0" in name else "'..'"
        raise BadRow(Reason.PATH_LEAVES_ROOT, f"the path {name!r} has {what} in it, expected one inside the data root.")
    if not name.strip("./"):
        raise BadRow(Reason.MISSING_IMAGE, f"the name of the picture is {name!r}, expected that of a file.")
    return name


def _real_file(path: str) -> str | None:
    """Where a file really is, links followed; None where there is none."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            real = os.path.realpath(path)
            return real if os.path.isfile(real) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadRow(Reason.MISSING_IMAGE, f"the picture {path!r} cannot be read ({error.strerror}).") from error
    folder, _, file = path.rpartition("/")
    return _resolved(folder) + file if stat.S_ISREG(mode) else None


@lru_cache(maxsize=4096)
def _resolved(folder: Path | str) -> str:
    """Where a folder really is, with a slash at the end."""
    return os.path.join(os.path.realpath(folder), "")


@lru_cache(maxsize=4096)
def _is_folder(path: Path) -> bool:
    return path.is_dir()
