"""Training of the language model on text alone: scenes in words or summed words, questions, answers learned."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vistune.model.attention import register_attention
from vistune.world.pretrain.documents import Document, DocumentWriter
from vistune.world.pretrain.optim import Log, Optimizers, Updates
from vistune.world.pretrain.settings import LanguageSettings
from vistune.world.scene import COLOURS, EXTRA_COLOURS, EXTRA_SHAPES, SHAPES, Scene, scenes

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

# One scene in eight has shapes and colours that the world's own tasks do not ask for.
_WIDER_SCENES = 0.125
_IGNORED = -100


def build_language_model(tokenizer: PreTrainedTokenizerFast, settings: LanguageSettings) -> LlamaForCausalLM:
    """A Llama of the given size with fresh weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_heads,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM._from_config(config, attn_implementation=register_attention())
    with torch.no_grad():
        nn.init.normal_(model.model.embed_tokens.weight, std=settings.embedding_std)
    _share_spellings(model, tokenizer)
    return model


def train_language_model(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, settings: LanguageSettings, seed: int, log: Log
) -> None:
    """Trains `model` in place; `log` gets the mean loss and the seconds every 50 steps."""
    torch.manual_seed(seed)
    untrained = model.model.embed_tokens.weight.detach().clone()
    optimizers = Optimizers(model, model.model.layers, settings.learning_rate, settings.weight_decay)
    updates = Updates(optimizers, model, settings, log)
    batches = _batches(DocumentWriter(tokenizer), settings, seed)
    model.train()
    for documents in batches:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = document_loss(model, documents)
        updates.apply(loss)
    model.eval()
    _share_spellings(model, tokenizer, untrained)


def document_loss(model: LlamaForCausalLM, documents: list[Document]) -> Tensor:
    """Mean cross-entropy of the learned tokens. Padding is on the right, so causal attention needs no other mask."""
    inputs, labels = embed_documents(model, documents)
    hidden = model.model(inputs_embeds=inputs, use_cache=False).last_hidden_state[:, :-1]
    learned = labels[:, 1:] != _IGNORED
    return F.cross_entropy(model.lm_head(hidden[learned]).float(), labels[:, 1:][learned])


def embed_documents(model: LlamaForCausalLM, documents: list[Document], noise: bool = True) -> tuple[Tensor, Tensor]:
    """Input embeddings [B, L, d] and labels [B, L].

    A tuple of ids becomes the sum of their embeddings. With `noise`, these sums vary in scale and direction, and slots
    without an object hold anything from nothing to noise as strong as an embedding: visual tokens will not be exact.
    """
    length = max(len(document.tokens) for document in documents)
    ids = torch.full((len(documents), length), model.config.pad_token_id or 0)
    labels = torch.full((len(documents), length), _IGNORED)
    sums: list[tuple[int, int, int]] = []
    slots: list[tuple[int, int]] = []
    for row, document in enumerate(documents):
        for column, token in enumerate(document.tokens):
            if isinstance(token, tuple):
                slots.append((row, column))
                sums += [(row, column, part) for part in token]
            else:
                ids[row, column] = token
                if document.learned[column]:
                    labels[row, column] = token
    embeddings = model.model.embed_tokens(ids)
    if not slots:
        return embeddings, labels
    slot = torch.tensor(slots)
    flat_slot = slot[:, 0] * length + slot[:, 1]
    flat = embeddings.flatten(0, 1).index_fill(0, flat_slot, 0.0)
    if sums:
        parts = torch.tensor(sums)
        flat = flat.index_add(0, parts[:, 0] * length + parts[:, 1], model.model.embed_tokens(parts[:, 2]))
    if noise:
        flat = _disturbed(flat, flat_slot, length, float(model.model.embed_tokens.weight.detach().std()))
    return flat.unflatten(0, (-1, length)), labels


def _disturbed(flat: Tensor, slots: Tensor, length: int, std: float) -> Tensor:
    rows = slots // length
    num_rows = len(flat) // length
    scale = torch.empty(num_rows, 1).uniform_(0.6, 1.4)[rows]
    empty = flat[slots].detach().abs().sum(1, keepdim=True) == 0
    level = torch.where(empty, torch.rand(num_rows, 1)[rows] * 1.5, torch.rand(num_rows, 1)[rows] * 0.5)
    noise = torch.randn(len(slots), flat.shape[1]) * (level * std)
    return flat.index_copy(0, slots, flat[slots] * scale + noise)


def _batches(writer: DocumentWriter, settings: LanguageSettings, seed: int) -> Iterator[list[Document]]:
    rng = random.Random(f"documents {seed}")
    streams = {
        count: (scenes("train", f"text {seed}", count), scenes("train", f"wider text {seed}", count, *_wider()))
        for count in range(1, 6)
    }
    for step in range(settings.steps):
        done = step / settings.steps
        most = 2 if done < settings.three_objects_from else 3 if done < settings.five_objects_from else 5
        documents = []
        for _ in range(settings.batch_size):
            usual, wider = streams[rng.randint(1, most)]
            scene: Scene = next(wider if rng.random() < _WIDER_SCENES else usual)
            summed = rng.random() < settings.summed_scenes
            documents.append(writer.write(scene, rng, settings.document_tokens, summed))
        yield documents


def _wider() -> tuple[tuple[str, ...], tuple[str, ...]]:
    return SHAPES + EXTRA_SHAPES, COLOURS + EXTRA_COLOURS


@torch.no_grad()
def _share_spellings(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, untrained: Tensor | None = None
) -> None:
    """Gives other spellings of a word (capital, no space before it) the embedding of the plain one.

    `untrained` is the embedding matrix before training: rows that training moved (words some text had) then stay.
    """
    vocabulary = tokenizer.get_vocab()
    embedding = model.model.embed_tokens.weight
    for token, index in vocabulary.items():
        word = token.removeprefix("▁")
        plain = vocabulary.get("▁" + word.lower())
        if plain is None or plain == index or not word.isalpha():
            continue
        if untrained is None or torch.equal(embedding[index], untrained[index]):
            embedding[index] = embedding[plain]
