"""The end of a run: its model as a folder that transformers loads."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

import torch

from vistune.checkpoint.adapters import save_adapter
from vistune.checkpoint.save import save_model
from vistune.checkpoint.stage1 import save_stage1
from vistune.data.formats import CHAT_TEMPLATE, NONE
from vistune.data.formats.jinja import chat_template_of
from vistune.data.formats.registry import canonical
from vistune.data.pairs import MAX_CAPTION_TOKENS
from vistune.train.precision import chosen
from vistune.train.run.chain import STAGE1
from vistune.train.run.fitting import dtype_of, set_stops, shortened_processor

if TYPE_CHECKING:
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel
    from vistune.train.recipe.recipe import Recipe
    from vistune.train.recipe.stage import Stage
    from vistune.train.run.chain import Finished
    from vistune.train.run.folder import RunFolder
    from vistune.train.run.model.assembly import Assembly


def save_final(
    assembly: Assembly,
    finished: Finished,
    recipe: Recipe,
    folder: RunFolder,
    device: torch.device,
    make_base: Callable[[], Assembly],
) -> None:
    """Write the final model.

    A first stage becomes a folder of its own kind. Adapters are saved as such, beside the base that they belong to: the
    recipe's own checkpoint, or ``base`` in the run's folder. Everything else is a checkpoint as transformers has it.

    Args:
        assembly: with all that was learned; adapters not merged. device: that the run computed on. make_base: the model
            that the last stage began with.

    Raises:
        StorageError: a full disk; nothing is half written.
    """
    stage = finished.stage
    if stage.objective == STAGE1:
        most = recipe.data_of(stage).max_target_tokens or MAX_CAPTION_TOKENS
        save_stage1(assembly.stage1(), assembly.pair_processor(most), folder.model)
        return
    model = assembly.whole
    processor = final_processor(assembly, recipe, stage)
    set_stops(model, recipe.data_of(stage).format)
    if not stage.lora:
        _round(model, stage, device)
        save_model(model, processor, folder.model)
        return
    save_adapter(model, folder.model, _base(assembly, processor, folder, make_base))


def _base(assembly: Assembly, processor: Processor, folder: RunFolder, make_base: Callable[[], Assembly]) -> str:
    """Where the adapters' base is: the recipe's checkpoint if nothing of it was changed, else written here."""
    base, own = make_base(), assembly.whole_processor
    untouched = processor.chat_template == own.chat_template and processor.image_processor is own.image_processor
    if base.base is not None and not base.trained and untouched:
        return base.base
    save_model(base.whole, processor, folder.base)
    return str(folder.base)


def final_processor(assembly: Assembly, recipe: Recipe, stage: Stage) -> Processor:
    """The processor that asks the model as it was trained: its conversation format as chat template, its pictures."""
    data = recipe.data_of(stage)
    processor = copy(shortened_processor(assembly, data.max_instruction_tokens))
    name = canonical(data.format) if data.format is not None else CHAT_TEMPLATE
    # "plain" has no place for what a person says: it is for captions, of which an answer is none.
    if name not in (CHAT_TEMPLATE, NONE, "plain"):
        processor.chat_template = chat_template_of(name, processor.image_token)
    elif name == NONE:
        processor.chat_template = None
    if stage.transform.kind == "pad":
        processor.image_processor = _padding(processor.image_processor)
    return processor


def _padding(image_processor: Any) -> Any:
    """The same preparation after padding to a square, as LLaVA-1.5 was trained; transformers has it for CLIP's."""
    from transformers import CLIPImageProcessorPil, LlavaImageProcessorPil

    if type(image_processor) is not CLIPImageProcessorPil:
        return image_processor
    settings = {name: value for name, value in image_processor.to_dict().items() if name != "image_processor_type"}
    return LlavaImageProcessorPil(**{**settings, "do_pad": True})


def _round(model: VisionLanguageModel, stage: Stage, device: torch.device) -> None:
    """A large part that learned goes back to the bits that it computed in, as checkpoints are published."""
    dtype = dtype_of(chosen(stage.precision, device))
    for part, module in (("vision", model.vision), ("language", model.language)):
        if part in stage.train and dtype != torch.float32:
            module.to(dtype)
