"""Every model family beside transformers: token ids, logits, loss, gradients, text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.families import Pair, load_pair

# Worst error seen on these checkpoints: logits 0 to 2e-6 (T5, whose logits reach 50), loss 5e-7, gradients 3e-6.
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture
def pair(tiny_checkpoint: Path) -> Pair:
    return load_pair(tiny_checkpoint)


def connector_gradients(pair: Pair, reference: bool) -> dict[str, torch.Tensor]:
    """Gradients of the connector's parameters, under names both sides share."""
    model = pair.model if reference else pair.predictor.model.connector
    gradients = {}
    for name, parameter in model.named_parameters():
        for old, new in (
            ("model.multi_modal_projector.", ""),
            ("language_projection.", "projection."),
            ("qformer.embeddings.layernorm", "qformer.layernorm"),
        ):
            name = name.replace(old, new)
        if name.startswith(("qformer", "projection", "linear_", "query_tokens")):
            gradients[name] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
    model.zero_grad()
    return gradients


@pytest.mark.parametrize("row", [0, 1])
def test_raw_token_ids_are_those_of_transformers_processor(pair: Pair, row: int) -> None:
    inputs = pair.reference_inputs(row)
    batch = pair.predictor.processor.encode([pair.pictures[row]], [pair.prompts[row]], raw=True)
    assert batch.input_ids.tolist() == inputs.input_ids.tolist()
    assert torch.equal(batch.pixel_values, inputs.pixel_values)
    if "qformer_input_ids" in inputs:
        assert batch.instruction_ids.tolist() == inputs.qformer_input_ids.tolist()


def test_chat_prompt_is_that_of_transformers_template(tiny_checkpoints: dict[str, Path]) -> None:
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    content = [{"type": "image"}, {"type": "text", "text": "what is this?"}]
    expected = pair.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    assert pair.predictor.processor.format_prompt("what is this?", 1) == expected


def test_logits_loss_and_connector_gradients(pair: Pair) -> None:
    predictor = pair.predictor
    batch = predictor.processor.encode([pair.pictures[0]], [pair.prompts[0]], ["a red square"], raw=True)
    inputs = dict(pair.reference_inputs(0), input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    expected = pair.model(**inputs, labels=batch.labels)
    expected.loss.backward()
    gradients = connector_gradients(pair, reference=True)

    output = predictor.model(**batch.model_inputs(), return_logits=True)
    torch.testing.assert_close(output.logits, expected.logits, **TOLERANCE)
    torch.testing.assert_close(output.loss, expected.loss, **TOLERANCE)
    learned_only = predictor.model(**batch.model_inputs())
    torch.testing.assert_close(learned_only.loss, expected.loss, **TOLERANCE)
    learned_only.loss.backward()
    own = connector_gradients(pair, reference=False)
    predictor.model.zero_grad()
    if pair.predictor.model.config.connector.type == "linear":  # the identity behind it has no counterpart
        own = {name.replace("projection", "linear_1"): gradient for name, gradient in own.items()}
    assert own
    assert set(own) <= set(gradients)
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, gradients[name], atol=2e-5, rtol=1e-4, msg=name)
    assert any(gradient.abs().max() > 0 for gradient in own.values())


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_new_tokens": 8},
        {"max_new_tokens": 8, "num_beams": 3, "length_penalty": -1.0, "repetition_penalty": 1.5, "min_new_tokens": 2},
        {"max_new_tokens": 6, "num_beams": 2, "no_repeat_ngram_size": 2},
    ],
    ids=["greedy", "beams", "ngrams"],
)
def test_text_is_that_of_transformers_in_a_batch_and_alone(pair: Pair, arguments: dict) -> None:
    expected = [pair.reference_text(row, **arguments) for row in range(len(pair.prompts))]
    for batch_size in (3, 1):
        answers = pair.predictor.generate(pair.pictures, pair.prompts, raw=True, batch_size=batch_size, **arguments)
        assert answers == expected


def test_no_module_is_a_qformer_of_transformers(pair: Pair) -> None:
    names = {type(module).__module__ + "." + type(module).__name__ for module in pair.predictor.model.modules()}
    assert not [name for name in names if "QFormer" in name and not name.startswith("vistune.")]
    assert not [name for name in names if "MultiModalProjector" in name]
