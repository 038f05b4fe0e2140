"""The examples of a source, bad rows dealt with: left out, or told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import BadRow, OnError, Place, Reason, RowLog
from vistune.data.seen import SeenIds
from vistune.errors import ImageError

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.files import Files
    from vistune.data.sources.base import Source


def read_rows(
    source: Source,
    files: Files,
    split: str,
    on_error: OnError | None = None,
    log: RowLog | None = None,
    check_images: bool = False,
) -> Iterator[Example]:
    """The examples of a source, bad rows dealt with as ``on_error`` says and listed in ``log``.

    Looks at what every source must keep to: ids are unique, no answer to learn from is empty.

    Args:
        log: counts and lists; its own ``on_error`` holds where it is given.
        check_images: open every picture too, so that broken ones are found now.

    Raises:
        BadRow: the first bad row, unless bad rows are skipped. DataError: too many of them, or a file is not there.
    """
    log = log if log is not None else RowLog(on_error or OnError())
    seen = SeenIds()
    for place, record in source.records(files, split):
        for found in _guarded(source, record, place, files, split):
            if not isinstance(found, BadRow):
                found = _fault(found) or _repeated(found, seen) or (_broken(found) if check_images else None) or found
            if isinstance(found, BadRow):
                log.add(found.at(place))
            else:
                log.good()
                yield found
    log.check()


def _guarded(source: Source, record: Any, place: Place, files: Files, split: str) -> Iterator[Example | BadRow]:
    """The examples of a record, and a BadRow in the place of what cannot be used."""
    if isinstance(record, BadRow):
        yield record
        return
    try:
        yield from source.examples(record, place, files, split)
    except BadRow as error:
        yield error
    except KeyError as error:
        yield BadRow(Reason.MISSING_FIELD, f"there is no field or entry {error}.")
    except ImageError as error:
        yield BadRow(Reason.BROKEN_IMAGE, str(error))


def _fault(example: Example) -> BadRow | None:
    answers = [*example.answers, *(said for _, said in example.turns)]
    if example.target is not None:
        answers.append(example.target)
    if all(answer.strip() for answer in answers):
        return None
    return BadRow(Reason.EMPTY_ANSWER, f"the row {example.id!r} has an empty answer; expected text to learn from.")


def _broken(example: Example) -> BadRow | None:
    from vistune.data.images import open_images

    try:
        open_images(example.images)
    except ImageError as error:
        return BadRow(Reason.BROKEN_IMAGE, f"a picture cannot be opened: {error}")
    return None


def _repeated(example: Example, seen: SeenIds) -> BadRow | None:
    if seen.add(example.id):
        return None
    return BadRow(Reason.DUPLICATE_ID, f"the id {example.id!r} was there before; ids must be unique within a set.")
