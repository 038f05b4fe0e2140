"""A few test pictures as files, to ask the tuned models about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vistune.data.images import open_image
from vistune.evaluate.run import EvalTask

NUM_PICTURES = 6


def save_pictures(out: Path, tasks: Sequence[EvalTask]) -> list[Path]:
    """Write ``out``/pictures/1.png, 2.png, ...: the first pictures of the first task, which no model was tuned on."""
    folder = out / "pictures"
    folder.mkdir(exist_ok=True)
    paths = []
    for number, example in enumerate(tasks[0].examples[:NUM_PICTURES], start=1):
        paths.append(folder / f"{number}.png")
        open_image(example.images[0]).save(paths[-1])
    return paths
