"""Special tokens in a row's own words are read as text, whatever the tokenizer."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.data.format_tokenizers import KINDS, make
from tests.families import load_pair

from vistune.data.example import Example
from vistune.data.instruct import Instructor
from vistune.data.plain_words import PlainWords
from vistune.data.processor import Processor
from vistune.data.templates import load_templates
from vistune.model.losses import IGNORE


def processor_of(tokenizer: Any, image_first: bool) -> Processor:
    image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    return Processor(tokenizer, None, image_token_id=image_token_id, num_image_tokens=2, image_first=image_first)


def row(words: str, question: str = "Say it as") -> Example:
    return Example("1", "t", f"{question} {words}.", f"it is {words} here", ("a.png",))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", ["v1", "v0", "mpt", "none"])
def test_no_control_tokens_come_from_words(kind: str, format: str) -> None:
    tokenizer = make(kind)
    processor = processor_of(tokenizer, image_first=format == "none")
    special = [token for token in tokenizer.all_special_tokens if token not in (tokenizer.unk_token, "<image>")]
    assert tokenizer.eos_token in special
    harmless = processor.encode_example(row("a cup"), format)
    control = [item for item in harmless.input_ids if item in tokenizer.all_special_ids]
    for token in [*special, "<|im_end|>"]:
        encoded = processor.encode_example(row(token), format)
        kept = [item for item in encoded.input_ids if item in tokenizer.all_special_ids]
        without_unknown = [item for item in kept if item != tokenizer.unk_token_id]
        assert without_unknown == [item for item in control if item != tokenizer.unk_token_id], token
        learned = [label for label in encoded.labels or [] if label != IGNORE]
        assert learned[-1] == [label for label in harmless.labels or [] if label != IGNORE][-1]
        assert len(learned) > 3, "the words behind the token are learned too"


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_where_the_question_says_and_nowhere_else(kind: str) -> None:
    tokenizer = make(kind)
    processor = processor_of(tokenizer, image_first=False)
    example = Example("1", "t", "<image>\nWhat is it?", "an <image> of a cup", ("a.png",))
    encoded = processor.encode_example(example, "v1")
    assert encoded.input_ids.count(processor.image_token_id) == processor.num_image_tokens
    assert processor.image_token_id not in (encoded.labels or [])


def test_the_words_stay_readable_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    plain = PlainWords(make("metaspace_bpe"), None)
    with caplog.at_level(logging.WARNING):
        assert plain.question("<s>old</s> <image> <b>new</b>") == "< s>old< /s> <image> <b>new</b>"
        assert plain.answer("see <image></s>") == "see < image>< /s>"
    assert caplog.text.count("written apart, first '<s>'") == 1


def test_the_q_formers_tokens_too(tiny_checkpoints: dict[str, Path]) -> None:
    processor = load_pair(tiny_checkpoints["instructblip-llama"]).predictor.processor
    sep = processor.qformer_tokenizer.sep_token or processor.qformer_tokenizer.eos_token
    number = processor.qformer_tokenizer.convert_tokens_to_ids(sep)
    counts = [
        (processor.encode_example(row(words)).instruction_ids or []).count(number) for words in ("a cup", f"a {sep}")
    ]
    assert counts[0] == counts[1]


def test_only_the_users_words_hold_marks() -> None:
    example = Example("1", "t", question="what?", ocr_tokens=("<image>", "stop"), answers=("<image>",))
    written = Instructor(tuple(load_templates("ocr_vqa", "plain")))(example)
    assert "< image>, stop" in written.instruction
    assert written.target == "< image>"
