"""Examples as token lists: the same words in training as at inference, pictures where they belong."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from tests.families import Pair, load_pair

from vistune.data.bad_rows import BadRow
from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.data.formats import FORMATS, chat_template_of
from vistune.data.instruction_set import InstructionSet
from vistune.data.processor import Processor
from vistune.data.templates import load_templates
from vistune.errors import InputError
from vistune.model.losses import IGNORE

ROWS = [
    Example(f"{number}", "vqav2", question=f"is it number {number}?", answers=("yes", "yes", "no"), images=())
    for number in range(6)
]
TALK = Example("talk", "llava", turns=(("What is it?\n<image>", "a red circle"), ("why?", "it is small")))


@pytest.fixture
def pair(tiny_checkpoint: Path) -> Pair:
    return load_pair(tiny_checkpoint)


@pytest.fixture
def llava(tiny_checkpoints: dict[str, Path]) -> Processor:
    return load_pair(tiny_checkpoints["llava-mlp"]).predictor.processor


def test_own_format_equals_inference_and_encode_one(pair: Pair) -> None:
    processor, picture = pair.predictor.processor, pair.pictures[0]
    example = Example("1", "t", "What is the colour of it?", "a large red circle", (picture,))
    encoded = processor.encode_example(example)
    whole = processor.encode_one(example.instruction, picture, example.target)
    assert (encoded.input_ids, encoded.labels) == (whole.input_ids, whole.labels)
    assert encoded.instruction_ids == whole.instruction_ids
    prompt = processor.prompt_ids(example.instruction, 1)
    assert encoded.input_ids[: len(prompt)] == prompt
    asked = processor.encode_example(replace(example, target=None))
    assert (asked.input_ids, asked.labels) == (prompt, None)
    loaded = processor.load(encoded)
    assert encoded.pixel_values is None
    assert encoded.num_images == 1
    assert loaded.pixel_values is not None
    assert loaded.pixel_values.equal(whole.pixel_values)
    assert processor.collate([loaded, loaded]).pixel_values.shape[0] == 2


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("mpt", "chatml")])
def test_a_checkpoint_with_the_formats_chat_template_asks_as_it_was_trained(llava: Processor, name: str) -> None:
    processor = Processor(
        llava.tokenizer,
        llava.image_processor,
        image_token_id=llava.image_token_id,
        num_image_tokens=llava.num_image_tokens,
        image_first=False,
        chat_template=chat_template_of(name),
    )
    example = Example("1", "t", "What is it?", "a red circle", ("a.png", "b.png"))
    encoded = processor.encode_example(example, name)
    prompt = processor.prompt_ids(example.instruction, 2)
    assert encoded.input_ids[: len(prompt)] == prompt
    assert encoded.labels is not None
    assert set(encoded.labels[: len(prompt)]) == {IGNORE}
    assert encoded.labels[len(prompt)] != IGNORE
    assert prompt.count(processor.image_token_id) == 2 * processor.num_image_tokens


def test_turns_and_marks(llava: Processor) -> None:
    encoded = llava.encode_example(replace(TALK, images=("a.png",)), "v1")
    text = llava.tokenizer.decode([token for token in encoded.input_ids if token != llava.image_token_id])
    assert encoded.input_ids.count(llava.image_token_id) == llava.num_image_tokens
    assert text.endswith("USER: \nWhat is it? ASSISTANT: a red circle</s>USER: why? ASSISTANT: it is small</s>")
    with pytest.raises(BadRow, match="has 1 <image> for 3 images"):
        llava.encode_example(replace(TALK, images=("a.png", "b.png", "c.png")), "v1")
    with pytest.raises(BadRow, match="has 1 <image> for 0 images"):
        llava.encode_example(TALK, "v1")
    two = Example("1", "t", turns=(("Is <image> like <image>?", "no"),), images=("a.png", "b.png"))
    ids = llava.encode_example(two, "v1").input_ids
    first, last = ids.index(llava.image_token_id), len(ids) - 1 - ids[::-1].index(llava.image_token_id)
    assert "like" in llava.tokenizer.decode(ids[first : last + 1]), "several marks stay where they are"


def test_plain_throws_the_question_away(llava: Processor) -> None:
    encoded = llava.encode_example(Example("1", "t", "Render a summary.", "a red circle ", ("a.png",)), "plain")
    learned = [label for label in encoded.labels or [] if label != IGNORE]
    assert llava.tokenizer.decode(learned) == "a red circle\n"
    assert encoded.input_ids[0] == llava.tokenizer.bos_token_id
    assert len(encoded.input_ids) == 1 + llava.num_image_tokens + len(learned)


def test_models_that_hold_one_answer_refuse_conversations(tiny_checkpoints: dict[str, Path]) -> None:
    t5 = load_pair(tiny_checkpoints["instructblip-t5"]).predictor.processor
    talk = replace(TALK, images=("a.png",))
    with pytest.raises(InputError, match="encoder-decoder; use 'none'"):
        t5.encode_example(talk, "v1")
    with pytest.raises(BadRow, match="use `turns: split`"):
        t5.encode_example(talk)
    split = InstructionSet("llava", [ROWS[0], talk], t5, turns="split")
    assert len(split) == 3
    assert [split.tokens(index).id for index in (1, 2)] == ["talk#1", "talk#2"]
    assert split.example(2).instruction == "Dialog history: Question: What is it? Answer: a red circle\n why?"
    assert split.example(1).instruction == "What is it?"


def test_tokens_are_a_function_of_index_epoch_and_seed(pair: Pair) -> None:
    processor = pair.predictor.processor
    templates = load_templates("vqa")
    dataset = InstructionSet("vqav2", ROWS, processor, templates, seed=3)
    first = [dataset.tokens(index, epoch) for epoch in (0, 1) for index in range(len(dataset))]
    copy = pickle.loads(pickle.dumps(dataset))
    assert [copy.tokens(index, epoch) for epoch in (0, 1) for index in range(len(dataset))] == first
    assert len(pickle.dumps(dataset)) < 2_000_000
    words = [dataset.example(index, epoch).instruction for epoch in range(20) for index in range(6)]
    assert len({text.replace(str(number), "#") for number in range(6) for text in words}) > 9
    other = InstructionSet("vqav2", ROWS, processor, templates, seed=4)
    assert [other.example(index).instruction for index in range(6)] != words[:6]
    assert dataset.example(0, 5) == dataset.example(0, 5)


def test_rows_without_an_answer(pair: Pair) -> None:
    processor = pair.predictor.processor
    rows = [Example("1", "t", "what?")]
    with pytest.raises(BadRow, match="row '1' of 'mine' has no answer to learn from"):
        InstructionSet("mine", rows, processor).tokens(0)
    assert InstructionSet("mine", rows, processor, with_targets=False).tokens(0).labels is None


def test_long_samples_lose_their_end_but_never_all_they_teach(
    llava: Processor, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [Example("long", "t", "What is it?", "small " * 50, ("a.png",))]
    whole = InstructionSet("mine", rows, llava, format="v1").tokens(0)
    assert whole.labels is not None
    prompt = sum(label == IGNORE for label in whole.labels)
    cut = InstructionSet("mine", rows, llava, format="v1", max_tokens=prompt + 2).tokens(0)
    assert cut.input_ids == whole.input_ids[: prompt + 2]
    assert cut.labels == whole.labels[: prompt + 2]
    assert "'long'" in caplog.text
    with pytest.raises(BadRow, match=f"would lose every answer if cut to {prompt}"):
        InstructionSet("mine", rows, llava, format="v1", max_tokens=prompt).tokens(0)
    with pytest.raises(BadRow, match="would lose a picture if cut to 50"):
        InstructionSet("mine", rows, llava, format="v1", max_tokens=50).tokens(0)


def test_encoded_set_gives_the_same_tokens(pair: Pair) -> None:
    example = Example("1", "t", "What is it?", "a red circle", (pair.pictures[0],))
    dataset = EncodedSet("mine", [example], pair.predictor.processor)
    whole, tokens = dataset[0], dataset.tokens(0)
    assert (tokens.input_ids, tokens.labels, tokens.instruction_ids) == (
        whole.input_ids,
        whole.labels,
        whole.instruction_ids,
    )
    assert tokens.images == example.images
