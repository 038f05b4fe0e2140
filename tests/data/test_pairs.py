"""Captioned pictures for BLIP-2's first stage: tokens as LAVIS', captions drawn, groups of equal pictures."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer
from transformers import PreTrainedTokenizerFast

from vistune.data.archives import ImageBytes
from vistune.data.bad_rows import BadRow
from vistune.data.example import Example
from vistune.data.pairs import (
    DECODER_TOKEN,
    PairProcessor,
    PairSet,
    add_decoder_token,
    caption_ids,
    collate_pairs,
    decoder_token_id,
)
from vistune.errors import InputError
from vistune.world.assets import asset_dir


def world_tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(asset_dir("language"))


@pytest.mark.parametrize("caption", ["A large red circle.", "a cat " * 40, ""])
def test_captions_are_tokenised_as_lavis_does(caption: str) -> None:
    tokenizer = bert_tokenizer()
    expected = tokenizer(caption, truncation=True, max_length=32)["input_ids"]
    assert caption_ids(caption, tokenizer) == expected


def test_a_tokenizer_of_another_kind_opens_and_closes_with_its_own() -> None:
    tokenizer = world_tokenizer()
    ids = caption_ids("a red circle", tokenizer)
    assert ids == [tokenizer.bos_token_id, *tokenizer("a red circle")["input_ids"][1:], tokenizer.eos_token_id]
    with pytest.raises(InputError, match=r"no \[DEC\]"):
        decoder_token_id(tokenizer)
    before = len(tokenizer)
    image = tokenizer.convert_tokens_to_ids("<image>")
    number = add_decoder_token(tokenizer)
    assert number == before == add_decoder_token(tokenizer)
    assert len(tokenizer) == before + 1
    assert {DECODER_TOKEN, "<image>"} <= set(tokenizer.all_special_tokens)
    assert tokenizer.bos_token_id == ids[0] and tokenizer.convert_tokens_to_ids("<image>") == image
    assert caption_ids("a red circle", tokenizer) == ids


def test_the_decoder_token_outlives_saving(tmp_path: Path) -> None:
    from vistune.checkpoint.tokenizers import auto_tokenizer

    for tokenizer in (world_tokenizer(), bert_tokenizer()):
        number = add_decoder_token(tokenizer)
        tokenizer.save_pretrained(tmp_path)
        assert decoder_token_id(auto_tokenizer(tmp_path)) == number


def test_a_caption_is_drawn_each_epoch_and_is_the_same_in_every_worker() -> None:
    rows = [Example("x", "c", answers=("a cat", "a dog"), images=(picture(),))]
    pairs = PairSet("pairs", rows, bert_tokenizer(), seed=3)
    seen = [tuple(pairs.tokens(0, epoch).input_ids) for epoch in range(20)]
    assert set(seen) == {tuple(caption_ids(text, bert_tokenizer())) for text in ("a cat", "a dog")}
    again = pickle.loads(pickle.dumps(pairs))
    assert [tuple(again.tokens(0, epoch).input_ids) for epoch in range(20)] == seen
    assert len(PairSet("pairs", rows, bert_tokenizer(), max_tokens=3).tokens(0).input_ids) == 3


def test_rows_that_are_no_pair_are_bad() -> None:
    for images, message in (((), "has no picture"), ((picture(1), picture(2)), "has 2 pictures, expected one")):
        with pytest.raises(BadRow, match=message):
            PairSet("pairs", [Example("x", "c", target="a cat", images=images)], bert_tokenizer()).tokens(0)


def test_pairs_of_the_same_picture_are_a_group(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture(7).save(path)
    images = (path, str(path), picture(1), picture(1), ImageBytes("a.png", path.read_bytes()))
    rows = [Example(f"{n}", "c", target="a cat", images=(image,)) for n, image in enumerate(images)]
    pairs = PairSet("pairs", rows, bert_tokenizer())
    processor = PairProcessor(bert_tokenizer(), blip_image_processor())
    batch = processor.collate([processor.load(pairs.tokens(n)) for n in range(len(rows))])
    groups = batch.image_groups
    assert groups is not None and groups.dtype == torch.int64
    same = groups[:, None] == groups[None, :]
    expected = torch.eye(5, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = expected[2, 3] = expected[3, 2] = True
    assert torch.equal(same, expected)
    direct = processor.encode(images, ["a cat"] * 5)
    assert torch.equal(direct.text_ids, batch.text_ids) and torch.equal(direct.pixel_values, batch.pixel_values)
    assert batch.num_learned == 5 * (len(caption_ids("a cat", bert_tokenizer())) - 1)
    moved = batch.to("cpu")
    assert torch.equal(moved.image_groups, groups) and moved.ids == batch.ids


def test_a_batch_needs_one_image_each() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        collate_pairs([])
