"""The usual way: transformers' own model, a DataLoader that pads, and the training loop of its documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from train_model import BATCH, CLIP_NORM, RATE, WEIGHT_DECAY, Examples, Kind
from train_timing import Timed
from transformers import AutoProcessor, InstructBlipForConditionalGeneration, LlavaForConditionalGeneration

IGNORE = -100


class Samples(Dataset[dict[str, Any]]):
    """Opened pictures and texts."""

    def __init__(self, examples: Examples, order: list[int]) -> None:
        self._examples = examples
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self._examples[self._order[index]]
        with Image.open(example.images[0]) as picture:
            return {"image": picture.convert("RGB"), "prompt": example.instruction, "answer": example.target}


class Collate:
    """Processor and padding; what is not answer is not learned."""

    def __init__(self, kind: Kind, processor: Any) -> None:
        self._kind = kind
        self._processor = processor

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """What the model is called with."""
        images = [sample["image"] for sample in samples]
        eos = self._processor.tokenizer.eos_token
        mark = "<image>\n" if self._kind == "llava" else ""
        answers = [f"{sample['answer']} {eos}" for sample in samples]
        texts = [f"{mark}{s['prompt']} {answer}" for s, answer in zip(samples, answers, strict=True)]
        batch = dict(self._processor(images=images, text=texts, padding=True, return_tensors="pt"))
        if self._kind == "instructblip":
            # The Q-Former reads the instruction without the answer.
            prompts = [sample["prompt"] for sample in samples]
            prompts = self._processor.qformer_tokenizer(prompts, padding=True, return_tensors="pt")
            batch["qformer_input_ids"] = prompts["input_ids"]
            batch["qformer_attention_mask"] = prompts["attention_mask"]
        lengths = [len(self._processor.tokenizer(answer, add_special_tokens=False)["input_ids"]) for answer in answers]
        ends = batch["attention_mask"].sum(1)
        places = torch.arange(batch["input_ids"].shape[1])[None]
        learned = (places < ends[:, None]) & (places >= (ends - torch.tensor(lengths))[:, None])
        batch["labels"] = batch["input_ids"].masked_fill(~learned, IGNORE)
        batch.pop("token_type_ids", None)
        return batch


def train_theirs(kind: Kind, folder: Path, examples: Examples, order: list[int], workers: int, device: str) -> Timed:
    """One pass over the samples in this order."""
    model, processor = _load(kind, folder, device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=RATE[kind], fused=True)
    loader = DataLoader(
        Samples(examples, order), BATCH, num_workers=workers, collate_fn=Collate(kind, processor), drop_last=True
    )
    timed = Timed()
    model.train()
    timed.begin()
    for batch in loader:
        timed.data_came()
        loss = model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimiser.step()
        optimiser.zero_grad()
        timed.step(float(loss.detach()))
    return timed


def _load(kind: Kind, folder: Path, device: str) -> tuple[Any, Any]:
    """Model with the published parts trainable, and processor."""
    model: Any
    if kind == "instructblip":
        model = InstructBlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        parts = [model.qformer, model.language_projection]
    else:
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        parts = [model.model.multi_modal_projector, model.model.language_model, model.lm_head]
    model.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)
    if kind == "instructblip":
        model.query_tokens.requires_grad_(True)
    return model.to(device), AutoProcessor.from_pretrained(folder)
