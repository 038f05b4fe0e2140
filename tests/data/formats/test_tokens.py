"""Token ids of a text alone: those of transformers, whatever the tokenizer was asked before."""

from __future__ import annotations

from typing import Any

import pytest
from tests.data.format_tokenizers import KINDS, TEXT, make
from transformers import PreTrainedTokenizerFast

from vistune.data.formats.tokens import text_ids

TEXTS = [*TEXT, "", " ", "ends </s>", "<image>\nWhat is it?", "a  b\n\n<|im_end|> café ☂"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", [True, False])
def test_ids_are_those_of_transformers(kind: str, special: bool) -> None:
    tokenizer = make(kind)
    for text in TEXTS:
        assert text_ids(tokenizer, text, special) == tokenizer(text, add_special_tokens=special)["input_ids"]


def test_what_was_asked_before_leaves_no_trace() -> None:
    tokenizer = make("metaspace_bpe")
    text = TEXT[0]
    whole = tokenizer(text)["input_ids"]
    tokenizer(text, truncation=True, max_length=3)
    assert text_ids(tokenizer, text) == whole
    tokenizer(text, split_special_tokens=True)
    assert text_ids(tokenizer, f"{text}</s>")[-1] == tokenizer.eos_token_id


def test_a_tokenizer_with_a_way_of_its_own_is_asked() -> None:
    class Loud(PreTrainedTokenizerFast):
        def __call__(self, text: Any, **options: Any) -> Any:
            return super().__call__(text.upper(), **options)

    tokenizer = Loud(tokenizer_object=make("byte_level").backend_tokenizer)
    assert text_ids(tokenizer, "red") == tokenizer("red")["input_ids"] != make("byte_level")("red")["input_ids"]
