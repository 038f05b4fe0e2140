"""Tar shards in webdataset's layout: the files of a row stand together and share their name up to the first dot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from vistune.data.archive_index import members
from vistune.data.archives import ArchiveMember
from vistune.data.bad_rows import BadRow, Place, Reason

_IMAGES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm"})
_VIDEOS = frozenset({"mp4", "avi", "mkv", "webm", "mov"})


def read_shards(archives: Iterable[Path]) -> Iterator[tuple[Place, Any]]:
    """Rows of tar files one after the other, without unpacking.

    A row has the fields of its ``.json`` and besides ``id`` (the shared name), ``image`` or ``video`` (a member of the
    archive, read when it is opened), and the text of ``.txt`` as ``caption`` and of ``.cls`` as ``answer``.
    """
    for archive in archives:
        rows = groupby(members(archive), key=lambda member: _key(member.member))
        for index, (key, parts) in enumerate(rows):
            place = Place(archive.name, index=index)
            try:
                yield place, _row(key, list(parts))
            except BadRow as error:
                yield place, error.at(place)


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _row(key: str, parts: list[ArchiveMember]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": key}
    images = []
    for part in parts:
        kind = part.member[len(key) + 1 :].lower()
        ending = kind.rpartition(".")[2]
        if ending in _IMAGES:
            images.append(part)
        elif ending in _VIDEOS:
            row["video"] = part
        elif kind == "json":
            row = {**row, **_object(part)}
        elif kind in ("txt", "cls"):
            row["caption" if kind == "txt" else "answer"] = _text(part)
    if images:
        # What JSON says of the picture is where it came from, not where it is.
        row["image"] = images if len(images) > 1 else images[0]
    return row


def _object(part: ArchiveMember) -> dict[str, Any]:
    try:
        value = json.loads(_text(part))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadRow(Reason.BAD_JSON, f"{part.member!r} is no JSON ({error}).") from error
    if not isinstance(value, dict):
        raise BadRow(Reason.BAD_JSON, f"{part.member!r} holds a {type(value).__name__}, expected an object.")
    return value


def _text(part: ArchiveMember) -> str:
    try:
        return part.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise BadRow(Reason.INVALID_UTF8, f"{part.member!r} is not UTF-8.") from error
