"""A training stage as data: what trains and how fast, for how long, in what precision."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vistune.errors import RecipeError

Part = Literal["vision", "ln_vision", "queries", "qformer", "projection", "language"]
Precision = Literal["auto", "float32", "bfloat16"]

PARTS: tuple[Part, ...] = ("vision", "ln_vision", "queries", "qformer", "projection", "language")


class StageConfig(BaseModel):
    """One stage of training. Everything that is not named in ``learning_rates`` is frozen.

    Args:
        name: of the stage, for messages and folders.
        learning_rates: peak learning rate by part. ``vision`` is the image encoder but its last norm, which is
            ``ln_vision`` (BLIP-2 trains it while the encoder is frozen); ``queries``, ``qformer`` and ``projection``
            make up the connector (LLaVA has only ``projection``); ``language``.
        steps, batch_size: length, in samples a step. micro_batch_size: rows that go through the model at once (None:
            all of them).
        max_tokens: samples of a step share rows of at most this many tokens, with the same losses; None: a row each,
            padded to the longest.
        warmup_steps: linear from ``warmup_start`` times the peak to the peak; then a cosine down to ``final`` times it.
        betas, weight_decay: of AdamW. Biases and one-dimensional parameters are not decayed (as in LAVIS).
        clip_norm: gradient norm above which gradients are scaled down; None: never.
        precision: "auto" is bfloat16 autocast where the processor has it in hardware, else float32.
        mixture_power: probability of a data set ~ size^power (InstructBLIP section 2.4: 0.5).
        seed: of the order of samples and of dropout.
        save_every, report_every: in steps; the log has every step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    learning_rates: dict[Part, float] = Field(min_length=1)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    warmup_steps: int = Field(default=0, ge=0)
    warmup_start: float = Field(default=0.0, ge=0, le=1)
    final: float = Field(default=0.0, ge=0, le=1)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.05, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    precision: Precision = "auto"
    mixture_power: float = Field(default=0.5, ge=0)
    seed: int = Field(default=0, ge=0, lt=2**31)
    save_every: int = Field(default=100, ge=1)
    report_every: int = Field(default=10, ge=1)


def make_stage(**settings: object) -> StageConfig:
    """A stage from settings, with all that is wrong with them in one sentence.

    Raises:
        RecipeError: unknown names, missing or impossible values.
    """
    try:
        return StageConfig.model_validate(settings)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}={item['input']!r}: {item['msg'].lower()}"
            for item in error.errors()
        )
        raise RecipeError(f"The stage {settings.get('name')!r} has wrong settings, correct them: {wrong}.") from error
