"""One batch through transformers' generate: greedy, beams or sampling over our input embeddings."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vistune.infer.beams import read_for_beams
from vistune.infer.caches import cache_pairs, empty_roomy_cache, make_roomy_cache
from vistune.infer.prefix import shared_beginning
from vistune.infer.reading import read_in_groups
from vistune.infer.sampling import AnswerRepetitionPenalty, GumbelSampler, NumbersOnly, StopOnText
from vistune.infer.settings import Settings

if TYPE_CHECKING:
    from transformers import StoppingCriteria
    from transformers.cache_utils import DynamicCache

    from vistune.data.batch import Batch, Encoded
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel


@torch.inference_mode()
def generate_batch(
    model: VisionLanguageModel,
    processor: Processor,
    samples: Sequence[Encoded],
    settings: Settings,
    rows: Sequence[int],
    extra_stops: Sequence[StoppingCriteria] = (),
    streamer: Any = None,
) -> list[list[int]]:
    """New token ids of each sample, closing token and what follows it cut off.

    Args:
        samples: prompts whose ``Settings.lengths`` agree. rows: their places in the caller's list (for sampling).
        extra_stops, streamer: handed to transformers.

    Raises:
        CheckpointError: the model's scores are NaN.
    """
    encoder_decoder = processor.encoder_decoder
    batch = processor.collate(samples, "right" if encoder_decoder else "left").to(model.device)
    most, fewest = settings.lengths(len(samples[0].input_ids), encoder_decoder)
    embeds = model.embed_inputs(**batch.embedding_inputs())
    arguments: dict[str, Any] = {"inputs_embeds": embeds, "attention_mask": batch.attention_mask}
    arguments |= _read_before(model, samples, embeds, batch.attention_mask, settings.config.num_beams or 1, most)
    columns = 1
    if not encoder_decoder:
        # With the ids beside the embeddings, penalties and lengths mean what they mean in transformers.
        arguments["input_ids"] = _known_ids(model, batch)
        columns = batch.input_ids.shape[1]
    config = copy.copy(settings.config)
    config.max_new_tokens, config.min_new_tokens = most, fewest or None
    if "past_key_values" in arguments:
        # What a folder may name; transformers takes one or the other.
        config.cache_implementation = None
    numbers = NumbersOnly()
    output = model.language.model.generate(
        **arguments,
        generation_config=config,
        logits_processor=[numbers, *_processors(settings, columns, rows)],
        stopping_criteria=[*([StopOnText(processor, settings.stop, columns)] if settings.stop else []), *extra_stops],
        streamer=streamer,
    )
    numbers.check()
    return [cut_at_closing(row, settings.closing_ids) for row in output[:, columns:].tolist()]


def _read_before(
    model: VisionLanguageModel, samples: Sequence[Encoded], embeds: Tensor, mask: Tensor, beams: int, room: int
) -> dict[str, Any]:
    """What transformers need not read, pictures that rows share and prompts that beams begin with; and room for more.

    Args:
        room: tokens that may follow.
    """
    language = model.language
    beginning = shared_beginning(model, samples, embeds, mask)
    if beams > 1:
        return read_for_beams(language, embeds, mask, beginning, beams, room)
    cache: DynamicCache | None = None
    if beginning is not None:
        left = embeds.shape[1] - beginning.get_seq_length()
        cache = make_roomy_cache(cache_pairs(beginning), 1, left + room)
    elif not (language.is_encoder_decoder or language.is_stateful):
        found = read_in_groups(language, embeds[:, :-1], mask[:, :-1], room + 1)
        cache = empty_roomy_cache(language.config, room) if found is None else found[1]
    return {} if cache is None else {"past_key_values": cache}


def _known_ids(model: VisionLanguageModel, batch: Batch) -> Tensor:
    """Prompt ids for the penalties; placeholders beyond the embedding matrix become the row's last real token."""
    limit = int(model.language.model.get_input_embeddings().weight.shape[0])
    return torch.where(batch.input_ids < limit, batch.input_ids, batch.input_ids[:, -1:])


def _processors(settings: Settings, columns: int, rows: Sequence[int]) -> list[Any]:
    processors: list[Any] = []
    if settings.answer_penalty is not None:
        processors.append(AnswerRepetitionPenalty(settings.answer_penalty, columns))
    if settings.sample is not None:
        processors.append(GumbelSampler(settings.sample, settings.seed, rows))
    return processors


def cut_at_closing(ids: list[int], closing_ids: Sequence[int]) -> list[int]:
    """Ids before the first closing token."""
    ends = [index for index, token in enumerate(ids) if token in closing_ids]
    return ids[: ends[0]] if ends else ids
