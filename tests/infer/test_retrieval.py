"""Retrieval scores of the first stage beside transformers' model, and which pairs are candidates."""

from __future__ import annotations

import pytest
import torch
from tests.model.stage1_rig import CAPTIONS, build, reference
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer

from vistune.data.pairs import PairProcessor
from vistune.errors import InputError
from vistune.infer.retrieval import retrieval_scores

IMAGES = [picture(n) for n in range(4)]
TEXTS = CAPTIONS[:6]


def test_scores_are_those_of_transformers() -> None:
    model, processor = build().eval(), PairProcessor(bert_tokenizer(), blip_image_processor())
    other = reference(model)
    found = retrieval_scores(model, processor, IMAGES, TEXTS, candidates=6)
    for text, caption in enumerate(TEXTS):
        pairs = processor.encode(IMAGES, [caption] * 4)
        inputs = {"pixel_values": pairs.pixel_values, "input_ids": pairs.text_ids, "attention_mask": pairs.text_mask}
        with torch.no_grad():
            itc = other(**inputs).logits_per_image[:, 0]
            itm = other(**inputs, use_image_text_matching_head=True).logits_per_image[:, 1]
        torch.testing.assert_close(found.similarities[:, text], itc, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.image_to_text[:, text], itc + itm, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.text_to_image, found.image_to_text.T, rtol=1e-4, atol=1e-4)


def test_only_candidates_are_matched_and_batches_change_nothing() -> None:
    model, processor = build().eval(), PairProcessor(bert_tokenizer(), blip_image_processor())
    every = retrieval_scores(model, processor, IMAGES, TEXTS)
    few = retrieval_scores(model, processor, IMAGES, TEXTS, candidates=2, batch_size=3)
    torch.testing.assert_close(few.similarities, every.similarities, rtol=1e-5, atol=1e-6)
    for found, whole, scores in (
        (few.image_to_text, every.image_to_text, every.similarities),
        (few.text_to_image, every.text_to_image, every.similarities.T),
    ):
        looked = found > float("-inf")
        assert torch.equal(looked.sum(1), torch.full((len(found),), 2))
        assert torch.equal(looked, torch.zeros_like(looked).scatter(1, scores.topk(2).indices, True))
        torch.testing.assert_close(found[looked], whole[looked], rtol=1e-4, atol=1e-4)


def test_nothing_to_rank_is_refused() -> None:
    model, processor = build().eval(), PairProcessor(bert_tokenizer(), blip_image_processor())
    with pytest.raises(InputError, match="got 0, 6, 128 and 64"):
        retrieval_scores(model, processor, [], TEXTS)
