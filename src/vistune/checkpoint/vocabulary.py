"""Rows for the image placeholder, where the embedding matrix has none.

Folders from before transformers 4.46 have no ``<image>`` in their vocabulary; added to the tokenizer it gets an id
behind the last row (InstructBLIP-Vicuna: id 32001 of 32001 rows). vistune never looks it up, transformers does before
it replaces the result, so what we write gets the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from vistune.checkpoint.layouts import Layout
    from vistune.model.vlm import VisionLanguageModel


def vocabulary_with_image(model: VisionLanguageModel) -> int:
    """The number of rows that also covers the image placeholder."""
    rows = int(model.language.model.get_input_embeddings().weight.shape[0])
    return max(rows, model.config.image_token_id + 1)


def extend_vocabulary(tensors: dict[str, Tensor], model: VisionLanguageModel, layout: Layout) -> dict[str, Tensor]:
    """``tensors`` (by their names in the files) with input and output embeddings long enough.

    New rows are the mean of the others: as an output it is never the largest, so that no new token can be generated.
    """
    language = model.language.model
    rows = language.get_input_embeddings().weight.shape[0]
    added = vocabulary_with_image(model) - rows
    if not added:
        return tensors
    outputs = language.get_output_embeddings().parameters()
    wide = {id(language.get_input_embeddings().weight), *(id(parameter) for parameter in outputs)}
    extended = dict(tensors)
    for name, parameter in model.named_parameters():
        key = layout.to_file(name)
        if id(parameter) in wide and key in tensors:
            mean = tensors[key].float().mean(0, keepdim=True).to(tensors[key].dtype)
            extended[key] = torch.cat([tensors[key], mean.expand(added, *mean.shape[1:])])
    return extended
