"""Complete tiny checkpoints in transformers' layout, made on the spot from random weights.

Every folder holds what a folder on the hub holds: model, config, generation config, image processor, tokenizer and, for
InstructBLIP, the Q-Former's tokenizer. `transformers.AutoProcessor` and the model class load it without a network.
Weights are random everywhere (biases and norms too), so that a forgotten parameter shows up in the logits.

    from tests.tiny import make_instructblip, make_blip2, make_llava, picture
    folder = make_instructblip(tmp_path / "model", language="t5")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.tiny_tokenizers import bert_tokenizer, llama_tokenizer, opt_tokenizer, t5_tokenizer
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    CLIPVisionConfig,
    GenerationConfig,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

IMAGE_SIZE = 32
PATCH_SIZE = 8
HIDDEN = 32
NUM_QUERY_TOKENS = 4
SHAKE = {"llama": 0.15, "opt": 0.3, "t5": 0.3}  # enough that greedy text varies with picture and prompt

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}"
    "{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def make_instructblip(
    folder: str | Path, language: str = "llama", *, seed: int = 0, contradictory_ids: bool = False, **save: Any
) -> Path:
    """Write a tiny InstructBLIP with a Llama (`llama`) or Flan-T5 (`t5`) language model and return its folder.

    `contradictory_ids` gives the text config bos 0, eos 1 and pad -1, as the Vicuna folders on the hub have, while the
    tokenizer says otherwise. `save` goes to `save_pretrained` (for example `max_shard_size="100KB"`).
    """
    tokenizer = {"llama": vicuna_tokenizer, "t5": t5_tokenizer}[language]()
    qformer_tokenizer = bert_tokenizer()
    processor = InstructBlipProcessor(blip_image_processor(), tokenizer, qformer_tokenizer, NUM_QUERY_TOKENS)
    text_config = _text_config(language, tokenizer)
    if contradictory_ids:
        text_config.bos_token_id, text_config.eos_token_id, text_config.pad_token_id = 0, 1, -1
    config = InstructBlipConfig(
        vision_config=_blip_vision(),
        qformer_config=_qformer(vocab_size=len(qformer_tokenizer)),
        text_config=text_config,
        num_query_tokens=NUM_QUERY_TOKENS,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = _random_model(InstructBlipForConditionalGeneration, config, seed)
    return _save(folder, model, processor, tokenizer, save)


def make_blip2(folder: str | Path, language: str = "opt", *, seed: int = 0, **save: Any) -> Path:
    """Write a tiny BLIP-2 with an OPT (`opt`) or Flan-T5 (`t5`) language model and return its folder."""
    tokenizer = {"opt": opt_tokenizer, "t5": t5_tokenizer}[language]()
    processor = Blip2Processor(blip_image_processor(), tokenizer, NUM_QUERY_TOKENS)
    config = Blip2Config(
        vision_config=_blip_vision(),
        qformer_config=_qformer(),
        text_config=_text_config(language, tokenizer),
        num_query_tokens=NUM_QUERY_TOKENS,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = _random_model(Blip2ForConditionalGeneration, config, seed)
    return _save(folder, model, processor, tokenizer, save)


def make_llava(folder: str | Path, projector: str = "mlp", *, seed: int = 0, **save: Any) -> Path:
    """Write a tiny LLaVA-1.5 (`mlp`) or the paper's LLaVA (`linear`: identity as second layer); return its folder."""
    tokenizer = llama_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=HIDDEN,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=IMAGE_SIZE,
            patch_size=PATCH_SIZE,
            projection_dim=16,
        ),
        text_config=_text_config("llama", tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(IMAGE_SIZE // PATCH_SIZE) ** 2,
        projector_hidden_act={"mlp": "gelu", "linear": "linear"}[projector],
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(
            size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
        ),
        tokenizer,
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    model = _random_model(LlavaForConditionalGeneration, config, seed)
    if projector == "linear":
        second = model.model.multi_modal_projector.linear_2
        with torch.no_grad():
            second.weight.copy_(torch.eye(second.weight.shape[0]))
            second.bias.zero_()
    return _save(folder, model, processor, tokenizer, save)


def make_family(folder: str | Path, name: str, **options: Any) -> Path:
    """Write the family called `name`, as `tests.conftest.FAMILIES` lists them, and return its folder."""
    makers = {"instructblip": make_instructblip, "blip2": make_blip2, "llava": make_llava}
    family, variant = name.split("-")
    return makers[family](folder, variant, **options)


def picture(seed: int = 0, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Return an RGB picture of coloured noise blocks, `size` = (width, height), the same for the same seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks, "RGB").resize(size, Image.Resampling.NEAREST)


def vicuna_tokenizer() -> PreTrainedTokenizerBase:
    """Llama's tokenizer as InstructBLIP's Vicuna folders have it: bos, eos and unk are `</s>`, pad is a new `[PAD]`."""
    return llama_tokenizer(bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="[PAD]")


def blip_image_processor() -> BlipImageProcessorPil:
    return BlipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})


def _blip_vision() -> dict[str, Any]:
    return {
        "hidden_size": HIDDEN,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
        "initializer_range": 0.1,
    }


def _qformer(**overrides: Any) -> dict[str, Any]:
    return {
        "hidden_size": 24,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        "cross_attention_frequency": 2,
        "encoder_hidden_size": HIDDEN,
        "initializer_range": 0.1,
        **overrides,
    }


def _text_config(language: str, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    vocab_size = -(-len(tokenizer) // 64) * 64  # padded to a multiple of 64, as released models are
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    if language == "t5":
        config = T5Config(
            vocab_size=vocab_size,
            d_model=HIDDEN,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            decoder_start_token_id=tokenizer.pad_token_id,
            **ids,
        )
        config.dense_act_fn = "gelu"  # the released folders run Flan-T5 with the exact GELU
        return config
    if language == "opt":
        return OPTConfig(
            vocab_size=vocab_size,
            hidden_size=HIDDEN,
            word_embed_proj_dim=HIDDEN,
            ffn_dim=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=256,
            init_std=0.1,
            bos_token_id=tokenizer.bos_token_id,
            **ids,
        )
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.1,
        bos_token_id=tokenizer.bos_token_id,
        **ids,
    )


def _random_model(model_class: type[PreTrainedModel], config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """Build the model and shake every parameter, so that no bias is zero and no norm is one."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = model_class(config).eval()
    shake = SHAKE[config.get_text_config().model_type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(shake * torch.randn_like(parameter))
    torch.random.set_rng_state(state)
    return model


def _save(folder: str | Path, model: Any, processor: Any, tokenizer: PreTrainedTokenizerBase, save: Any) -> Path:
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=getattr(model.config.get_text_config(), "decoder_start_token_id", None),
    )
    model.save_pretrained(folder, **save)
    processor.save_pretrained(folder)
    return Path(folder)
