"""Tiny releases of the sets that reason about, judge or talk about pictures."""

from __future__ import annotations

from typing import Any

from tests.data.releases.writing import Expected, Release, Writer


def gqa(write: Writer) -> Expected:
    def question(image: str, **answer: str) -> dict[str, object]:
        row = {"semantic": [], "entailed": [], "question": "What is it?", "imageId": image, "isBalanced": True}
        return {**row, **answer}

    rows: dict[str, Any] = {
        "202218649": question("n578564", answer="picture"),
        "05451384": question("2382986", answer="blue")
        | {"types": {"semantic": "attr", "structural": "query", "detailed": "directWhich"}},
    }
    write.json("gqa/questions1.2/testdev_balanced_questions.json", rows)
    write.image("gqa/images/n578564.jpg", "gqa/images/2382986.jpg")
    common = {"task": "gqa", "question": "What is it?"}
    return {
        "testdev": [
            {
                "id": "202218649",
                "target": "picture",
                "images": ("gqa/images/n578564.jpg",),
                "source_ids": ("gqa:n578564",),
                **common,
            },
            {
                "id": "05451384",
                "target": "blue",
                "images": ("gqa/images/2382986.jpg",),
                "source_ids": ("vg:2382986",),
                "parts": ("query", "attr"),
                **common,
            },
        ]
    }


def vsr(write: Writer) -> Expected:
    def row(number: int, caption: str, label: int) -> dict[str, object]:
        link = f"http://images.cocodataset.org/train2017/{number:012d}.jpg"
        return {"image": f"{number:012d}.jpg", "image_link": link, "caption": caption, "label": label, "relation": "on"}

    rows = [row(372029, "The dog is on the surfboard.", 1), row(506296, "The chair is under the dog.", 0)]
    write.jsonl("vsr/data/splits/zeroshot/train.jsonl", rows[:1])
    write.jsonl("vsr/data/splits/zeroshot/test.jsonl", rows)
    write.image("vsr/images/000000372029.jpg")
    write.coco("train2014/506296")
    common = {"task": "vsr", "candidates": ("true", "false"), "parts": ("on",)}
    first = {
        "target": "true",
        "question": "The dog is on the surfboard.",
        "images": ("vsr/images/000000372029.jpg",),
        "source_ids": ("coco:372029",),
        **common,
    }
    second = {
        "target": "false",
        "question": "The chair is under the dog.",
        "images": ("coco/train2014/COCO_train2014_000000506296.jpg",),
        "source_ids": ("coco:506296",),
        **common,
    }
    return {
        "test": [{"id": "test-0", **first}, {"id": "test-1", **second}],
        "train": [{"id": "train-0", **first}],
    }


def iconqa(write: Writer) -> Expected:
    row = {
        "question": "How likely is it that you will pick a black one?",
        "choices": ["certain", "unlikely", "impossible", "probable"],
        "answer": 2,
        "ques_type": "choose_txt",
        "grade": "grade1",
        "label": "S2",
    }
    for number in (10, 9):
        write.json(f"iconqa/iconqa_data/iconqa/test/choose_txt/{number}/data.json", row)
        write.image(f"iconqa/iconqa_data/iconqa/test/choose_txt/{number}/image.png")
    choices = ("certain", "unlikely", "impossible", "probable")
    return {
        "test": [
            {
                "id": str(number),
                "task": "iconqa",
                "target": "impossible",
                "images": (f"iconqa/iconqa_data/iconqa/test/choose_txt/{number}/image.png",),
                "candidates": choices,
                "choices": choices,
                "question": "How likely is it that you will pick a black one?",
            }
            for number in (9, 10)
        ]
    }


def hateful_memes(write: Writer) -> Expected:
    def row(number: int, **label: int) -> dict[str, object]:
        return {"id": number, "img": f"img/{number:05d}.png", **label, "text": "its their character"}

    write.jsonl("hateful_memes/dev_seen.jsonl", [row(8291, label=1), row(46971, label=0)])
    write.jsonl("hateful_memes/test.jsonl", [row(16395)])
    numbers = (8291, 46971, 16395)
    write.image(*(f"hateful_memes/img/{number:05d}.png" for number in numbers))

    def expected(number: int, target: str | None) -> dict[str, Any]:
        return {
            "id": str(number),
            "task": "hateful_memes",
            "target": target,
            "images": (f"hateful_memes/img/{number:05d}.png",),
            "candidates": ("yes", "no"),
            "context": "its their character",
        }

    return {"val": [expected(8291, "yes"), expected(46971, "no")], "test": [expected(16395, None)]}


def visdial(write: Writer) -> Expected:
    questions = ["is it sunny", "any people", "how many"]
    answers = [f"answer {number}" for number in range(120)]
    options = [list(range(1, 101)), list(range(20, 120))]
    dialog = [
        {"question": 0, "answer": 7, "gt_index": 6, "answer_options": options[0]},
        {"question": 2, "answer": 20, "gt_index": 0, "answer_options": options[1]},
    ]
    data = {"dialogs": [{"image_id": 185565, "caption": "a street", "dialog": dialog}]}
    content = {**data, "questions": questions, "answers": answers}
    write.json("visdial/visdial_1.0_val.json", {"version": "1.0", "split": "val2018", "data": content})
    dense = [{"image_id": 185565, "round_id": 2, "gt_relevance": [1.0, 0.5] + [0.0] * 98}]
    write.json("visdial/visdial_1.0_val_dense_annotations.json", dense)
    open_end = [{"question": 0, "answer": 7}, {"question": 1, "answer_options": options[0]}]
    content = {**content, "dialogs": [{"image_id": 3, "caption": "a dog", "dialog": open_end}]}
    write.json("visdial/visdial_1.0_test.json", {"version": "1.0", "split": "test2018", "data": content})
    # Training pictures are COCO's of 2014, from training and validation.
    train = {"image_id": 42, "caption": "a cat", "dialog": [{"question": 0, "answer": 7, "answer_options": options[0]}]}
    content = {**content, "dialogs": [train]}
    write.json("visdial/visdial_1.0_train.json", {"version": "1.0", "split": "train", "data": content})
    write.coco("val2014/42")
    name = "visdial/VisualDialog_{0}2018/VisualDialog_{0}2018_{1:012d}.jpg"
    write.image(name.format("val", 185565), name.format("test", 3))
    common = {"task": "visdial", "images": (name.format("val", 185565),), "caption": "a street"}
    first, second = (tuple(f"answer {number}" for number in row) for row in options)
    return {
        "train": [
            {
                "id": "42-1",
                "task": "visdial",
                "target": "answer 7",
                "images": ("coco/val2014/COCO_val2014_000000000042.jpg",),
                "candidates": first,
                "question": "is it sunny",
                "caption": "a cat",
                "source_ids": ("coco:42",),
            }
        ],
        "val": [
            {"id": "185565-1", "target": "answer 7", "candidates": first, "question": "is it sunny", **common},
            {
                "id": "185565-2",
                "target": "answer 20",
                "candidates": second,
                "question": "how many",
                "history": (("is it sunny", "answer 7"),),
                **common,
            },
        ],
        "test": [
            {
                "id": "3-2",
                "task": "visdial",
                "images": (name.format("test", 3),),
                "caption": "a dog",
                "candidates": first,
                "question": "any people",
                "history": (("is it sunny", "answer 7"),),
            }
        ],
    }


REASONING: dict[str, Release] = {
    "gqa": gqa,
    "vsr": vsr,
    "iconqa": iconqa,
    "hateful_memes": hateful_memes,
    "visdial": visdial,
}
