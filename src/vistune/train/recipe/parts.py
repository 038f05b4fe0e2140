"""The model of a recipe: a whole checkpoint, or three parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from vistune.data.strict_yaml import nearest
from vistune.train.recipe.strict import Problem, Strict

Part = Literal["vision", "ln_vision", "queries", "qformer", "projection", "language", "heads"]
PARTS: tuple[Part, ...] = ("vision", "ln_vision", "queries", "qformer", "projection", "language", "heads")
QFORMER_PARTS: tuple[Part, ...] = ("queries", "qformer", "heads")

WORLD = "world:"
_WORLD_PARTS = {"vision": ("eva", "clip"), "language": ("language",), "connector": ("language",)}


class Vision(Strict):
    """The image encoder.

    Args:
        from: a hub name, a folder, or ``world:eva`` / ``world:clip`` (the picture world's, which come with vistune).
            Of a whole checkpoint its image encoder is taken.
        feature_layer: None: the last hidden state after the final norm (BLIP-2: after ln_vision). An int: that of
            ``hidden_states`` (LLaVA: -2, the layer before the last).
        keep_cls: whether the class token is handed on (BLIP-2: yes; LLaVA: no).
    """

    from_: str = Field(alias="from", min_length=1)
    feature_layer: int | None = None
    keep_cls: bool = True

    def problems(self) -> Iterator[Problem]:
        """An unknown part of the world, or a layer there cannot be."""
        yield from world_problems("vision", self.from_)
        if self.feature_layer is not None and self.feature_layer >= 0:
            yield (
                ("feature_layer",),
                "expected a negative number that counts from the last layer, such as -2, or nothing for the last norm",
            )


class Connector(Strict):
    """What turns image features into inputs of the language model. Sizes are the Q-Former's (BERT base by default).

    Args:
        type: "qformer" (BLIP-2, InstructBLIP: queries, Q-Former, one Linear), "linear" (LLaVA), "mlp" (LLaVA-1.5).
        from: where its weights come from: hub names or folders of checkpoints, or of BERT for a fresh Q-Former; of
            several the later ones win, tensor by tensor. ``world:language`` starts the Q-Former's text embeddings from
            the picture world's language model. Nothing: fresh.
        fresh_projection: the last Linear is begun anew, as for another language model (BLIP-2's stage 2).
        instruction_aware: the Q-Former reads the instruction (InstructBLIP section 2.3).
        text_input: it has text embeddings and a feed-forward for text at all (BLIP-2's stage 2 has none).
        num_query_tokens, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size,
        max_position_embeddings, cross_attention_frequency: the Q-Former's sizes. vocab_size None: that of its text.
        dropout: of its hidden states and attention.
    """

    type: Literal["qformer", "linear", "mlp"]
    from_: tuple[str, ...] = Field(default=(), alias="from")
    fresh_projection: bool = False
    instruction_aware: bool = False
    text_input: bool = True
    num_query_tokens: int = Field(default=32, ge=1)
    hidden_size: int = Field(default=768, ge=1)
    num_hidden_layers: int = Field(default=12, ge=1)
    num_attention_heads: int = Field(default=12, ge=1)
    intermediate_size: int = Field(default=3072, ge=1)
    vocab_size: int | None = Field(default=30523, ge=1)
    max_position_embeddings: int = Field(default=512, ge=1)
    cross_attention_frequency: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("from"), str):
            return {**value, "from": [value["from"]]}
        return value

    def problems(self) -> Iterator[Problem]:
        """Q-Former settings without a Q-Former, sizes that do not divide."""
        for source in self.from_:
            yield from world_problems("connector", source)
        for name, known in Connector.model_fields.items():
            given = name not in ("type", "from_", "fresh_projection") and getattr(self, name) != known.default
            if given and self.type != "qformer":
                yield (name,), f"a {self.type} connector has no such setting, only a qformer; leave it out"
        if self.hidden_size % self.num_attention_heads:
            yield (
                ("num_attention_heads",),
                f"expected a divisor of hidden_size, which is {self.hidden_size}; choose sizes that divide",
            )
        if self.instruction_aware and not self.text_input:
            yield ("instruction_aware",), "a Q-Former that reads instructions needs text_input: true"


class Language(Strict):
    """The language model.

    Args:
        from: a hub name, a folder, or ``world:language``. Of a whole checkpoint its language model is taken.
        t5_activation: between a T5's feed-forward matrices, where it shall not be that of T5's own config. LAVIS runs
            Flan-T5 with ``gelu``; Flan-T5 itself was trained with its approximation, ``gelu_new``.
    """

    from_: str = Field(alias="from", min_length=1)
    t5_activation: Literal["gelu", "gelu_new"] | None = None

    def problems(self) -> Iterator[Problem]:
        """An unknown part of the world."""
        yield from world_problems("language", self.from_)


class Model(Strict):
    """What is trained: ``from`` a whole checkpoint (a hub name or a folder, such as that of another run), or parts.

    Args:
        from: of a whole checkpoint.
        vision, connector, language: the parts otherwise. BLIP-2's stage 1 has no language model.
        image_first: image tokens in front of the text (InstructBLIP, BLIP-2) or where ``<image>`` stands (LLaVA);
            None: in front for a Q-Former.
    """

    from_: str | None = Field(default=None, alias="from", min_length=1)
    vision: Vision | None = None
    connector: Connector | None = None
    language: Language | None = None
    image_first: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"from": value} if isinstance(value, str) else value

    def problems(self) -> Iterator[Problem]:
        """Neither a checkpoint nor parts, or both."""
        parts = [name for name in ("vision", "connector", "language") if getattr(self, name) is not None]
        if self.from_ is not None and parts:
            yield (
                ("from",),
                f"either a whole checkpoint or parts, but {', '.join(parts)} stand beside it; leave one of them out",
            )
        if self.from_ is not None and self.from_.startswith(WORLD):
            yield ("from",), "the picture world has parts, not whole models; give vision, connector and language"
        if self.from_ is None and (self.vision is None or self.connector is None):
            missing = [name for name in ("vision", "connector") if getattr(self, name) is None]
            yield (), f"{' and '.join(missing)} missing; give `from`, or vision, connector and language"

    @property
    def in_front(self) -> bool:
        """Where image tokens go when nothing is said."""
        return self.image_first if self.image_first is not None else self._has_qformer

    @property
    def _has_qformer(self) -> bool:
        return self.connector is not None and self.connector.type == "qformer"

    def missing_part(self, part: Part) -> str | None:
        """Why the model surely has no such part; None where it has it, or only its checkpoint can tell."""
        if self.from_ is not None or self.connector is None or self.vision is None:
            return None
        if part in QFORMER_PARTS and not self._has_qformer:
            return f"a {self.connector.type} connector has no {part}"
        if part == "ln_vision" and self.vision.feature_layer is not None:
            return "the features are read before the encoder's last norm"
        if part == "language" and self.language is None:
            return "the model has no language model"
        return None


def world_problems(kind: str, source: str) -> Iterator[Problem]:
    """What is wrong with a ``world:`` source."""
    name = source.removeprefix(WORLD)
    known = _WORLD_PARTS[kind]
    if source.startswith(WORLD) and name not in known:
        choices = " or ".join(WORLD + other for other in known)
        yield ("from",), f"expected {choices}{nearest(source, [WORLD + other for other in known])}"
