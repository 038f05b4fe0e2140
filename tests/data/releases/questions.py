"""Tiny releases of sets of questions with free answers, and of question generation."""

from __future__ import annotations

from tests.data.releases.writing import VQA_HEAD, Expected, Release, Writer, vqa_answers

TEN = ("net", "net", "net", "netting", "net", "net", "mesh", "net", "pitcher", "orange")


def vqav2(write: Writer) -> Expected:
    question = {"image_id": 458752, "question": "What is this photo taken looking through?", "question_id": 458752000}
    write.json("vqav2/v2_OpenEnded_mscoco_train2014_questions.json", {**VQA_HEAD, "questions": [question]})
    annotation = {
        "question_type": "what",
        "multiple_choice_answer": "net",
        "answers": vqa_answers(*TEN),
        "image_id": 458752,
        "answer_type": "other",
        "question_id": 458752000,
    }
    write.json("vqav2/v2_mscoco_train2014_annotations.json", {**VQA_HEAD, "annotations": [annotation]})
    test = {"image_id": 1, "question": "Is it day?", "question_id": 1000}
    write.json("vqav2/v2_OpenEnded_mscoco_test2015_questions.json", {**VQA_HEAD, "questions": [test]})
    write.coco("train2014/458752", "test2015/1")
    return {
        "train": [
            {
                "id": "458752000",
                "task": "vqav2",
                "images": ("coco/train2014/COCO_train2014_000000458752.jpg",),
                "question": "What is this photo taken looking through?",
                "answers": TEN,
                "references": TEN,
                "source_ids": ("coco:458752",),
            }
        ],
        "test": [
            {
                "id": "1000",
                "task": "vqav2",
                "images": ("coco/test2015/COCO_test2015_000000000001.jpg",),
                "question": "Is it day?",
                "source_ids": ("coco:1",),
            }
        ],
    }


def okvqa(write: Writer) -> Expected:
    answers = ("race",) * 6 + ("motocross",) * 2 + ("ride",) * 2
    question = {"image_id": 297147, "question": "What sport can you use this for?", "question_id": 2971475}
    write.json("okvqa/OpenEnded_mscoco_val2014_questions.json", {**VQA_HEAD, "questions": [question]})
    annotation = {"image_id": 297147, "question_id": 2971475, "answers": vqa_answers(*answers), "confidence": 3}
    write.json("okvqa/mscoco_val2014_annotations.json", {**VQA_HEAD, "annotations": [annotation]})
    # Of 2014's validation split, but the pictures were fetched in 2017's form.
    write.coco("train2017/297147")
    return {
        "val": [
            {
                "id": "2971475",
                "task": "okvqa",
                "images": ("coco/train2017/000000297147.jpg",),
                "question": "What sport can you use this for?",
                "answers": answers,
                "references": answers,
                "source_ids": ("coco:297147",),
            }
        ]
    }


def aokvqa(write: Writer) -> Expected:
    row = {
        "split": "train",
        "image_id": 299207,
        "question_id": "22MexNkBPpdZGX6sxbxVBH",
        "question": "What is the man by the bags awaiting?",
        "choices": ["skateboarder", "train", "delivery", "cab"],
        "correct_choice_idx": 3,
        "direct_answers": ["ride", "ride", "bus", "taxi", "travelling", "traffic", "taxi", "cab", "cab", "his ride"],
        "difficult_direct_answer": False,
        "rationales": ["A train would not be on the street.", "He has luggage."],
    }
    write.json("aokvqa/aokvqa_v1p0_train.json", [row])
    hidden = ("correct_choice_idx", "direct_answers", "rationales")
    write.json("aokvqa/aokvqa_v1p0_test.json", [{key: row[key] for key in row if key not in hidden}])
    write.coco("train2017/299207", "test2017/299207")
    common = {
        "id": "22MexNkBPpdZGX6sxbxVBH",
        "task": "aokvqa",
        "candidates": ("skateboarder", "train", "delivery", "cab"),
        "question": "What is the man by the bags awaiting?",
        "choices": ("skateboarder", "train", "delivery", "cab"),
        "source_ids": ("coco:299207",),
    }
    return {
        "train": [
            {
                **common,
                "images": ("coco/train2017/000000299207.jpg",),
                "target": "cab",
                "answers": tuple(row["direct_answers"]),  # type: ignore[arg-type]
                "rationale": "A train would not be on the street.",
            }
        ],
        "test": [{**common, "images": ("coco/test2017/000000299207.jpg",)}],
    }


def vqg_vqav2(write: Writer) -> Expected:
    (row,) = vqav2(write)["train"]
    return {"train": [{**row, "task": "vqg_vqav2", "target": row["question"], "references": ()}]}


def vqg_okvqa(write: Writer) -> Expected:
    (row,) = okvqa(write)["val"]
    return {"val": [{**row, "task": "vqg_okvqa", "target": row["question"], "references": ()}]}


