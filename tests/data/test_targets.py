"""What is learned of a caption, by the rule of LAVIS's BlipCaptionProcessor; expected strings are by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.model.vlm_rig import load
from tests.tiny import picture
from tests.tiny_tokenizers import bert_tokenizer

from vistune.data.bad_rows import BadRow
from vistune.data.captions import PrefixSet, cut_caption
from vistune.data.example import Example
from vistune.data.instruction_set import InstructionSet
from vistune.data.pairs import PairSet, caption_ids
from vistune.data.targets import blip_caption

CAPTION = "A Large red CIRCLE; above (the) table..."
LEARNED = "a large red circle above the table"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (
            'Two dogs, one *brown*; they\'re "running"...  in (deep) snow!',
            "two dogs, one brown they're running in deep snow",
        ),
        ("A man at 5:30 p.m. #nofilter ~ sunset.", "a man at 5 30 p m nofilter sunset"),
        ("What? A well-lit room & a $5 bill / 50% off", "what? a well-lit room & a $5 bill / 50% off"),
        ("  A cat .\n", "a cat"),
        ("a\t \tcat\n\nsleeps", "a cat sleeps"),
        ("a cat\nsleeps\ttoo", "a cat\nsleeps\ttoo"),
        ("ÉCOLE. Straße", "école straße"),
        ("...", ""),
        ("", ""),
    ],
)
def test_signs_become_spaces_and_other_signs_stay(written: str, read: str) -> None:
    assert blip_caption(written) == read


def test_fifty_words_are_read() -> None:
    words = [f"w{number}" for number in range(60)]
    assert blip_caption(". ".join(words)) == " ".join(words[:50])
    assert blip_caption(" ".join(words[:50])) == " ".join(words[:50])


def row(**changes: Any) -> Example:
    return Example("x", "captions", **{"target": CAPTION, "images": (picture(),), **changes})


def test_pairs_are_learned_by_the_rule() -> None:
    tokenizer = bert_tokenizer()
    ids = {
        targets: PairSet("pairs", [row()], tokenizer, targets=targets).tokens(0).input_ids
        for targets in ("as_written", "blip_caption")
    }
    assert ids == {"as_written": caption_ids(CAPTION, tokenizer), "blip_caption": caption_ids(LEARNED, tokenizer)}
    assert ids["as_written"] != ids["blip_caption"]


def test_captions_are_cut_in_two_after_the_rule(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["blip2-t5"])
    captions = PrefixSet("captions", [row()], processor, targets="blip_caption")
    for epoch in range(10):
        prefix, suffix = cut_caption(LEARNED, 0, epoch, "x")
        encoded = captions.tokens(0, epoch)
        assert encoded.input_ids[processor.num_image_tokens :] == processor.tokenizer(prefix)["input_ids"]
        assert encoded.labels == processor.tokenizer(suffix)["input_ids"]


def test_answers_and_turns_are_learned_by_the_rule_and_questions_stay(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["blip2-opt"])
    rows = [row(instruction="A Photo of:"), row(target=None, turns=(("Who?", "A Cat."), ("Why?", "It Is.")))]
    samples = InstructionSet("captions", rows, processor, format="plain", targets="blip_caption")
    one, talk = samples.example(0), samples.example(1)
    assert (one.instruction, one.target) == ("A Photo of:", LEARNED)
    assert talk.turns == (("Who?", "a cat"), ("Why?", "it is"))
    count = processor.num_image_tokens
    text = processor.tokenizer(LEARNED + "\n")["input_ids"]
    assert (
        InstructionSet("captions", [row()], processor, format="plain", targets="blip_caption").tokens(0).input_ids
        == [processor.image_token_id] * count + text
    )


def test_a_caption_of_which_nothing_is_left_is_a_bad_row(tiny_checkpoints: dict[str, Path]) -> None:
    empty = [row(target="...")]
    _, processor = load(tiny_checkpoints["blip2-opt"])
    with pytest.raises(BadRow, match="'x' of 'pairs' has no caption to learn"):
        PairSet("pairs", empty, bert_tokenizer(), targets="blip_caption").tokens(0)
    with pytest.raises(BadRow, match="'x' of 'captions' has no answer to learn from"):
        InstructionSet("captions", empty, processor, targets="blip_caption").tokens(0)
    assert PairSet("pairs", empty, bert_tokenizer()).tokens(0).input_ids
