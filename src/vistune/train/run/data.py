"""What a stage learns from: its sets opened and put into words, how they are mixed, and what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import OnError, RowLog
from vistune.data.captions import PrefixSet
from vistune.data.instruction_set import InstructionSet
from vistune.data.mixture import Mixture
from vistune.data.pairs import MAX_CAPTION_TOKENS, PairProcessor, PairSet
from vistune.data.recipe_sets import mixture_of, open_sets
from vistune.data.shorten import Shortened

if TYPE_CHECKING:
    from pathlib import Path

    from vistune.data.example import Example, ImageRef
    from vistune.data.plans import SampleSet
    from vistune.data.processor import Processor
    from vistune.data.recipe import Style
    from vistune.data.templates.template import Template
    from vistune.train.recipe.data import Data
    from vistune.train.recipe.stage import Stage

# Rows of a set that its fingerprint looks at, evenly spread; all of them where there are fewer.
_LOOKED_AT = 20_000
# What the paper's identifiers call the world's tasks (InstructBLIP section 3.4, "[Task:Dataset]").
_WORLD_TASKS = {"caption": "Image Captioning", "question": "Visual Question Generation"}


@dataclass(frozen=True)
class Opened:
    """One set or task: its rows, the templates that put them into words (none: words of their own), and the rest."""

    name: str
    examples: Sequence[Example]
    templates: tuple[Template, ...] = ()
    turns: Any = "whole"
    mirror_safe: bool = False


@dataclass(frozen=True)
class StageData:
    """What a stage learns from.

    Args:
        sets: samples, in the order of the mixture. opened: their rows. mixture: what is drawn when.
        log: what happens to bad rows, and those that there were.
    """

    sets: list[SampleSet]
    opened: list[Opened]
    mixture: Mixture
    log: RowLog

    @property
    def mirror_safe(self) -> tuple[bool, ...]:
        """For each set, whether its pictures may be mirrored."""
        return tuple(item.mirror_safe for item in self.opened)

    @property
    def num_samples(self) -> int:
        """Samples of all sets."""
        return sum(len(samples) for samples in self.sets)

    def images(self) -> Iterator[ImageRef]:
        """Every picture of every row."""
        return (image for item in self.opened for example in item.examples for image in example.images)

    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """By set the number of its rows and a hash of what they say."""
        return {
            item.name: {"rows": len(item.examples), "fingerprint": fingerprint(item.examples)} for item in self.opened
        }


def open_stage_data(
    stage: Stage, data: Data, processor: Processor | PairProcessor, data_root: Path | None = None
) -> StageData:
    """Open the data of a stage.

    Args:
        processor: of the model; of pairs for BLIP-2's first stage.
        data_root: folder of the known sets, before the recipe's own.

    Raises:
        RecipeError, DataError: a set that is not there, or cannot be used as this objective learns.
    """
    if data.world:
        opened = world_rows(data.world, data.seed, data.style)
        sizes = {item.name: len(item.examples) for item in opened}
        mixture = Mixture(sizes, data.power, data.seed, homogeneous=data.homogeneous)
        log = RowLog(OnError(data.on_error.mode, data.on_error.max_share))
    else:
        found = open_sets(data, data_root)
        opened = [
            Opened(item.name, item.examples, item.templates, item.choice.turns, item.mirror_safe) for item in found
        ]
        mixture = mixture_of(found, data)
        log = RowLog(OnError(data.on_error.mode, data.on_error.max_share))
        for item in found:
            log.bad.extend(item.log.bad)
            log.seen += item.log.seen
    return StageData([_samples(item, stage, data, processor) for item in opened], opened, mixture, log)


def _samples(item: Opened, stage: Stage, data: Data, processor: Processor | PairProcessor) -> SampleSet:
    """A set as its stage's objective learns it."""
    if isinstance(processor, PairProcessor):
        return PairSet(item.name, item.examples, processor.tokenizer, processor.max_tokens, data.seed, data.targets)
    if stage.objective == "prefix_lm":
        most = data.max_target_tokens or MAX_CAPTION_TOKENS
        return PrefixSet(item.name, item.examples, processor, most, data.seed, data.targets)
    samples = InstructionSet(
        item.name,
        item.examples,
        processor,
        item.templates,
        data.format,
        data.seed,
        data.max_tokens,
        item.turns,
        targets=data.targets,
    )
    if data.max_instruction_tokens is None and data.max_target_tokens is None:
        return samples
    return Shortened(samples, processor, data.max_instruction_tokens, data.max_target_tokens)


def world_rows(rows: dict[str, int], seed: int, style: Style) -> list[Opened]:
    """Rows of the picture world by task, in the words of a style."""
    made = _world_examples(tuple(rows.items()), seed)
    return [Opened(name, in_style(made[name], name, style)) for name in rows]


@lru_cache(maxsize=2)
def _world_examples(rows: tuple[tuple[str, int], ...], seed: int) -> dict[str, list[Example]]:
    """Drawing and rendering take seconds, and stages often learn from the same rows."""
    from vistune.data.sources.world import tuning_examples

    return tuning_examples(dict(rows), seed)


def in_style(examples: Sequence[Example], name: str, style: Style, held_out: bool = False) -> Sequence[Example]:
    """Rows with words of their own as the paper's multitask baselines put them (InstructBLIP section 3.4).

    "plain" takes the instruction away where it is the same for all rows of a task; a question is no instruction, so it
    stays. "identifier" puts "[Task:Dataset]" in front, the task alone for a held-out set.
    """
    if style == "instruction":
        return examples
    task = _WORLD_TASKS.get(name, "Visual Question Answering")
    front = f"[{task}] " if held_out else f"[{task}:{name}] "
    asks = name not in _WORLD_TASKS
    words = [example.instruction if asks else "" for example in examples]
    if style == "identifier":
        words = [(front + text).strip() for text in words]
    return [replace(example, instruction=text) for example, text in zip(examples, words, strict=True)]


def fingerprint(examples: Sequence[Example]) -> str:
    """A hash of the rows' ids and words; of very many rows, of some that are evenly spread."""
    digest = hashlib.blake2b(digest_size=12)
    count = len(examples)
    step = max(1, count // _LOOKED_AT)
    for place in range(0, count, step):
        example = examples[place]
        words = (example.id, example.instruction, example.question, example.target, example.answers, example.turns)
        digest.update(repr(words).encode())
    digest.update(str(count).encode())
    return digest.hexdigest()
