"""Vision encoder, projector, Q-Former, image processor and dtype: where folders or transformers mislead."""

from __future__ import annotations

import json
from dataclasses import replace
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
from tests.tiny import make_blip2, make_family, picture

from vistune.checkpoint import load_model, save_model
from vistune.checkpoint.config_writer import family_of
from vistune.checkpoint.layouts import layout_of
from vistune.model.vlm import VisionLanguageModel

TOLERANCE = 1e-5  # measured worst difference: 0.0


class TestVision:
    def test_ln_vision_eps(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        """1e-6 in transformers' folders, 1e-5 in LAVIS."""
        model, processor = load_model(tiny_checkpoints["instructblip-llama"])
        assert model.config.vision.norm_eps is None
        assert model.vision.backbone.post_layernorm.eps == 1e-6
        vision = replace(model.config.vision, norm_eps=1e-5)
        lavis = VisionLanguageModel(replace(model.config, vision=vision))
        lavis.load_state_dict(model.state_dict())
        save_model(lavis, processor, tmp_path / "lavis")
        assert json.loads((tmp_path / "lavis" / "vistune.json").read_text())["norm_eps"] == 1e-5
        again, _ = load_model(tmp_path / "lavis")
        assert again.vision.backbone.post_layernorm.eps == 1e-5
        assert again.vision.backbone.encoder.layers[0].layer_norm1.eps == 1e-6

    @pytest.mark.parametrize(("layer", "strategy"), [(-2, "full"), (1, "default"), ([-3, -1], "full")])
    def test_feature_choice(self, tmp_path: Path, layer: int | list[int], strategy: str) -> None:
        folder = make_family(tmp_path / "model", "llava-mlp")
        edit_config(folder, vision_feature_layer=layer, vision_feature_select_strategy=strategy)
        edit_config(folder, "processor_config.json", vision_feature_select_strategy=strategy)
        if isinstance(layer, list):
            tensors = load_file(folder / "model.safetensors")
            key = "multi_modal_projector.linear_1.weight"
            tensors[key] = torch.cat([tensors[key], -tensors[key]], dim=1)
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model, processor = load_model(folder)
        assert model.config.vision.keep_cls == (strategy == "full")
        assert processor.num_image_tokens == (17 if strategy == "full" else 16)
        save_model(model, processor, tmp_path / "new")
        same_logits(folder, tmp_path / "new")

    def test_projector_without_bias(self, tmp_path: Path) -> None:
        folder = make_family(tmp_path / "model", "llava-mlp")
        edit_config(folder, multimodal_projector_bias=False)
        tensors = load_file(folder / "model.safetensors")
        kept = {k: v for k, v in tensors.items() if not (k.startswith("multi_modal") and k.endswith("bias"))}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        save_model(*load_model(folder), tmp_path / "new")
        same_logits(folder, tmp_path / "new")


class TestLinearProjector:
    def test_is_one_layer(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        model, processor = load_model(tiny_checkpoints["llava-linear"])
        assert model.config.connector.type == "linear"
        assert [name for name, _ in model.connector.named_parameters()] == ["projection.weight", "projection.bias"]
        save_model(model, processor, tmp_path / "new")
        written = load_file(tmp_path / "new" / "model.safetensors")
        second = written["multi_modal_projector.linear_2.weight"]
        assert torch.equal(second, torch.eye(len(second)))
        assert not written["multi_modal_projector.linear_2.bias"].any()
        assert json.loads((tmp_path / "new" / "vistune.json").read_text())["connector"] == "linear"

    def test_linear_activation_alone_is_not_enough(self, tmp_path: Path) -> None:
        folder = make_family(tmp_path / "model", "llava-linear")
        tensors = load_file(folder / "model.safetensors")
        tensors["multi_modal_projector.linear_2.weight"][0, 1] = 1e-3
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model, processor = load_model(folder)
        assert (model.config.connector.type, model.config.connector.hidden_act) == ("mlp", "linear")
        save_model(model, processor, tmp_path / "new")
        same_logits(folder, tmp_path / "new")


class TestImageProcessor:
    def test_backend_is_always_pil(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        model, processor = load_model(tiny_checkpoint)
        assert type(processor.image_processor).__name__.endswith("Pil")
        save_model(model, processor, tmp_path / "new")
        facts = json.loads((tmp_path / "new" / "vistune.json").read_text())
        assert (facts["image_backend"], facts["image_processor"][-3:]) == ("pil", "Pil")

    @pytest.mark.parametrize("kind", ["BlipImageProcessor", "BlipImageProcessorFast", "BlipImageProcessorPil", None])
    def test_old_layout_and_fast_names(self, tmp_path: Path, kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = make_family(tmp_path / "model", "instructblip-llama")
        settings = json.loads((folder / "processor_config.json").read_text())["image_processor"]
        settings["image_processor_type"] = kind
        if kind is None:
            del settings["image_processor_type"]
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
        (folder / "processor_config.json").write_text(json.dumps({"num_query_tokens": 4}))
        # Even where torchvision is there.
        module = "transformers.models.auto.image_processing_auto.is_torchvision_available"
        monkeypatch.setattr(module, lambda: True)
        _, processor = load_model(folder)
        assert type(processor.image_processor).__name__ == "BlipImageProcessorPil"


class TestQFormer:
    def test_tokenizer_in_its_own_folder(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        model, processor = load_model(tiny_checkpoints["instructblip-llama"])
        text = "What colour is it?"
        ids = processor.qformer_tokenizer(text)["input_ids"]
        assert ids != processor.tokenizer(text)["input_ids"]
        save_model(model, processor, tmp_path / "new")
        from transformers import AutoProcessor

        theirs = AutoProcessor.from_pretrained(tmp_path / "new").qformer_tokenizer(text)["input_ids"]
        assert ids == theirs == load_model(tmp_path / "new")[1].qformer_tokenizer(text)["input_ids"]

    def test_shorter_instructions_are_remembered(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        model, processor = load_model(tiny_checkpoints["instructblip-llama"])
        assert processor.max_instruction_tokens == 64
        processor.max_instruction_tokens = 16
        save_model(model, processor, tmp_path / "new")
        assert load_model(tmp_path / "new")[1].max_instruction_tokens == 16

    def test_blip2_with_unused_text_feed_forward(self, tmp_path: Path) -> None:
        """``use_qformer_text_input`` without text embeddings: weights that no text can reach."""
        folder = make_blip2(tmp_path / "model", "opt")
        edit_config(folder, qformer_config__use_qformer_text_input=True)
        tensors = load_file(folder / "model.safetensors")
        for key in [key for key in tensors if "_query." in key]:
            tensors[key.replace("_query.", ".")] = tensors[key].clone()
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model, processor = load_model(folder)
        assert model.config.connector.qformer is not None
        assert not model.config.connector.qformer.text_input
        save_model(model, processor, tmp_path / "new")
        same_logits(folder, tmp_path / "new")

    def test_blip2_with_text_parts_for_the_next_stage(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        model, processor = load_model(tiny_checkpoints["instructblip-llama"])
        qformer = replace(model.config.connector.qformer, instruction_aware=False)  # type: ignore[type-var]
        connector = replace(model.config.connector, qformer=qformer)
        blind = VisionLanguageModel(replace(model.config, connector=connector)).eval()
        blind.load_state_dict(model.state_dict())
        save_model(blind, processor, tmp_path / "blip2")
        assert json.loads((tmp_path / "blip2" / "config.json").read_text())["model_type"] == "blip-2"
        again, its_processor = load_model(tmp_path / "blip2")
        assert again.config.connector == connector
        state = again.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert its_processor.qformer_tokenizer is not None
        from transformers import Blip2ForConditionalGeneration

        theirs, info = Blip2ForConditionalGeneration.from_pretrained(tmp_path / "blip2", output_loading_info=True)
        assert not info["missing_keys"]
        assert {key.split(".")[0] for key in info["unexpected_keys"]} == {"embeddings"}
        inputs = their_inputs(tmp_path / "blip2")
        ours = our_logits(again, inputs)
        assert (real(their_logits(theirs.eval(), inputs), inputs) - real(ours, inputs)).abs().max() <= TOLERANCE


class TestDtype:
    def test_auto_is_what_the_config_says(self, tmp_path: Path) -> None:
        folder = make_family(tmp_path / "model", "llava-mlp")
        edit_config(folder, dtype="bfloat16")
        assert {parameter.dtype for parameter in load_model(folder)[0].parameters()} == {torch.bfloat16}
        edit_config(folder, dtype=None, torch_dtype="float16")
        assert {parameter.dtype for parameter in load_model(folder)[0].parameters()} == {torch.float16}
        edit_config(folder, torch_dtype=None)
        assert {parameter.dtype for parameter in load_model(folder)[0].parameters()} == {torch.float32}

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_float32_stays_where_transformers_keeps_it(self, tiny_checkpoint: Path, dtype: str) -> None:
        model, processor = load_model(tiny_checkpoint, dtype=dtype)  # type: ignore[arg-type]
        ours = model.state_dict()
        layout = layout_of(family_of(model), model)
        for key, value in load_theirs(tiny_checkpoint, dtype=dtype).state_dict().items():
            name = layout.to_ours(key, ours)
            # transformers searches for T5's "wo" anywhere in a name, so its word_embeddings stay too, by accident.
            if name is not None and "word_embeddings" not in name:
                assert torch.equal(value, ours[name]), key
                assert value.dtype == ours[name].dtype, key
        batch = processor.encode([picture(1)], ["What?"], ["red"])
        assert model(**batch.model_inputs()).loss.isfinite()

    def test_rotary_frequencies_stay_exact(self, tiny_checkpoints: dict[str, Path]) -> None:
        plain, half = (load_model(tiny_checkpoints["llava-mlp"], dtype=dtype)[0] for dtype in ("auto", "float16"))
        buffers = dict(half.named_buffers())
        assert any(name.endswith("inv_freq") for name in buffers)
        assert all(torch.equal(value, buffers[name]) for name, value in plain.named_buffers())

    def test_parts_may_differ(self, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
        """A tuned connector in float32 beside frozen parts in float16 comes back as it was."""
        model, processor = load_model(tiny_checkpoints["llava-mlp"], dtype="float16")
        model.connector.float()
        save_model(model, processor, tmp_path / "new")
        again, _ = load_model(tmp_path / "new")
        state = again.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert all(value.dtype == state[name].dtype for name, value in model.state_dict().items())
