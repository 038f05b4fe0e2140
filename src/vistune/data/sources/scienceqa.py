"""ScienceQA: school questions with choices, hints, lectures and solutions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json, read_json_object
from vistune.data.sources.base import Rows, SetInfo, Source, choice_at, matching, named_objects, text_of, texts_of
from vistune.data.sources.pictures import first_image
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

_IMAGES = ("scienceqa", "scienceqa/images", "scienceqa/data/scienceqa", "scienceqa/data/scienceqa/images")
_SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}
_FILES = (("problems.json", "data/scienceqa/problems.json"), ("pid_splits.json", "data/scienceqa/pid_splits.json"))


def scienceqa_info(**fields: Any) -> SetInfo:
    """What the questions with a picture share with those of LLaVA's conversations."""
    return SetInfo(
        metric="accuracy",
        licence="CC BY-NC-SA 4.0",
        url="https://github.com/lupantech/ScienceQA",
        folder="scienceqa",
        annotations=dict.fromkeys(("train", "val", "test"), _FILES),
        images=("scienceqa/train", "scienceqa/val", "scienceqa/test", "scienceqa/images"),
        train_split="train",
        eval_split="test",
        **fields,
    )


class ScienceQA(Source):
    """The questions with a picture (IMG), which is what InstructBLIP is measured on."""

    info = scienceqa_info(
        name="scienceqa",
        title="ScienceQA",
        group="knowledge_vqa",
        role="held-out",
        # 10,332 of the 21,208 questions have a picture, Lu et al. 2022, table 1
        splits={"train": 6_218, "val": 2_097, "test": 2_017},
        candidates="the question's choices",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Problems that have a picture."""
        return matching(problems(self, files, split), lambda record: bool(record.get("image")))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One problem."""
        choices = texts_of(record, "choices")
        yield Example(
            record["name"],
            self.info.name,
            target=choice_at(choices, field_of(record, "answer")),
            images=(problem_image(record, files, split),) if record.get("image") else (),
            candidates=choices,
            question=text_of(record, "question"),
            context=optional(record, "hint").strip(),
            choices=choices,
            lecture=optional(record, "lecture").strip(),
            rationale=optional(record, "solution").strip(),
            parts=parts_of(record),
        )


class ScienceQAAll(ScienceQA):
    """All questions, those without a picture too, which is what LLaVA's table 7 is about."""

    info = scienceqa_info(
        name="scienceqa_all",
        title="ScienceQA",
        group="knowledge_vqa",
        splits={"train": 12_726, "val": 4_241, "test": 4_241},  # Lu et al. 2022, table 1
        candidates="the question's choices",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Problems."""
        return problems(self, files, split)


def problems(source: Source, files: Files, split: str) -> Rows:
    """The problems of a split with their number as "name", in the order of problems.json."""
    path, numbers = source.paths(files, split)
    content = read_json(numbers)
    if not isinstance(content, dict) or not isinstance(content.get(split), list):
        raise DataError(f"{numbers.name} has no list of the numbers of {split!r}; is it ScienceQA's pid_splits.json?")
    wanted = {str(number) for number in content[split]}
    for place, record in named_objects(read_json_object(path)):
        if isinstance(record, BadRow):
            yield place, record
        elif record["name"] in wanted:
            wanted.discard(record["name"])
            yield place, record
    for number in sorted(wanted, key=lambda name: (len(name), name)):
        place = Place(numbers.name)
        yield place, BadRow(Reason.MISSING_FIELD, f"problem {number} of {split!r} is not in {path.name}.", place)


def problem_image(record: Any, files: Files, split: str) -> ImageRef:
    """The picture of a problem: SPLIT/NUMBER/image.png, in the set's folder or in images/ there.

    Raises:
        BadRow: it is not there.
    """
    part, name = optional(record, "split") or split, f"{record['name']}/{text_of(record, 'image')}"
    folders = (
        "scienceqa/{}",
        "scienceqa/images/{}",
        "scienceqa/data/scienceqa/{}",
        "scienceqa/data/scienceqa/images/{}",
    )
    found: ImageRef = first_image(files, ((folder.format(part), name) for folder in folders))
    return found


def parts_of(problem: Any) -> tuple[str, ...]:
    """The columns of ScienceQA's table that a problem counts in (tools/evaluate_acc.py of its release).

    Subject NAT, SOC or LAN; TXT with a hint, IMG with a picture, NO with neither; G1-6 or G7-12.
    """
    shown = [name for name, key in (("TXT", "hint"), ("IMG", "image")) if optional(problem, key)]
    grade = optional(problem, "grade").removeprefix("grade")
    found = [
        _SUBJECTS.get(optional(problem, "subject"), ""),
        *(shown or ["NO"]),
        ("G1-6" if int(grade) <= 6 else "G7-12") if grade.isdecimal() else "",
    ]
    return tuple(name for name in found if name)


def optional(record: Any, name: str) -> str:
    """A text that a record may have; "" where it has none."""
    value = record.get(name)
    return value if isinstance(value, str) else ""
