"""BLIP-2's first stage beside transformers' retrieval model, and its losses computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from tests.model.stage1_rig import QUERIES, batch, build, reference
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertOnlyMLMHead

from vistune.data.batch import Encoded
from vistune.data.pairs import caption_ids, collate_pairs
from vistune.errors import InputError
from vistune.model.contrast import contrast_loss_sum, draw_negatives, image_to_text, text_to_image, uniform_draws
from vistune.model.losses import IGNORE
from vistune.model.stage1 import Stage1Config, Stage1Model


def test_scores_are_those_of_transformers() -> None:
    model, pairs = build().eval(), batch(5)
    other = reference(model)
    inputs = {"pixel_values": pairs.pixel_values, "input_ids": pairs.text_ids, "attention_mask": pairs.text_mask}
    with torch.no_grad():
        features = model.encode_images(pairs.pixel_values)
        own = model.read(features, pairs.text_ids, pairs.text_mask)
        matching = model.matching_logits(features, pairs.text_ids, pairs.text_mask)
        theirs = other(**inputs)
        torch.testing.assert_close(own.images, theirs.image_embeds, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(own.texts, theirs.text_embeds, rtol=1e-4, atol=1e-5)
        scores = image_to_text(own.images, own.texts)
        torch.testing.assert_close(scores, theirs.logits_per_image, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(text_to_image(own.texts, own.images), scores.T)
        itm = other(**inputs, use_image_text_matching_head=True).logits_per_image
    torch.testing.assert_close(matching, itm, rtol=1e-4, atol=1e-5)
    assert matching.std() > 0.01


def test_texts_share_the_keys_and_values_of_their_picture() -> None:
    model, pairs = build().eval(), batch(5)
    keys = model.connector.qformer.encoder.layer[0].crossattention.attention.key
    projected: list[int] = []
    keys.register_forward_pre_hook(lambda module, given: projected.append(len(given[0])))
    rows = torch.tensor([1, 0, 1, 1, 0])
    with torch.no_grad():
        features = model.encode_images(pairs.pixel_values[:2])
        expected = model.matching_logits(features[rows], pairs.text_ids, pairs.text_mask)
        found = model.matching_logits(features, pairs.text_ids, pairs.text_mask, rows)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert projected == [5, 2]


def test_captions_are_those_of_transformers_under_a_mask_made_by_hand() -> None:
    model, pairs = build().eval(), batch(3)
    other = reference(model)
    length = pairs.text_ids.shape[1]
    mask = torch.zeros(3, 1, QUERIES + length, QUERIES + length, dtype=torch.bool)
    mask[..., :QUERIES] = True  # everyone sees the queries; queries see nobody else
    for place in range(length):
        mask[:, 0, QUERIES + place, QUERIES : QUERIES + place + 1] = pairs.text_mask[:, None, : place + 1].bool()[:, 0]
    ids = pairs.text_ids.clone()
    ids[:, 0] = model.config.decoder_token_id
    head = BertOnlyMLMHead(BertConfig(vocab_size=model.config.qformer.vocab_size, hidden_size=24)).eval()
    weights = model.heads.cls.state_dict()
    head.load_state_dict({"predictions.bias": weights["predictions.decoder.bias"], **weights})
    with torch.no_grad():
        features = model.encode_images(pairs.pixel_values)
        embeds = other.embeddings(input_ids=ids, query_embeds=model.connector.query_tokens.expand(3, -1, -1))
        hidden = other.qformer(
            query_embeds=embeds, query_length=QUERIES, attention_mask=mask, encoder_hidden_states=features
        ).last_hidden_state
        logits = head(hidden[:, QUERIES:])
        own = model.read(features, pairs.text_ids, pairs.text_mask)
        torch.testing.assert_close(model.heads.cls(own.captions)[0], logits[0], rtol=1e-4, atol=1e-4)
        targets = pairs.text_ids.masked_fill(pairs.text_mask == 0, IGNORE)[:, 1:]
        expected = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), targets.flatten(), label_smoothing=0.1, reduction="sum"
        )
        part = model.captioning(own.captions, pairs.text_ids, pairs.text_mask, 0.1)
    torch.testing.assert_close(part.sum, expected, rtol=1e-5, atol=1e-4)
    assert int(part.count) == int((targets != IGNORE).sum()) == pairs.num_learned


def test_a_token_is_predicted_from_the_image_and_what_stands_before_it() -> None:
    model, pairs = build().eval(), batch(2)
    with torch.no_grad():
        features = model.encode_images(pairs.pixel_values)
        before = model.read(features, pairs.text_ids, pairs.text_mask)
        changed = pairs.text_ids.clone()
        changed[0, 3] = 7
        after = model.read(features, changed, pairs.text_mask)
        other_image = model.read(features.flip(0), pairs.text_ids, pairs.text_mask)
    torch.testing.assert_close(after.images, before.images, rtol=0, atol=0)
    torch.testing.assert_close(after.captions[0, :3], before.captions[0, :3], rtol=0, atol=0)
    assert not torch.allclose(after.captions[0, 3:5], before.captions[0, 3:5])
    assert not torch.allclose(other_image.captions[0, 0], before.captions[0, 0])


def test_contrast_by_hand() -> None:
    similarities = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
    alone = torch.eye(2, dtype=torch.bool)
    sharp = -math.log(math.exp(2) / (math.exp(2) + 1)) + math.log(2)
    assert float(contrast_loss_sum(similarities, alone, 0.0)) == pytest.approx(sharp)
    wrong = -math.log(1 / (math.exp(2) + 1)) + math.log(2)
    assert float(contrast_loss_sum(similarities, alone, 0.1)) == pytest.approx(0.95 * sharp + 0.05 * wrong)
    together = torch.ones(2, 2, dtype=torch.bool)
    assert float(contrast_loss_sum(similarities, together, 0.1)) == pytest.approx((sharp + wrong) / 2)


def test_contrast_is_the_usual_cross_entropy_with_label_smoothing() -> None:
    torch.manual_seed(0)
    similarities = 5 * torch.randn(4, 9)
    own = torch.arange(4)[:, None] == torch.arange(9)[None, :]
    expected = torch.nn.functional.cross_entropy(similarities, torch.arange(4), label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(contrast_loss_sum(similarities, own, 0.1), expected)


def test_negatives_follow_the_softmax_and_are_never_the_own_pair() -> None:
    similarities = torch.tensor([[5.0, 1.0, 0.0, -1.0]]).expand(20000, 4)
    same = torch.tensor([True, False, False, False]).expand(20000, 4)
    uniform = uniform_draws(3, 0, 20000)[0]
    drawn = draw_negatives(similarities, same, uniform).bincount(minlength=4) / 20000
    weights = torch.tensor([1.0, 0.0, -1.0]).softmax(0)
    assert drawn[0] == 0
    torch.testing.assert_close(drawn[1:].double(), weights.double(), atol=0.012, rtol=0.0)
    edges = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    chosen = draw_negatives(
        torch.tensor([[9.0, 0.0, 0.0, 9.0]] * 2), torch.tensor([[True, False, False, True]] * 2), edges
    )
    assert chosen.tolist() == [1, 2]


def test_draws_are_a_function_of_seed_step_and_place() -> None:
    assert torch.equal(uniform_draws(1, 2, 8), uniform_draws(1, 2, 8))
    for other in (uniform_draws(2, 2, 8), uniform_draws(1, 3, 8), uniform_draws(1, 2, 8).flip(0)):
        assert not torch.equal(uniform_draws(1, 2, 8), other)


def test_pictures_of_one_group_are_no_negatives() -> None:
    model = build().eval()
    pairs = batch(4, groups=[5, 5, 5, 9])
    seen: list[tuple[list[int], list[int]]] = []
    original = Stage1Model.matching

    def spy(
        self: Stage1Model, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, negatives: tuple
    ) -> object:
        rows = [[int((features == row).flatten(1).all(1).nonzero()[0]) for row in negatives[0]]]
        rows.append([int((ids == row).all(1).nonzero()[0]) for row in negatives[1]])
        seen.append((rows[0], rows[1]))
        return original(self, features, ids, mask, negatives)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(Stage1Model, "matching", spy)
        for step in range(4):
            model(**pairs.model_inputs(), uniform=uniform_draws(0, step, 4))
    for images, texts in seen:
        assert images[:3] == [3, 3, 3] and texts[:3] == [3, 3, 3]
        assert images[3] != 3 and texts[3] != 3


def test_three_decisions_a_pair_of_which_one_is_yes() -> None:
    model, pairs = build().eval(), batch(4)
    with torch.no_grad():
        features = model.encode_images(pairs.pixel_values)
        wrong = torch.tensor([1, 2, 3, 0])
        texts = (pairs.text_ids, pairs.text_mask)
        part = model.matching(features, *texts, (features[wrong], texts[0][wrong], texts[1][wrong]))
        yes = model.matching_logits(features, *texts).log_softmax(-1)[:, 1]
        wrong_image = model.matching_logits(features[wrong], *texts).log_softmax(-1)[:, 0]
        wrong_text = model.matching_logits(features, texts[0][wrong], texts[1][wrong]).log_softmax(-1)[:, 0]
    torch.testing.assert_close(part.sum, -(yes.sum() + wrong_image.sum() + wrong_text.sum()), rtol=1e-5, atol=1e-5)
    assert int(part.count) == 12


def test_what_cannot_work_is_refused() -> None:
    model = build()
    with pytest.raises(InputError, match="batch of 1 pairs has no negative"):
        model(**batch(1).model_inputs(), uniform=uniform_draws(0, 0, 1))
    with pytest.raises(InputError, match="at least two different pictures"):
        model(**batch(3, groups=[1, 1, 1]).model_inputs(), uniform=uniform_draws(0, 0, 3))
    with pytest.raises(ValueError, match="outside of the Q-Former's vocabulary"):
        Stage1Config(model.config.vision, model.config.qformer, decoder_token_id=10**6)
    with pytest.raises(ValueError, match="one image each"):
        collate_pairs([Encoded("x", [1, 2])])


def test_captions_are_cut_behind_and_keep_their_end() -> None:
    from tests.tiny_tokenizers import bert_tokenizer

    tokenizer = bert_tokenizer()
    ids = caption_ids("a red circle and " * 20, tokenizer)
    assert len(ids) == 32
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_names_are_those_of_lavis() -> None:
    names = {name for name in build().state_dict() if name.startswith("heads.")}
    expected = {f"{head}.{kind}" for head in ("vision_proj", "text_proj", "itm_head") for kind in ("weight", "bias")}
    predictions = ("transform.dense", "transform.LayerNorm", "decoder")
    expected |= {f"cls.predictions.{name}.{kind}" for name in predictions for kind in ("weight", "bias")}
    assert names == {f"heads.{name}" for name in expected | {"temp"}}
    model = build()
    assert model.heads.cls.predictions.decoder.weight is model.connector.qformer.embeddings.word_embeddings.weight
