"""Special ids, T5 and the vocabulary: where released folders mislead about the language model."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.checkpoint.reference import (
    edit_config,
    load_theirs,
    our_logits,
    real,
    same_logits,
    their_inputs,
    their_logits,
)
from tests.tiny import make_blip2, make_family, make_instructblip, picture

from vistune.checkpoint import load_model, read_config, save_model

TOLERANCE = 1e-5  # measured worst difference: 0.0


class TestSpecialIds:
    def test_tokenizer_wins(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        folder = make_instructblip(tmp_path / "model", contradictory_ids=True)
        edit_config(folder, "generation_config.json", bos_token_id=0, eos_token_id=1, pad_token_id=-1)
        with caplog.at_level(logging.WARNING, "vistune"):
            model, processor = load_model(folder)
        pad = processor.tokenizer.pad_token_id
        for config in (model.config.language, model.language.model.config, model.generation_config):
            assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (2, 2, pad)
        told = [record.getMessage() for record in caplog.records if "contradicts the tokenizer" in record.getMessage()]
        assert len(told) == 1
        assert f"bos_token_id 0 -> 2, eos_token_id 1 -> 2, pad_token_id -1 -> {pad}" in told[0]
        assert read_config(folder).language.eos_token_id == 2

    def test_what_is_written_is_repaired(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        folder = make_instructblip(tmp_path / "model", contradictory_ids=True)
        save_model(*load_model(folder), tmp_path / "new")
        assert json.loads((tmp_path / "new" / "config.json").read_text())["text_config"]["eos_token_id"] == 2
        caplog.clear()
        load_model(tmp_path / "new")
        assert not caplog.records
        same_logits(folder, tmp_path / "new")

    def test_newline_as_end_is_a_choice(self, tmp_path: Path) -> None:
        folder = make_blip2(tmp_path / "model", "opt")
        newline = load_model(folder)[1].tokenizer("\n", add_special_tokens=False)["input_ids"][0]
        edit_config(folder, text_config__eos_token_id=newline)
        edit_config(folder, "generation_config.json", eos_token_id=newline)
        model, _ = load_model(folder)
        assert model.config.language.eos_token_id == newline
        assert model.generation_config is not None
        assert model.generation_config.eos_token_id == newline

    def test_folder_without_generation_config(self, tmp_path: Path) -> None:
        folder = make_family(tmp_path / "model", "instructblip-t5")
        (folder / "generation_config.json").unlink()
        model, processor = load_model(folder)
        generation = model.generation_config
        assert generation is not None
        assert generation.eos_token_id == processor.tokenizer.eos_token_id
        assert generation.decoder_start_token_id == processor.tokenizer.pad_token_id

    def test_generation_settings_survive(self, tmp_path: Path) -> None:
        folder = make_family(tmp_path / "model", "llava-mlp")
        # transformers refuses to write a temperature without sampling, which released folders have.
        edit_config(folder, "generation_config.json", num_beams=5, temperature=0.9, repetition_penalty=1.5)
        save_model(*load_model(folder), tmp_path / "new")
        written = json.loads((tmp_path / "new" / "generation_config.json").read_text())
        assert (written["num_beams"], written["temperature"], written["repetition_penalty"]) == (5, 0.9, 1.5)


class TestT5:
    def test_gelu_is_the_exact_one(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        """``feed_forward_proj="gated-gelu"`` gives gelu_new, LAVIS runs Flan-T5 with gelu."""
        model, processor = load_model(tiny_checkpoints["instructblip-t5"])
        save_model(model, processor, tmp_path / "new")
        for folder in (tiny_checkpoints["instructblip-t5"], tmp_path / "new"):
            language = load_model(folder)[0].language.model
            assert language.config.feed_forward_proj == "gated-gelu"
            assert language.config.dense_act_fn == "gelu"
            activation = language.encoder.block[0].layer[-1].DenseReluDense.act
            assert torch.equal(activation(torch.linspace(-3, 3, 9)), torch.nn.functional.gelu(torch.linspace(-3, 3, 9)))
            assert load_theirs(folder).config.text_config.dense_act_fn == "gelu"

    def test_gelu_new_stays_where_it_was_meant(self, tmp_path: Path) -> None:
        folder = make_instructblip(tmp_path / "model", "t5")
        edit_config(folder, text_config__dense_act_fn="gelu_new")
        save_model(*load_model(folder), tmp_path / "new")
        assert read_config(tmp_path / "new").language.dense_act_fn == "gelu_new"
        same_logits(folder, tmp_path / "new")

    @pytest.mark.parametrize("scale", [True, False])
    def test_separate_output_matrix(self, tmp_path: Path, scale: bool) -> None:
        """Flan-T5 has one, although transformers' T5 config always says that it is tied."""
        folder = make_instructblip(tmp_path / "model", "t5")
        edit_config(folder, text_config__tie_word_embeddings=False, text_config__scale_decoder_outputs=scale)
        tensors = load_file(folder / "model.safetensors")
        tensors["language_model.lm_head.weight"] = torch.randn_like(tensors["language_model.shared.weight"])
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model, processor = load_model(folder)
        assert not torch.equal(model.language.model.lm_head.weight, model.language.model.shared.weight)
        model.language.model.tie_weights()
        assert not torch.equal(model.language.model.lm_head.weight, model.language.model.shared.weight)
        save_model(model, processor, tmp_path / "new")
        assert "language_model.lm_head.weight" in load_file(tmp_path / "new" / "model.safetensors")
        same_logits(folder, tmp_path / "new")


