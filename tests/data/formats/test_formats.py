"""Every conversation format under four kinds of tokenizer: what is learned, and that prompts are those of inference."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from tests.data.format_tokenizers import KINDS, make
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from vistune.data.formats import FORMATS, Span, Turn, chat_template_of, get_format, text_of
from vistune.data.formats.chat_template import ChatTemplate
from vistune.data.formats.tokens import tokenise
from vistune.errors import DataError, RecipeError
from vistune.model.losses import IGNORE

TURNS: list[Turn] = [("<image>\nWhat is it?", "a café, naïvely  spoken"), ("why?", "because it is\ngreen.")]
CLOSED_BY = {"v0": "\n###", "plain": "\n", "mpt": "<|im_end|>", "chatml": "<|im_end|>"}
HUMAN = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions."
)
USER = HUMAN.replace("human", "user")


def turns_for(name: str) -> list[Turn]:
    return TURNS[:1] if name == "plain" else TURNS


def learned_texts(ids: list[int], labels: list[int], tokenizer: Any) -> list[str]:
    """What a person reads when each run of learned tokens is decoded."""
    runs: list[list[int]] = [[]]
    for token, label in zip(ids, labels, strict=True):
        if label == IGNORE:
            runs.append([])
        else:
            assert label == token
            runs[-1].append(token)
    return [tokenizer.decode(run) for run in runs if run]


def readable(text: str, kind: str) -> str:
    """A word-piece tokenizer keeps neither case nor accents nor white space."""
    if kind != "word_piece":
        return text.removeprefix(" ")
    for accented, plain in ("éeïi"[i : i + 2] for i in (0, 2)):
        text = text.replace(accented, plain)
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_exactly_the_answers_and_what_closes_them_are_learned(name: str, kind: str) -> None:
    tokenizer = make(kind)
    turns = turns_for(name)
    ids, labels = tokenise(get_format(name).render(turns, tokenizer), tokenizer)
    end = CLOSED_BY.get(name) or (" " if get_format(name) in llama_2() else "") + tokenizer.eos_token
    expected = [readable(f"{answer}{end}", kind) for _, answer in turns]
    assert [readable(text, kind) for text in learned_texts(ids, labels, tokenizer)] == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("number", [1, 2])
def test_the_tokens_before_an_answer_are_the_prompt_of_inference(name: str, kind: str, number: int) -> None:
    tokenizer = make(kind)
    turns = turns_for(name)[:number]
    ids, labels = tokenise(get_format(name).render(turns, tokenizer), tokenizer)
    open_turns: list[Turn] = [*turns[:-1], (turns[-1][0], None)]
    prompt, _ = tokenise(get_format(name).render(open_turns, tokenizer), tokenizer)
    assert ids[: len(prompt)] == prompt
    assert labels[len(prompt)] != IGNORE, "the first token behind the prompt is the answer's"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_jinja_writes_the_same_prompts(name: str, kind: str) -> None:
    tokenizer = make(kind)
    template = ChatTemplate(chat_template_of(name) or "")
    for number in range(len(turns_for(name))):
        turns: list[Turn] = [*TURNS[:number], (TURNS[number][0], None)]
        assert template.prompt(turns, tokenizer) == text_of(get_format(name).render(turns, tokenizer))


ODD = [*"abc XYZ  \n\t.,:;[]/<>|é漢🙂ß'\"-_01", "###", " Human:", "ASSISTANT", "[/INST]", "USER: ", "\u0301", "\u200b"]


@pytest.mark.parametrize("kind", ["metaspace_bpe", "byte_level"])
@pytest.mark.parametrize("name", ["v0", "v1", "llama_2", "plain"])
def test_odd_texts(name: str, kind: str) -> None:
    """Words that look like roles, other scripts, combining marks, runs of spaces: learned, and only they."""
    tokenizer, random = make(kind), Random(f"{name} {kind}")

    def words() -> str:
        return "a" + "".join(random.choices(ODD, k=random.randint(1, 25))).rstrip() + "."

    for _ in range(60):
        turns: list[Turn] = [(words(), words()) for _ in range(1 if name == "plain" else random.randint(1, 3))]
        ids, labels = tokenise(get_format(name).render(turns, tokenizer), tokenizer)
        end = CLOSED_BY.get(name) or (" " if name == "llama_2" else "") + tokenizer.eos_token
        learned = [text.removeprefix(" ") for text in learned_texts(ids, labels, tokenizer)]
        assert learned == [f"{answer}{end}" for _, answer in turns]


def llama_2() -> list[Any]:
    return [FORMATS[name] for name in ("llama_2", "llava_llama_2", "mistral_instruct")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain", "<image>one\n"),
        ("v0", f"{HUMAN}\n\n### Human: <image>\nwhat?\n### Assistant: one\n### Human: why?\n### Assistant: two\n### "),
        ("v1", f"{USER} USER: <image>\nwhat? ASSISTANT: one</s>USER: why? ASSISTANT: two</s>"),
        ("vicuna_v1", f"{USER} USER: <image>\nwhat? ASSISTANT: one</s>USER: why? ASSISTANT: two</s>"),
        ("llava_v1", f"{HUMAN} USER: <image>\nwhat? ASSISTANT: one</s>USER: why? ASSISTANT: two</s>"),
        ("mistral_instruct", "[INST] <image>\nwhat? [/INST] one </s>[INST] why? [/INST] two </s>"),
        (
            "llava_llama_2",
            "[INST] <<SYS>>\nYou are a helpful language and vision assistant. You are able to understand the visual "
            "content that the user provides, and assist the user with a variety of tasks using natural language.\n"
            "<</SYS>>\n\n<image>\nwhat? [/INST] one </s><s>[INST] why? [/INST] two </s>",
        ),
        (
            "mpt",
            "<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives "
            "helpful and honest answers.<|im_end|><|im_start|>user\n<image>\nwhat?<|im_end|><|im_start|>assistant\n"
            "one<|im_end|><|im_start|>user\nwhy?<|im_end|><|im_start|>assistant\ntwo<|im_end|>",
        ),
        (
            "chatml_direct",
            "<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\n<image>\nwhat?<|im_end|>"
            "<|im_start|>assistant\none<|im_end|><|im_start|>user\nwhy?<|im_end|><|im_start|>assistant\ntwo<|im_end|>",
        ),
    ],
)
def test_the_texts_are_those_of_the_release(name: str, text: str) -> None:
    turns: list[Turn] = [("<image>\nwhat?", "one"), ("why?", "two")]
    turns = turns[:1] if name == "plain" else turns
    assert text_of(get_format(name).render(turns, make("metaspace_bpe"))) == text


def masks_of_the_release(text: str, tokenizer: Any) -> list[int]:
    """Labels by the rule of LLaVA's train.py (preprocess_v1): rounds tokenised on their own and counted back."""
    labels = list(tokenizer(text)["input_ids"])
    place = 1
    labels[0] = IGNORE
    for turn in text.split("</s>"):
        if turn:
            question, _ = turn.split(" ASSISTANT: ")
            length = len(tokenizer(turn)["input_ids"])
            masked = len(tokenizer(question + " ASSISTANT: ")["input_ids"]) - 2
            labels[place : place + masked] = [IGNORE] * masked
            place += length
    assert place == len(labels), "the release would mask the whole sample here"
    return labels


