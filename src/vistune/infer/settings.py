"""Generation settings: arguments, else the folder's generation config, else greedy; their meaning is transformers'."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vistune.errors import InputError

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from vistune.data.processor import Processor

# transformers' own default when neither the call nor the folder sets a length.
DEFAULT_NEW_TOKENS = 20
# transformers' default for sampling.
DEFAULT_TOP_K = 50


@dataclass(frozen=True)
class Settings:
    """Everything one call to ``generate`` settled.

    config: for transformers, greedy or beam. sample: temperature, top_k, top_p for sampling.py, or None.
    answer_penalty: repetition_penalty that counts the answer only; None where transformers counts prompt and answer.
    """

    config: GenerationConfig
    closing_ids: tuple[int, ...]
    max_new_tokens: int | None
    max_length: int | None
    min_new_tokens: int | None
    min_length: int
    sample: SampleSettings | None
    seed: int
    stop: tuple[str, ...]
    answer_penalty: float | None

    def lengths(self, prompt_tokens: int, encoder_decoder: bool) -> tuple[int, int]:
        """Most and fewest new tokens after a prompt; transformers' max_length and min_length count the prompt too."""
        before = 1 if encoder_decoder else prompt_tokens
        most = self.max_new_tokens
        if most is None:
            most = DEFAULT_NEW_TOKENS if self.max_length is None else self.max_length - before
        if most < 1:
            raise InputError(
                f"max_length={self.max_length} leaves no room after a prompt of {prompt_tokens} tokens; "
                "set max_new_tokens."
            )
        fewest = self.min_new_tokens if self.min_new_tokens is not None else max(0, self.min_length - before)
        return most, min(fewest, most)


@dataclass(frozen=True)
class SampleSettings:
    """Sampling: temperature > 0, top_k (0 = all), top_p in (0, 1]."""

    temperature: float
    top_k: int
    top_p: float


@dataclass(frozen=True)
class Arguments:
    """What the caller of ``generate`` may say; None means the folder's generation config decides.

    max_new_tokens, min_new_tokens, num_beams, length_penalty, repetition_penalty, no_repeat_ngram_size: as in
    transformers. temperature, top_p, top_k switch sampling on (temperature 0 switches it off), or say do_sample.
    seed: row i of the call draws from its own stream of (seed, i), whatever the batch size. stop: strings that end the
    text and are cut off. penalize_prompt False: repetition_penalty counts the answer only, as in LAVIS.
    """

    max_new_tokens: int | None = None
    min_new_tokens: int | None = None
    num_beams: int | None = None
    length_penalty: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    do_sample: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int = 0
    stop: Sequence[str] = field(default_factory=tuple)
    penalize_prompt: bool = True

    def __post_init__(self) -> None:
        limits: dict[str, tuple[Any, bool, str]] = {
            "max_new_tokens": (self.max_new_tokens, (self.max_new_tokens or 1) >= 1, "at least 1"),
            "min_new_tokens": (self.min_new_tokens, (self.min_new_tokens or 0) >= 0, "at least 0"),
            "num_beams": (self.num_beams, (1 if self.num_beams is None else self.num_beams) >= 1, "at least 1"),
            "temperature": (self.temperature, (self.temperature or 0.0) >= 0, "at least 0"),
            "top_p": (self.top_p, 0 < (1.0 if self.top_p is None else self.top_p) <= 1, "above 0 and at most 1"),
            "top_k": (self.top_k, (self.top_k or 0) >= 0, "at least 0"),
            "repetition_penalty": (
                self.repetition_penalty,
                (1.0 if self.repetition_penalty is None else self.repetition_penalty) > 0,
                "above 0",
            ),
        }
        for name, (value, good, expected) in limits.items():
            if not good or (name == "max_new_tokens" and value == 0):
                raise InputError(f"{name} is {value}; expected {expected}.")
        if isinstance(self.stop, str) or any(not text for text in self.stop):
            raise InputError(f"stop is {self.stop!r}; expected a list of non-empty strings.")


def resolve(arguments: Arguments, folder: GenerationConfig | None, processor: Processor) -> Settings:
    """One call's settings from its arguments and the folder's generation config."""
    from transformers import GenerationConfig

    folder = folder if folder is not None else GenerationConfig()
    config = copy.deepcopy(folder)
    for name in ("num_beams", "length_penalty", "repetition_penalty", "no_repeat_ngram_size"):
        if getattr(arguments, name) is not None:
            setattr(config, name, getattr(arguments, name))
    sample = _sample_settings(arguments, folder)
    beams = config.num_beams or 1
    if sample is not None and beams > 1:
        raise InputError(f"Sampling with num_beams={beams} is not supported; set num_beams=1 or do_sample=False.")
    closing = _closing_ids(folder, processor)
    config.eos_token_id, config.pad_token_id = list(closing), processor.pad_id
    # Lengths are settled per prompt (Settings.lengths) and sampling is ours: transformers must not add its own.
    config.max_length = config.max_new_tokens = config.min_length = config.min_new_tokens = None
    config.stop_strings = None
    # transformers cannot read embeddings in chunks (it cuts the ids alone).
    config.prefill_chunk_size = None
    config.do_sample, config.temperature, config.top_p, config.top_k = False, None, None, None
    answer_penalty = None
    if not arguments.penalize_prompt:
        answer_penalty, config.repetition_penalty = config.repetition_penalty or 1.0, 1.0
    return Settings(
        config=config,
        closing_ids=closing,
        max_new_tokens=_first(arguments.max_new_tokens, folder.max_new_tokens),
        max_length=folder.max_length,
        min_new_tokens=_first(arguments.min_new_tokens, folder.min_new_tokens),
        min_length=folder.min_length or 0,
        sample=sample,
        seed=arguments.seed,
        stop=tuple(arguments.stop) or _stop_strings(folder),
        answer_penalty=answer_penalty,
    )


def _stop_strings(folder: GenerationConfig) -> tuple[str, ...]:
    """What the folder's answers end with besides tokens; transformers allows a single one without a list."""
    strings: str | list[str] = getattr(folder, "stop_strings", None) or []
    return (strings,) if isinstance(strings, str) else tuple(strings)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _sample_settings(arguments: Arguments, folder: GenerationConfig) -> SampleSettings | None:
    wanted = arguments.do_sample
    if wanted is None:
        said = (arguments.temperature, arguments.top_p, arguments.top_k)
        wanted = any(value is not None for value in said) or bool(folder.do_sample)
    temperature = _first(arguments.temperature, folder.temperature, 1.0)
    if not wanted or temperature == 0:
        return None
    return SampleSettings(
        temperature=temperature,
        top_k=_first(arguments.top_k, folder.top_k, DEFAULT_TOP_K),
        top_p=_first(arguments.top_p, folder.top_p, 1.0),
    )


def _closing_ids(folder: GenerationConfig, processor: Processor) -> tuple[int, ...]:
    """The folder's closing tokens (OPT of BLIP-2 ends at a newline) and the tokenizer's own.

    What a hub config says wrongly (eos 1 for Vicuna's 2) was repaired when the checkpoint was read.
    """
    listed = folder.eos_token_id if isinstance(folder.eos_token_id, list) else [folder.eos_token_id]
    return tuple(dict.fromkeys(int(i) for i in (*listed, processor.tokenizer.eos_token_id) if i is not None))
