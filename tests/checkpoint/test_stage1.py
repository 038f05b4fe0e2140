"""A first stage as a folder: written, read, refused, and Salesforce's own kind of folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.model.stage1_rig import CAPTIONS, batch, build, reference
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer

from vistune.checkpoint import load_model
from vistune.checkpoint.stage1 import is_stage1, load_stage1, save_stage1
from vistune.data.pairs import PairProcessor, decoder_token_id
from vistune.errors import CheckpointError
from vistune.model.contrast import uniform_draws
from vistune.model.stage1 import Stage1Model


def losses(model: Stage1Model) -> list[float]:
    with torch.no_grad():
        parts = model.eval()(**batch(4).model_inputs(), uniform=uniform_draws(0, 0, 4))
    return [float(part.sum) for part in parts.values()]


@pytest.fixture
def processor() -> PairProcessor:
    return PairProcessor(bert_tokenizer(), blip_image_processor(), max_tokens=12)


def test_what_is_written_is_read(processor: PairProcessor, tmp_path: Path) -> None:
    model = build()
    with torch.no_grad():
        model.heads.temp.fill_(0.031)
    save_stage1(model, processor, tmp_path / "first")
    assert is_stage1(tmp_path / "first")
    again, other = load_stage1(tmp_path / "first")
    assert again.config.decoder_token_id == decoder_token_id(other.tokenizer) == model.config.decoder_token_id
    assert losses(again) == losses(model)
    assert again.heads.cls.predictions.decoder.weight is again.connector.qformer.embeddings.word_embeddings.weight
    images = [picture(n) for n in range(3)]
    mine, theirs = processor.encode(images, CAPTIONS[:3]), other.encode(images, CAPTIONS[:3])
    assert torch.equal(mine.text_ids, theirs.text_ids) and torch.equal(mine.pixel_values, theirs.pixel_values)
    assert mine.text_ids.shape[1] <= 12
    stored = load_file(tmp_path / "first" / "model.safetensors")
    assert set(stored) == set(model.state_dict()) - {"heads.cls.predictions.decoder.weight"}
    half, _ = load_stage1(tmp_path / "first", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}


def test_salesforces_release_is_read_but_for_what_it_lacks(processor: PairProcessor, tmp_path: Path) -> None:
    model = build()
    theirs = reference(model)
    theirs.save_pretrained(tmp_path)
    processor.tokenizer.save_pretrained(tmp_path)
    processor.image_processor.save_pretrained(tmp_path)
    assert is_stage1(tmp_path)
    again, _ = load_stage1(tmp_path)
    pairs = batch(3)
    with torch.no_grad():
        theirs_itm = theirs(
            pixel_values=pairs.pixel_values,
            input_ids=pairs.text_ids,
            attention_mask=pairs.text_mask,
            use_image_text_matching_head=True,
        ).logits_per_image
        features = again.encode_images(pairs.pixel_values)
        torch.testing.assert_close(
            again.matching_logits(features, pairs.text_ids, pairs.text_mask), theirs_itm, rtol=1e-4, atol=1e-5
        )
    assert again.config.decoder_token_id == model.config.decoder_token_id
    assert float(again.heads.temp.detach()) == pytest.approx(0.07)
    assert not any(parameter.is_meta for parameter in again.parameters())


def test_what_does_not_fit_is_told(processor: PairProcessor, tmp_path: Path) -> None:
    folder = tmp_path / "first"
    save_stage1(build(), processor, folder)
    with pytest.raises(CheckpointError, match="first stage of BLIP-2, which has no language model"):
        load_model(folder)
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "itm_head" not in k}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"2 missing \(heads\.itm_head\.weight, heads\.itm_head\.bias"):
        load_stage1(folder)
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**raw, "qformer": {"hidden_size": 7}}))
    with pytest.raises(CheckpointError, match="cannot be understood"):
        load_stage1(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llava"}))
    assert not is_stage1(folder)
    with pytest.raises(CheckpointError, match="expected a first stage"):
        load_stage1(folder)
