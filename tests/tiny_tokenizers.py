"""Small tokenizers of the four kinds that the released folders have, trained on a few sentences on the spot."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import cache
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertTokenizer, GPT2Tokenizer, LlamaTokenizer, T5Tokenizer

SENTENCES = [
    "A short image description: a large red circle to the left of a small blue square.",
    "Question: How many yellow triangles are there in the picture? Short answer: three",
    "What colour is the thing above the green star? It is purple, not orange or white.",
    "USER: Describe the image in detail. ASSISTANT: There are two objects; both of them are small.",
    'Is this statement true or false? "A cat sits under the table." yes, no, true, false, maybe',
    "Options: (a) left (b) right (c) top (d) bottom. Answer with the option's letter.",
    "the quick brown fox jumps over the lazy dog, 0 1 2 3 4 5 6 7 8 9",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG! (Pack my box with five dozen liquor jugs.)",
]


@cache
def _trained(kind: str) -> tuple[Any, Any]:
    """Return (vocab, merges) of a byte-fallback BPE (`llama`) or byte-level BPE (`opt`)."""
    tokenizer = Tokenizer(models.BPE())
    if kind == "llama":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        alphabet: list[str] = []
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + len(alphabet) + 240,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def llama_tokenizer(**special_tokens: str) -> LlamaTokenizer:
    """Llama's kind: BPE on pieces with bytes as fallback; `<unk>` 0, `<s>` 1, `</s>` 2; puts bos in front."""
    vocab, merges = _trained("llama")
    return LlamaTokenizer(vocab=dict(vocab), merges=list(merges), add_bos_token=True, **special_tokens)


def opt_tokenizer() -> GPT2Tokenizer:
    """OPT's kind: byte-level BPE; `<pad>` 1, `</s>` 2 is bos, eos and unk; puts `</s>` in front."""
    vocab, merges = _trained("opt")
    return GPT2Tokenizer(
        vocab=dict(vocab),
        merges=list(merges),
        bos_token="</s>",
        eos_token="</s>",
        unk_token="</s>",
        pad_token="<pad>",
        add_bos_token=True,
    )


def t5_tokenizer() -> T5Tokenizer:
    """T5's kind: unigram pieces; `<pad>` 0, `</s>` 1, `<unk>` 2; puts `</s>` behind."""
    words = Counter("▁" + word for sentence in SENTENCES for word in re.findall(r"\w+|[^\w\s]", sentence))
    characters = sorted(set("".join(words)))
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(character, -9.0) for character in characters]
    vocab += [
        (word, math.log(count / words.total())) for word, count in sorted(words.items()) if word not in characters
    ]
    vocab += [(f"<extra_id_{number}>", 0.0) for number in range(9, -1, -1)]
    return T5Tokenizer(vocab=vocab, extra_ids=10)


def bert_tokenizer() -> BertTokenizer:
    """BERT's kind, for the Q-Former: lower-cased word pieces, `[CLS]` and `[SEP]` around, `[DEC]` as bos at the end."""
    words = sorted({word for sentence in SENTENCES for word in re.findall(r"\w+|[^\w\s]", sentence.lower())})
    characters = sorted(set("".join(words)))
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *characters,
        *("##" + character for character in characters),
    ]
    pieces += [word for word in words if word not in characters]
    wrapped = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    wrapped.add_special_tokens({"bos_token": "[DEC]"})
    return wrapped
