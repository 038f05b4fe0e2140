"""ScienceQA as LLaVA's conversations: QCM-LEA, which LLaVA was trained on, and its ablations QCM-LEPA and QCM-A.

Words and blanks are those that LLaVA's own conversion gives (LLaVA section 5.2): models were trained on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.sources.base import Rows, SetInfo, Source, choice_at
from vistune.data.sources.scienceqa import optional, parts_of, problem_image, problems, scienceqa_info

Output = Literal["LEA", "LEPA", "A"]
LETTERS = "ABCDE"


class ScienceQAChat(Source):
    """All questions, those without a picture too, each as one turn."""

    output: ClassVar[Output]

    def records(self, files: Files, split: str) -> Rows:
        """Problems."""
        return problems(self, files, split)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One problem."""
        asked, answered = chat_texts(record, self.output)
        images = (problem_image(record, files, split),) if record.get("image") else ()
        choices = tuple(map(str, field_of(record, "choices", list)))
        yield Example(
            record["name"],
            self.info.name,
            images=images,
            turns=((f"{asked}\n<image>" if images else asked, answered),),
            references=(choices[record["answer"]],),
            choices=choices,
            parts=parts_of(record),
        )


def chat_texts(problem: Any, output: Output) -> tuple[str, str]:
    """What is asked (question, context, options) and answered: lecture, explanation and answer (LEA), or parts of it.

    Raises:
        BadRow: a field is missing, or the answer is none of the choices.
    """
    choices, index = tuple(map(str, field_of(problem, "choices", list))), field_of(problem, "answer")
    if len(choices) > len(LETTERS):
        raise BadRow(Reason.UNKNOWN_ANSWER_INDEX, f"there are {len(choices)} choices, expected at most {len(LETTERS)}.")
    choice_at(choices, index)
    letter = LETTERS[index]
    # optional() leaves blanks as they are: the conversion joins first and collapses pairs of blanks once.
    lecture, solution = optional(problem, "lecture"), optional(problem, "solution")
    options = " ".join(f"({LETTERS[number]}) {choice}" for number, choice in enumerate(choices))
    context = f"{optional(problem, 'hint')} ".strip() or "N/A"
    asked = f"Question: {field_of(problem, 'question', str)}\nContext: {context}\nOptions: {options}\n"
    if output == "LEPA":
        answered = f"LECTURE: {lecture}\n" if lecture.strip() else ""
        answered += f"SOLUTION: {solution}\n" if solution.strip() else ""
        answered += f"###\nANSWER: {letter}."
    else:
        explained = f"{lecture} {solution} " if output == "LEA" else ""
        answered = f"Answer: {explained}The answer is {letter}."
    return _cleaned(asked, "Question: "), _cleaned(answered, "Answer: ")


def _cleaned(text: str, lead: str) -> str:
    text = text.replace("  ", " ").strip()
    return text.replace(lead, "") if text.startswith(lead) else text


def _info(output: Output) -> SetInfo:
    return scienceqa_info(
        name=f"scienceqa_qcm_{output.lower()}",
        title=f"ScienceQA as conversations, QCM-{output}",
        group="llava",
        splits={"train": 12_726, "val": 4_241, "test": 4_241},  # Lu et al. 2022, table 1
    )


class ScienceQALEA(ScienceQAChat):
    """Answers with lecture, explanation and answer."""

    output = "LEA"
    info = _info("LEA")


class ScienceQALEPA(ScienceQAChat):
    """Answers with lecture, solution and answer in named parts."""

    output = "LEPA"
    info = _info("LEPA")


class ScienceQAA(ScienceQAChat):
    """Answers with the answer alone."""

    output = "A"
    info = _info("A")
