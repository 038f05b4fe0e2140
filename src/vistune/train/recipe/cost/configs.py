"""Sizes from the fields of transformers' configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vistune.errors import RecipeError
from vistune.train.recipe.cost.sizes import LanguageSize, Matrix, VisionSize


def vision_size(config: Mapping[str, Any]) -> VisionSize:
    """Of an image encoder.

    Raises:
        RecipeError: a kind of encoder whose sizes are not known here.
    """
    kind = str(config["model_type"])
    if kind not in ("clip_vision_model", "blip_2_vision_model", "instructblip_vision_model"):
        raise RecipeError(f"The sizes of an image encoder of type {kind!r} are not known; expected CLIP's or BLIP-2's.")
    clip = kind == "clip_vision_model"
    return VisionSize(
        hidden=int(config["hidden_size"]),
        layers=int(config["num_hidden_layers"]),
        ffn=int(config["intermediate_size"]),
        image=int(config["image_size"]),
        patch=int(config["patch_size"]),
        pre_norm=clip,
        patch_bias=not clip,
        joined=not clip,
    )


def language_size(config: Mapping[str, Any]) -> LanguageSize:
    """Of a language model.

    Raises:
        RecipeError: a kind of language model whose sizes are not known here.
    """
    kind = str(config["model_type"])
    if kind not in _LANGUAGES:
        known = ", ".join(sorted(_LANGUAGES))
        raise RecipeError(f"The sizes of a language model of type {kind!r} are not known; expected {known}.")
    return _LANGUAGES[kind](config)


def _llama(config: Mapping[str, Any]) -> LanguageSize:
    heads, d, f = int(config["num_attention_heads"]), int(config["hidden_size"]), int(config["intermediate_size"])
    head = int(config.get("head_dim") or d // heads)
    kept = int(config.get("num_key_value_heads") or heads) * head
    return LanguageSize(
        family="llama",
        hidden=d,
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        head=head,
        vocab=int(config["vocab_size"]),
        attention=(
            Matrix("q_proj", d, heads * head),
            Matrix("k_proj", d, kept),
            Matrix("v_proj", d, kept),
            Matrix("o_proj", heads * head, d),
        ),
        ffn=(Matrix("gate_proj", d, f), Matrix("up_proj", d, f), Matrix("down_proj", f, d)),
        tied=bool(config.get("tie_word_embeddings", False)),
    )


def _opt(config: Mapping[str, Any]) -> LanguageSize:
    heads, d, f = int(config["num_attention_heads"]), int(config["hidden_size"]), int(config["ffn_dim"])
    return LanguageSize(
        family="opt",
        hidden=d,
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        head=d // heads,
        vocab=int(config["vocab_size"]),
        attention=tuple(Matrix(name, d, d, True) for name in ("q_proj", "k_proj", "v_proj", "out_proj")),
        ffn=(Matrix("fc1", d, f, True), Matrix("fc2", f, d, True)),
        tied=bool(config.get("tie_word_embeddings", True)),
        positions=int(config["max_position_embeddings"]) + 2,  # OPT's first two are for padding
    )


def _t5(config: Mapping[str, Any]) -> LanguageSize:
    heads, head, layers = int(config["num_heads"]), int(config["d_kv"]), int(config["num_layers"])
    d, f = int(config["d_model"]), int(config["d_ff"])
    gated = "gated" in str(config.get("feed_forward_proj", "gated-gelu"))
    inner = [Matrix(name, d, f) for name in (("wi_0", "wi_1") if gated else ("wi",))]
    return LanguageSize(
        family="t5",
        hidden=d,
        layers=int(config.get("num_decoder_layers") or layers),
        encoder_layers=layers,
        heads=heads,
        head=head,
        vocab=int(config["vocab_size"]),
        attention=(*(Matrix(name, d, heads * head) for name in ("q", "k", "v")), Matrix("o", heads * head, d)),
        ffn=(*inner, Matrix("wo", f, d)),
        tied=bool(config.get("tie_word_embeddings", False)),
        positions=int(config.get("relative_attention_num_buckets", 32)),
    )


_LANGUAGES: Mapping[str, Callable[[Mapping[str, Any]], LanguageSize]] = {
    "llama": _llama,
    "mistral": _llama,
    "opt": _opt,
    "t5": _t5,
}
