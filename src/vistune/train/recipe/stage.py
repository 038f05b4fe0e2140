"""A stage of a recipe: what trains, towards what, how fast, for how long, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vistune.data.recipe import SetChoice
from vistune.train.recipe.data import Data, world_task_problems
from vistune.train.recipe.parts import Part
from vistune.train.recipe.strict import Problem, Strict

Objective = Literal["answers", "prefix_lm", "blip2_stage1"]
Checkpointed = Literal["vision", "qformer", "language"]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Lora(Strict):
    """Adapters that train in place of a part's own weights (LoRA). Their learning rate is the part's under ``train``.

    Args:
        r, alpha, dropout: rank, scale (alpha / r is applied), dropout in front.
        targets: names of the layers that get adapters, by their last word such as q_proj; "linear": every Linear below
            the part but the heads on top (LLaVA's choice).
    """

    r: int = Field(default=64, ge=1)
    alpha: float = Field(default=16, gt=0, allow_inf_nan=False)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["linear"] = "linear"


class Transform(Strict):
    """How a picture becomes a square of the encoder's size; see vistune.data.transforms.ImageTransform.

    Args:
        kind: "checkpoint" (as its image processor says), "resize", "crop", "pad" (to a square first: LLaVA-1.5),
            "random-crop" (BLIP-2's and InstructBLIP's training).
        scale: with "random-crop", smallest and largest share of the area. flip: mirror half, where a set allows it.
    """

    kind: Literal["checkpoint", "resize", "crop", "pad", "random-crop"] = "checkpoint"
    scale: tuple[float, float] = (0.5, 1.0)
    flip: bool = True

    @model_validator(mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    def problems(self) -> Iterator[Problem]:
        """A scale that is none."""
        low, high = self.scale
        if not 0 < low <= high <= 1:
            yield ("scale",), "expected two shares of the area, the smaller first, like [0.5, 1.0]"


class Evaluate(Strict):
    """What is measured while a stage trains.

    Args:
        every: steps between measurements; there is one after the last step too.
        sets: data sets, each on its own evaluation split unless ``split`` says another; ``limit`` takes the first rows.
        world: or number of rows by task of the picture world, held-out ones too.
        metric: what the best checkpoint is best by: "mean" (of the sets' own metrics, each on a scale of 0 to 1),
            "loss" (lowest, of the answers), or the name of one of the sets or tasks.
    """

    every: int = Field(ge=1)
    sets: tuple[SetChoice, ...] = ()
    world: dict[str, int] = Field(default={})
    metric: str = "mean"

    def problems(self) -> Iterator[Problem]:
        """Nothing or two kinds of things to measure on, and a metric of something that is not measured."""
        if bool(self.sets) == bool(self.world):
            what = "both sets and world are given" if self.sets else "neither sets nor world is given"
            yield (), f"{what}; give one of them"
        for place, message in world_task_problems(self.world, held_out=True):
            yield ("world", *place), message
        names = [*(choice.name for choice in self.sets), *self.world]
        if self.metric not in ("mean", "loss", *names):
            yield ("metric",), f"expected mean, loss or one of {', '.join(names)}"
        for number, choice in enumerate(self.sets):
            if choice.path is None and choice.split is None and _eval_split(choice.name) is None:
                yield ("sets", number), f"{choice.name} has no split to measure on; name one with `split`"


class Stage(Strict):
    """One stage of training. Everything that is not named in ``train`` is frozen.

    Args:
        name: of the stage, for messages and folders; lower-case letters, digits, ``-``, ``_`` and ``.``.
        objective: "answers": language modelling of the targets, or of what the conversation format says is learned.
            "prefix_lm": a caption cut in two, the end predicted from the beginning (BLIP-2 section 3.3, for
            encoder-decoders). "blip2_stage1": contrast, matching and generation by the Q-Former (BLIP-2 section 3.2).
        data: laid over the recipe's own ``data``; None: that alone.
        start_from: the weights it begins with: the stage before it at its "last" or "best" checkpoint, or "model", what
            the recipe's model says. The first stage always begins with the model.
        train: peak learning rate by part: ``vision`` (the image encoder but its last norm), ``ln_vision`` (that norm),
            ``queries``, ``qformer``, ``projection``, ``language``, and ``heads`` (those of BLIP-2's stage 1).
        lora: parts that train through adapters instead of their weights.
        quantise: parts whose frozen weights are stored in 4 bits ("nf4", QLoRA) or 8 ("int8").
        frozen_dtype: of the other frozen weights. "auto": as ``precision``. What trains is always kept in float32.
        steps, epochs: length, one of the two; an epoch is one pass through as many samples as the sets have.
        batch_size: samples a step over all processes. micro_batch_size: rows a process puts through the model at once;
            None: all its rows.
        schedule: "cosine", "linear" or "constant" after the warm-up. final: share of the peak it ends at.
        warmup_steps, warmup_ratio: length of the linear warm-up in steps or as a share of all steps.
        warmup_start: share of the peak that the warm-up begins at. A stage shorter than it never reaches the peak.
        betas, eps, weight_decay: of AdamW. Biases and one-dimensional parameters are not decayed (as in LAVIS).
        clip_norm: gradient norm above which gradients are scaled down; None: never.
        precision: "auto" is bfloat16 where the processor has it in hardware, else float32.
        tf32: float32 products on the tensor cores, less exactly. compile: torch.compile.
        checkpoint_activations: parts whose activations are computed again in the backward pass to save memory.
        features: folder of cached features of the frozen image encoder, made where they are missing; None: no cache.
        transform: of pictures; a word alone is its kind.
        save_every: steps between checkpoints to go on from. keep: how many of them; the best one is kept besides.
        evaluate: what is measured on the way; None: nothing, and there is no best checkpoint.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    objective: Objective = "answers"
    data: Data | None = None
    start_from: Literal["last", "best", "model"] = "last"
    train: dict[Part, Rate] = Field(min_length=1)
    lora: dict[Part, Lora] = Field(default={})
    quantise: dict[Part, Literal["nf4", "int8"]] = Field(default={})
    frozen_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_size: int = Field(ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0)
    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    warmup_start: float = Field(default=0.0, ge=0, le=1)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    clip_norm: float | None = Field(default=None, gt=0)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    tf32: bool = False
    compile: bool = False
    checkpoint_activations: tuple[Checkpointed, ...] = ()
    features: str | None = Field(default=None, min_length=1)
    transform: Transform = Transform()
    save_every: int = Field(default=500, ge=1)
    keep: int = Field(default=2, ge=1)
    evaluate: Evaluate | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, value: Any) -> Any:
        """``language: null`` takes a part out of what a recipe below names."""
        if not isinstance(value, dict):
            return value
        cleaned = dict(value)
        for name in ("train", "lora", "quantise"):
            if isinstance(value.get(name), dict):
                cleaned[name] = {part: given for part, given in value[name].items() if given is not None}
        return cleaned

    def problems(self) -> Iterator[Problem]:
        """Everything that contradicts itself within the stage."""
        yield from self._length_problems()
        yield from self._weight_problems()
        yield from self._feature_problems()
        if self.objective == "blip2_stage1" and "language" in self.train:
            yield ("train", "language"), "BLIP-2's stage 1 has no language model to train; leave it out"
        if self.objective != "blip2_stage1" and "heads" in self.train:
            yield ("train", "heads"), "only the objective blip2_stage1 has heads; leave it out"

    def _length_problems(self) -> Iterator[Problem]:
        if (self.steps is None) == (self.epochs is None):
            what = "both steps and epochs are given" if self.steps else "neither steps nor epochs is given"
            yield (("epochs",) if self.steps else ()), f"{what}; give one of them"
        if self.warmup_steps is not None and self.warmup_ratio is not None:
            yield ("warmup_ratio",), "warmup_steps is given too; give one of them"
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            yield ("micro_batch_size",), f"expected at most batch_size, which is {self.batch_size}"

    def _weight_problems(self) -> Iterator[Problem]:
        for part in self.lora:
            if part not in self.train:
                yield ("lora", part), f"its adapters have no learning rate; name one as train.{part}"
            elif part not in ("vision", "qformer", "language"):
                yield ("lora", part), "only vision, qformer and language can have adapters; train it itself"
        for part in self.quantise:
            if part not in ("vision", "language"):
                yield ("quantise", part), "only vision and language can be stored in few bits; leave it out"
            elif part in self.train and part not in self.lora:
                yield (
                    ("quantise", part),
                    f"it trains, which weights of few bits cannot; give it lora.{part} or leave it",
                )

    def _feature_problems(self) -> Iterator[Problem]:
        if self.features is None:
            return
        if "vision" in self.train:
            yield ("features",), "the image encoder trains, so its features do not stay the same; leave out features"
        if self.transform.kind == "random-crop":
            yield ("features",), "random crops give another picture every time; use the transform resize, crop or pad"


def _eval_split(name: str) -> str | None:
    from vistune.data.catalogue import SOURCES

    return SOURCES[name].info.eval_split
