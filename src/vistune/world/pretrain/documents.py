"""Documents for the language model: a scene, then questions with answers, as token ids.

A scene is mostly one token an object: the sum of the embeddings of its words. A visual token can take that place later.
Such a token is a tuple of ids here; the model sums their embeddings. An empty tuple is a slot without an object.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vistune.world.pretrain import phrasings
from vistune.world.pretrain.knowledge import ASK, QA, WEIGHTS
from vistune.world.scene import Scene, SceneObject
from vistune.world.tasks.base import describe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Token = int | tuple[int, ...]
_NAMES = tuple(WEIGHTS)
_CUMULATIVE = tuple(sum(list(WEIGHTS.values())[: index + 1]) for index in range(len(WEIGHTS)))
_MAX_FILLERS = 5
_EXTRAS = 0.3  # share of the questions with an opening, and of those with a closing


@dataclass(frozen=True)
class Document:
    """`tokens[i]` with `learned[i]`: whether the model is to predict it."""

    tokens: list[Token]
    learned: list[bool]


class DocumentWriter:
    """Writes scenes and questions as token ids; words are looked up once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._ids_of_word: dict[str, list[int]] = {}
        vocabulary = tokenizer.get_vocab()
        self.bos = vocabulary["<s>"]
        self.eos = vocabulary["</s>"]
        # What stands around the visual tokens of "USER: <image>\n...", as the tokenizer has it.
        self._space = vocabulary["▁"]
        self._line = vocabulary["\n"]

    def ids(self, text: str) -> list[int]:
        """Token ids of words parted by single spaces, equal to the tokenizer's."""
        result: list[int] = []
        for word in text.split():
            if word not in self._ids_of_word:
                self._ids_of_word[word] = self._tokenizer(word, add_special_tokens=False)["input_ids"]
            result += self._ids_of_word[word]
        return result

    def object_token(self, item: SceneObject) -> tuple[int, ...]:
        """Ids whose embeddings, summed, stand for one object."""
        return tuple(self.ids(f"{item.size} {item.colour} {item.shape} {item.place}"))

    def scene_tokens(self, scene: Scene, rng: random.Random, summed: bool) -> list[Token]:
        """The scene with BOS before or after it, or in LLaVA's place, or written out in words."""
        if not summed:
            return [self.bos, *self.ids(_in_words(scene, rng))]
        kind = rng.random()
        if kind < 0.25:
            grid: list[Token] = [()] * 9
            for item in scene.objects:
                grid[3 * item.row + item.column] = self.object_token(item)
            return [self.bos, *self.ids("USER:"), self._space, *grid, self._space, self._line]
        slots: list[Token] = [self.object_token(item) for item in scene.objects]
        if rng.random() < 0.6:
            slots += [()] * rng.randint(1, _MAX_FILLERS)
        rng.shuffle(slots)
        return [*slots, self.bos] if kind < 0.8 else [self.bos, *slots]

    def write(self, scene: Scene, rng: random.Random, length: int, summed: bool) -> Document:
        """One scene with as many questions as fit into `length` tokens (one at least)."""
        tokens = self.scene_tokens(scene, rng, summed)
        learned = [False] * len(tokens)
        while True:
            question, answer = ask(scene, rng)
            before = self.ids(framed(question, rng))
            after = [*self.ids(answer), self.eos]
            if len(tokens) + len(before) + len(after) > length and any(learned):
                return Document(tokens, learned)
            tokens += before + after
            learned += [False] * len(before) + [True] * len(after)


def ask(scene: Scene, rng: random.Random) -> QA:
    """A random question about the scene, as often of each kind as WEIGHTS says."""
    while True:
        asked = ASK[rng.choices(_NAMES, cum_weights=_CUMULATIVE)[0]](scene, rng)
        if asked is not None:
            return asked


def framed(question: str, rng: random.Random) -> str:
    """The question with a random opening, closing, capital and frame."""
    opening = rng.choice(phrasings.OPENINGS) if rng.random() < _EXTRAS else ""
    closing = rng.choice(phrasings.CLOSINGS) if rng.random() < _EXTRAS else ""
    if closing and question.endswith("?"):
        question = f"{question[:-1]} {closing}?"
    text = f"{opening} {question}".strip()
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if text[-1].isalpha() and rng.random() < 0.5:
        text += "."
    return rng.choice(phrasings.FRAMES).format(question=text)


def _in_words(scene: Scene, rng: random.Random) -> str:
    items = list(scene.objects)
    rng.shuffle(items)
    mark = rng.choice(("; ", ". ", ", "))
    return mark.join(f"{describe(item.size, item.colour, item.shape)} {item.place}" for item in items) + "."
