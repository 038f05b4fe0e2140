"""Retrieval's scores over all processes; what was finished before is taken from disk, what is done goes there."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.evaluate.runner.keys import shared_picture_keys
from vistune.evaluate.runner.matched import Keys, Work, embedding, embedding_row, fill, match_row, text_number
from vistune.evaluate.runner.progress import Progress
from vistune.evaluate.runner.store import Answered
from vistune.infer.retrieval import (
    CANDIDATES,
    Candidates,
    RetrievalScores,
    embed_texts,
    encode_images,
    matches,
    parts,
    similarities,
    text_tokens,
)

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.pairs import PairProcessor
    from vistune.model.stage1 import Stage1Model
    from vistune.train.parallel.processes import Processes

Left = dict[int, list[int]]
"""Pictures with the texts that they are still to be matched with, as places in `_Compared`."""


@dataclass(frozen=True)
class Matcher:
    """What compares: a loaded first stage, its key (`vistune.evaluate.runner.keys.stage1_key`), and who computes."""

    model: Stage1Model
    processor: PairProcessor
    key: str
    processes: Processes
    batch_size: int = 16


@torch.inference_mode()
def shared_scores(
    matcher: Matcher,
    refs: Sequence[ImageRef],
    texts: Sequence[str],
    folder: Path,
    name: str,
    candidates: int = CANDIDATES,
) -> tuple[RetrievalScores | None, int]:
    """As `vistune.infer.retrieval.retrieval_scores`, every process with a share of the pictures and their pairs.

    Args:
        folder: where finished work is kept. name: of the benchmark, for progress.

    Returns:
        the scores, None on other processes than the main one; and of how many pictures an earlier run had done all.

    Raises:
        ImageError: a picture cannot be opened. StorageError: the disk is full or does not allow it.
    """
    compared = _Compared(matcher, refs, texts)
    work = Work(folder, matcher.processes)
    try:
        held = _embed(matcher, compared, work, name)
        chosen, scores, left = _left(matcher, compared, work, candidates)
        _match(matcher, compared, work, held, left, name)
    finally:
        work.close()
    if chosen is None or scores is None:
        return None, 0
    work.keep()
    logits = compared.logits(work.known.values())
    reused = sum(place not in left and place not in work.embedded for place in compared.image_places.tolist())
    return chosen.ranked(compared.spread(scores), compared.spread(logits)), reused


class _Compared:
    """Pictures and texts, each once, with the keys of what is kept of them.

    Attributes:
        image_places, text_places: of the pictures [I] and texts [T] as they were given.
    """

    def __init__(self, matcher: Matcher, refs: Sequence[ImageRef], texts: Sequence[str]) -> None:
        keys = Keys(matcher.key)
        content = shared_picture_keys(refs, matcher.processes)
        tokens = text_tokens(matcher.model, matcher.processor, texts)
        names = [text_number(row) for row in tokens]
        images, rows = dict(zip(content, refs, strict=True)), dict(zip(names, tokens, strict=True))
        self.refs, self.tokens, self.numbers = list(images.values()), list(rows.values()), list(rows)
        self.image_places, self.text_places = _places(content, list(images)), _places(names, self.numbers)
        self.image_keys = [keys.image(key) for key in images]
        self.text_keys = [keys.text(number) for number in self.numbers]
        self.match_keys = [keys.matches(key) for key in images]

    def logits(self, rows: Iterable[Answered]) -> Tensor:
        """Those that are known, NaN for others."""
        found = torch.full((len(self.refs), len(self.tokens)), float("nan"))
        fill(found, rows, self.match_keys, self.numbers)
        return found

    def spread(self, values: Tensor) -> Tensor:
        """Of pictures and texts each once, to all as they were given."""
        if values.shape == (len(self.image_places), len(self.text_places)):
            return values
        return values[self.image_places][:, self.text_places]

    def gathered(self, pairs: Tensor) -> Tensor:
        """Pairs [I, T] bool as given, to those of pictures and texts each once."""
        rows, columns = pairs.nonzero(as_tuple=True)
        found = torch.zeros(len(self.refs), len(self.tokens), dtype=torch.bool)
        found[self.image_places[rows], self.text_places[columns]] = True
        return found


def _places(given: Sequence[object], once: Sequence[object]) -> Tensor:
    place = {item: number for number, item in enumerate(once)}
    return torch.tensor([place[item] for item in given])


def _shapes(matcher: Matcher) -> tuple[tuple[int, ...], tuple[int, ...]]:
    config = matcher.model.config
    return (config.qformer.num_query_tokens, config.image_text_size), (config.image_text_size,)


def _embed(matcher: Matcher, compared: _Compared, work: Work, name: str) -> dict[int, Tensor]:
    """Encode what no earlier run has encoded; returned are the features [P, D] of this process's share."""
    processes, size = matcher.processes, matcher.batch_size

    def unknown(keys: Sequence[str], shape: tuple[int, ...]) -> list[int]:
        return [place for place, key in enumerate(keys) if embedding(work.known.get(key), shape) is None]

    of_image, of_text = _shapes(matcher)
    images, texts = processes.broadcast((unknown(compared.image_keys, of_image), unknown(compared.text_keys, of_text)))
    work.embedded = {place: number % processes.size for number, place in enumerate(images)}
    mine = images[processes.rank :: processes.size]
    held: dict[int, Tensor] = {}
    progress = Progress(f"{name}, pictures", len(mine), quiet=not processes.is_main)
    for part in parts(len(mine), size):
        places = mine[part]
        features, found = encode_images(matcher.model, matcher.processor, [compared.refs[place] for place in places])
        held.update(zip(places, features, strict=True))
        work.add([embedding_row(compared.image_keys[place], one) for place, one in zip(places, found, strict=True)])
        progress.add(len(places))
    progress.close()
    mine = texts[processes.rank :: processes.size]
    for part in parts(len(mine), size):
        found = embed_texts(matcher.model, matcher.processor, [compared.tokens[place] for place in mine[part]])
        work.add([embedding_row(compared.text_keys[place], one) for place, one in zip(mine[part], found, strict=True)])
    work.join()
    return held


