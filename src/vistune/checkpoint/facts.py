"""``vistune.json`` beside config.json: what transformers' config cannot hold."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from vistune.checkpoint.locate import read_optional_json
from vistune.errors import CheckpointError

FACTS_NAME = "vistune.json"


@dataclass(frozen=True)
class Facts:
    """Everything is optional: a folder of transformers has no such file.

    Args:
        vistune, transformers: versions that wrote the folder.
        image_processor: class that prepared the images, of the backend ``image_backend``: always "pil", since
            transformers would take torchvision where it is installed and get other pixels.
        norm_eps: epsilon of the vision encoder's final norm where it is not the config's layer_norm_eps (ln_vision:
            1e-6 in transformers' folders, 1e-5 in LAVIS).
        connector: type of the connector; "linear" is written as two layers, the second an identity.
        chat_template: whether prompts go through the folder's chat template; None: decide by its text.
        max_instruction_tokens: how many tokens of the instruction the Q-Former reads, if fewer than it has positions.
        dtypes: {part: dtype} where the parts differ, which one ``dtype`` in config.json cannot say.
    """

    vistune: str | None = None
    transformers: str | None = None
    image_processor: str | None = None
    image_backend: str | None = None
    norm_eps: float | None = None
    connector: str | None = None
    chat_template: bool | None = None
    max_instruction_tokens: int | None = None
    dtypes: dict[str, str] | None = None


def read_facts(folder: Path) -> Facts:
    """The facts of a folder; fields that a later version may add are left alone."""
    content = read_optional_json(folder / FACTS_NAME)
    known = {field.name for field in fields(Facts)}
    facts = Facts(**{name: value for name, value in content.items() if name in known})
    if facts.image_backend not in (None, "pil"):
        raise CheckpointError(
            f"{str(folder / FACTS_NAME)!r} asks for the image backend {facts.image_backend!r}, expected 'pil'; "
            "this folder needs a newer vistune."
        )
    return facts


def write_facts(folder: Path, facts: Facts) -> None:
    """Write what is known."""
    content = {name: value for name, value in asdict(facts).items() if value is not None}
    (folder / FACTS_NAME).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
