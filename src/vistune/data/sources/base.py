"""What every data set is: a description, the records of its release files, and what an Example is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.files import Files
from vistune.data.strict_yaml import nearest
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.example import Example

Role = Literal["held-in", "held-out", "extra"]
Rows = Iterator[tuple[Place, Any]]

GROUPS = (
    "caption",
    "text_caption",
    "visual_reasoning",
    "vqa",
    "knowledge_vqa",
    "ocr_vqa",
    "vqg",
    "video_qa",
    "visual_dialog",
    "classification",
    "llava",
)
"""The 11 task groups of InstructBLIP (figure 2), which are also the names of the files of templates."""


@dataclass(frozen=True)
class SetInfo:
    """What is known about a data set without opening it.

    Args:
        name: as in recipes. group: one of `GROUPS`.
        templates: file of templates that put its rows into words; "": that of its group.
        title: as in the paper (figure 2), also where an identifier stands for the instruction.
        role: "held-in" (InstructBLIP trains on it), "held-out" (it is measured on it), "extra" (neither).
        splits: number of Examples by split, None where it is not known.
        rounded: splits whose number is known in round figures only. unlabelled: splits without public answers.
        metric: as the paper measures it, "-" where it does not.
        licence: of the annotations; pictures often have terms of their own.
        url: where a person gets it.
        folder: the set's own folder in the data root.
        annotations: by split the files that must be there, each as the names it may go by, relative to ``folder``.
        optional: files that are read if they are there, relative to ``folder``.
        images: folders of pictures or videos that the set takes from, relative to the data root.
        train_split, eval_split: what is trained and measured on where nothing is said; None: the set has none.
        mirror_safe: pictures may be flipped left to right: no text in them, no left and right in the words.
        candidates: the answers that are ranked, in words; None where answers are generated.
        verbalizers: of two-way sets, the words that stand for each answer when they are ranked (section 2.4).
    """

    name: str
    title: str = ""
    group: str = "llava"
    templates: str = ""
    role: Role = "extra"
    splits: Mapping[str, int | None] = field(default_factory=dict)
    rounded: frozenset[str] = frozenset()
    unlabelled: frozenset[str] = frozenset()
    metric: str = "-"
    licence: str = ""
    url: str = ""
    folder: str = ""
    annotations: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    train_split: str | None = None
    eval_split: str | None = None
    mirror_safe: bool = False
    candidates: str | None = None
    verbalizers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Source(ABC):
    """A data set that can be read. It holds no state: any process may make its own."""

    info: SetInfo

    @abstractmethod
    def records(self, files: Files, split: str) -> Rows:
        """The rows of the release files with their places, in the files' order; a `BadRow` where one cannot be read.

        Raises:
            DataError: no such split, or a file is missing.
        """

    @abstractmethod
    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """What one record says.

        Raises:
            BadRow: it cannot be used.
        """

    def candidates(self, files: Files) -> tuple[str, ...] | None:
        """The one list of answers that all questions of the set are ranked over, or None if there is none."""
        return None

    def files(self, data_root: Path | str) -> Files:
        """The set's files below a data root.

        Raises:
            DataError: there is no such root.
        """
        return Files(data_root, self.info.folder)

    def paths(self, files: Files, split: str) -> list[Path]:
        """The annotation files of a split, in the order of ``info.annotations``.

        Raises:
            DataError: no such split, or a file is missing.
        """
        known = self.info.annotations
        if split not in known:
            raise DataError(unknown_split(self.info, split))
        return [files.annotation(*names) for names in known[split]]


def unknown_split(info: SetInfo, split: str) -> str:
    """What to say of a split that a set does not have."""
    hint = nearest(split, info.annotations) or f"; expected {' or '.join(info.annotations)}."
    return f"{info.name} has no split {split!r}{hint}"


def beside(files: Files, *names: str) -> Path | None:
    """The first of these files of the set's folder that is there, or None: files that a set can do without."""
    return next((path for path in files.annotation_candidates(*names) if path.is_file()), None)


def each(rows: Rows, change: Callable[[Any], Any]) -> Rows:
    """Rows with their records changed; a bad one stays what it is, or becomes one where ``change`` raises it."""
    for place, record in rows:
        if not isinstance(record, BadRow):
            try:
                record = change(record)
            except BadRow as error:
                record = error
        yield place, record


def objects(rows: Rows, change: Callable[[dict[str, Any]], Any] | None = None) -> Rows:
    """Rows whose records are JSON objects, changed as in `each`; any other is a bad row."""

    def checked(record: Any) -> Any:
        if not isinstance(record, dict):
            raise BadRow(Reason.BAD_JSON, f"this is a {type(record).__name__}, expected an object with named fields.")
        return change(record) if change else record

    return each(rows, checked)


def named_objects(rows: Rows) -> Rows:
    """Rows whose records are (name, JSON object), as objects with their name as "name"; any other is a bad row."""

    def joined(entry: tuple[str, Any]) -> dict[str, Any]:
        name, record = entry
        if not isinstance(record, dict):
            raise BadRow(Reason.BAD_JSON, f"{name!r} is a {type(record).__name__}, expected an object with fields.")
        return {**record, "name": name}

    return each(rows, joined)


def matching(rows: Rows, wanted: Callable[[dict[str, Any]], bool]) -> Rows:
    """Rows whose objects are wanted, and all bad ones."""
    return ((place, record) for place, record in rows if isinstance(record, BadRow) or wanted(record))


def text_of(record: Any, name: str) -> str:
    """A text that the record must have, without blanks around it.

    Raises:
        BadRow: there is none, it is no text, or it is empty.
    """
    value: str = field_of(record, name, str).strip()
    if not value:
        raise BadRow(Reason.MISSING_FIELD, f"the field {name!r} is empty, expected text.")
    return value


def texts_of(record: Any, name: str) -> tuple[str, ...]:
    """A list of texts that the record must have, without blanks around them.

    Raises:
        BadRow: there is none, or something in it is no text.
    """
    values = field_of(record, name, list, tuple)
    for value in values:
        if not isinstance(value, str):
            raise BadRow(Reason.MISSING_FIELD, f"the field {name!r} holds {value!r}, expected texts only.")
    return tuple(value.strip() for value in values)


def choice_at(choices: Sequence[str], index: Any) -> str:
    """The right choice.

    Raises:
        BadRow: the index is none of a choice's.
    """
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(choices):
        raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the answer is {index!r}, expected 0 to {len(choices) - 1}.")
    return choices[index]


def said(answers: Iterable[str]) -> tuple[str, ...]:
    """Answers that people gave, without the blank ones (VQAv2 has a few).

    Raises:
        BadRow: none is left.
    """
    kept = tuple(answer for answer in answers if answer.strip())
    if not kept:
        raise BadRow(Reason.EMPTY_ANSWER, "the row has no answer, expected at least one.")
    return kept
