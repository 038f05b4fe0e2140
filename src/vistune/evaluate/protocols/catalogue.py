"""Protocols by name, or from one's own YAML file, and which one a model is measured by."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.strict_yaml import nearest, read_yaml, validate
from vistune.errors import RecipeError
from vistune.evaluate.protocols.base import Protocol

if TYPE_CHECKING:
    from vistune.data.strict_yaml import Lines
    from vistune.evaluate.benchmarks.spec import Answering
    from vistune.evaluate.protocols.extract import Extract
    from vistune.evaluate.protocols.schema import ProtocolFile, Wording
    from vistune.model.config import ModelConfig

FOLDER = Path(__file__).parent / "files"
_ALIASES = {"llava15": "llava-1.5"}
# Benchmarks of the picture world begin so.
_WORLD = "world_"

PROTOCOLS: tuple[str, ...] = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
"""Names of the packaged protocols."""


def protocol(name_or_path: str | Path) -> Protocol:
    """A packaged protocol, or one's own from a YAML file.

    Raises:
        RecipeError: there is none, or everything that is wrong with the file.
    """
    path = _find(name_or_path, Path())
    chain = _chain(path)
    return _merged(path.stem, chain)


def own_protocol(config: ModelConfig) -> str:
    """The protocol of a model's own paper, by what it is made of.

    BLIP-2's prompt for decoder-only language models differs from that for T5 (BLIP-2 section 4.1).
    """
    if config.instruction_aware:
        return "instructblip"
    if config.connector.qformer is not None:
        return "blip2" if getattr(config.language, "is_encoder_decoder", False) else "blip2-opt"
    return "llava" if config.connector.type == "linear" else "llava-1.5"


def _find(name_or_path: str | Path, beside: Path) -> Path:
    name = _ALIASES.get(str(name_or_path), str(name_or_path))
    if name in PROTOCOLS:
        return FOLDER / f"{name}.yaml"
    path = beside / name_or_path
    if path.is_file():
        return path
    hint = nearest(name, PROTOCOLS).replace("?", "? Give", 1) or "; give"
    raise RecipeError(f"There is no protocol {name!r}{hint} a YAML file or one of {', '.join(PROTOCOLS)}.")


def _chain(path: Path) -> list[ProtocolFile]:
    """A file and those that it extends, the last one first.

    Raises:
        RecipeError: files that extend each other in a ring.
    """
    found: list[ProtocolFile] = []
    seen = {path.resolve()}
    while True:
        found.insert(0, _read(path))
        if not found[0].extends:
            return found
        path = _find(found[0].extends, path.parent)
        if path.resolve() in seen:
            raise RecipeError(f"{path} extends itself by way of other files; leave out `extends` in one of them.")
        seen.add(path.resolve())


def _merged(name: str, chain: list[ProtocolFile]) -> Protocol:
    """Entries of later files stand before those of earlier ones; decoding is merged setting by setting."""
    prompts: dict[str, Wording] = {}
    forms: dict[Any, Wording] = {}
    answer: dict[Any, Answering] = {}
    extract: dict[Any, Extract] = {}
    decoding: dict[str, dict[str, Any]] = {"all": {}}
    for file in chain:
        prompts |= file.prompts
        forms.update(file.forms)
        answer.update(file.answer)
        extract.update(file.extract)
        everywhere = file.decoding["all"].given() if "all" in file.decoding else {}
        # What a later file says for all forms stands before what an earlier one says for one.
        decoding = {form: {**known, **everywhere} for form, known in decoding.items()}
        for form, settings in file.decoding.items():
            decoding[form] = {**decoding.get(form, {}), **settings.given()}
    last = chain[-1]
    return Protocol(
        name=name,
        title=last.title or name,
        source=last.source or chain[0].source,
        style=next((file.style for file in reversed(chain) if file.style), "instruction"),
        prompts=prompts,
        forms=forms,
        answer_by_form=answer,
        decoding_by_form=decoding,
        extract_by_form=extract,
        closing_token=next((file.closing_token for file in reversed(chain) if file.closing_token is not None), None),
        reduce=next((file.reduce for file in reversed(chain) if file.reduce), "sum"),
    )


def _read(path: Path) -> ProtocolFile:
    return _read_as_it_was(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_as_it_was(path: Path, changed: int) -> ProtocolFile:
    from vistune.evaluate.protocols.schema import ProtocolFile

    content, lines = read_yaml(path)
    if not isinstance(content, dict):
        found = "is empty" if content is None else f"holds {type(content).__name__}"
        raise RecipeError(f"{path} {found}; expected a mapping with `prompts`.")
    file = validate(ProtocolFile, content, lines, path)
    _check_names(file, lines, path)
    return file


def _check_names(file: ProtocolFile, lines: Lines, path: Path) -> None:
    """Words that would never be used are a mistake.

    Raises:
        RecipeError: the first entry of ``prompts`` that names no benchmark and no data set, or rows with words of
            their own.
    """
    from vistune.data.catalogue import SOURCES
    from vistune.evaluate.benchmarks import BENCHMARKS

    known = {*SOURCES, *(name for name in BENCHMARKS if not name.startswith(_WORLD))}
    unknown = next((name for name in file.prompts if name not in known), None)
    if unknown is None:
        return
    line = lines.get(("prompts", unknown))
    told = "names no benchmark and no data set" + (nearest(unknown, known) or "; `vistune benchmarks` shows them.")
    if unknown in BENCHMARKS:
        told = "would not be used: the picture world's rows bring their own words and decoding; leave it out."
    raise RecipeError(f"{path}{f', line {line}' if line else ''}: prompts.{unknown} {told}")
