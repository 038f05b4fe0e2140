"""Tiny releases of the sets of questions about videos."""

from __future__ import annotations

from tests.data.releases.writing import Expected, Release, Writer


def msvd_qa(write: Writer) -> Expected:
    row = {"answer": "someone", "id": 30933, "question": "who pours liquid?", "video_id": 1201}
    write.json("msvd_qa/val_qa.json", [row])
    train = [{**row, "id": number, "answer": answer} for number, answer in enumerate(("man", "cat", "man"))]
    write.json("msvd_qa/train_qa.json", train)
    write.text("msvd_qa/youtube_mapping.txt", "-4wsuPCjDBc_5_15 vid1\n-7KMZQEsJW4_205_208 vid1201\n")
    write.text("msvd_qa/YouTubeClips/-7KMZQEsJW4_205_208.avi", "no video")
    return {
        "val": [
            {
                "id": "30933",
                "task": "msvd_qa",
                "target": "someone",
                "images": ("msvd_qa/YouTubeClips/-7KMZQEsJW4_205_208.avi",),
                "question": "who pours liquid?",
                "source_ids": ("youtube:-7KMZQEsJW4",),
            }
        ]
    }


def msrvtt_qa(write: Writer) -> Expected:
    row = {"answer": "couch", "category_id": 14, "id": 158581, "question": "what is it?", "video_id": 6513}
    write.json("msrvtt_qa/test_qa.json", [row])
    write.text("msrvtt_qa/TestVideo/video6513.mp4", "no video")
    return {
        "test": [
            {
                "id": "158581",
                "task": "msrvtt_qa",
                "target": "couch",
                "images": ("msrvtt_qa/TestVideo/video6513.mp4",),
                "question": "what is it?",
                "source_ids": ("msrvtt:6513",),
            }
        ]
    }


def ivqa(write: Writer) -> Expected:
    head = "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5\n"
    rows = 'PbJ0Pel0mXw,21,26,"What is cut, and how?",dough,dough,bread,dough,pastry\n'
    write.text("ivqa/test.csv", head + rows)
    write.text("ivqa/videos/PbJ0Pel0mXw_21_26.mp4", "no video")
    answers = ("dough", "dough", "bread", "dough", "pastry")
    return {
        "test": [
            {
                "id": "PbJ0Pel0mXw-0",
                "task": "ivqa",
                "images": ("ivqa/videos/PbJ0Pel0mXw_21_26.mp4",),
                "question": "What is cut, and how?",
                "answers": answers,
                "references": answers,
                "source_ids": ("youtube:PbJ0Pel0mXw",),
            }
        ]
    }


VIDEOS: dict[str, Release] = {"msvd_qa": msvd_qa, "msrvtt_qa": msrvtt_qa, "ivqa": ivqa}