@pytest.mark.parametrize("turns", [TURNS[:1], TURNS, [("a?", "b"), ("c d?", "e f"), ("g", "h (i).")]])
def test_v1_learns_what_the_release_learns(turns: list[Turn]) -> None:
    tokenizer = make("metaspace_bpe")
    spans = get_format("v1").render(turns, tokenizer)
    ids, labels = tokenise(spans, tokenizer)
    assert ids == tokenizer(text_of(spans))["input_ids"]
    assert labels == masks_of_the_release(text_of(spans), tokenizer)


def merging_tokenizer(*merged: str) -> Any:
    """Knows characters and whole pieces that hold the boundary."""
    text = "".join(map(chr, range(32, 127))) + "\n"
    vocab: dict[str, int] = {character: number for number, character in enumerate(text)}
    merges = []
    for piece in merged:
        for end in range(2, len(piece) + 1):
            if piece[:end] not in vocab:
                vocab[piece[:end]] = len(vocab)
                merges.append((piece[: end - 1], piece[end - 1]))
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocab, merges)), bos_token="<s>", eos_token="</s>"
    )


@pytest.mark.parametrize(("name", "piece"), [("v1", ": y"), ("v0", "# "), ("llama_2", "] y")])
def test_a_token_across_the_boundary_is_an_error_that_shows_the_text(name: str, piece: str) -> None:
    tokenizer = merging_tokenizer(piece)
    with pytest.raises(DataError, match=r"merges .* across the beginning or end of an answer, marked by \| in .*\|"):
        tokenise(get_format(name).render([("what?", "yes")], tokenizer), tokenizer)
    spans = get_format(name).render([("what?", "yes")], merging_tokenizer("qu"))
    assert tokenise(spans, merging_tokenizer("qu"))[1].count(IGNORE) > 0


def test_a_space_that_offsets_hide_counts_as_part_of_its_token() -> None:
    """Byte-level offsets leave out the space in front: a boundary behind it lies inside the token all the same."""
    tokenizer = make("byte_level")
    with pytest.raises(DataError, match="merges 'Ġb"):
        tokenise([Span("ASSISTANT: "), Span("because", learned=True)], tokenizer)
    ids, labels = tokenise([Span("ASSISTANT:"), Span(" because", learned=True)], tokenizer)
    assert learned_texts(ids, labels, tokenizer) == [" because"]
    # Here the space is a token of its own, with no offsets to speak of, and stays outside.
    ids, labels = tokenise([Span("ASSISTANT: "), Span("green", learned=True)], tokenizer)
    assert learned_texts(ids, labels, tokenizer) == ["green"]


def test_nothing_to_learn_and_wrong_turns_are_errors() -> None:
    tokenizer = make("unigram")
    with pytest.raises(DataError, match="one caption a sample, but here are 2 turns"):
        get_format("plain").render(TURNS, tokenizer)
    with pytest.raises(DataError, match=r"needs the token '<\|im_start\|>'"):
        get_format("mpt").render(TURNS, merging_tokenizer())
    with pytest.raises(RecipeError, match="did you mean 'vicuna_v1'"):
        get_format("vicuna_v2")
