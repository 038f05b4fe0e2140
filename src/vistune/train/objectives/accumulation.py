"""A step of the first stage in several micro-batches, with the losses and gradients of one.

As GradCache does it (arXiv 2101.06983). Contrast does not split by itself, because every pair is compared with all
others. So the embeddings of all pairs are computed first without gradients, then the gradients of the contrast by
these embeddings, then each micro-batch again with gradients. At last the image encoder, if it learns, gets what all
micro-batches and processes have for its features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states

from vistune.data.pairs import PairBatch
from vistune.model.contrast import uniform_draws
from vistune.model.exchange import choose_negatives, even_texts, same_pairs
from vistune.model.losses import LossPart
from vistune.model.stage1 import Reading, Stage1Model
from vistune.train.objectives.blip2_stage1 import Backward, global_counts

if TYPE_CHECKING:
    from vistune.train.objectives.blip2_stage1 import Stage1Objective


class Accumulation:
    """One step in micro-batches; arguments as those of Stage1Objective."""

    def __init__(self, objective: Stage1Objective, model: Stage1Model, batches: Sequence[PairBatch], step: int) -> None:
        self.objective = objective
        self.model = model
        self.batches = batches
        self.others = objective.others
        self.rows = sum(len(batch) for batch in batches)
        self.start = self.others.rank * self.rows
        ends = torch.tensor([len(batch) for batch in batches]).cumsum(0).tolist()
        self.slices = [slice(end - len(batch), end) for end, batch in zip(ends, batches, strict=True)]
        self.uniform = uniform_draws(objective.seed, step, self.others.size * self.rows)
        self.text_ids, self.text_mask = self._texts()
        self.all_ids, self.all_mask = self.others.gather(self.text_ids), self.others.gather(self.text_mask)

    def run(self, backward: Backward, scale: float) -> dict[str, LossPart]:
        """Embeddings, contrast, micro-batches, and at last the image encoder if it learns."""
        encoder_learns = any(parameter.requires_grad for parameter in self.model.vision.parameters())
        own, states = self._embed()
        itc, grads, negatives = self._contrast(own)
        everything = self.others.gather(own.features).requires_grad_(encoder_learns)
        counts = self._counts(itc)
        parts: dict[str, list[LossPart]] = {"itc": [itc], "itm": [], "itg": []}
        for number, rows in enumerate(self.slices):
            states[number].text.restore()
            surrogate, itm, itg = self._piece(everything, rows, grads, negatives)
            if number == 0:
                surrogate = surrogate + self.model.heads.temp * grads.temp
            loss = surrogate + itm.sum / counts["itm"] + itg.sum / counts["itg"]
            backward(loss * scale, last=not encoder_learns and rows.stop == self.rows)
            parts["itm"].append(LossPart(itm.sum.detach(), itm.count))
            parts["itg"].append(LossPart(itg.sum.detach(), itg.count))
        if encoder_learns:
            self._encoder_backward(everything, states, backward)
        return {name: _added(some) for name, some in parts.items()}

    def _texts(self) -> tuple[Tensor, Tensor]:
        longest = max(batch.text_ids.shape[1] for batch in self.batches)
        ids, masks = [], []
        for batch in self.batches:
            missing = longest - batch.text_ids.shape[1]
            ids.append(F.pad(batch.text_ids, (0, missing)))
            masks.append(F.pad(batch.text_mask, (0, missing)))
        return even_texts(torch.cat(ids), torch.cat(masks), self.others)

    @torch.no_grad()
    def _embed(self) -> tuple[_Embedded, list[_States]]:
        """Features of own pictures and what is compared; and what dropout was drawn from, for each micro-batch."""
        features, images, texts, states = [], [], [], []
        for batch, rows in zip(self.batches, self.slices, strict=True):
            with self.objective.precision():
                before = _RandomState(self.model.device)
                features.append(self.objective.encode(self.model, batch))
                states.append(_States(before, _RandomState(self.model.device)))
                reading = self.model.read(features[-1], self.text_ids[rows], self.text_mask[rows])
            images.append(reading.images)
            texts.append(reading.texts)
        return _Embedded(torch.cat(features), torch.cat(images), torch.cat(texts)), states

    def _contrast(self, own: _Embedded) -> tuple[LossPart, _Gradients, tuple[Tensor, Tensor]]:
        """The contrast of all own pairs, its gradients by embeddings and temperature, and the negatives."""
        same = same_pairs(self.rows, self._groups(), self.others, own.images.device)
        leaves = Reading(own.images.requires_grad_(), own.texts.requires_grad_(), own.texts)
        images, texts = self.others.gather(leaves.images), self.others.gather(leaves.texts)
        if self.objective.gather == "published":
            images, texts = images.detach(), texts.detach()
        loss, to_texts, to_images = self.model.contrast(leaves, images, texts, same, self.objective.smoothing)
        inputs = [leaves.images, leaves.texts]
        if self.model.heads.temp.requires_grad:
            inputs.append(self.model.heads.temp)
        mean = loss.sum / (self.others.size * self.rows)
        by_images, by_texts, *by_temp = torch.autograd.grad(mean, inputs)
        grads = _Gradients(by_images, by_texts, by_temp[0] if by_temp else torch.zeros_like(mean))
        negatives = choose_negatives(to_texts, to_images, same, self.uniform, self.others)
        return LossPart(loss.sum.detach(), loss.count), grads, negatives

    def _groups(self) -> Tensor | None:
        groups = [batch.image_groups for batch in self.batches if batch.image_groups is not None]
        if groups and len(groups) < len(self.batches):
            raise ValueError(
                "Some micro-batches say which pictures they show, others do not; give image_groups to all."
            )
        return torch.cat(groups) if groups else None

    def _counts(self, itc: LossPart) -> dict[str, Tensor]:
        learned = self.text_mask[:, 1:].sum()
        parts = {"itm": LossPart(itc.sum, itc.count * 3), "itg": LossPart(itc.sum, learned)}
        return global_counts(parts, self.others)

    def _piece(
        self, everything: Tensor, rows: slice, grads: _Gradients, negatives: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, LossPart, LossPart]:
        """What stands for the contrast in a micro-batch, its matching and its captions."""
        features = everything[self.start + rows.start : self.start + rows.stop]
        ids, mask = self.text_ids[rows], self.text_mask[rows]
        wrong_images, wrong_texts = negatives[0][rows], negatives[1][rows]
        wrong = (everything[wrong_images], self.all_ids[wrong_texts], self.all_mask[wrong_texts])
        with self.objective.precision():
            reading = self.model.read(features, ids, mask)
            itm = self.model.matching(features, ids, mask, wrong)
            itg = self.model.captioning(reading.captions, ids, mask, self.objective.smoothing)
        surrogate = (reading.images * grads.images[rows]).sum() + (reading.texts * grads.texts[rows]).sum()
        return surrogate, itm, itg

    def _encoder_backward(self, everything: Tensor, states: list[_States], backward: Backward) -> None:
        """Gradients by features: of own pairs, and of those that took them as negatives. They are scaled already."""
        # The gradient of gather is the sum of what all processes have for own rows.
        leaf = everything[self.start : self.start + self.rows].detach().requires_grad_()
        by_all = torch.zeros_like(everything) if everything.grad is None else everything.grad
        self.others.gather(leaf).backward(by_all)
        if leaf.grad is None:
            raise ValueError("The exchange hands no gradients back to the rows that it gathers.")
        for batch, rows, state in zip(self.batches, self.slices, states, strict=True):
            state.encoder.restore()
            with self.objective.precision():
                features = self.objective.encode(self.model, batch)
            backward((features * leaf.grad[rows]).sum(), last=rows.stop == self.rows)


@dataclass(frozen=True)
class _Embedded:
    """Of own pairs: features [b, P, D], images [b, Q, E], texts [b, E]."""

    features: Tensor
    images: Tensor
    texts: Tensor


@dataclass(frozen=True)
class _Gradients:
    """Of the contrast's mean: by own images [b, Q, E], own texts [b, E] and the temperature."""

    images: Tensor
    texts: Tensor
    temp: Tensor


class _RandomState:
    """The random state before a forward, so that its repetition draws the same dropout."""

    def __init__(self, device: torch.device) -> None:
        self._cpu = torch.get_rng_state()
        self._devices, self._states = get_device_states(torch.empty(0, device=device))

    def restore(self) -> None:
        """Put it back."""
        torch.set_rng_state(self._cpu)
        set_device_states(self._devices, self._states)


@dataclass(frozen=True)
class _States:
    """Before the encoder and before the Q-Former of a micro-batch."""

    encoder: _RandomState
    text: _RandomState


def _added(parts: Sequence[LossPart]) -> LossPart:
    return LossPart(torch.stack([part.sum for part in parts]).sum(), torch.stack([part.count for part in parts]).sum())
