"""Templates from YAML: the packaged groups, or one's own file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from vistune.data.strict_yaml import nearest, read_yaml, validate
from vistune.data.templates.template import Template
from vistune.errors import RecipeError

FOLDER = Path(__file__).parent

Style = Literal["instruction", "plain", "identifier"]
STYLES: tuple[str, ...] = get_args(Style)


class _Wordings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    published: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


class _Group(_Wordings):
    """A file of templates.

    Args:
        task: name of the task group in identifiers. plain: what is put in without an instruction.
        prefix: in front of every template. target: what is learned.
        source: paper and table of those under ``published``; ``ours`` are this project's, ``templates`` one's own.
        with_choices: templates for rows that bring choices.
    """

    task: str = ""
    plain: str | None = None
    prefix: str = ""
    target: str = "{answer}"
    source: str = ""
    with_choices: _Wordings = _Wordings()


def groups() -> list[str]:
    """Names of the packaged groups of templates."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_templates(group_or_path: str | Path, style: Style = "instruction", title: str = "") -> list[Template]:
    """Templates of a task group, or of one's own YAML file: a list of texts, or a mapping like the packaged files.

    Args:
        style: "instruction" gives all wordings. The paper's two multitask baselines (InstructBLIP, section 3.4) give
            one: "plain" puts the row's own words in without an instruction, "identifier" "[Task:Dataset]" in front.
        title: the data set's name in the identifier; "" leaves the task alone, which the paper does for held-out sets.

    Returns:
        At least one template; none for LLaVA-Instruct with "instruction", whose rows come in words of their own.

    Raises:
        RecipeError: no such group or file, an unknown style, or a mistake in the file.
    """
    if style not in STYLES:
        raise RecipeError(f"The style is {style!r}; expected one of {', '.join(STYLES)}.")
    path = _find(group_or_path)
    group = _read(path)
    if style == "instruction":
        return _templates(group)
    if group.plain is None:
        raise RecipeError(f"{path} has no entry `plain`, which style {style!r} needs; add it, or use 'instruction'.")
    if style == "plain":
        return [Template(group.plain, group.target)]
    return [Template(f"{_identifier(group, title, path)} {group.plain}".strip(), group.target)]


def _identifier(group: _Group, title: str, path: Path) -> str:
    if not group.task:
        raise RecipeError(f"{path} has no entry `task`, which style 'identifier' needs; add it, or use 'instruction'.")
    words = f"{group.task}:{title}" if title else group.task
    return "[[" + words.replace("{", "{{").replace("}", "}}") + "]]"


def _templates(group: _Group) -> list[Template]:
    made = []
    for wordings in (group, group.with_choices):
        texts = [(text, True) for text in wordings.published]
        texts += [(text, False) for text in (*wordings.ours, *wordings.templates)]
        made += [
            Template(group.prefix + text, group.target, published, group.source if published else "")
            for text, published in texts
        ]
    return made


def _find(group_or_path: str | Path) -> Path:
    packaged = FOLDER / f"{group_or_path}.yaml"
    if isinstance(group_or_path, str) and group_or_path in groups():
        return packaged
    path = Path(group_or_path)
    if path.is_file():
        return path
    hint = nearest(str(group_or_path), groups()) or f"; give a YAML file or one of {', '.join(groups())}."
    raise RecipeError(f"There are no templates {str(group_or_path)!r}{hint}")


@lru_cache(maxsize=64)
def _read(path: Path) -> _Group:
    content, lines = read_yaml(path)
    if isinstance(content, list):
        content = {"templates": content}
        lines = {("templates", *place): line for place, line in lines.items()}
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path} holds {type(content).__name__}; expected a list of texts, or a mapping with `templates`."
        )
    group = validate(_Group, content, lines, path)
    try:
        made = _templates(group)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error
    if not made and not (path.parent == FOLDER and group.plain is not None):
        raise RecipeError(f"{path} has no templates; give at least one under `templates`.")
    return group
