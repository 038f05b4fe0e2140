"""Log-probabilities of candidates after prompts that are read once, whatever the language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vistune.infer.best import score_best
from vistune.infer.levels import encode_prompts, score_levels, score_paths
from vistune.infer.prefix import shared_beginning
from vistune.infer.relative_tree import RelativeReader, takes_relative_trees
from vistune.infer.tree import PromptReader, Reader, read_prompts, score_trees
from vistune.infer.trie import Trie, build_tries

if TYPE_CHECKING:
    from vistune.data.batch import Batch, Encoded
    from vistune.model.vlm import VisionLanguageModel

# One forward holds at most this many nodes in a row (the tree mask grows with the square) ...
MAX_ROW_NODES = 512
# ... and at most this many logits over all rows (128 MiB in float32).
MAX_LOGITS = 32 * 2**20

Sequences = list[list[int]]
"""Candidates of a prompt as tokens."""


def score_all(
    model: VisionLanguageModel, samples: Sequence[Encoded], batch: Batch, sequences: list[Sequences], top: int | None
) -> list[list[float]]:
    """The sum of log-probabilities of every prompt's candidates.

    Args:
        samples: of the batch. sequences: a prompt's candidates; prompts that share theirs hold the same object.
        top: see RankOptions; models whose candidates cannot lie in a row score all of them.
    """
    prompts = _read(model, samples, batch)
    max_nodes = max(1, min(MAX_ROW_NODES, MAX_LOGITS // int(model.config.language.vocab_size)))
    limit = max_nodes if top is None or prompts.reader is None else None
    parts_of = {id(ids): build_tries(ids, limit) for ids in sequences}
    tries = [parts_of[id(ids)] for ids in sequences]
    scores = [[0.0] * len(ids) for ids in sequences]
    if top is not None and prompts.reader is not None:
        whole = [parts[0] for parts in tries]
        _fill(scores, 0, whole, score_best(prompts.reader(slice(0, len(whole))), whole, top, max_nodes))
        return scores
    # Part by part: every part is one trie of a prompt, sized so that memory stays bounded.
    for rows, parts in _schedule(tries, max_nodes):
        _fill(scores, rows.start, parts, prompts.score(rows, parts))
    return scores


def _fill(scores: list[list[float]], start: int, tries: Sequence[Trie], found: Sequence[list[float]]) -> None:
    for row, (trie, values) in enumerate(zip(tries, found, strict=True), start):
        for member, value in zip(trie.members, values, strict=True):
            scores[row][member] = value


@dataclass(frozen=True)
class _Prompts:
    """Prompts as read. score: one trie for each of some rows. reader: of some rows, where tries can lie in a row."""

    score: Callable[[slice, Sequence[Trie]], list[list[float]]]
    reader: Callable[[slice], Reader] | None


def _read(model: VisionLanguageModel, samples: Sequence[Encoded], batch: Batch) -> _Prompts:
    language, mask = model.language, batch.attention_mask
    embeds = model.embed_inputs(**batch.embedding_inputs())
    if language.is_encoder_decoder:
        encoded = encode_prompts(language, embeds, mask)
        if not takes_relative_trees(language):
            return _Prompts(lambda rows, tries: score_levels(language, encoded.rows(rows), tries), None)
        return _in_rows(lambda rows: RelativeReader(language, encoded.rows(rows)))
    state = read_prompts(language, embeds, mask, shared_beginning(model, samples, embeds, mask))
    if not state.growing:
        return _Prompts(lambda rows, tries: score_paths(language, embeds[rows], mask[rows], tries), None)
    return _in_rows(lambda rows: PromptReader(language, state.rows(rows)))


def _in_rows(reader: Callable[[slice], Reader]) -> _Prompts:
    return _Prompts(lambda rows, tries: score_trees(reader(rows), tries), reader)


def _schedule(tries: Sequence[list[Trie]], max_nodes: int) -> list[tuple[slice, list[Trie]]]:
    """Which tries run together: neighbouring prompts while their nodes fit, else one prompt's parts one by one."""
    steps: list[tuple[slice, list[Trie]]] = []
    row = 0
    while row < len(tries):
        if len(tries[row]) > 1:
            steps += [(slice(row, row + 1), [part]) for part in tries[row]]
            row += 1
            continue
        stop, width = row, 0
        while stop < len(tries) and len(tries[stop]) == 1:
            width = max(width, len(tries[stop][0]), 1)
            if stop > row and width * (stop + 1 - row) > max_nodes:
                break
            stop += 1
        steps.append((slice(row, stop), [parts[0] for parts in tries[row:stop]]))
        row = stop
    return steps
