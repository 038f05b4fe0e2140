"""A processor to look at data with where no model is chosen: the picture world's tokenizer, no image processor."""

from __future__ import annotations

from vistune.data.formats import NONE
from vistune.data.processor import Processor
from vistune.world.assets import asset_dir

NUM_QUERY_TOKENS = 32


def stand_in_processor(format: str | None = None) -> Processor:
    """A processor that tokenises, but cannot prepare pixels.

    Args:
        format: None or "none" lays a sample out as InstructBLIP does, 32 query tokens in front; others as LLaVA does.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(asset_dir("language"))
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)  # for mpt and chatml
    return Processor(
        tokenizer,
        None,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        num_image_tokens=NUM_QUERY_TOKENS,
        image_first=format in (None, NONE),
    )