def _left(
    matcher: Matcher, compared: _Compared, work: Work, candidates: int
) -> tuple[Candidates | None, Tensor | None, Left]:
    """What is still to be matched; on the main process the candidates and the similarities [I, T] too."""
    if not matcher.processes.is_main:
        return None, None, matcher.processes.broadcast({})
    of_image, of_text = _shapes(matcher)
    images, texts = work.embeddings(compared.image_keys, of_image), work.embeddings(compared.text_keys, of_text)
    scores = similarities(images, texts, matcher.model.device)
    chosen = Candidates.of(compared.spread(scores), candidates)
    open_pairs = compared.gathered(chosen.pairs()) & compared.logits(work.known.values()).isnan()
    left = {place: row.nonzero().flatten().tolist() for place, row in enumerate(open_pairs) if row.any()}
    return chosen, scores, matcher.processes.broadcast(left)


def _match(matcher: Matcher, compared: _Compared, work: Work, held: dict[int, Tensor], left: Left, name: str) -> None:
    processes = matcher.processes
    mine = share(left, work.embedded, processes.size)[processes.rank]
    progress = Progress(f"{name}, pairs", sum(len(left[place]) for place in mine), quiet=not processes.is_main)
    for part in parts(len(mine), matcher.batch_size):
        again = [place for place in mine[part] if place not in held]
        if again:
            features, _ = encode_images(matcher.model, matcher.processor, [compared.refs[place] for place in again])
            held.update(zip(again, features, strict=True))
        for place in mine[part]:
            rows = [compared.tokens[text] for text in left[place]]
            logits = matches(matcher.model, matcher.processor, held.pop(place), rows, matcher.batch_size)
            numbers = [compared.numbers[text] for text in left[place]]
            work.add([match_row(compared.match_keys[place], numbers, logits)])
            progress.add(len(rows))
    progress.close()
    work.join()


def share(left: Mapping[int, Sequence[int]], held: Mapping[int, int], size: int) -> list[list[int]]:
    """Pictures of each process: those whose features it holds stay with it, others go to whoever has least to do."""
    shares: list[list[int]] = [[] for _ in range(size)]
    for place in left:
        if place in held:
            shares[held[place]].append(place)
    loads = [(sum(len(left[place]) for place in mine), rank) for rank, mine in enumerate(shares)]
    heapq.heapify(loads)
    for place in left:
        if place not in held:
            load, rank = heapq.heappop(loads)
            shares[rank].append(place)
            heapq.heappush(loads, (load + len(left[place]), rank))
    return shares
