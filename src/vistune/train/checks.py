"""What must fit together before a stage begins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vistune.data.encoded_set import EncodedSet
from vistune.errors import RecipeError
from vistune.model.vlm import VisionLanguageModel
from vistune.train.config import StageConfig


def check_packing(model: VisionLanguageModel, stage: StageConfig) -> None:
    """Refuse packed rows where the language model would mix the samples of a row.

    Raises:
        RecipeError: with the reason.
    """
    problem = model.language.packing_problem
    if stage.max_tokens is not None and problem is not None:
        raise RecipeError(f"The language model {problem}, so its rows cannot be packed; leave out max_tokens.")


def features_before_norm(sets: Sequence[EncodedSet], stage: StageConfig) -> bool:
    """Whether the cached features are those before the encoder's last norm, so that it may learn.

    Raises:
        RecipeError: some are and some are not, or what trains changes the features.
    """
    kinds = {item.features.before_norm for item in sets if item.features and not item.features.pixels}
    if len(kinds) > 1:
        raise RecipeError(
            "Some cached features are from before the encoder's last norm, some from after; encode all alike."
        )
    if kinds and "vision" in stage.learning_rates:
        raise RecipeError(
            "The stage trains 'vision' on cached features, which do not change with it; leave out the cache."
        )
    if kinds == {False} and "ln_vision" in stage.learning_rates:
        raise RecipeError("The stage trains 'ln_vision' on features cached after it; cache them with before_norm=True.")
    return kinds == {True}


def data_fingerprint(sets: Sequence[EncodedSet]) -> str:
    """Hash of all that is learned from, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for item in sets:
        digest.update(f"{item.name} {len(item)}\n".encode())
        for example in item.examples:
            digest.update(f"{example.id}\t{example.instruction}\t{example.target}\n".encode())
    return digest.hexdigest()
