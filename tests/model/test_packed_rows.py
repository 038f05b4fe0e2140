"""Several samples in a row: each has the loss that it has alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.families import QUESTIONS, load_pair
from tests.tiny import picture
from transformers import (
    BartConfig,
    BloomConfig,
    CLIPVisionConfig,
    Gemma2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    T5Config,
)

from vistune.data.batch import IGNORE, Batch, Encoded, pack
from vistune.data.processor import Processor
from vistune.errors import InputError
from vistune.model.config import ConnectorConfig, ModelConfig, VisionConfig
from vistune.model.language import LanguageModel
from vistune.model.losses import shift_labels
from vistune.model.segments import count_by_segment, segment_mask, segment_positions
from vistune.model.vlm import VisionLanguageModel

TARGETS = ("yes", "a red circle and a square, I think", "two cats")


def samples(processor: Processor, mark: str = "") -> list[Encoded]:
    """Six samples of different lengths: one image, none, two images."""
    found = []
    for number in range(6):
        question = QUESTIONS[number % 3]
        count = (1, 0, 1, 2, 1, 0)[number]
        found.append(
            processor.encode_one(
                mark * count + question,
                [picture(number + extra) for extra in range(count)] or None,
                TARGETS[(number * 2) % 3],
                raw=True,
                id=f"sample {number}",
            )
        )
    return found


def losses(model: VisionLanguageModel, batch: Batch) -> list[float]:
    """Mean loss over the learned tokens of each sample of a packed or padded batch."""
    with torch.no_grad():
        logits = model(**batch.model_inputs(), return_logits=True).logits
    assert batch.labels is not None
    apart = model.language.is_encoder_decoder
    targets = batch.labels if apart else shift_labels(batch.labels, batch.segment_ids)
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none")
    each = each.view_as(targets)
    segments = batch.target_segments if apart else batch.segment_ids
    segments = torch.ones_like(targets) if segments is None else segments
    rows = zip(each, targets != IGNORE, segments, strict=True)
    return [float(row[learned & (ids == k)].mean()) for row, learned, ids in rows for k in range(1, int(ids.max()) + 1)]


def packed(processor: Processor, rows: list[list[Encoded]], **lengths: int) -> Batch:
    return pack(rows, processor.pad_id, encoder_decoder=processor.encoder_decoder, **lengths)


def test_every_sample_has_the_loss_it_has_alone(tiny_checkpoint: Path) -> None:
    """Llama, OPT and T5 behind a Q-Former with and without instruction, and behind LLaVA's connectors."""
    pair = load_pair(tiny_checkpoint)
    # In double precision: the tiny T5's losses are so large that float32 alone is off by 1e-5.
    model, processor = copy.deepcopy(pair.predictor.model).double(), pair.predictor.processor
    all_samples = samples(processor, "" if processor.image_first else "<image>\n")
    rows = [all_samples[:3], all_samples[3:4], all_samples[4:]]
    batch = packed(processor, rows)
    alone = [losses(model, processor.collate([sample]))[0] for sample in all_samples]
    # Worst error seen: 1.3e-13 on losses of 6 to 22.
    assert losses(model, batch) == pytest.approx(alone, rel=0, abs=1e-9)
    with torch.no_grad():
        output = model(**batch.model_inputs())
        padded = model(**processor.collate(all_samples).model_inputs())
    assert int(output.num_tokens) == int(padded.num_tokens) == batch.num_learned(processor.encoder_decoder)
    assert float(output.loss) == pytest.approx(float(padded.loss), abs=1e-5)
    assert 0 < batch.fill(processor.encoder_decoder) < 1


def test_padding_behind_packed_rows_never_matters(tiny_checkpoint: Path) -> None:
    pair = load_pair(tiny_checkpoint)
    model, processor = copy.deepcopy(pair.predictor.model).double(), pair.predictor.processor
    rows = [samples(processor, "" if processor.image_first else "<image>\n")]
    longer = packed(processor, rows, length=600, target_length=90)
    assert losses(model, longer) == pytest.approx(losses(model, packed(processor, rows)), abs=1e-9)


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "llava-mlp"])
def test_gradients_of_packed_and_padded_rows_are_equal(family: str, tiny_checkpoints: dict[str, Path]) -> None:
    pair = load_pair(tiny_checkpoints[family])
    model, processor = pair.predictor.model, pair.predictor.processor
    all_samples = samples(processor, "" if processor.image_first else "<image>\n")
    parameters = list(model.connector.parameters())
    gradients = []
    for batch in (packed(processor, [all_samples[:4], all_samples[4:]]), processor.collate(all_samples)):
        loss = model(**batch.model_inputs()).loss
        gradients.append(torch.autograd.grad(loss, parameters, allow_unused=True))
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


