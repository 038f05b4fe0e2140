"""An empty model, and its tensors put in their places: each goes from its file there once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vistune.checkpoint.config_reader import Folder
from vistune.checkpoint.layouts import layout_of
from vistune.checkpoint.strict import match_keys, tie_groups
from vistune.checkpoint.weights import WeightFiles
from vistune.errors import CheckpointError
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.model.config import ModelConfig

DtypePlan = Callable[[str], torch.dtype | None]


class ParametersOnMeta(TorchFunctionMode):
    """Sends what parameters are made of to the meta device, while computed buffers (rotary frequencies) become real."""

    _MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full, torch.normal})

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._MAKERS:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def build_empty(config: ModelConfig) -> VisionLanguageModel:
    """The model without weights: parameters on the meta device, tied ones tied, computed buffers in place."""
    from transformers.initialization import no_init_weights

    with ParametersOnMeta(), no_init_weights():
        model = VisionLanguageModel(config)
    model.language.model.tie_weights()
    return model


def fill(model: VisionLanguageModel, folder: Folder, plan: DtypePlan, device: torch.device) -> None:
    """Put every tensor of the files in its place in an empty model."""
    stored = model.state_dict(keep_vars=True)
    ties = tie_groups(model)
    layout = layout_of(folder.family, model)
    sources = match_keys(folder.weights, layout, {name: tuple(value.shape) for name, value in stored.items()}, ties)
    for group in ties:
        _resolve_tie(model, folder.weights, sources, group)
    made: dict[str, Tensor] = {}
    for name, old in stored.items():
        source = sources[name]
        if source not in made:
            tensor = _place(folder.weights.entries[source].read(), plan(name), device)
            made[source] = nn.Parameter(tensor, requires_grad=old.requires_grad) if old.is_floating_point() else tensor
        assign(model, name, made[source])
    for name, buffer in list(model.named_buffers()):
        if buffer.is_meta:
            raise CheckpointError(
                f"The buffer {name!r} of {str(folder.path)!r} is neither stored nor computed when the model is "
                "built; this kind of model cannot be loaded yet."
            )
        assign(model, name, buffer.to(device))


def _resolve_tie(model: VisionLanguageModel, files: WeightFiles, sources: dict[str, str], group: set[str]) -> None:
    """Give every name of a tied group its source: one for all, unless the file holds different values for some.

    Flan-T5's folders have an output matrix of their own although T5's config always ties; transformers unties it too.
    """
    present = [name for name, _ in model.named_parameters(remove_duplicate=False) if name in group and name in sources]
    first = files.entries[sources[present[0]]].read()
    for name in group:
        if name not in sources:
            sources[name] = sources[present[0]]
        elif name != present[0]:
            if torch.equal(first, files.entries[sources[name]].read()):
                sources[name] = sources[present[0]]
            else:
                _untie(model, name)


def _untie(model: VisionLanguageModel, name: str) -> None:
    language = model.language.model
    language.config.tie_word_embeddings = False
    model.config.language.tie_word_embeddings = False
    language.all_tied_weights_keys.pop(name.removeprefix("language.model."), None)


def _place(tensor: Tensor, dtype: torch.dtype | None, device: torch.device) -> Tensor:
    wanted = dtype if tensor.is_floating_point() else None
    return tensor.to(device=device, dtype=wanted or tensor.dtype).contiguous()


def assign(model: nn.Module, name: str, value: Tensor) -> None:
    """Put a tensor in the place of the parameter or buffer of this name."""
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    if leaf in module._parameters:
        module._parameters[leaf] = (
            value if isinstance(value, nn.Parameter) else nn.Parameter(value, requires_grad=False)
        )
    else:
        module._buffers[leaf] = value.detach()
