"""Writing tiny releases: files in the official form below a data root, and what must come out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Fields = dict[str, Any]
"""What an Example must have; pictures as paths relative to the data root."""
Expected = dict[str, list[Fields]]
"""By split."""


class Writer:
    """Writes below a data root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def json(self, path: str, content: Any) -> None:
        self.text(path, json.dumps(content))

    def jsonl(self, path: str, rows: list[Any]) -> None:
        self.text(path, "".join(json.dumps(row) + "\n" for row in rows))

    def text(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def image(self, *paths: str) -> None:
        for number, path in enumerate(paths):
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (12, 8), (40 * number % 256, 90, 200)).save(file)

    def coco(self, *paths: str) -> None:
        """COCO pictures by folder and number: "train2014/42"."""
        for path in paths:
            folder, number = path.split("/")
            stem = f"{int(number):012d}.jpg"
            self.image(f"coco/{folder}/{stem if folder.endswith('2017') else f'COCO_{folder}_{stem}'}")


Release = Callable[[Writer], Expected]

VQA_HEAD = {"info": {"version": "2.0"}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {"name": "CC BY"}}


def vqa_answers(*answers: str) -> list[Fields]:
    return [
        {"answer": answer, "raw_answer": f"raw {answer}", "answer_confidence": "yes", "answer_id": number}
        for number, answer in enumerate(answers, 1)
    ]
