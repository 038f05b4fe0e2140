"""What of a model and its optimiser is kept: every tensor by a name that no way of spreading a model changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vistune.errors import ResumeError

WEIGHTS, OPTIMISER = "weights.", "optimiser."


def named_trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters that learn, tied ones once; names without what DDP and torch.compile put in front."""
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            yield plain_name(name), parameter


def plain_name(name: str) -> str:
    """'module.connector._orig_mod.weight' -> 'connector.weight'"""
    return name.removeprefix("module.").replace("_orig_mod.", "")


def tensors_to_save(module: nn.Module, optimiser: torch.optim.Optimizer | None) -> dict[str, Tensor]:
    """Weights that learn and the optimiser's state of them; the tensors themselves, sharded where the model is."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in named_trainable(module):
        tensors[WEIGHTS + name] = parameter.detach()
        for slot, value in (optimiser.state.get(parameter, {}) if optimiser is not None else {}).items():
            # Names of parameters have dots in them, those of slots have none.
            tensors[f"{OPTIMISER}{name}.{slot}"] = value if isinstance(value, Tensor) else torch.tensor(value)
    return tensors


class Places:
    """Where the tensors of a checkpoint go: into a model's weights, and into slots made for its optimiser.

    Args:
        stored: what the checkpoint holds, (shape, dtype) by name. path: of it, for messages.

    Raises:
        ResumeError: a weight is missing on either side, or has another shape.
    """

    def __init__(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        stored: Mapping[str, tuple[torch.Size, torch.dtype]],
        path: str,
    ) -> None:
        self._parameters = dict(named_trainable(module))
        self._check(stored, path)
        self.tensors = {WEIGHTS + name: parameter.detach() for name, parameter in self._parameters.items()}
        self._slots: dict[str, dict[str, Tensor]] = {}
        if optimiser is not None:
            self._make_slots(optimiser, stored)

    def hand_to(self, optimiser: torch.optim.Optimizer) -> None:
        """Give the optimiser its slots, once they are filled."""
        for name, slots in self._slots.items():
            optimiser.state[self._parameters[name]] = slots

    def _check(self, stored: Mapping[str, tuple[torch.Size, torch.dtype]], path: str) -> None:
        saved = {name.removeprefix(WEIGHTS): shape for name, (shape, _) in stored.items() if name.startswith(WEIGHTS)}
        for name in sorted(set(saved) ^ set(self._parameters)):
            where = "is not in it but trains in this run" if name in self._parameters else "does not train in this run"
            raise ResumeError(
                f"The checkpoint {path!r} does not fit: the weight {name!r} {where}; go on with the recipe it was "
                "made with."
            )
        for name, shape in saved.items():
            own = self._parameters[name].shape
            if own != shape:
                raise ResumeError(
                    f"The checkpoint {path!r} does not fit: the weight {name!r} has shape {tuple(shape)} there and "
                    f"{tuple(own)} in this run; go on with the recipe it was made with."
                )

    def _make_slots(
        self, optimiser: torch.optim.Optimizer, stored: Mapping[str, tuple[torch.Size, torch.dtype]]
    ) -> None:
        groups = {id(parameter): group for group in optimiser.param_groups for parameter in group["params"]}
        for key, (shape, dtype) in stored.items():
            if not key.startswith(OPTIMISER):
                continue
            name, _, slot = key.removeprefix(OPTIMISER).rpartition(".")
            parameter = self._parameters[name]
            made = _empty_slot(parameter, shape, dtype, groups[id(parameter)])
            self._slots.setdefault(name, {})[slot] = self.tensors[key] = made


def _empty_slot(parameter: nn.Parameter, shape: torch.Size, dtype: torch.dtype, group: Mapping[str, Any]) -> Tensor:
    """A slot as torch's optimisers make it: sharded like its parameter, or a counter where the update is computed."""
    if shape == parameter.shape:
        return torch.zeros_like(parameter, dtype=dtype, requires_grad=False)
    on_device = group.get("fused") or group.get("capturable")
    return torch.zeros(shape, dtype=dtype, device=parameter.device if on_device else "cpu")
