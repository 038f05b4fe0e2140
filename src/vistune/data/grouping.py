"""Batches of samples of like length and kind: the alternative to packing for models that cannot be packed."""

from __future__ import annotations

from collections.abc import Sequence

from vistune.data.permutation import shuffled


def group_by_length(lengths: Sequence[int], with_image: Sequence[bool], batch_size: int, seed: int) -> list[list[int]]:
    """Cut samples into batches that need little padding, pictures and pure text apart (LLaVA's modality grouping).

    Nothing is dropped: what is left of both kinds makes up a mixed batch. Ties, and the order of batches, are drawn
    from the seed alone (llava_trainer.py shuffles some of it with the global generator).

    Args:
        lengths, with_image: of the samples; their number is a multiple of ``batch_size``.

    Returns:
        indices of the samples of each batch, the longest first

    Raises:
        ValueError: the samples do not make whole batches.
    """
    if len(lengths) % batch_size:
        raise ValueError(f"{len(lengths)} samples do not make whole batches of {batch_size}; give a multiple.")
    order = shuffled(len(lengths), seed).tolist()
    batches: list[list[int]] = []
    left: list[int] = []
    for kind in (True, False):
        alike = sorted((index for index in order if with_image[index] is kind), key=lambda index: -lengths[index])
        whole = len(alike) - len(alike) % batch_size
        batches += [alike[start : start + batch_size] for start in range(0, whole, batch_size)]
        left += alike[whole:]
    if left:
        batches.append(sorted(left, key=lambda index: -lengths[index]))
    return [batches[number] for number in shuffled(len(batches), seed + 1).tolist()]
