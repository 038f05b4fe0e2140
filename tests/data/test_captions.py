"""Captions for BLIP-2's second stage: prefix language modelling, and whole captions that a newline closes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.model.vlm_rig import load
from tests.tiny import picture

from vistune.data.bad_rows import BadRow
from vistune.data.batch import IGNORE
from vistune.data.captions import PrefixSet, cut_caption
from vistune.data.example import Example
from vistune.data.instruction_set import InstructionSet
from vistune.errors import InputError

CAPTION = "a large red circle above the table"
ROW = Example("x", "captions", target=CAPTION, images=(picture(),))


def test_cuts_cover_every_place_and_never_leave_the_suffix_empty() -> None:
    places = Counter(len(cut_caption(CAPTION, 0, epoch, "x")[0].split()) for epoch in range(3500))
    assert set(places) == set(range(7))
    assert all(400 < count < 600 for count in places.values())
    assert all(" ".join(filter(None, cut_caption(CAPTION, 1, epoch, "x"))) == CAPTION for epoch in range(20))
    assert cut_caption("cat", 0, 0, "x") == ("", "cat")


def test_an_encoder_decoder_reads_the_prefix_and_learns_the_suffix(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["blip2-t5"])
    captions = PrefixSet("captions", [ROW], processor)
    seen = set()
    for epoch in range(80):
        encoded = captions.tokens(0, epoch)
        prefix, suffix = cut_caption(CAPTION, 0, epoch, "x")
        count = processor.num_image_tokens
        assert encoded.input_ids[:count] == [processor.image_token_id] * count
        assert encoded.input_ids[count:] == processor.tokenizer(prefix)["input_ids"]
        assert encoded.labels == processor.tokenizer(suffix)["input_ids"]
        assert encoded.labels[-1] == processor.tokenizer.eos_token_id
        seen.add(prefix)
    assert len(seen) == 7
    assert captions.tokens(0, 3) == captions.tokens(0, 3)


def test_what_is_too_long_is_cut_as_the_tokenizer_cuts(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["blip2-t5"])
    short = PrefixSet("captions", [ROW], processor, 3)
    for epoch in range(10):
        found = short.tokens(0, epoch)
        prefix, suffix = cut_caption(CAPTION, 0, epoch, "x")
        assert found.labels == processor.tokenizer(suffix, truncation=True, max_length=3)["input_ids"]
        cut = processor.tokenizer(prefix, truncation=True, max_length=3)["input_ids"]
        assert found.input_ids[processor.num_image_tokens :] == cut


def test_a_decoder_learns_the_whole_caption_and_a_newline(tiny_checkpoints: dict[str, Path]) -> None:
    """LAVIS blip2_opt.py, where the newline is what ends an answer."""
    _, processor = load(tiny_checkpoints["blip2-opt"])
    encoded = InstructionSet("captions", [ROW], processor, format="plain").tokens(0)
    text = processor.tokenizer(CAPTION + "\n")["input_ids"]
    count = processor.num_image_tokens
    assert encoded.input_ids == [processor.image_token_id] * count + text
    assert encoded.labels == [IGNORE] * (count + 1) + text[1:]
    assert processor.tokenizer.decode(text[-1:]) == "\n"


def test_a_caption_is_drawn_each_epoch(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["blip2-t5"])
    row = Example("x", "captions", answers=("cat", "dog"), images=(picture(),))
    captions = PrefixSet("captions", [row], processor)
    texts = {processor.tokenizer.decode((captions.tokens(0, epoch).labels or [])[:-1]) for epoch in range(20)}
    assert texts == {"cat", "dog"}


def test_what_cannot_be_learned_is_told(tiny_checkpoints: dict[str, Path]) -> None:
    _, t5 = load(tiny_checkpoints["blip2-t5"])
    with pytest.raises(BadRow, match="no caption to learn"):
        PrefixSet("captions", [Example("x", "c", images=(picture(),))], t5).tokens(0)
    with pytest.raises(BadRow, match="no picture"):
        PrefixSet("captions", [Example("x", "c", target="a cat")], t5).tokens(0)
    _, processor = load(tiny_checkpoints["llava-mlp"])
    with pytest.raises(InputError, match="take the objective 'answers'"):
        PrefixSet("captions", [ROW], processor)


def test_a_decoder_reads_the_prefix_in_front_of_the_suffix(tiny_checkpoints: dict[str, Path]) -> None:
    _, processor = load(tiny_checkpoints["instructblip-llama"])
    captions = PrefixSet("captions", [ROW], processor)
    for epoch in range(20):
        encoded = captions.tokens(0, epoch)
        prefix, suffix = cut_caption(CAPTION, 0, epoch, "x")
        given, learned = processor.prompt_ids(prefix, 1, raw=True), processor.target_ids(suffix)
        assert encoded.input_ids == given + learned
        assert encoded.labels == [IGNORE] * len(given) + learned
