"""The sizes of a recipe's model: of known names from a table, of folders from their configuration."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from vistune.data.strict_yaml import nearest, read_yaml
from vistune.errors import RecipeError
from vistune.model.config import ModelConfig, QFormerConfig
from vistune.train.recipe.cost.configs import language_size, vision_size
from vistune.train.recipe.cost.sizes import LanguageSize, ModelSize, VisionSize
from vistune.train.recipe.parts import WORLD, Connector, Model

TABLE = Path(__file__).with_name("known.yaml")


def model_size(model: Model) -> ModelSize:
    """The sizes of a model, without downloading anything.

    Raises:
        RecipeError: a name that the table does not have and that is no folder here, or a kind of model whose sizes are
            not known. CheckpointError: a folder that is no checkpoint.
    """
    if model.from_ is not None:
        return _checkpoint_size(model.from_)
    if model.vision is None or model.connector is None:
        raise ValueError("The model has neither `from` nor parts; the recipe was not checked.")
    vision = _vision(model.vision.from_)
    language = _language(model.language.from_) if model.language else None
    return _joined(vision, model.connector, language, model.vision.feature_layer, model.vision.keep_cls)


@cache
def table() -> dict[str, dict[str, Any]]:
    """Configurations by name: ``vision``, ``language``, ``aliases``, ``checkpoints``."""
    content: dict[str, dict[str, Any]] = read_yaml(TABLE)[0]
    return content


def size_of_config(config: ModelConfig) -> ModelSize:
    """Of a model's own configuration."""
    return ModelSize(
        vision=vision_size(config.vision.backbone.to_dict()),
        connector=config.connector.type,
        qformer=config.connector.qformer,
        language=language_size(config.language.to_dict()),
        feature_layer=_one_layer(config.vision.feature_layer),
        keep_cls=config.vision.keep_cls,
    )


def _one_layer(layer: int | tuple[int, ...] | None) -> int | None:
    """The last of several layers that are read: gradients reach all below it."""
    return max(layer) if isinstance(layer, tuple) else layer


def _checkpoint_size(name: str) -> ModelSize:
    folder = _folder(name)
    if folder is not None:
        return size_of_config(_read_config(folder))
    known = table()["checkpoints"]
    if name not in known:
        raise _unknown(name, known)
    entry = known[name]
    vision = vision_size(table()["vision"][entry["vision"]])
    config = table()["language"][entry["language"]]
    language = language_size({**config, "vocab_size": entry.get("vocab_size", config["vocab_size"])})
    connector = Connector.model_validate(entry["connector"])
    return _joined(vision, connector, language, entry.get("feature_layer"), bool(entry.get("keep_cls", True)))


def _joined(
    vision: VisionSize, connector: Connector, language: LanguageSize | None, layer: int | None, keep_cls: bool
) -> ModelSize:
    qformer = None
    if connector.type == "qformer":
        vocab = connector.vocab_size or (language.vocab if language else _language(f"{WORLD}language").vocab)
        qformer = QFormerConfig(
            vocab_size=vocab,
            hidden_size=connector.hidden_size,
            num_hidden_layers=connector.num_hidden_layers,
            num_attention_heads=connector.num_attention_heads,
            intermediate_size=connector.intermediate_size,
            hidden_dropout=connector.dropout,
            attention_dropout=connector.dropout,
            max_position_embeddings=connector.max_position_embeddings,
            cross_attention_frequency=connector.cross_attention_frequency,
            encoder_hidden_size=vision.hidden,
            num_query_tokens=connector.num_query_tokens,
            instruction_aware=connector.instruction_aware,
            text_input=connector.text_input,
        )
    return ModelSize(vision, connector.type, qformer, language, layer, keep_cls)


def _vision(name: str) -> VisionSize:
    whole = table()["checkpoints"].get(name)
    config = table()["vision"].get(whole["vision"] if whole else name)
    return vision_size(config if config is not None else _part_config(name, "vision"))


def _language(name: str) -> LanguageSize:
    whole = table()["checkpoints"].get(name)
    key = whole["language"] if whole else table()["aliases"].get(name, name)
    config = table()["language"].get(key)
    return language_size(config if config is not None else _part_config(name, "language"))


def _part_config(name: str, part: str) -> dict[str, Any]:
    """The configuration of a part of the world, or in a folder: of the part alone or of a whole checkpoint."""
    from vistune.checkpoint.adapters import is_adapter
    from vistune.checkpoint.locate import read_json
    from vistune.world.assets import asset_dir

    if name.startswith(WORLD):
        return read_json(asset_dir(name.removeprefix(WORLD)) / "config.json")
    folder = _folder(name)
    if folder is None:
        names = [*table()[part], *table()["checkpoints"], *(table()["aliases"] if part == "language" else ())]
        raise _unknown(name, names)
    raw = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if "vision_config" in raw or "text_config" in raw or is_adapter(folder):
        config = _read_config(folder)
        chosen: dict[str, Any] = (config.vision.backbone if part == "vision" else config.language).to_dict()
        return chosen
    if "model_type" not in raw:
        raise RecipeError(f"The folder {name!r} has no config.json that says what model it holds; give another one.")
    return raw


def _folder(name: str) -> Path | None:
    """A folder that is here; of a run its final model."""
    from vistune.checkpoint.adapters import is_adapter

    folder = Path(name).expanduser()
    final = folder / "model"
    if (final / "config.json").is_file() or is_adapter(final):
        return final
    return folder if folder.is_dir() else None


def _read_config(folder: Path) -> ModelConfig:
    from vistune.checkpoint import read_config

    return read_config(folder)


def _unknown(name: str, known: Any) -> RecipeError:
    hint = nearest(name, known)
    return RecipeError(
        f"The sizes of {name!r} are not known: it is no folder here, and not in the table of known models{hint or '.'} "
        "Give a folder that is here, or a known name, to compute with."
    )
