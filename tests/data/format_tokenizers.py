"""Whole tokenizers of four kinds, trained on the spot, that can write every conversation format."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.tiny_tokenizers import SENTENCES
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

KINDS = ("unigram", "metaspace_bpe", "byte_level", "word_piece")
EXTRA = ["<image>", "<|im_start|>", "<|im_end|>"]
TEXT = [
    *SENTENCES,
    "### Human: hello there\n### Assistant: hi\n### ",
    "[INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\nwhat is it? [/INST] a café, naïvely  spoken </s>",
    "A chat between a curious user and an artificial intelligence assistant. USER: why? ASSISTANT: because",
    "system user assistant Answer the questions. <|im_start|>user\n <|im_end|>",
]


@cache
def make(kind: str) -> Any:
    """A tokenizer with bos, eos, <image> and ChatML's tokens."""
    return {"unigram": _unigram, "metaspace_bpe": _metaspace_bpe, "byte_level": _byte_level, "word_piece": _word_piece}[
        kind
    ]()


def _wrap(tokenizer: Tokenizer, bos: str | None, eos: str, unk: str | None) -> Any:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, unk_token=unk, clean_up_tokenization_spaces=False
    )
    wrapped.add_tokens([AddedToken(token, normalized=False, special=True) for token in EXTRA], special_tokens=True)
    return wrapped


def _bos(tokenizer: Tokenizer, token: str) -> Any:
    return processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, tokenizer.token_to_id(token))], pair=None
    )


def _unigram() -> Any:
    """sentencepiece's unigram, as T5 and ALBERT have it, with BOS in front; newlines are kept as pieces."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    tokenizer.train_from_iterator(
        TEXT,
        trainers.UnigramTrainer(vocab_size=260, special_tokens=special, unk_token="<unk>", show_progress=False),
    )
    tokenizer.post_processor = _bos(tokenizer, "<s>")
    return _wrap(tokenizer, "<s>", "</s>", "<unk>")


def _metaspace_bpe() -> Any:
    """Llama's: BPE without splitting into words, spaces as metaspaces, bytes as fallback, BOS in front."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    words = pre_tokenizers.Split(Regex(r"▁+[^▁]*"), "isolated")
    tokenizer.pre_tokenizer = words  # for training only
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        [text.replace("é", "e").replace("ï", "i") for text in TEXT],
        trainers.BpeTrainer(vocab_size=len(special) + 260, special_tokens=special, show_progress=False),
    )
    tokenizer.pre_tokenizer = None
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = _bos(tokenizer, "<s>")
    return _wrap(tokenizer, "<s>", "</s>", "<unk>")


def _byte_level() -> Any:
    """GPT-2's: bytes, the space belongs to the word behind it and is left out of its offsets; no BOS."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=500, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return _wrap(tokenizer, None, "<|endoftext|>", None)


def _word_piece() -> Any:
    """BERT's: lower case, no spaces kept, [CLS] in front and [SEP] behind whatever it is given."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        TEXT, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return _wrap(tokenizer, "[CLS]", "[SEP]", "[UNK]")
