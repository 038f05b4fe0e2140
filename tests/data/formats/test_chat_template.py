"""Answers found in what chat templates render, and refused where they cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from tests.data.format_tokenizers import make
from tests.tiny import CHAT_TEMPLATE

from vistune.data.formats import Span, Turn
from vistune.data.formats.chat_template import ChatTemplate
from vistune.data.formats.tokens import tokenise
from vistune.errors import DataError
from vistune.model.losses import IGNORE

TURNS: list[Turn] = [("<image>\nWhat is it?", "a dog"), ("why?", "because.")]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
NO_PROMPT = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'Q: ' + m['content'] + '\n' }}"
    "{% else %}{{ 'A: ' }}{% generation %}{{ m['content'] }}{% endgeneration %}{{ eos_token + '\n' }}{% endif %}"
    "{% endfor %}"
)
THINKING = CHATML.replace(
    "m['content'] +", "('<think>\n\n</think>\n\n' if m['role'] == 'assistant' and loop.last else '') + m['content'] +"
)


def learned(template: str, turns: list[Turn] = TURNS, tokenizer: Any = None) -> list[str]:
    spans = ChatTemplate(template).render(turns, tokenizer or make("metaspace_bpe"))
    return [span.text for span in spans if span.learned]


def test_answers_of_usual_templates() -> None:
    assert learned(CHATML) == ["a dog<|im_end|>", "because.<|im_end|>"]
    assert learned(MISTRAL) == [" a dog</s>", " because.</s>"]


def test_llavas_template_closes_nothing_so_eos_is_added() -> None:
    """The text is then that of the release's v1: answer, </s>, and the next role straight behind it."""
    spans = ChatTemplate(CHAT_TEMPLATE).render(TURNS, make("metaspace_bpe"))
    assert spans == [
        Span("USER: <image>\nWhat is it? ASSISTANT:"),
        Span(" a dog</s>", learned=True),
        Span("USER: why? ASSISTANT:"),
        Span(" because.</s>", learned=True),
    ]


def test_a_template_without_generation_prompt_needs_generation_blocks() -> None:
    assert learned(NO_PROMPT) == ["a dog</s>", "because.</s>"]
    with pytest.raises(DataError, match="renders the answer 'a dog' as 'A: a dog"):
        learned(NO_PROMPT.replace("{% generation %}", "").replace("{% endgeneration %}", ""))


def test_generation_blocks_that_do_not_fit_are_refused() -> None:
    last_only = NO_PROMPT.replace("{% generation %}", "{% if loop.last %}{% generation %}").replace(
        "{% endgeneration %}", "{% endgeneration %}{% else %}{{ m['content'] }}{% endif %}"
    )
    with pytest.raises(DataError, match="marks 1 answers of 2"):
        learned(last_only)


def test_templates_that_rewrite_or_wrap_answers_are_refused() -> None:
    with pytest.raises(DataError, match="renders the answer 'a dog' as '<think>"):
        learned(THINKING)
    with pytest.raises(DataError, match="renders the answer 'a dog' as 'A DOG"):
        learned(CHATML.replace("m['content'] +", "(m['content'] | upper) +"))
    with pytest.raises(DataError, match="where no special token closes it"):
        learned(CHATML.replace("<|im_end|>", "(end)"))


def test_a_template_that_writes_bos_gets_no_second_one() -> None:
    tokenizer = make("metaspace_bpe")
    ids, labels = tokenise(ChatTemplate(MISTRAL).render(TURNS, tokenizer), tokenizer)
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id == labels[-1]
    assert labels[0] == IGNORE


def test_parts_and_strings() -> None:
    """A template that reads parts gets them, with the newline behind a picture left to it."""
    tokenizer = make("metaspace_bpe")
    both: list[Turn] = [("<image>\n<image>\nCompare them.", None)]
    assert ChatTemplate(CHAT_TEMPLATE).prompt(both, tokenizer) == "USER: <image>\n<image>\nCompare them. ASSISTANT:"
    assert "<image>\n<image>\nCompare" in ChatTemplate(CHATML).prompt(both, tokenizer)
