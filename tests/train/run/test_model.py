"""The model of a recipe put together from parts: what comes from where, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.tiny import HIDDEN, picture
from tests.tiny_tokenizers import bert_tokenizer
from transformers import BertConfig, BertForMaskedLM, CLIPModel, LlamaForCausalLM, T5Config, T5ForConditionalGeneration
from transformers import CLIPConfig as TheirClipConfig

from vistune.checkpoint import load_model, save_model
from vistune.errors import CheckpointError, RecipeError
from vistune.infer.predictor import Predictor
from vistune.train.recipe.parts import Model
from vistune.train.run.model.assemble import assemble
from vistune.train.run.model.assembly import Assembly

QFORMER: dict[str, Any] = {
    "type": "qformer",
    "num_query_tokens": 4,
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "vocab_size": None,
}


def parts(vision: Any, connector: dict[str, Any], language: Any, **more: Any) -> Model:
    content: dict[str, Any] = {"vision": vision if isinstance(vision, dict) else {"from": str(vision)}}
    language = {"from": language} if isinstance(language, str) else language
    content |= {"connector": connector, **({} if language is None else {"language": language}), **more}
    return Model.model_validate(content)


def told(assembly: Assembly) -> str:
    return "; ".join(assembly.notes)


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    state, other = ours.state_dict(), theirs.state_dict()
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


def answers(assembly: Assembly) -> list[str]:
    predictor = Predictor(assembly.whole.float(), assembly.whole_processor)
    return predictor.generate([picture(1), picture(2)], ["what is this?", "a word:"], max_new_tokens=6)


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "llava-mlp"])
def test_a_checkpoint_taken_apart_is_the_checkpoint(tiny_checkpoints: dict[str, Path], family: str) -> None:
    """Encoder, connector and language model, each named from the same folder, answer as that folder does."""
    folder = str(tiny_checkpoints[family])
    vision: dict[str, Any] = {"from": folder}
    connector = {**QFORMER, "instruction_aware": True, "from": folder, "dropout": 0.1}
    if family.startswith("llava"):
        vision |= {"feature_layer": -2, "keep_cls": False}
        connector = {"type": "mlp", "from": folder}
    apart = assemble(parts(vision, connector, folder), seed=0)
    whole = assemble(Model.model_validate({"from": folder}), seed=0)
    assert same(apart.whole, whole.whole)
    if not family.startswith("llava"):  # whose chat template belongs to the whole folder
        assert answers(apart) == answers(whole)
    assert "fresh" not in told(apart)


def test_fresh_parts_depend_on_the_seed_alone_and_are_named(tiny_checkpoints: dict[str, Path]) -> None:
    folder = str(tiny_checkpoints["llava-mlp"])
    recipe = parts({"from": folder, "feature_layer": -2, "keep_cls": False}, {"type": "linear"}, folder)
    first, again, other = (assemble(recipe, seed) for seed in (0, 0, 1))
    assert same(first.connector, again.connector)
    assert not same(first.connector, other.connector)
    assert same(first.vision, other.vision)
    assert "projection fresh" in told(first)


def test_the_projection_may_be_begun_anew(tiny_checkpoints: dict[str, Path]) -> None:
    folder = str(tiny_checkpoints["instructblip-llama"])
    connector = {**QFORMER, "instruction_aware": True, "from": folder, "fresh_projection": True}
    made, stored = assemble(parts(folder, connector, folder), seed=0), load_model(folder)[0].connector
    assert torch.equal(made.connector.query_tokens, stored.query_tokens)
    assert not torch.equal(made.connector.projection.weight, stored.projection.weight)
    assert "projection fresh" in told(made)


def test_bare_encoder_and_language_model(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    """CLIP with its text encoder beside it, and a language model by itself, as they lie on the hub."""
    whole, processor = load_model(tiny_checkpoints["llava-mlp"])
    size = {"hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    clip = CLIPModel(
        TheirClipConfig(
            vision_config={**size, "image_size": 32, "patch_size": 8, "projection_dim": 16},
            text_config={**size, "vocab_size": 50},
        )
    )
    clip.save_pretrained(tmp_path / "clip")
    processor.image_processor.save_pretrained(tmp_path / "clip")
    theirs = LlamaForCausalLM(whole.config.language)
    theirs.save_pretrained(tmp_path / "llama")
    processor.tokenizer.save_pretrained(tmp_path / "llama")
    vision = {"from": str(tmp_path / "clip"), "feature_layer": -2, "keep_cls": False}
    made = assemble(parts(vision, {"type": "mlp"}, str(tmp_path / "llama")), seed=0)
    pixels = torch.randn(2, 3, 32, 32)
    expected = clip.vision_model(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    assert torch.equal(made.vision(pixels), expected)
    assert torch.equal(made.whole.language.model.lm_head.weight, theirs.lm_head.weight)
    assert made.whole_processor.image_token_id == made.whole_processor.tokenizer.convert_tokens_to_ids("<image>")


@pytest.mark.parametrize("activation", [None, "gelu"])
def test_a_flan_t5_by_itself_is_run_as_the_recipe_says(
    tmp_path: Path, tiny_checkpoints: dict[str, Path], activation: str | None
) -> None:
    """LAVIS runs it with the exact GELU, its own config names the approximation; what is saved says which."""
    source = tiny_checkpoints["instructblip-t5"]
    whole, processor = load_model(source)
    fields = {**whole.config.language.to_dict(), "dense_act_fn": "gelu_new"}
    T5ForConditionalGeneration(T5Config(**fields)).save_pretrained(tmp_path / "t5")
    processor.tokenizer.save_pretrained(tmp_path / "t5")
    language = {"from": str(tmp_path / "t5"), "t5_activation": activation}
    made = assemble(parts(source, {**QFORMER, "instruction_aware": True, "from": str(source)}, language), seed=0)
    save_model(made.whole, made.whole_processor, tmp_path / "saved")
    for model in (made.whole, load_model(tmp_path / "saved")[0]):
        found = model.language.model.encoder.block[0].layer[-1].DenseReluDense.act(torch.linspace(-3, 3, 9))
        exact = torch.equal(found, torch.nn.functional.gelu(torch.linspace(-3, 3, 9)))
        assert exact is (activation == "gelu")
    for other in (tiny_checkpoints["llava-mlp"], tmp_path / "saved"):
        wanted = {"from": str(other), "t5_activation": "gelu_new" if activation else "gelu"}
        with pytest.raises(CheckpointError, match=r"t5_activation is .*; leave t5_activation out"):
            assemble(parts(source, {**QFORMER, "from": str(source)}, wanted), seed=0)


def bert(folder: Path) -> BertForMaskedLM:
    tokenizer = bert_tokenizer()
    tokenizer.save_pretrained(folder)
    model = BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer) - 2,
            hidden_size=24,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=40,
            max_position_embeddings=64,
        )
    )
    model.save_pretrained(folder)
    return model


def test_a_qformer_begins_from_bert(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    """As LAVIS does: text and query feed-forwards both from BERT's, the head too, cross-attention and queries fresh."""
    theirs = bert(tmp_path / "bert")
    connector = {**QFORMER, "from": str(tmp_path / "bert")}
    made = assemble(parts(tiny_checkpoints["blip2-opt"], connector, None), seed=0, captions=True)
    layer, source = made.connector.qformer.encoder.layer[1], theirs.bert.encoder.layer[1]
    assert torch.equal(layer.attention.attention.query.weight, source.attention.self.query.weight)
    assert torch.equal(layer.attention.output.LayerNorm.weight, source.attention.output.LayerNorm.weight)
    assert torch.equal(layer.intermediate.dense.weight, source.intermediate.dense.weight)
    assert torch.equal(layer.intermediate_query.dense.weight, source.intermediate.dense.weight)
    assert torch.equal(layer.output_query.dense.weight, source.output.dense.weight)
    words = made.connector.qformer.embeddings.word_embeddings.weight
    known = theirs.bert.embeddings.word_embeddings.weight
    assert torch.equal(words[: len(known)], known)
    heads = made.stage1().heads
    assert torch.equal(heads.cls.predictions.transform.dense.weight, theirs.cls.predictions.transform.dense.weight)
    assert "cross-attention fresh" in told(made) and "queries fresh" in told(made)


