"""What a language model of transformers does with its decoder's last hidden states, as a module of its own.

So logits can be computed for some tokens at a time, whatever stands on top: one Linear, T5's scaling before it, Gemma's
soft-capping, Cohere's and Granite's factors, Bart's bias. The model's own forward does it, with the decoder left out.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn


class LanguageHead(nn.Module):
    """Hidden states [n, d] -> logits [n, V], by the model's own code and weights.

    It shares the parameters and is no part of the model: made anew where it is needed, as FSDP swaps parameters.

    Args:
        model: of AutoModelForCausalLM or AutoModelForSeq2SeqLM.
    """

    def __init__(self, model: Any, is_encoder_decoder: bool) -> None:
        super().__init__()
        self.linear = model.get_output_embeddings()
        self.others = nn.ParameterList(_own_parameters(model, is_encoder_decoder, self.linear))
        # In a tuple, so that the parameters of what it leaves out do not count as the head's.
        self._model = (_without_decoder(model, model.get_decoder()),)
        self._is_encoder_decoder = is_encoder_decoder

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden [n, d] -> [n, V]"""
        rows = hidden[None]
        inputs: dict[str, Any] = {"inputs_embeds": rows}
        if self._is_encoder_decoder:
            inputs = {"encoder_outputs": (rows,), "decoder_inputs_embeds": rows}
        logits: Tensor = self._model[0](**inputs, use_cache=False).logits
        return logits[0]


class _Given(nn.Module):
    """Stands in a decoder's place: what it is given is what comes out."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=inputs_embeds)


def _without_decoder(model: nn.Module, decoder: nn.Module) -> nn.Module:
    """A copy of the modules on the way to the decoder, all else shared, so that the model itself stays as it is."""
    path = next(name for name, module in model.named_modules() if module is decoder)
    top = inner = _shallow(model)
    *way, last = path.split(".")
    for name in way:
        inner._modules[name] = _shallow(inner.get_submodule(name))
        inner = inner.get_submodule(name)
    inner._modules[last] = _Given()
    return top


def _shallow(module: nn.Module) -> nn.Module:
    shallow = copy.copy(module)
    shallow._modules = dict(module._modules)
    return shallow


def _own_parameters(model: Any, is_encoder_decoder: bool, linear: nn.Module) -> list[nn.Parameter]:
    """Parameters that belong neither to decoder, encoder or embeddings, nor to the last Linear."""
    parts = [model.get_decoder(), model.get_input_embeddings(), linear]
    parts += [model.get_encoder()] if is_encoder_decoder else []
    known = {id(parameter) for part in parts for parameter in part.parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in known]
