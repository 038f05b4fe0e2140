"""Every tensor of the model has one in the files and the other way round, or nothing is loaded and the reason told."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING

from vistune.checkpoint.key_names import compress
from vistune.checkpoint.layouts import Layout, part_of, part_of_file_key
from vistune.checkpoint.weights import WeightFiles
from vistune.errors import CheckpointError

if TYPE_CHECKING:
    from torch import nn

_ORIGINS = (
    (r"\.lora_[AB]\.|^base_model\.model\.", "a LoRA adapter, merge it into its base model first"),
    (
        r"mm_projector",
        "weights of the original LLaVA code, convert them with transformers' convert_llava_weights_to_hf.py",
    ),
    (r"^(visual_encoder|Qformer|ln_vision|llm_proj|t5_proj|opt_proj|llm_model|t5_model)\b", "a LAVIS checkpoint"),
    (r"\.(weight_scale|SCB|absmax|qweight|qzeros)$|\.quant_state\.", "quantised weights, use the full-precision ones"),
    (
        r"^(module|_orig_mod)\.",
        "a training wrapper's state (DataParallel or torch.compile), save the wrapped model instead",
    ),
    (r"^(itm_head|vision_projection|text_projection)\.", "a BLIP-2 retrieval model, which has no language model"),
)


def match_keys(
    files: WeightFiles, layout: Layout, shapes: dict[str, tuple[int, ...]], ties: list[set[str]]
) -> dict[str, str]:
    """Our tensor name -> name in the files, complete, or an error that names every difference.

    Args:
        shapes: of every tensor that the model has, by our names.
        ties: groups of our names that are one tensor; one of each group is enough.

    Raises:
        CheckpointError: missing, unexpected or misshapen tensors, grouped by part, with the likely cause.
    """
    found: dict[str, str] = {}
    unexpected: list[str] = []
    for file_key in files:
        ours = layout.to_ours(file_key, shapes)
        if ours is not None and ours not in found:
            found[ours] = file_key
        elif ours is not None or not layout.is_skipped(file_key):
            unexpected.append(file_key)
    covered = {key for group in ties if group & found.keys() for key in group}
    missing = [key for key in shapes if key not in found and key not in covered]
    misshapen = [key for key in found if files.entries[found[key]].shape != shapes[key]]
    if missing or unexpected or misshapen:
        problems = _describe(files, layout, shapes, found, missing, unexpected, misshapen)
        cause = _likely_cause(layout, shapes, missing, unexpected, misshapen)
        raise CheckpointError(
            f"The weights in {str(files.folder)!r} do not fit their config, nothing was loaded (likely cause: "
            f"{cause}): {'; '.join(problems)}."
        )
    return found


def _describe(
    files: WeightFiles,
    layout: Layout,
    shapes: dict[str, tuple[int, ...]],
    found: dict[str, str],
    missing: list[str],
    unexpected: list[str],
    misshapen: list[str],
) -> list[str]:
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key in missing:
        parts[part_of(key)]["missing"].append(layout.to_file(key))
    for key in unexpected:
        parts[part_of_file_key(key)]["unexpected"].append(key)
    for key in misshapen:
        text = f"{found[key]} is {list(files.entries[found[key]].shape)}, expected {list(shapes[key])}"
        parts[part_of(key)]["wrong shape"].append(text)
    problems = []
    for part in ("vision", "connector", "language", "heads", "unknown part"):
        for kind, keys in parts[part].items():
            shown = ", ".join(keys) if kind == "wrong shape" else compress(keys)
            problems.append(f"{part}: {len(keys)} {kind} ({shown})")
    return problems


def _likely_cause(
    layout: Layout,
    shapes: Collection[str],
    missing: list[str],
    unexpected: list[str],
    misshapen: list[str],
) -> str:
    for pattern, origin in _ORIGINS:
        if any(re.search(pattern, key) for key in unexpected):
            return f"these are {origin}" if not origin.startswith("a ") else f"this looks like {origin}"
    whole = [part for part in ("vision", "connector", "language") if _all_missing(part, shapes, missing)]
    if missing and not unexpected and not misshapen:
        if all(key.endswith("lm_head.weight") for key in missing):
            return "the files leave lm_head out, but the config does not tie it to the embeddings (tie_word_embeddings)"
        if whole:
            absent = " and no ".join(whole)
            return f"the files hold no {absent} weights, perhaps only what was trained; give the whole checkpoint"
        return "the files are incomplete, or the config describes more layers than they hold"
    if misshapen and not missing and not unexpected:
        if all("embed" in key or "lm_head" in key for key in misshapen):
            return "the vocabulary was resized after the config was written; set vocab_size to the number of rows"
        return "config.json is of another model size"
    if len(missing) == len(unexpected) or whole:
        return (
            f"these are weights of another key generation or another kind of model than the config's {layout.family!r}"
        )
    if unexpected and not missing:
        return "the files hold more layers or parts than the config describes"
    return "config.json and weight files are of different checkpoints"


def _all_missing(part: str, shapes: Collection[str], missing: list[str]) -> bool:
    total = sum(part_of(key) == part for key in shapes)
    return total > 0 and sum(part_of(key) == part for key in missing) >= 0.9 * total


def tie_groups(model: nn.Module) -> list[set[str]]:
    """Groups of names in ``model`` that are one and the same parameter."""
    names: dict[int, set[str]] = defaultdict(set)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names[id(parameter)].add(name)
    return [group for group in names.values() if len(group) > 1]