def test_llavas_projector_file(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    folder = str(tiny_checkpoints["llava-mlp"])
    stored = load_model(folder)[0].connector
    torch.save(
        {
            f"model.mm_projector.{place}.{leaf}": getattr(layer, leaf).detach() + 1
            for place, layer in ((0, stored.linear_1), (2, stored.linear_2))
            for leaf in ("weight", "bias")
        },
        tmp_path / "mm_projector.bin",
    )
    vision = {"from": folder, "feature_layer": -2, "keep_cls": False}
    made = assemble(parts(vision, {"type": "mlp", "from": str(tmp_path)}, folder), seed=0)
    assert torch.equal(made.connector.linear_2.weight, stored.linear_2.weight + 1)


def test_later_sources_win_and_useless_ones_are_refused(tiny_checkpoints: dict[str, Path]) -> None:
    first, second = str(tiny_checkpoints["instructblip-llama"]), str(tiny_checkpoints["blip2-opt"])
    connector = {**QFORMER, "instruction_aware": True, "from": [first, second]}
    made = assemble(parts(second, connector, second), seed=0)
    theirs = load_model(second)[0].connector
    assert torch.equal(made.connector.query_tokens, theirs.query_tokens)
    assert torch.equal(made.connector.projection.weight, theirs.projection.weight)
    text = "qformer.embeddings.word_embeddings.weight"
    assert torch.equal(made.connector.state_dict()[text], load_model(first)[0].connector.state_dict()[text])
    with pytest.raises(RecipeError, match="takes nothing"):
        assemble(parts(second, {**connector, "from": [second, first]}, second), seed=0)


def wrong(tiny: dict[str, Path], tmp_path: Path) -> list[tuple[Model, type[Exception], str]]:
    blip2, llava = str(tiny["blip2-opt"]), str(tiny["llava-mlp"])
    (tmp_path / "empty").mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "empty" / "model.safetensors")
    clip = {"from": llava, "feature_layer": -2, "keep_cls": False}
    return [
        (Model.model_validate({"from": str(tmp_path / "nowhere")}), CheckpointError, "There is no folder"),
        (parts(blip2, {**QFORMER, "text_input": False}, str(tmp_path / "empty")), CheckpointError, "no language model"),
        (parts(tmp_path / "empty", {"type": "mlp"}, llava), CheckpointError, "no image encoder"),
        (parts({"from": llava, "feature_layer": -9}, {"type": "mlp"}, llava), CheckpointError, "3 layers"),
        (parts(blip2, {**QFORMER, "instruction_aware": True}, blip2), RecipeError, "tokenizer"),
        (parts(blip2, {**QFORMER, "hidden_size": 32, "from": blip2}, blip2), CheckpointError, "expected"),
        (parts(clip, {"type": "linear", "from": llava}, llava), RecipeError, "takes nothing"),
        (parts(clip, {"type": "mlp"}, None), RecipeError, "no language model"),
        (parts(clip, {"type": "mlp", "from": str(tmp_path / "empty")}, llava), CheckpointError, "no connector"),
    ]


@pytest.mark.parametrize("number", range(9))
def test_wrong_parts_are_one_sentence(tiny_checkpoints: dict[str, Path], tmp_path: Path, number: int) -> None:
    recipe, kind, words = wrong(tiny_checkpoints, tmp_path)[number]
    with pytest.raises(kind, match=words) as caught:
        assemble(recipe, seed=0)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
