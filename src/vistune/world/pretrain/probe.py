"""How good the starting points are: linear probes of the encoders, questions in text to the language model."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vistune.world.pretrain.documents import Document, DocumentWriter, Token
from vistune.world.pretrain.knowledge import ASK
from vistune.world.pretrain.language import embed_documents
from vistune.world.pretrain.phrases import NUM_VALUES, scene_attributes
from vistune.world.pretrain.settings import VisionSettings
from vistune.world.pretrain.vision import draw_pictures, encoder_features, normalised
from vistune.world.scene import COLOURS, PLACES, SHAPES, SIZES, scenes
from vistune.world.tasks import TASKS, samples

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

_ATTRIBUTES = ("shape", "colour", "size", "row", "column")
_BATCH = 256
_PROBE_STEPS = 400
_ANSWERS = {
    "colour": COLOURS,
    "shape": SHAPES,
    "place": PLACES,
    "size": SIZES,
    "count": tuple("012345"),
    "existence": ("yes", "no"),
}


@torch.no_grad()
def read_features(kind: str, model: PreTrainedModel, pixels: Tensor) -> Tensor:
    """Features [N, tokens, d] that the papers' models read, float32."""
    return torch.cat([encoder_features(kind, model, normalised(part))[0] for part in pixels.split(_BATCH)])


def probe_encoder(
    kind: str, model: PreTrainedModel, settings: VisionSettings, seed: int, count: int = 4000
) -> dict[str, float]:
    """Accuracy of a linear probe for every attribute, read off the patch where the object stands (val pictures)."""
    train = _object_features(kind, model, settings, "train", seed + 1, count)
    test = _object_features(kind, model, settings, "val", seed + 1, count // 4)
    torch.manual_seed(seed)
    probes = nn.ModuleList(nn.Linear(train[0].shape[1], values) for values in NUM_VALUES)
    optimizer = torch.optim.Adam(probes.parameters(), lr=1e-2)
    mean, std = train[0].mean(0), train[0].std(0) + 1e-6
    for _ in range(_PROBE_STEPS):
        rows = torch.randint(len(train[0]), (512,))
        inputs = (train[0][rows] - mean) / std
        losses = [F.cross_entropy(probe(inputs), train[1][rows, index]) for index, probe in enumerate(probes)]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
    inputs = (test[0] - mean) / std
    right = [(probe(inputs).argmax(1) == test[1][:, index]).float().mean() for index, probe in enumerate(probes)]
    return {name: round(float(value), 4) for name, value in zip(_ATTRIBUTES, right, strict=True)}


def _object_features(
    kind: str, model: PreTrainedModel, settings: VisionSettings, split: str, seed: int, count: int
) -> tuple[Tensor, Tensor]:
    """Features [objects, d] of the patch in the middle of each object's cell, and attributes [objects, 5]."""
    chosen, pixels = draw_pictures(settings, split, seed, count)
    features = read_features(kind, model, pixels)
    side = settings.image_size // settings.patch_size
    patches = features[:, -side * side :]
    attributes = scene_attributes(chosen)
    scene, slot = (attributes[..., 0] >= 0).nonzero(as_tuple=True)
    objects = attributes[scene, slot]
    rows, columns = ((2 * objects[:, axis] + 1) * side // 6 for axis in (3, 4))
    return patches[scene, rows * side + columns], objects


def probe_language(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int, count: int = 200
) -> dict[str, dict[str, float]]:
    """Accuracy by ranking for every task in text alone, on validation scenes as summed words.

    "own": questions in the pretraining's wordings. "task": in the wordings of the world's tasks, which no pretraining
    text has; this is what the model knows of a task before it sees a picture.
    """
    writer = DocumentWriter(tokenizer)
    own = {name: _own_items(name, writer, seed, count) for name in ASK if name not in ("caption", "question")}
    task = {name: _task_items(name, writer, seed, count) for name, task in TASKS.items() if task.is_question}
    return {
        kind: {name: round(_accuracy(model, writer, made), 3) for name, made in items.items()}
        for kind, items in (("own", own), ("task", task))
    }


_Item = tuple[list[Token], tuple[str, ...], int]


def _own_items(name: str, writer: DocumentWriter, seed: int, count: int) -> list[_Item]:
    rng = random.Random(f"probe {name} {seed}")
    items: list[_Item] = []
    for scene in scenes("val", f"probe {seed}"):
        asked = ASK[name](scene, rng)
        if asked is None:
            continue
        candidates = _candidates(asked[1])
        prompt = [*writer.scene_tokens(scene, rng, summed=True), *writer.ids(asked[0])]
        items.append((prompt, candidates, candidates.index(asked[1])))
        if len(items) == count:
            break
    return items


def _task_items(name: str, writer: DocumentWriter, seed: int, count: int) -> list[_Item]:
    rng = random.Random(f"probe {name} {seed}")
    items: list[_Item] = []
    for sample in samples(name, "val", count, seed):
        assert sample.candidates is not None and sample.answer_index is not None
        prompt = [*writer.scene_tokens(sample.scene, rng, summed=True), *writer.ids(sample.instruction)]
        items.append((prompt, sample.candidates, sample.answer_index))
    return items


def _candidates(answer: str) -> tuple[str, ...]:
    for answers in (*_ANSWERS.values(), ("true", "false"), ("left", "right"), ("above", "below")):
        if answer in answers:
            return answers
    raise ValueError(f"no list of candidates has the answer {answer!r}")


@torch.no_grad()
def _accuracy(model: LlamaForCausalLM, writer: DocumentWriter, items: list[_Item]) -> float:
    documents: list[Document] = []
    for prompt, candidates, _ in items:
        for candidate in candidates:
            answer = writer.ids(candidate)
            documents.append(Document([*prompt, *answer], [False] * len(prompt) + [True] * len(answer)))
    scores = torch.cat([_scores(model, documents[at : at + _BATCH]) for at in range(0, len(documents), _BATCH)])
    parts = scores.split([len(candidates) for _, candidates, _ in items])
    right = sum(int(part.argmax()) == item[2] for part, item in zip(parts, items, strict=True))
    return right / len(items)


def _scores(model: LlamaForCausalLM, documents: list[Document]) -> Tensor:
    inputs, labels = embed_documents(model, documents, noise=False)
    hidden = model.model(inputs_embeds=inputs, use_cache=False).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    log_probs = model.lm_head(hidden).float().log_softmax(-1)
    picked = log_probs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return (picked * (targets >= 0)).sum(1)
