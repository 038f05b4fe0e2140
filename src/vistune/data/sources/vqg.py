"""Question generation: the question is what is learned, from the picture and an answer to it.

InstructBLIP turns VQAv2, OK-VQA and A-OKVQA round (section 2.2), each a set of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.sources.aokvqa import AOKVQA
from vistune.data.sources.base import Rows, SetInfo, Source
from vistune.data.sources.okvqa import OKVQA
from vistune.data.sources.vqav2 import VQAv2


def _turned_round(info: SetInfo) -> SetInfo:
    labelled = {split: count for split, count in info.splits.items() if split not in info.unlabelled}
    return replace(
        info,
        name=f"vqg_{info.name}",
        group="vqg",
        splits=labelled,
        unlabelled=frozenset(),
        metric="-",
        annotations={split: info.annotations[split] for split in labelled},
        eval_split=None,
        candidates=None,
    )


class QuestionGeneration(Source):
    """Rows of another set: ``question`` is also the ``target``, ``answers`` are what it is asked for with.

    Of a set with choices the right choice is the answer and the choices stand beside it.
    """

    answering: ClassVar[Source]

    def records(self, files: Files, split: str) -> Rows:
        """The other set's."""
        self.paths(files, split)
        return self.answering.records(files, split)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """The other set's, turned round."""
        for example in self.answering.examples(record, place, files, split):
            yield replace(
                example,
                task=self.info.name,
                target=example.question,
                answers=example.answers if example.target is None else (example.target,),
                references=(),
                candidates=None,
                rationale="",
            )


class VQGVQAv2(QuestionGeneration):
    """VQAv2 turned round."""

    answering = VQAv2()
    info = _turned_round(VQAv2.info)


class VQGOKVQA(QuestionGeneration):
    """OK-VQA turned round."""

    answering = OKVQA()
    info = _turned_round(OKVQA.info)


class VQGAOKVQA(QuestionGeneration):
    """A-OKVQA turned round, with the right choice as the answer."""

    answering = AOKVQA()
    info = _turned_round(AOKVQA.info)
