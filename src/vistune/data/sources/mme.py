"""MME: 14 tasks of yes or no, two questions a picture (Fu et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_lines
from vistune.data.sources.base import Rows, SetInfo, Source
from vistune.data.sources.pictures import first_image

PERCEPTION = (
    *("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR"),
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
TASKS = (*PERCEPTION, *COGNITION)

_RELEASES = ("", "MME_Benchmark_release_version/", "MME_Benchmark_release_version/MME_Benchmark/")
_QUESTIONS, _IMAGES = "questions_answers_YN", "images"
# Every question of the release ends so; prompts have words of their own for it.
ASKING = "Please answer yes or no."


class MME(Source):
    """The release's folders, one a task: a text file with two lines "question TAB Yes" for each picture.

    The task stands in ``parts``; ``id`` is TASK/PICTURE/LINE. ``question`` is without the closing `ASKING`.
    """

    info = SetInfo(
        name="mme",
        title="MME",
        group="vqa",
        splits={"test": 2_374},  # 1,187 pictures, two questions each
        metric="accuracy + accuracy+",
        licence="research use, on request",
        url="https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models/tree/Evaluation",
        folder="mme",
        annotations={"test": tuple(tuple(f"{release}{task}" for release in _RELEASES) for task in TASKS)},
        images=(),
        eval_split="test",
        candidates="yes, no",
        verbalizers={"yes": ("yes",), "no": ("no",)},
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions, task by task and picture by picture."""
        for task, folder in zip(TASKS, self.paths(files, split), strict=True):
            texts = folder / _QUESTIONS if (folder / _QUESTIONS).is_dir() else folder
            for path in sorted(texts.glob("*.txt")):
                yield from _questions(path, task, folder, files)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question."""
        stem = record["stem"]
        folders = (f"{record['folder']}/{_IMAGES}", record["folder"])
        image = first_image(files, ((folder, f"{stem}.{end}") for folder in folders for end in ("jpg", "png", "jpeg")))
        yield Example(
            f"{record['task']}/{stem}/{record['number']}",
            self.info.name,
            target=record["answer"],
            images=(image,),
            candidates=("yes", "no"),
            question=record["question"].removesuffix(ASKING).strip(),
            parts=(record["task"],),
        )


def _questions(path: Path, task: str, folder: Path, files: Files) -> Rows:
    where = folder.relative_to(files.root).as_posix()
    for number, (place, line) in enumerate(read_lines(path), 1):
        if isinstance(line, BadRow):
            yield place, line
            continue
        question, tab, answer = str(line).rpartition("\t")
        if not tab or answer.strip().lower() not in ("yes", "no"):
            message = f"this is {str(line)[:60]!r}, expected a question, a tab and Yes or No."
            yield place, BadRow(Reason.MISSING_FIELD, message, place)
            continue
        yield (
            place,
            {
                **{"task": task, "folder": where, "stem": path.stem, "number": number},
                **{"question": question.strip(), "answer": answer.strip().lower()},
            },
        )
