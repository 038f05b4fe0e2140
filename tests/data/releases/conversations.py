"""Tiny releases of ScienceQA and of LLaVA's data."""

from __future__ import annotations

from typing import Any

from tests.data.releases.writing import Expected, Release, Writer

# Words and blanks of LLaVA's conversion, written out by hand: facts of its release, not made by the code under test.
LEA = "Look at each object.  Then compare. The colony is New Hampshire. The answer is B."
ASKED = "What is the name of the colony shown?\nContext: N/A\nOptions: (A) Maryland (B) New Hampshire"


def _problems(write: Writer) -> None:
    problem = {
        "question": "What is the name of the colony shown?",
        "choices": ["Maryland", "New Hampshire"],
        "answer": 1,
        "hint": "",
        "image": "image.png",
        "task": "closed choice",
        "grade": "grade5",
        "subject": "social science",
        "topic": "us-history",
        "lecture": "Look at each object.   Then compare.",
        "solution": "The colony is New Hampshire.",
        "split": "test",
    }
    text = {**problem, "image": None, "hint": "Read the passage.", "lecture": "", "solution": "", "answer": 0}
    write.json("scienceqa/problems.json", {"1": {**problem, "split": "train"}, "11": problem, "4": text})
    write.json("scienceqa/pid_splits.json", {"train": ["1"], "val": [], "test": ["4", "11"]})
    write.image("scienceqa/images/test/11/image.png", "scienceqa/train/1/image.png")


def scienceqa(write: Writer) -> Expected:
    _problems(write)
    common = {
        "task": "scienceqa",
        "target": "New Hampshire",
        "candidates": ("Maryland", "New Hampshire"),
        "choices": ("Maryland", "New Hampshire"),
        "question": "What is the name of the colony shown?",
        "lecture": "Look at each object.   Then compare.",
        "rationale": "The colony is New Hampshire.",
        "parts": ("SOC", "IMG", "G1-6"),
    }
    return {
        "train": [{"id": "1", "images": ("scienceqa/train/1/image.png",), **common}],
        "test": [{"id": "11", "images": ("scienceqa/images/test/11/image.png",), **common}],
    }


def scienceqa_all(write: Writer) -> Expected:
    expected = scienceqa(write)
    shown = [{**row, "task": "scienceqa_all"} for row in expected["test"]]
    text = {**shown[0], "id": "4", "images": (), "target": "Maryland", "context": "Read the passage."}
    text |= {"lecture": "", "rationale": "", "parts": ("SOC", "TXT", "G1-6")}
    return {"test": [*shown, text]}


def _chat(task: str, shown: str, text_only: str) -> Release:
    def release(write: Writer) -> Expected:
        _problems(write)
        asked = ASKED.replace("N/A", "Read the passage.")
        choices = ("Maryland", "New Hampshire")
        return {
            "test": [
                {
                    "id": "11",
                    "task": task,
                    "images": ("scienceqa/images/test/11/image.png",),
                    "turns": ((f"{ASKED}\n<image>", shown),),
                    "references": ("New Hampshire",),
                    "choices": choices,
                    "parts": ("SOC", "IMG", "G1-6"),
                },
                {
                    "id": "4",
                    "task": task,
                    "turns": ((asked, text_only),),
                    "references": ("Maryland",),
                    "choices": choices,
                    "parts": ("SOC", "TXT", "G1-6"),
                },
            ]
        }

    return release


def turn(asked: str, answered: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]


def _instruct(task: str, file: str) -> Release:
    def release(write: Writer) -> Expected:
        row = {"id": "000000033471", "image": "000000033471.jpg", "conversations": turn("<image>\nWhat?", "A bus.")}
        longer = {**row, "conversations": [*turn("Why?\n<image>", "So."), *turn("Who?", "He.")]}
        write.json(f"llava_instruct/{file}", [row, longer])
        write.coco("train2017/33471")
        common: dict[str, Any] = {
            "task": task,
            "images": ("coco/train2017/000000033471.jpg",),
            "source_ids": ("coco:33471",),
        }
        return {
            "train": [
                {"id": "000000033471-0", "turns": (("<image>\nWhat?", "A bus."),), **common},
                {"id": "000000033471-1", "turns": (("Why?\n<image>", "So."), ("Who?", "He.")), **common},
            ]
        }

    return release


