"""What goes from part to part: shapes of tensors for one sample of mean length."""

from __future__ import annotations

from vistune.train.recipe.cost.lengths import Lengths, row_lengths
from vistune.train.recipe.cost.sizes import ModelSize
from vistune.train.recipe.stage import Stage

Shapes = dict[str, tuple[int, ...]]


def shapes_of(size: ModelSize, stage: Stage, lengths: Lengths) -> Shapes:
    """Name to shape without the dimension of the batch, in the order of the model."""
    vision = size.vision
    shapes: Shapes = {
        "pixel_values": (3, vision.image, vision.image),
        "image_features": (size.features, vision.hidden),
    }
    first_stage = stage.objective == "blip2_stage1"
    if size.qformer is not None:
        reads = size.qformer.instruction_aware or first_stage
        text = round(lengths.instruction) if reads else 0
        shapes["qformer"] = (size.qformer.num_query_tokens + text, size.qformer.hidden_size)
    if size.language is None or first_stage:
        return shapes
    read, written = row_lengths(size, lengths)
    shapes["image_embeds"] = (size.image_tokens, size.language.hidden)
    shapes["inputs_embeds"] = (round(read), size.language.hidden)
    if written:
        shapes["decoder_inputs"] = (round(written), size.language.hidden)
    shapes["learned_logits"] = (round(lengths.target), size.language.vocab)
    return shapes
