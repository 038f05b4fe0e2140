"""How conversations become prompts: templates with and without a place for system messages, pictures, no template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.families import load_pair
from tests.serve.rig import data_url
from tests.tiny import picture

from vistune.data.formats import FORMATS, chat_template_of, text_of
from vistune.data.processor import Processor
from vistune.serve.messages import Conversation, read_messages
from vistune.serve.prompts import Prompts, without_template
from vistune.serve.refusal import Refusal

NO_SYSTEM = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    "[{{ message['content'] }}]{% endfor %}"
)
DROPS_SYSTEM = "{% for message in messages if message['role'] != 'system' %}[{{ message['content'] }}]{% endfor %}"


@pytest.fixture
def llava(tiny_checkpoints: dict[str, Path]) -> Processor:
    return load_pair(tiny_checkpoints["llava-mlp"]).predictor.processor


def with_template(processor: Processor, template: str) -> Prompts:
    return Prompts(
        Processor(
            processor.tokenizer,
            processor.image_processor,
            image_token_id=processor.image_token_id,
            num_image_tokens=processor.num_image_tokens,
            image_first=False,
            chat_template=template,
        ),
        context=512,
    )


def said(*messages: tuple[str, Any]) -> Conversation:
    return read_messages([{"role": role, "content": content} for role, content in messages])


def image(seed: int = 0) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(picture(seed))}}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def ids(prompts: Prompts, conversation: Conversation) -> list[int]:
    return prompts.encode(conversation).input_ids


@pytest.mark.parametrize("template", [NO_SYSTEM, DROPS_SYSTEM])
def test_a_template_without_a_system_message_loses_no_words(llava: Processor, template: str) -> None:
    prompts = with_template(llava, template)
    found = ids(prompts, said(("system", "Be brief."), ("user", [image(), text("what?")])))
    assert found == prompts.processor.formatted_ids("[<image>\nBe brief.\n\nwhat?]", 1)


def test_a_template_that_refuses_is_told(llava: Processor) -> None:
    prompts = with_template(llava, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(Refusal, match="chat template refuses the messages: roles must alternate"):
        prompts.encode(said(("user", "what?")))


@pytest.mark.parametrize("name", ["v0", "v1", "llava_v1"])
def test_turns_are_put_as_in_training(llava: Processor, name: str) -> None:
    prompts = with_template(llava, str(chat_template_of(name)))
    found = ids(prompts, said(("user", [text("is it?"), image()]), ("assistant", "no"), ("user", "what then?")))
    turns = [("<image>\nis it?", "no"), ("what then?", None)]
    expected = text_of(FORMATS[name].render(turns, llava.tokenizer))
    assert found == prompts.processor.formatted_ids(expected, 1)


def test_several_pictures_of_a_message_stay_where_they_are(llava: Processor) -> None:
    prompts = with_template(llava, DROPS_SYSTEM)
    one = prompts.encode(said(("user", [text("first"), image(1), text("second"), image(2), text("same?")])))
    assert one.input_ids == prompts.processor.formatted_ids("[first<image>\nsecond<image>\nsame?]", 2)
    assert one.pixel_values is not None
    assert one.pixel_values.equal(llava.pixels([picture(1), picture(2)]))


def test_neighbours_of_one_role_are_one(llava: Processor) -> None:
    conversation = said(("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"), ("user", "e"))
    assert conversation.turns == ((("a\nb",), "c\nd"), (("e",), None))
    assert said(("system", "x"), ("developer", "y"), ("system", ""), ("user", "z")).system == "x\n\ny"


def test_without_a_template() -> None:
    assert without_template("", (("what?", None),)) == "what?"
    assert without_template("Be brief.", (("what?", None),)) == "Be brief.\n\nwhat?"
    rounds = (("a?", "b"), ("c?", "d"), ("e?", None))
    assert without_template("", rounds) == "Question: a? Answer: b Question: c? Answer: d Question: e? Answer:"


def test_a_qformer_reads_the_prompt(tiny_checkpoints: dict[str, Path]) -> None:
    processor = load_pair(tiny_checkpoints["instructblip-llama"]).predictor.processor
    found = Prompts(processor, 512).encode(said(("user", [image(), text("what?")])))
    expected = processor.encode_one("what?", picture())
    assert (found.input_ids, found.instruction_ids) == (expected.input_ids, expected.instruction_ids)
    assert Prompts(processor, 512).encode(said(("user", "what?"))).instruction_ids is None
