"""Settings of the pretraining: every number that shapes the packaged starting points."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class VisionSettings:
    """One image encoder. Both are trained by the same recipe; CLIP has one layer more, which LLaVA does not read."""

    hidden_size: int = 128
    num_heads: int = 4
    intermediate_size: int = 384
    num_layers: int = 4
    image_size: int = 48
    patch_size: int = 16
    num_pictures: int = 16_000
    batch_size: int = 128
    steps: int = 1_200
    num_phrases: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 100


@dataclass(frozen=True)
class LanguageSettings:
    """The language model and its texts."""

    hidden_size: int = 128
    num_heads: int = 4
    intermediate_size: int = 352
    num_layers: int = 4
    embedding_std: float = 0.5
    steps: int = 4_200
    batch_size: int = 32
    document_tokens: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    # Share of the steps after which scenes of up to 3, then up to 5 objects come.
    three_objects_from: float = 0.1
    five_objects_from: float = 0.25
    summed_scenes: float = 0.85


@dataclass(frozen=True)
class PretrainSettings:
    """Everything `run` needs besides the seed and the folder."""

    vision: VisionSettings = field(default_factory=VisionSettings)
    language: LanguageSettings = field(default_factory=LanguageSettings)
