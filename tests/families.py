"""One tiny checkpoint loaded twice: by vistune and by transformers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.tiny import picture
from transformers import AutoModelForImageTextToText, AutoProcessor

from vistune.infer.predictor import Predictor, load

QUESTIONS = ("what is in the picture?", "describe the image in a few words please", "a red circle")


@dataclass(frozen=True)
class Pair:
    """The same folder in both libraries; ``prompts`` have ``<image>`` where transformers' processor wants it."""

    predictor: Predictor
    model: Any
    processor: Any
    prompts: tuple[str, ...]
    pictures: tuple[Any, ...]

    def reference_inputs(self, row: int) -> Any:
        """transformers' inputs for one prompt."""
        return self.processor(images=self.pictures[row], text=self.prompts[row], return_tensors="pt")

    def reference_text(self, row: int, **arguments: Any) -> str:
        """What transformers generates for one prompt."""
        inputs = self.reference_inputs(row)
        ids = self.model.generate(**inputs, do_sample=False, **arguments)
        if not self.predictor.processor.encoder_decoder:
            ids = ids[:, inputs.input_ids.shape[1] :]
        return str(self.processor.tokenizer.decode(ids[0], skip_special_tokens=True)).strip()


@lru_cache(maxsize=8)
def load_pair(folder: Path) -> Pair:
    """Load a tiny folder with vistune and with transformers; do not change the models."""
    mark = "<image>\n" if "llava" in folder.name else ""
    return Pair(
        predictor=load(folder, device="cpu"),
        model=AutoModelForImageTextToText.from_pretrained(folder).eval(),
        processor=AutoProcessor.from_pretrained(folder, backend="pil"),
        prompts=tuple(mark + question for question in QUESTIONS),
        pictures=tuple(picture(seed) for seed in range(len(QUESTIONS))),
    )