def llava_mix665k(write: Writer) -> Expected:
    said = turn("<image>\nWhat?", "A bus.")
    names = ["coco/train2017/000000033471.jpg", "vg/VG_100K_2/2370799.jpg", "ocr_vqa/images/1.jpg"]
    names += ["textvqa/train_images/00a.jpg", "gqa/images/2382986.jpg"]
    rows = [{"id": "a", "image": name, "conversations": said} for name in names]
    rows.append({"id": "wNBG8Gp_0", "model": "", "conversations": turn("Hello", "Hi")})
    write.json("llava_instruct/llava_v1_5_mix665k.json", rows)
    write.coco("val2014/33471")
    # Saved as .png though the mixture says .jpg; and COCO as of 2014.
    write.image("vg/VG_100K_2/2370799.jpg", "ocr_vqa/images/1.png", *names[3:])
    found = ["coco/val2014/COCO_val2014_000000033471.jpg", names[1], "ocr_vqa/images/1.png", *names[3:]]
    known = ["coco:33471", "vg:2370799", "amazon:1", "openimages:00a", "vg:2382986"]
    turns = (("<image>\nWhat?", "A bus."),)
    expected: list[dict[str, Any]] = [
        {"id": f"a-{index}", "task": "llava_mix665k", "images": (path,), "turns": turns, "source_ids": (name,)}
        for index, (path, name) in enumerate(zip(found, known, strict=True))
    ]
    expected.append({"id": "wNBG8Gp_0-5", "task": "llava_mix665k", "turns": (("Hello", "Hi"),)})
    return {"train": expected}


def sharegpt(write: Writer) -> Expected:
    *_, last = llava_mix665k(write)["train"]
    return {"train": [{**last, "task": "sharegpt"}]}


def _pairs(task: str, file: str, name: str) -> Release:
    def release(write: Writer) -> Expected:
        said = turn("Render a clear and concise summary of the photo.\n<image>", "a boat")
        write.json(f"{task}/{file}", [{"id": "004539375", "image": name, "conversations": said}])
        write.image(f"{task}/images/{name}")
        turns = (("Render a clear and concise summary of the photo.\n<image>", "a boat"),)
        return {
            "train": [{"id": "004539375-0", "task": task, "images": (f"{task}/images/{name}",), "turns": turns}],
        }

    return release


CONVERSATIONS: dict[str, Release] = {
    "scienceqa": scienceqa,
    "scienceqa_all": scienceqa_all,
    "scienceqa_qcm_lea": _chat("scienceqa_qcm_lea", LEA, " The answer is A."),
    "scienceqa_qcm_lepa": _chat(
        "scienceqa_qcm_lepa",
        "LECTURE: Look at each object.  Then compare.\nSOLUTION: The colony is New Hampshire.\n###\nANSWER: B.",
        "###\nANSWER: A.",
    ),
    "scienceqa_qcm_a": _chat("scienceqa_qcm_a", "The answer is B.", "The answer is A."),
    "llava_detail": _instruct("llava_detail", "detail_23k.json"),
    "llava_reasoning": _instruct("llava_reasoning", "complex_reasoning_77k.json"),
    "llava_conversation": _instruct("llava_conversation", "conversation_58k.json"),
    "llava_instruct_158k": _instruct("llava_instruct_158k", "llava_instruct_150k.json"),
    "llava_mix665k": llava_mix665k,
    "sharegpt": sharegpt,
    "cc595k": _pairs("cc595k", "chat.json", "GCC_train_000000000.jpg"),
    "lcs558k": _pairs("lcs558k", "blip_laion_cc_sbu_558k.json", "00453/004539375.jpg"),
}
