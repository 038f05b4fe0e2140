"""A few steps of training that one process or several do with the same global batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tests.model import stage1_rig
from tests.tiny import make_family, picture
from tests.train.rig import calm
from torch import Tensor, nn

from vistune.checkpoint import load_model
from vistune.data.batch import Batch, Encoded
from vistune.data.processor import Processor
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.parallel.processes import Kind, Processes
from vistune.train.parallel.wrap import Spread, spread
from vistune.train.parts import part_of

ROWS = 8
WORDS = ("red", "a small cat", "two", "yes it is there", "no")

# Which parameters learn in each case. LLaVA's batches have rows without pictures.
CASES: dict[str, Callable[[str], bool]] = {
    "instructblip-llama": lambda name: name.startswith(("connector.", "vision.backbone.post_layernorm.")),
    "instructblip-t5": lambda name: name.startswith(("connector.", "vision.backbone.post_layernorm.")),
    "llava-mlp": lambda name: name.startswith(("connector.", "language.")),
    "stage1": lambda name: not name.startswith("vision.") or ".post_layernorm." in name,
    "stage1-pieces": lambda name: not name.startswith("vision.") or ".post_layernorm." in name,
}


@dataclass
class Case:
    """A model, ready to learn, and its data."""

    name: str
    model: nn.Module
    processor: Processor | None

    def trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]


@dataclass
class Course:
    """What happened: a loss and a gradient norm a step, and the weights that learn at the end."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)


def make_case(name: str, folder: Path) -> Case:
    """The same weights everywhere. folder: where the checkpoint of a language model is or will be."""
    if name.startswith("stage1"):
        case = Case(name, stage1_rig.build(), None)
    else:
        if not (folder / name / "config.json").exists():
            make_family(folder / name, name)
        model, processor = load_model(folder / name, dtype="float32")
        calm(model)
        case = Case(name, model, processor)
    case.model.eval()
    for parameter_name, parameter in case.model.named_parameters():
        parameter.requires_grad_(CASES[name](parameter_name))
    return case


def groups(case: Case) -> list[dict[str, Any]]:
    """Parameters of the optimiser by part, as in vistune.train.optimiser."""
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in case.model.named_parameters():
        if parameter.requires_grad:
            found.setdefault(part_of(name), []).append(parameter)
    return [{"params": parameters} for parameters in found.values()]


class Run:
    """Training of a case, spread in some way."""

    def __init__(self, case: Case, kind: Kind, processes: Processes, compute: torch.dtype = torch.float32) -> None:
        self.case = case
        self.compute = compute
        self.spread: Spread = spread(case.model, case.trained(), kind, processes, compute)
        # With Adam's usual epsilon a gradient of rounding errors alone moves a weight as far as any other.
        self.optimiser = torch.optim.AdamW(groups(case), lr=1e-2, eps=1e-4, weight_decay=0.05, fused=True)
        self.course = Course()

    def steps(self, first: int, last: int) -> Course:
        for step in range(first, last):
            self.course.losses.append(self._step(step))
            self.course.norms.append(self.spread.clip(1.0))
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
        self.course.weights = {name: full(p) for name, p in self.case.model.named_parameters() if p.requires_grad}
        return self.course

    def _step(self, step: int) -> float:
        if self.case.processor is None:
            return self._pairs_step(step)
        processes = self.spread.processes
        batches = list(answer_batches(self.case, step, processes))
        encoder_decoder = self.case.processor.encoder_decoder
        learned = sum(batch.num_learned(encoder_decoder) for batch in batches)
        total = processes.sum(torch.tensor(float(learned)))
        loss = torch.zeros(())
        for number, batch in enumerate(batches):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.compute == torch.bfloat16):
                part = self.spread.module(**batch.model_inputs()).loss_sum / total
            self.spread.backward(part, last=number == len(batches) - 1)
            loss += part.detach()
        return float(processes.sum(loss))

    def _pairs_step(self, step: int) -> float:
        processes = self.spread.processes
        rows = ROWS // processes.size
        pieces = 2 if self.case.name.endswith("pieces") else 1
        first = step * ROWS + processes.rank * rows
        size = rows // pieces
        batches = [stage1_rig.batch(size, first + piece * size) for piece in range(pieces)]
        objective = Stage1Objective(seed=3, exchange=processes)
        module: Any = self.spread.module
        parts = objective(module, batches, step, self.spread.backward)
        sums = processes.sum(torch.stack([torch.stack([part.sum, part.count.float()]) for part in parts.values()]))
        return float((sums[:, 0] / sums[:, 1]).sum())


def answer_batches(case: Case, step: int, processes: Processes) -> Iterator[Batch]:
    """This process's rows of the global batch, two at a time."""
    processor = case.processor
    assert processor is not None
    rows = range(processes.rank, ROWS, processes.size)
    for first in range(0, len(rows), 2):
        encoded = [_encoded(case, processor, step * ROWS + row, row) for row in rows[first : first + 2]]
        yield processor.collate(encoded)


def _encoded(case: Case, processor: Processor, number: int, row: int) -> Encoded:
    # Rows 1 and 3, and 5 and 7, are the micro-batches of the second of two processes: it alone has no picture in its
    # first one, or in its last, before which it had some.
    blind = case.name.startswith("llava") and row in ((1, 3), (5, 7))[number // ROWS % 2]
    images = None if blind else [picture(number)]
    return processor.encode_one(f"What is thing {number}?", images, WORDS[number % len(WORDS)], id=f"row-{number}")


def full(tensor: Tensor) -> Tensor:
    """The whole of a weight that may be sharded."""
    from torch.distributed.tensor import DTensor

    whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().clone()
