"""The world's tokenizer: whole words, nothing unknown, Llama's habits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vistune.world.scene import EXTRA_COLOURS, EXTRA_SHAPES
from vistune.world.tasks import TASKS, samples
from vistune.world.tokenizer import IMAGE_TOKEN, build_tokenizer
from vistune.world.words import common_words, world_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_every_word_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    for word in [*world_words(), *common_words(), *EXTRA_COLOURS, *EXTRA_SHAPES]:
        assert len(ids(tokenizer, word)) == 1, word


def test_a_target_alone_is_what_it_is_behind_a_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    for name in TASKS:
        for sample in samples(name, "val", 20, 0):
            prompt, answer = ids(tokenizer, sample.instruction), ids(tokenizer, sample.target)
            assert ids(tokenizer, f"{sample.instruction} {sample.target}") == prompt + answer


def test_no_candidate_begins_another(tokenizer: PreTrainedTokenizerFast) -> None:
    for name, task in TASKS.items():
        for sample in samples(name, "val", 40, 0) if task.is_question else []:
            assert sample.candidates is not None
            rows = [tuple(ids(tokenizer, text)) for text in sample.candidates]
            assert not any(one != other and other[: len(one)] == one for one in rows for other in rows)


@pytest.mark.parametrize(
    "text",
    [
        "What color is the circle? Options: (a) red (b) blue.",
        "Ünïcödé, 漢字 and 😀!\n\nnew lines,  two spaces,\ta tab; ▁ itself is the space",
        "is there not a teal rectangle in the image?",
        "don't 100% zebra/quagga_ <b>x</b> \x00",
        "",
    ],
)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    found = ids(tokenizer, text)
    assert tokenizer.unk_token_id not in found
    assert tokenizer.decode(found) == text.replace("▁", " ")


def test_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    names = ("<unk>", "<s>", "</s>", "<pad>", IMAGE_TOKEN)
    assert tokenizer.convert_tokens_to_ids(list(names)) == [0, 1, 2, 3, 4]
    assert tokenizer("red")["input_ids"][0] == tokenizer.bos_token_id == 1
    assert tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) in tokenizer("USER: <image>\nWhat?")["input_ids"]
    assert len(tokenizer) % 64 == 0 and len(tokenizer) <= 1536


def test_a_saved_tokenizer_is_the_same(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "USER: <image>\nIs there a red circle in the image? ASSISTANT: ja, Köln"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