class TestImageToken:
    @pytest.mark.parametrize("name", ["instructblip-llama", "blip2-opt"])
    def test_folder_from_before_it_existed(self, tmp_path: Path, name: str) -> None:
        """No ``image_token_index``, no ``<image>`` in the tokenizer, no row for it in the embeddings."""
        folder = make_family(tmp_path / "model", name)
        whole, _ = load_model(folder)
        expected = whole.config.image_token_id
        cut_vocabulary(folder, expected)
        model, processor = load_model(folder)
        assert model.config.image_token_id == expected == model.language.model.get_input_embeddings().weight.shape[0]
        batch = processor.encode([picture(1)], ["What?"])
        with torch.no_grad():
            ours = model(**batch.model_inputs()).logits
            theirs = whole(**batch.model_inputs()).logits
        assert (ours - theirs[..., :expected]).abs().max() <= TOLERANCE
        save_model(model, processor, tmp_path / "new")
        inputs = their_inputs(tmp_path / "new")
        logits = their_logits(load_theirs(tmp_path / "new"), inputs)
        old = our_logits(model, inputs)
        assert (real(logits, inputs)[..., :expected] - real(old, inputs)).abs().max() <= TOLERANCE
        assert logits.shape[-1] == expected + 1
        assert not (logits.argmax(-1) == expected).any()

    def test_config_without_the_field(self, tmp_path: Path) -> None:
        folder = make_family(tmp_path / "model", "instructblip-t5")
        expected = read_config(folder).image_token_id
        edit_config(folder, image_token_index=None)
        assert read_config(folder).image_token_id == expected
        save_model(*load_model(folder), tmp_path / "new")
        assert json.loads((tmp_path / "new" / "config.json").read_text())["image_token_index"] == expected

    def test_padded_vocabulary(self, tiny_checkpoint: Path) -> None:
        model, processor = load_model(tiny_checkpoint)
        assert model.language.model.get_input_embeddings().weight.shape[0] > len(processor.tokenizer)


def cut_vocabulary(folder: Path, rows: int) -> None:
    """Make a folder as it was before ``<image>`` was part of the vocabulary."""
    edit_config(folder, image_token_index=None, text_config__vocab_size=rows)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != "<image>"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    tensors = load_file(folder / "model.safetensors")
    for key in tensors:
        if key.endswith(("embed_tokens.weight", "lm_head.weight")):
            tensors[key] = tensors[key][:rows].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