SMALL = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**SMALL, "intermediate_size": 40, "num_key_value_heads": 2}
# Qwen2; one whose attention stays transformers' own (soft-capped) and slides; a long-enough window.
DECODERS = {
    "qwen2": Qwen2Config(**WIDE),
    "gemma2": Gemma2Config(**WIDE, head_dim=8, sliding_window=64),
    "mistral": MistralConfig(**WIDE, sliding_window=64),
}


def with_language(language: Any) -> VisionLanguageModel:
    """A LLaVA-like model on this language model, the last token standing for images."""
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, image_size=16, patch_size=8
    )
    torch.manual_seed(0)
    config = ModelConfig(
        VisionConfig(vision, feature_layer=-2, keep_cls=False), ConnectorConfig("mlp"), language, 49, False
    )
    model = VisionLanguageModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def numbered(count: int) -> list[Encoded]:
    """Samples of any tokens, every second with an image; all tokens are learned, the first ones too."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for number in range(count):
        words = torch.randint(1, 49, (3 + 2 * number,), generator=generator).tolist()
        images = number % 2
        ids = [49] * (4 * images) + words
        pixels = torch.randn(images, 3, 16, 16, generator=generator) if images else None
        found.append(Encoded(str(number), ids, [IGNORE] * (4 * images) + words, pixel_values=pixels))
    return found


@pytest.mark.parametrize("kind", DECODERS)
def test_other_language_models(kind: str) -> None:
    model, four = with_language(DECODERS[kind]), numbered(4)
    together = losses(model, pack([four[:3], four[3:]], 0))
    # First tokens are learned from nothing, packed or alone.
    assert together == pytest.approx([losses(model, pack([[sample]], 0))[0] for sample in four], abs=1e-5)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (BloomConfig(vocab_size=50, hidden_size=32, n_layer=1, n_head=2), "counts positions from the beginning"),
        (MambaConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1), "carries a state along the row"),
        (
            BartConfig(vocab_size=50, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                       decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32),
            "counts positions from the beginning",
        ),
        (MistralConfig(**WIDE, sliding_window=6), "looks back 6 tokens only, fewer than the 8 of a row"),
    ],
)  # fmt: skip
def test_language_models_that_would_mix_samples_are_refused(config: Any, reason: str) -> None:
    language = LanguageModel(config).eval()
    ids = torch.ones(1, 8, dtype=torch.long)
    segments = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 0]])
    with pytest.raises(InputError, match=f"{reason}.*packed rows would mix samples"):
        language.logits(language.embed(ids), segments > 0, ids, segment_ids=segments, target_segments=segments)


def test_what_can_be_packed_is_known_beforehand() -> None:
    assert LanguageModel(LlamaConfig(**WIDE)).packing_problem is None
    t5 = T5Config(vocab_size=50, d_model=32, d_kv=8, d_ff=40, num_layers=1, num_heads=2, decoder_start_token_id=0)
    assert LanguageModel(t5).packing_problem is None


def test_a_wrong_number_of_placeholders_names_the_sample(tiny_checkpoints: dict[str, Path]) -> None:
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    model, processor = pair.predictor.model, pair.predictor.processor
    good = samples(processor, "<image>\n")
    image = processor.image_token_id
    place = good[2].input_ids.index(image)
    broken = Encoded("broken one", good[2].input_ids[:place] + good[2].input_ids[place + 1 :], good[2].labels[1:])
    with pytest.raises(InputError, match="Sample broken one has 15 image placeholders"):
        model(**packed(processor, [[good[0], broken], [good[3]]]).model_inputs())
    batch = packed(processor, [[good[0], good[2]], [good[3]]])
    inputs = {**batch.model_inputs(), "pixel_values": torch.cat([batch.pixel_values, batch.pixel_values[:1]])}
    with pytest.raises(InputError, match=r"5 images .*sample 0: 16, sample 2: 16, sample 3: 32"):
        model(**inputs)


def test_masks_and_positions() -> None:
    segments = torch.tensor([[1, 1, 2, 2, 2, 0, 0]])
    assert segment_positions(segments).tolist() == [[0, 1, 0, 1, 2, 0, 0]]
    mask = segment_mask(segments, segments, causal=True)[0, 0]
    assert mask[4].tolist() == [False, False, True, True, True, False, False]
    assert mask.any(dim=1).all()
    assert segment_mask(torch.tensor([[1, 2]]), segments)[0, 0].sum(1).tolist() == [2, 3]
    marked = torch.tensor([[True, True, False, True, True, True, False]])
    assert count_by_segment(marked, segments) == [2, 2]