def vqg_aokvqa(write: Writer) -> Expected:
    (row,) = aokvqa(write)["train"]
    turned = {"target": row["question"], "answers": ("cab",), "candidates": None, "rationale": ""}
    return {"train": [{**row, "task": "vqg_aokvqa", **turned}]}


def vizwiz(write: Writer) -> Expected:
    answers = ("no", "unanswerable", "night time") * 3 + ("night time medicine",)
    row = {
        "image": "VizWiz_val_00000001.jpg",
        "question": "Can you tell me what this medicine is please?",
        "answers": [{"answer": answer, "answer_confidence": "yes"} for answer in answers],
        "answer_type": "other",
        "answerable": 1,
    }
    write.json("vizwiz/Annotations/val.json", [row])
    write.json("vizwiz/test.json", [{"image": "VizWiz_test_00000001.jpg", "question": "What is it?"}])
    write.image("vizwiz/val/VizWiz_val_00000001.jpg", "vizwiz/test/VizWiz_test_00000001.jpg")
    return {
        "val": [
            {
                "id": "VizWiz_val_00000001",
                "task": "vizwiz",
                "images": ("vizwiz/val/VizWiz_val_00000001.jpg",),
                "question": "Can you tell me what this medicine is please?",
                "answers": answers,
                "references": answers,
            }
        ],
        "test": [
            {
                "id": "VizWiz_test_00000001",
                "task": "vizwiz",
                "images": ("vizwiz/test/VizWiz_test_00000001.jpg",),
                "question": "What is it?",
            }
        ],
    }


def textvqa(write: Writer) -> Expected:
    answers = ("nous les gosses", "dakota", "clos culombu", "dakota digital", *("dakota",) * 6)
    row = {
        "question": "what is the brand of this camera?",
        "image_id": "003a8ae2ef43b901",
        "image_classes": ["Camera"],
        "answers": list(answers),
        "question_tokens": ["what"],
        "question_id": 34602,
        "set_name": "val",
    }
    write.json("textvqa/TextVQA_0.5.1_val.json", {"dataset_type": "val", "data": [row]})
    ocr = [{"image_id": "003a8ae2ef43b901", "ocr_tokens": ["DAKOTA", "DIGITAL"]}]
    write.json("textvqa/TextVQA_Rosetta_OCR_v0.2_val.json", {"data": ocr})
    write.image("textvqa/train_images/003a8ae2ef43b901.jpg")
    return {
        "val": [
            {
                "id": "34602",
                "task": "textvqa",
                "images": ("textvqa/train_images/003a8ae2ef43b901.jpg",),
                "question": "what is the brand of this camera?",
                "ocr_tokens": ("DAKOTA", "DIGITAL"),
                "answers": answers,
                "references": answers,
                "source_ids": ("openimages:003a8ae2ef43b901",),
            }
        ]
    }


def ocrvqa(write: Writer) -> Expected:
    cover = {
        "imageURL": "http://ecx.images-amazon.com/images/I/61Y5cOdHJbL.jpg",
        "questions": ["Who wrote this book?", "Is this a games related book?"],
        "answers": ["Sandra Boynton", "No"],
        "title": "Mom's Family Wall Calendar 2016",
        "authorName": "Sandra Boynton",
        "genre": "Calendars",
        "split": 1,
    }
    gif = {**cover, "imageURL": "http://x/y.gif", "split": 3, "questions": ["Q?"], "answers": ["A"]}
    write.json("ocrvqa/dataset.json", {"761183272": cover, "1": gif})
    write.image("ocrvqa/images/761183272.jpg", "ocr_vqa/images/1.jpg")
    common = {
        "task": "ocrvqa",
        "images": ("ocrvqa/images/761183272.jpg",),
        "source_ids": ("amazon:761183272",),
    }
    return {
        "train": [
            {"id": "761183272-0", "question": "Who wrote this book?", "target": "Sandra Boynton", **common},
            {"id": "761183272-1", "question": "Is this a games related book?", "target": "No", **common},
        ],
        # Covers that were .gif are all saved as .jpg for LLaVA, in its folder.
        "test": [
            {
                "id": "1-0",
                "task": "ocrvqa",
                "question": "Q?",
                "target": "A",
                "images": ("ocr_vqa/images/1.jpg",),
                "source_ids": ("amazon:1",),
            }
        ],
    }


QUESTIONS: dict[str, Release] = {
    "vqav2": vqav2,
    "okvqa": okvqa,
    "aokvqa": aokvqa,
    "vqg_vqav2": vqg_vqav2,
    "vqg_okvqa": vqg_okvqa,
    "vqg_aokvqa": vqg_aokvqa,
    "vizwiz": vizwiz,
    "textvqa": textvqa,
    "ocrvqa": ocrvqa,
}
