"""Tiny releases of the sets that are measured on only."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image
from tests.data.releases.writing import Expected, Fields, Release, Writer

CATEGORIES = ("random", "popular", "adversarial")
MME_TASKS = {
    **dict.fromkeys(("existence", "count", "position", "color"), "flat"),
    **dict.fromkeys(("posters", "celebrity", "scene", "landmark", "artwork"), "folders"),
    **dict.fromkeys(("OCR", "commonsense_reasoning", "numerical_calculation"), "flat"),
    **dict.fromkeys(("text_translation", "code_reasoning"), "flat"),
}


def pope(write: Writer) -> Expected:
    expected: list[Fields] = []
    for category in CATEGORIES:
        rows = [
            {"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a car?", "label": "yes"},
            {"question_id": 2, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a fork?", "label": "no"},
        ]
        write.jsonl(f"pope/output/coco/coco_pope_{category}.json", rows)
        expected += [
            {
                "id": f"{category}-{row['question_id']}",
                "task": "pope",
                "target": row["label"],
                "images": ("coco/val2014/COCO_val2014_000000310196.jpg",),
                "candidates": ("yes", "no"),
                "question": row["text"],
                "source_ids": ("coco:310196",),
                "parts": (category,),
            }
            for row in rows
        ]
    write.coco("val2014/310196")
    return {"test": expected}


def mme(write: Writer) -> Expected:
    root, expected = "mme/MME_Benchmark_release_version", []
    for task, layout in MME_TASKS.items():
        texts, pictures = (f"{task}/questions_answers_YN", f"{task}/images") if layout == "folders" else (task, task)
        lines = "Is it red? Please answer yes or no.\tYes\nIs it blue? Please answer yes or no.\tNo\n"
        write.text(f"{root}/{texts}/0001.txt", lines)
        write.image(f"{root}/{pictures}/0001.jpg")
        expected += [
            {
                "id": f"{task}/0001/{number}",
                "task": "mme",
                "target": target,
                "images": (f"{root}/{pictures}/0001.jpg",),
                "candidates": ("yes", "no"),
                "question": question,
                "parts": (task,),
            }
            for number, question, target in ((1, "Is it red?", "yes"), (2, "Is it blue?", "no"))
        ]
    order = ("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR")
    tasks = (*order, "commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
    return {"test": sorted(expected, key=lambda row: tasks.index(row["parts"][0]))}


def mmbench(write: Writer) -> Expected:
    head = ["index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image"]
    head += ["source", "l2-category", "comment", "split"]
    rows = [
        [241, "Which is it?", "Look.", "cat", "dog", "cow", "", "B", "reasoning", _base64()],
        # The same question with its choices turned, which takes the picture of the row above.
        [1000241, "Which is it?", "Look.", "dog", "cow", "cat", "", "A", "reasoning", "241"],
        [2000241, "Which is it?", "Look.", "cow", "cat", "dog", "nan", "C", "reasoning", "241"],
        [7, "What colour?", "nan", "red", "blue", "", "", "A", "colour", _base64()],
        [1000007, "What colour?", "", "blue", "red", "", "", "B", "colour", _base64()],
    ]
    rows = [[*row, "web", "logic", "", "dev"] for row in rows]
    lines = ["\t".join(map(str, row)) for row in [head, *rows]]
    for name in ("mmbench_dev_20230712", "mmbench_dev_cn_20231003"):
        write.text(f"mmbench/{name}.tsv", "\n".join(lines) + "\n")
    hidden = ["\t".join(str(cell) for place, cell in enumerate(row) if place != 7) for row in [head, *rows]]
    write.text("mmbench/mmbench_test_20230712.tsv", "\n".join(hidden) + "\n")
    choices = [("cat", "dog", "cow"), ("dog", "cow", "cat"), ("cow", "cat", "dog"), ("red", "blue"), ("blue", "red")]
    expected: list[Fields] = [
        {
            "id": str(row[0]),
            "task": "mmbench",
            "target": "dog" if "dog" in options else "red",
            "images": ("picture of row 241" if "dog" in options else "picture of row 7",),
            "candidates": options,
            "choices": options,
            "question": row[1],
            "context": "Look." if "dog" in options else "",
            "parts": (row[8], "logic"),
        }
        for row, options in zip(rows, choices, strict=True)
    ]
    return {"dev": expected, "dev_cn": expected, "test": [{**row, "target": None} for row in expected]}


def _base64() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), "red").save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def seed(write: Writer) -> Expected:
    def question(number: str, data: str, kind: str, type_id: int) -> dict[str, Any]:
        options = {f"choice_{letter}": f"option {letter}" for letter in "abcd"}
        row = {"answer": "C", "data_id": data, "data_type": kind, "question": "Which?", "question_id": number}
        return {**options, **row, "question_type_id": type_id}

    questions = [question("101669", "1454426_2591111986", "image", 1), question("92", "action_17.mp4", "video", 10)]
    kinds = {"Scene Understanding": 1, "Action Recognition": 10}
    write.json("seed/SEED-Bench.json", {"questions": questions, "question_type": kinds})
    write.image("seed/SEED-Bench-video-image/10_92.png")
    # Pictures of the release have no ending.
    picture = write.root / "seed/SEED-Bench-image/1454426_2591111986"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), "red").save(picture, "JPEG")
    choices = tuple(f"option {letter}" for letter in "abcd")
    common = {"task": "seed", "target": "option c", "candidates": choices, "choices": choices, "question": "Which?"}
    return {
        "test": [
            {
                "id": "101669",
                "images": ("seed/SEED-Bench-image/1454426_2591111986",),
                "parts": ("image", "Scene Understanding"),
                **common,
            },
            {
                "id": "92",
                "images": ("seed/SEED-Bench-video-image/10_92.png",),
                "parts": ("video", "Action Recognition"),
                **common,
            },
        ]
    }


def mm_vet(write: Writer) -> Expected:
    row = {"imagename": "v1_0.png", "question": "What is x?", "answer": "-1<AND>-5", "capability": ["ocr", "math"]}
    write.json("mm-vet/mm-vet.json", {"v1_0": row})
    write.image("mm-vet/images/v1_0.png")
    return {
        "test": [
            {
                "id": "v1_0",
                "task": "mm_vet",
                "target": "-1<AND>-5",
                "images": ("mm-vet/images/v1_0.png",),
                "question": "What is x?",
                "parts": ("ocr", "math"),
            }
        ]
    }


def nlvr(write: Writer) -> Expected:
    rows = [
        {"identifier": f"3776-{number}", "sentence": "There is a tower.", "label": label, "directory": "2"}
        for number, label in enumerate(("true", "false"))
    ]
    write.jsonl("nlvr/test/test.json", rows)
    names = [f"nlvr/test/images/2/test-3776-{number}-0.png" for number in (0, 1)]
    write.image(*names)
    common = {"task": "nlvr", "candidates": ("true", "false"), "question": "There is a tower."}
    return {
        "test": [
            {"id": row["identifier"], "target": row["label"], "images": (name,), **common}
            for row, name in zip(rows, names, strict=True)
        ]
    }


def nlvr2(write: Writer) -> Expected:
    rows = [
        {"identifier": f"test1-850-{pair}-0", "sentence": "Two dogs.", "label": label, "directory": 3}
        for pair, label in enumerate(("True", "False"))
    ]
    write.jsonl("nlvr2/data/test1.json", rows)
    names = [[f"nlvr2/test1/test1-850-{pair}-img{side}.png" for side in (0, 1)] for pair in (0, 1)]
    write.image(*names[0], *names[1])
    common = {"task": "nlvr2", "candidates": ("true", "false"), "question": "Two dogs."}
    return {
        "test1": [
            {"id": row["identifier"], "target": str(row["label"]).lower(), "images": tuple(pair), **common}
            for row, pair in zip(rows, names, strict=True)
        ]
    }


def coco_objects(write: Writer) -> Expected:
    content = {
        "images": [{"id": 42, "file_name": "COCO_val2014_000000000042.jpg"}, {"id": 73, "file_name": "x.jpg"}],
        "annotations": [{"image_id": 42, "category_id": number} for number in (18, 1, 18)],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
    }
    write.json("coco/annotations/instances_val2014.json", content)
    write.coco("val2014/42", "val2014/73")
    return {
        "val": [
            {
                "id": str(number),
                "task": "coco_objects",
                "images": (f"coco/val2014/COCO_val2014_{number:012d}.jpg",),
                "references": references,
                "source_ids": (f"coco:{number}",),
            }
            for number, references in ((42, ("dog", "person")), (73, ()))
        ]
    }


def llava_bench_in(name: str, folder: str, files: tuple[str, str, str], picture: str, **more: Any) -> Release:
    """LLaVA-Bench in one of its layouts: two questions about a picture."""

    def written(write: Writer) -> Expected:
        image = picture.rpartition("_")[2].rpartition("/")[2]
        kinds = ("conv", "detail")
        questions, contexts, references = (f"{folder}/{file}" for file in files)
        rows = [
            {"question_id": number, "image": image, "text": f"What is {kind}?", "category": kind}
            for number, kind in enumerate(kinds)
        ]
        write.jsonl(questions, rows)
        write.jsonl(contexts, [{"image": image, "caption": "A car."}])
        write.jsonl(
            references, [{"question_id": number, "text": f"It is {kind}."} for number, kind in enumerate(kinds)]
        )
        write.image(picture)
        common = {"task": name, "images": (picture,), **more}
        return {
            "test": [
                {
                    "id": str(number),
                    "question": f"What is {kind}?",
                    "target": f"It is {kind}.",
                    "parts": (kind,),
                    **common,
                }
                for number, kind in enumerate(kinds)
            ]
        }

    return written


WILD_FILES = ("questions.jsonl", "context.jsonl", "answers_gpt4.jsonl")
COCO_FILES = ("qa90_questions.jsonl", "caps_boxes_coco2014_val_80.jsonl", "qa90_gpt4_answer.jsonl")

BENCHMARKS: dict[str, Release] = {
    "pope": pope,
    "mme": mme,
    "mmbench": mmbench,
    "seed": seed,
    "mm_vet": mm_vet,
    "nlvr": nlvr,
    "nlvr2": nlvr2,
    "coco_objects": coco_objects,
    "llava_bench": llava_bench_in("llava_bench", ".", WILD_FILES, "images/a.jpg"),
    "llava_bench_wild": llava_bench_in(
        "llava_bench_wild", "llava-bench-in-the-wild", WILD_FILES, "llava-bench-in-the-wild/images/001.jpg"
    ),
    "llava_bench_coco": llava_bench_in(
        "llava_bench_coco",
        "llava_bench",
        COCO_FILES,
        "coco/val2014/COCO_val2014_000000441147.jpg",
        source_ids=("coco:441147",),
    ),
}
