"""transformers' own answer for a folder: what a loaded model is compared with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tests.tiny import picture
from torch import Tensor

from vistune.checkpoint import load_model

PROMPTS = ["What colour is the thing above the green star?", "Is this statement true or false?"]
DECODER_IDS = torch.tensor([[5, 9, 3, 7], [8, 4, 6, 11]])


def load_theirs(folder: Path, **options: Any) -> Any:
    """The transformers model of a folder; missing or unexpected keys fail."""
    from transformers import AutoModelForImageTextToText

    model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True, **options)
    assert not any(info.values()), info
    return model.eval()


def their_inputs(folder: Path) -> dict[str, Any]:
    """Two pictures with questions, prepared by the folder's own transformers processor."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    mark = "<image>\n" if hasattr(processor, "patch_size") else ""
    # On the right: in a plain forward call transformers counts positions over padding, vistune never does.
    processor.tokenizer.padding_side = "right"
    texts = [mark + prompt for prompt in PROMPTS]
    return dict(processor(images=[picture(1), picture(2)], text=texts, return_tensors="pt", padding=True))


def their_logits(model: Any, inputs: dict[str, Any]) -> Tensor:
    """[2, L, V], or [2, 4, V] for an encoder-decoder"""
    inputs = dict(inputs)
    if model.config.get_text_config().is_encoder_decoder:
        inputs["decoder_input_ids"] = model.language_model.prepare_decoder_input_ids_from_labels(DECODER_IDS)
    with torch.no_grad():
        return model(**inputs).logits


def our_logits(model: Any, inputs: dict[str, Any]) -> Tensor:
    """The same from a VisionLanguageModel, by the same token ids and pixels."""
    labels = DECODER_IDS if model.language.is_encoder_decoder else None
    with torch.no_grad():
        return model(
            inputs["input_ids"],
            inputs["attention_mask"],
            labels,
            pixel_values=inputs["pixel_values"],
            instruction_ids=inputs.get("qformer_input_ids"),
            instruction_mask=inputs.get("qformer_attention_mask"),
            return_logits=True,
        ).logits


def real(logits: Tensor, inputs: dict[str, Any]) -> Tensor:
    """Only the positions that hold tokens: what stands at padding is nobody's business."""
    return logits[inputs["attention_mask"].bool()] if logits.shape[1] == inputs["input_ids"].shape[1] else logits


def edit_config(folder: Path, name: str = "config.json", **changes: Any) -> dict[str, Any]:
    """Set fields; ``part__field`` sets one of a part, None removes it."""
    content = json.loads((folder / name).read_text())
    for key, value in changes.items():
        place, _, leaf = key.rpartition("__")
        target = content[place] if place else content
        target[leaf] = value
        if value is None:
            del target[leaf]
    (folder / name).write_text(json.dumps(content))
    return content


def same_logits(first: Path, second: Path, tolerance: float = 1e-5) -> None:
    """Their reading of both folders and our reading of the second agree (measured worst difference: 0.0)."""
    inputs = their_inputs(second)
    theirs = their_logits(load_theirs(first), inputs)
    again = their_logits(load_theirs(second), inputs)
    assert (real(theirs, inputs) - real(again, inputs)).abs().max() <= tolerance
    ours = our_logits(load_model(second)[0], inputs)
    assert (real(theirs, inputs) - real(ours, inputs)).abs().max() <= tolerance
