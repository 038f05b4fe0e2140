"""LLaVA-Bench: questions about pictures whose answers a judge rates beside reference answers (LLaVA section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vistune.data.bad_rows import BadRow, Place, Reason, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_jsonl
from vistune.data.sources.base import Rows, SetInfo, Source, objects, text_of
from vistune.data.sources.pictures import coco_id, coco_name, first_image

QUESTIONS = ("questions.jsonl", "qa90_questions.jsonl")
"""What the files are called in the releases of (In-the-Wild) and (COCO), in the order that they are looked for."""
CONTEXTS = ("context.jsonl", "caps_boxes_coco2014_val_80.jsonl")
REFERENCES = ("answers_gpt4.jsonl", "qa90_gpt4_answer.jsonl")

_METRIC = "relative score of a judge"
_BY_GPT4 = "reference answers written by GPT-4: OpenAI's terms"


class LLaVABench(Source):
    """A folder of one's own in the form of LLaVA-Bench, which is the data root itself; ``parts``: the category."""

    info = SetInfo(
        name="llava_bench",
        title="LLaVA-Bench of one's own",
        group="vqa",
        splits={"test": None},
        metric=_METRIC,
        licence="your own",
        url="https://github.com/haotian-liu/LLaVA/blob/main/docs/LLaVA_Bench.md",
        folder=".",
        annotations={"test": (QUESTIONS, CONTEXTS, REFERENCES)},
        eval_split="test",
    )

    def records(self, files: Files, split: str) -> Rows:
        """Questions with their reference answers; contexts are the judge's, but have to be there."""
        questions, _, references = self.paths(files, split)
        known = {
            str(record.get("question_id")): record.get("text", record.get("answer"))
            for _, record in read_jsonl(references)
            if isinstance(record, dict)
        }
        return objects(
            read_jsonl(questions), lambda record: {**record, "reference": known.get(str(record.get("question_id")))}
        )

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One question; without ``image`` it is about none."""
        name = text_of(record, "image") if record.get("image") else ""
        category = record.get("category")
        yield Example(
            _id(record),
            self.info.name,
            target=text_of(record, "reference"),
            images=(first_image(files, self.places(name)),) if name else (),
            question=text_of(record, "text"),
            parts=(str(category),) if category else (),
            source_ids=self.known_as(name) if name else (),
        )

    def known_as(self, name: str) -> tuple[str, ...]:
        """What a picture is called across sets."""
        return ()

    def places(self, name: str) -> list[tuple[str | None, str]]:
        """Where a picture may be: in ``images/`` beside the questions, or beside them."""
        return [(None, f"images/{name}"), (None, name)]


class LLaVABenchWild(LLaVABench):
    """LLaVA-Bench (In-the-Wild): 60 questions about 24 pictures."""

    info = SetInfo(
        name="llava_bench_wild",
        title="LLaVA-Bench (In-the-Wild)",
        group="vqa",
        splits={"test": 60},
        metric=_METRIC,
        licence=f"not told ({_BY_GPT4})",
        url="https://huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild",
        folder="llava-bench-in-the-wild",
        annotations={"test": (QUESTIONS[:1], CONTEXTS[:1], REFERENCES[:1])},
        images=("llava-bench-in-the-wild/images",),
        eval_split="test",
    )


class LLaVABenchCOCO(LLaVABench):
    """LLaVA-Bench (COCO): 90 questions about 30 pictures of COCO val2014."""

    info = SetInfo(
        name="llava_bench_coco",
        title="LLaVA-Bench (COCO)",
        group="vqa",
        splits={"test": 90},
        metric=_METRIC,
        licence=f"Apache-2.0 ({_BY_GPT4})",
        url="https://github.com/haotian-liu/LLaVA/tree/main/playground/data/coco2014_val_qa_eval",
        folder="llava_bench",
        annotations={"test": (QUESTIONS[1:], CONTEXTS[1:], REFERENCES[1:])},
        images=("coco/val2014", "llava_bench/images"),
        eval_split="test",
    )

    def known_as(self, name: str) -> tuple[str, ...]:
        """By its COCO id."""
        return (f"coco:{coco_id(name)}",)

    def places(self, name: str) -> list[tuple[str | None, str]]:
        """COCO's pictures, which the questions name as the release of 2017 does."""
        folders = ("coco/val2014", "coco/train2017", "coco/val2017", "coco/train2014")
        return [*((folder, coco_name(coco_id(name), folder)) for folder in folders), *super().places(name)]


def _id(record: Any) -> str:
    """LLaVA numbers its questions; one's own may have names."""
    found = field_of(record, "question_id", int, str)
    if isinstance(found, bool) or not str(found).strip():
        raise BadRow(Reason.MISSING_FIELD, f"the question_id is {found!r}, expected a number or a name.")
    return str(found)
