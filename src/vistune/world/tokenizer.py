"""The world's tokenizer: Llama's pipeline (metaspace, byte fallback, BOS in front) over whole words.

Byte-pair encoding with `ignore_merges` takes a word of the vocabulary whole. All other text falls into learned pieces,
single characters and, at last, bytes, so nothing is unknown. Text serves the language model and the Q-Former alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vistune.world.words import common_words, sentence_starts, world_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
IMAGE_TOKEN = "<image>"
_SPACE = "▁"
_SPLIT = rf"{_SPACE}?[\p{{L}}\p{{M}}]+|{_SPACE}?\p{{N}}|{_SPACE}?[^\s\p{{L}}\p{{M}}\p{{N}}{_SPACE}]|{_SPACE}+|\s"
_MULTIPLE = 64
_NUM_PIECES = 200


def build_tokenizer(extra_words: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """The tokenizer, made from the word lists alone. Ids: <unk> 0, <s> 1, </s> 2, <pad> 3, <image> 4.

    `extra_words` are kept whole too. The vocabulary is filled up to a multiple of 64 with more learned pieces.
    """
    from transformers import PreTrainedTokenizerFast

    words = sorted({*world_words(), *common_words(), *extra_words})
    fixed = _fixed_vocabulary(words)
    total = -(-(len(fixed) + _NUM_PIECES) // _MULTIPLE) * _MULTIPLE
    vocabulary, merges = _with_pieces(fixed, words, total)
    return PreTrainedTokenizerFast(
        tokenizer_object=_pipeline(vocabulary, merges),
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=[IMAGE_TOKEN],
        clean_up_tokenization_spaces=False,
        padding_side="right",
        model_max_length=1024,
    )


def _fixed_vocabulary(words: list[str]) -> dict[str, int]:
    """Special tokens, bytes, characters, whole words: token to id."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*SPECIAL, IMAGE_TOKEN, *(f"<0x{byte:02X}>" for byte in range(256)), "\n", _SPACE, *letters]
    marks = [letter for letter in letters if not letter.isalpha()]
    tokens += [_SPACE + text for text in (*marks, *words)]
    tokens += sentence_starts()
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


def _with_pieces(fixed: dict[str, int], words: list[str], total: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Merges learned from the words, as many as give `total` tokens; one whose result is there costs nothing."""
    counts: dict[tuple[str, str], int] = {}
    vocabulary = dict(fixed)
    merges: list[tuple[str, str]] = []
    pieces = [[_SPACE, *word.lower()] for word in words]
    while len(vocabulary) < total:
        counts.clear()
        for parts in pieces:
            for pair in itertools.pairwise(parts):
                counts[pair] = counts.get(pair, 0) + 1
        best = max(sorted(counts), key=counts.__getitem__)
        merges.append(best)
        vocabulary.setdefault("".join(best), len(vocabulary))
        pieces = [_merged(parts, best) for parts in pieces]
    return vocabulary, merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for part in parts:
        if result and (result[-1], part) == pair:
            result[-1] += part
        else:
            result.append(part)
    return result


def _pipeline(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True, ignore_merges=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always", split=False),
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in (*SPECIAL, IMAGE_TOKEN)])
    return tokenizer
