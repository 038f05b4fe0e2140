"""Instructions and targets cut to lengths, against transformers' own truncation as LAVIS calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.vlm_rig import load
from tests.tiny import picture

from vistune.data.batch import IGNORE
from vistune.data.example import Example
from vistune.data.instruction_set import InstructionSet
from vistune.data.shorten import Shortened

LONG = Example(
    "x",
    "long",
    instruction="what is the large red thing on the table next to the small blue one",
    target="a very large red ball that lies on a green table",
    images=(picture(),),
)


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5"])
def test_lengths_are_those_of_the_released_code(tiny_checkpoints: dict[str, Path], family: str) -> None:
    """LAVIS blip2_vicuna_instruct.py, blip2_t5_instruct.py: prompts are cut on the left, targets on the right."""
    _, processor = load(tiny_checkpoints[family])
    tokenizer = processor.tokenizer
    cut = Shortened(InstructionSet("long", [LONG], processor), processor, 8, 5).tokens(0)
    tokenizer.truncation_side = "left"
    given = tokenizer(LONG.instruction, truncation=True, max_length=8)["input_ids"]
    tokenizer.truncation_side = "right"
    count = processor.num_image_tokens
    assert cut.input_ids[:count] == [processor.image_token_id] * count
    if family.endswith("t5"):
        assert cut.input_ids[count:] == given
        assert cut.labels == tokenizer(LONG.target, truncation=True, max_length=5)["input_ids"]
    else:
        text = LONG.target + tokenizer.eos_token
        target = tokenizer(text, truncation=True, max_length=5, add_special_tokens=False)["input_ids"]
        assert cut.input_ids[count:] == given + target
        assert cut.labels == [IGNORE] * (count + 8) + target


def test_what_is_short_enough_is_left_alone(tiny_checkpoints: dict[str, Path]) -> None:
    for family in ("instructblip-llama", "instructblip-t5", "llava-mlp"):
        _, processor = load(tiny_checkpoints[family])
        samples = InstructionSet("long", [LONG], processor)
        assert Shortened(samples, processor, 128, 256).tokens(0) == samples.tokens(0)
        assert Shortened(samples, processor, None, None).tokens(0) == samples.tokens(0)


def test_conversations_and_pictures_in_the_text_are_never_cut_through(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["llava-mlp"])
    turns = (("<image>\nwhat is the thing on the table", "a ball"), ("and what is its colour", "red and blue"))
    row = Example("x", "talk", turns=turns, images=(picture(),))
    samples = InstructionSet("talk", [row], processor, format="v1")
    assert Shortened(samples, processor, 2, 2).tokens(0) == samples.tokens(0)
