"""Visual Dialog: ten questions in a row about a picture, with 100 answers to rank for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, SetInfo, Source, beside, choice_at, objects, text_of
from vistune.data.sources.pictures import coco_image
from vistune.errors import DataError

DENSE = "visdial_1.0_val_dense_annotations.json"
_IMAGES = {"val": "VisualDialog_val2018", "test": "VisualDialog_test2018"}


class VisualDialog(Source):
    """The release's visdial_1.0_*.json, a record per dialogue; one Example a question, the test split's last ones only.

    ``history`` holds the rounds before, ``caption`` the picture's, ``candidates`` the answers in the file's order.
    """

    info = SetInfo(
        name="visdial",
        title="Visual Dialog",
        group="visual_dialog",
        role="held-out",
        # visualdialog.org/data: 123,287 and 2,064 dialogues of ten rounds; 8,000 with one question open
        splits={"train": 1_232_870, "val": 20_640, "test": 8_000},
        unlabelled=frozenset({"test"}),
        metric="MRR",
        licence="CC BY 4.0",
        url="https://visualdialog.org/data",
        folder="visdial",
        annotations={split: ((f"visdial_1.0_{split}.json",),) for split in ("train", "val", "test")},
        optional=(DENSE,),
        images=("coco/train2014", "coco/val2014", *(f"visdial/{folder}" for folder in _IMAGES.values())),
        train_split="train",
        eval_split="val",
        candidates="100 answers a question",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Dialogues, their numbers replaced by the questions and answers that they stand for."""
        (path,) = self.paths(files, split)
        questions, answers = (_texts(path, f"data.{name}") for name in ("questions", "answers"))
        return objects(read_json_array(path, "data.dialogs"), lambda dialog: _spelt_out(dialog, questions, answers))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """The questions of one dialogue that are to be answered."""
        number = field_of(record, "image_id", int)
        if split in _IMAGES:
            folder = _IMAGES[split]
            image: Any = files.image(f"{folder}_{number:012d}.jpg", f"visdial/{folder}")
        else:
            image = coco_image(files, number, "train2014")
        history: list[tuple[str, str]] = []
        for index, (question, answer, options) in enumerate(record["rounds"]):
            if options:
                yield Example(
                    f"{number}-{index + 1}",
                    self.info.name,
                    target=answer,
                    images=(image,),
                    candidates=options,
                    question=question,
                    history=tuple(history),
                    caption=text_of(record, "caption"),
                    source_ids=() if split in _IMAGES else (f"coco:{number}",),
                )
            history.append((question, answer or ""))

    def relevance(self, files: Files) -> dict[str, tuple[float, ...]]:
        """How many people found each candidate right, by id of the validation split's Example, for NDCG.

        Empty where the release's dense annotations are not there; one question of each dialogue has them.

        Raises:
            DataError: the file is not of the release's form.
        """
        path = beside(files, DENSE)
        found: dict[str, tuple[float, ...]] = {}
        if path is None:
            return found
        for place, record in objects(read_json_array(path)):
            if isinstance(record, BadRow):
                raise record.at(place)
            values = field_of(record, "gt_relevance", list)
            if not all(isinstance(value, int | float) for value in values):
                raise BadRow(Reason.MISSING_FIELD, "'gt_relevance' holds something that is no number.", place)
            key = f"{field_of(record, 'image_id', int)}-{field_of(record, 'round_id', int)}"
            found[key] = tuple(float(value) for value in values)
        return found


def _texts(path: Any, key: str) -> list[str]:
    texts = []
    for place, text in read_json_array(path, key):
        if not isinstance(text, str):
            raise DataError(f"{place} of {key}: this is a {type(text).__name__}, expected text.")
        texts.append(text.strip())
    return texts


def _spelt_out(dialog: dict[str, Any], questions: list[str], answers: list[str]) -> dict[str, Any]:
    rounds = []
    for turn in field_of(dialog, "dialog", list):
        options = tuple(choice_at(answers, index) for index in turn.get("answer_options") or ())
        answer = choice_at(answers, turn["answer"]) if turn.get("answer") is not None else None
        if options and turn.get("gt_index") is not None:
            right = choice_at(options, turn["gt_index"])
            if answer is not None and right != answer:
                raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"the answer is {answer!r}, but gt_index says {right!r}.")
            answer = right
        rounds.append((choice_at(questions, field_of(turn, "question")), answer, options))
    return {**dialog, "rounds": rounds}
