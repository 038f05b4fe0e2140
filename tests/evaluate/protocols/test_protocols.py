"""Protocols: published words, ways of answering, decoding, extraction, and one's own from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vistune.data.example import Example
from vistune.data.sources.scienceqa_chat import chat_texts
from vistune.errors import RecipeError
from vistune.evaluate.benchmarks import BENCHMARKS, Given, benchmark, suite
from vistune.evaluate.protocols import PROTOCOLS, own_protocol, protocol
from vistune.infer.settings import Arguments

ROW = Example(
    "1", "x", question="q?", target="b", choices=("a", "b"), candidates=("a", "b"), context="hint", caption="c",
    ocr_tokens=("w", "v"), history=(("is it day?", "yes"), ("old?", "no")),
)  # fmt: skip
LETTER = "Answer with the option's letter from the given choices directly."
SHORT = "Answer the question using a single word or phrase."


def words(name: str, how: str) -> str:
    return protocol(how).prompt(benchmark(name), ROW).instruction


def test_the_published_prompts_of_instructblip() -> None:
    for item in suite("instructblip-held-out"):
        assert protocol("instructblip").settings(item)["published_prompt"], item.name
    said = {item.name: words(item.name, "instructblip") for item in suite("instructblip-held-out")}
    assert said["nocaps"] == said["flickr30k"] == "A short image description:"
    for name in ("gqa", "vizwiz", "ivqa", "msvd_qa", "msrvtt_qa"):
        assert said[name] == "Question: q? Short answer:"
    assert said["textvqa"] == "OCR tokens: w, v. Question: q? Short answer:"
    assert said["scienceqa_img"] == "Context: hint Question: q? Options: (a) a (b) b. Answer:"
    assert said["iconqa"] == "Question: q? Options: (a) a (b) b. Short answer:"
    assert said["vsr"] == 'Based on the image, is this statement true or false? "q?" Answer:'
    assert said["hateful_memes"] == 'This is an image with: "hint" written on it. Is it hateful? Answer:'
    assert said["visdial"] == (
        "Dialog history: Question: is it day? Answer: yes Question: old? Answer: no\n Question: q? Short answer:"
    )


def test_the_published_prompts_of_llava_15() -> None:
    assert words("gqa", "llava-1.5") == words("pope", "llava15") == f"q?\n{SHORT}"
    assert words("textvqa", "llava-1.5") == f"q?\nReference OCR token: w, v\n{SHORT}"
    # All tokens, and the line without any: row 97b1112b17015396 of llava_textvqa_val_v051_ocr.jsonl.
    for tokens in (("t",) * 40, ()):
        asked = protocol("llava-1.5").prompt(benchmark("textvqa"), replace(ROW, ocr_tokens=tokens)).instruction
        assert asked == f"q?\nReference OCR token: {', '.join(tokens)}\n{SHORT}"
    assert words("vizwiz", "llava-1.5") == (
        f"q?\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n{SHORT}"
    )
    # Rows 26 and 4 of llava_test_CQM-A.json: "Context: Select the better estimate.\nHow long ...", and none without it.
    assert words("scienceqa_img", "llava-1.5") == f"Context: hint\nq?\nA. a\nB. b\n{LETTER}"
    bare = protocol("llava-1.5").prompt(benchmark("scienceqa_img"), replace(ROW, context=""))
    assert bare.instruction == f"q?\nA. a\nB. b\n{LETTER}"
    assert words("mmbench_dev", "llava-1.5") == f"hint\nq?\nA. a\nB. b\n{LETTER}"
    assert words("seed", "llava-1.5") == f"q?\nA. a\nB. b\n{LETTER}"
    assert words("mmbench_cn", "llava-1.5").endswith("请直接回答选项字母。")
    assert words("mm_vet", "llava-1.5") == "q?"


def test_the_words_of_llava_are_those_that_it_was_trained_on() -> None:
    asked, _ = chat_texts({"question": "q?", "choices": ["a", "b"], "answer": 1, "hint": "hint"}, "LEA")
    assert words("scienceqa", "llava") == asked
    bare, _ = chat_texts({"question": "q?", "choices": ["a", "b"], "answer": 1}, "LEA")
    how = protocol("llava")
    assert how.prompt(benchmark("scienceqa"), replace(ROW, context="")).instruction == bare
    said = "LECTURE: Solids keep their shape. The answer is B."
    assert how.extract(benchmark("scienceqa"), ROW, said) == "b"
    assert words("gqa", "llava") == words("gqa", "llava-1.5")


def test_the_same_benchmark_in_the_words_of_both_papers() -> None:
    assert {words("gqa", how) for how in PROTOCOLS} == {
        "Question: q? Short answer:",
        "Question: q? Answer:",
        f"q?\n{SHORT}",
        "q? (a) a (b) b",
        "[Visual reasoning] q? (a) a (b) b",
    }
    assert words("coco_caption", "blip2") == "a photo of"
    # The identifier names a held-in set, of a held-out one its task alone.
    assert words("vqav2_val", "identifier") == "[Visual question answering:VQAv2] q?"
    assert words("vizwiz_val", "identifier") == "[Visual question answering] q?"


def test_direct_answers_see_no_choices() -> None:
    row = Example("1", "aokvqa", question="q?", answers=("x", "y"), references=("x", "y"))
    for how in PROTOCOLS:
        prompted = protocol(how).prompt(benchmark("aokvqa_da"), row)
        assert "Options" not in prompted.instruction and LETTER not in prompted.instruction
    assert words("aokvqa_mc", "llava-1.5").endswith(LETTER)


def test_what_is_ranked() -> None:
    how = protocol("instructblip")
    assert how.prompt(benchmark("hateful_memes"), ROW).candidates == ("yes", "true", "no", "false")
    assert how.prompt(benchmark("iconqa"), ROW).candidates == ("a", "b")
    assert how.prompt(benchmark("gqa"), ROW).candidates is None
    assert how.ranking(benchmark("iconqa")) == {"closing_token": None, "reduce": "sum"}
    llava = protocol("llava-1.5")
    assert llava.answering(benchmark("iconqa")) == llava.answering(benchmark("hateful_memes")) == "generate"
    assert llava.answering(benchmark("visdial")) == "rank"
    for name in PROTOCOLS:
        assert protocol(name).answering(benchmark("coco_retrieval")) == "score"
        assert protocol(name).answering(benchmark("world_count")) == "rank"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_decoding_is_what_generation_takes(name: str) -> None:
    for item in BENCHMARKS.values():
        settings = protocol(name).decoding(item)
        Arguments(**settings)
        assert settings["do_sample"] is False and settings["max_new_tokens"] >= 10


def test_decoding_of_the_papers() -> None:
    how = protocol("instructblip")
    assert how.decoding(benchmark("gqa")) == {
        "do_sample": False, "num_beams": 5, "max_new_tokens": 10, "min_new_tokens": 1, "length_penalty": -1.0,
        "repetition_penalty": 1.5, "penalize_prompt": False,
    }  # fmt: skip
    caption = how.decoding(benchmark("nocaps"))
    assert (caption["min_new_tokens"], caption["max_new_tokens"], caption["length_penalty"]) == (10, 80, 1.0)
    assert how.decoding(benchmark("msvd_qa"))["max_new_tokens"] == 30
    assert protocol("blip2").decoding(benchmark("nocaps"))["max_new_tokens"] == 30
    llava = protocol("llava-1.5")
    assert llava.decoding(benchmark("gqa")) == {"do_sample": False, "num_beams": 1, "max_new_tokens": 128}
    assert llava.decoding(benchmark("scienceqa_img"))["max_new_tokens"] == 1024


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("B", "b"),
        ("B. b", "b"),
        (" A ", "a"),
        ("The answer is B.", "b"),
        ("The answer is A. The answer is B.", ""),
        ("b", ""),
        ("D", ""),
        ("", ""),
    ],
)
def test_letters_are_read_by_llavas_rule(text: str, answer: str) -> None:
    assert protocol("llava-1.5").extract(benchmark("scienceqa_img"), ROW, text) == answer


def test_llava_answers_vqa_in_the_form_of_its_script() -> None:
    """Else the official evaluator, which leaves unanimous answers as they are, counts "Yes" as wrong."""
    item, row = benchmark("vqav2_val"), replace(ROW, target=None, references=("yes",) * 10)
    said = protocol("llava-1.5").extract(item, row, "Yes")
    assert item.score([row], [Given(said)]).value == 100 > item.score([row], [Given("Yes")]).value
    assert protocol("llava-1.5").extract(benchmark("okvqa"), ROW, "The Two dogs.") == "2 dogs"
    assert protocol("instructblip").extract(item, ROW, "Yes") == "Yes"


def test_choices_are_read_in_words_or_by_letter() -> None:
    row = Example("1", "x", choices=("a dog", "A", "cat"))
    how = protocol("plain")
    for text, answer in (("A dog.", "a dog"), ("(c) cat", "cat"), ("c", "cat"), ("a", "a dog"), ("horse", "")):
        assert how.extract(benchmark("seed"), row, text) == answer, text
    assert protocol("blip2-opt").extract(benchmark("gqa"), row, " blue\nQuestion: what") == "blue"
    assert protocol("blip2").extract(benchmark("gqa"), row, " blue sky ") == "blue sky"


def config(qformer: Any, *, aware: bool = False, encoder_decoder: bool = False, kind: str = "qformer") -> Any:
    connector = SimpleNamespace(qformer=qformer, type=kind)
    language = SimpleNamespace(is_encoder_decoder=encoder_decoder)
    return SimpleNamespace(instruction_aware=aware, connector=connector, language=language)


def test_a_models_own_protocol() -> None:
    assert own_protocol(config(object(), aware=True)) == "instructblip"
    assert own_protocol(config(object(), encoder_decoder=True)) == "blip2"
    assert own_protocol(config(object())) == "blip2-opt"
    assert own_protocol(config(None, kind="mlp")) == "llava-1.5"
    assert own_protocol(config(None, kind="linear")) == "llava"


def test_the_picture_world_has_words_of_its_own() -> None:
    item = benchmark("world_count")
    row = item.examples(None, limit=1)[0]
    said = {how: protocol(how).prompt(item, row) for how in PROTOCOLS}
    assert said["instructblip"].instruction == said["llava-1.5"].instruction == row.instruction
    assert said["identifier"].instruction == f"[Visual Question Answering:count] {row.instruction}"
    assert all(prompted.candidates == row.candidates for prompted in said.values())
    assert protocol("identifier").settings(item)["style"] == "identifier"


def test_the_closing_token_of_candidates() -> None:
    # As published for the papers' sets; the picture world's own choice; a protocol's file stands before both.
    assert protocol("instructblip").ranking(benchmark("world_count"))["closing_token"] is False
    assert protocol("instructblip").ranking(benchmark("visdial"))["closing_token"] is None
    said = replace(protocol("llava-1.5"), closing_token=True)
    assert said.ranking(benchmark("world_count"))["closing_token"] is True


def own(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_ones_own_protocol(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        """
extends: instructblip
title: Mine
prompts:
  gqa: {text: "{question} Briefly:", decoding: {max_new_tokens: 3}}
answer: {choice: generate}
extract: {all: line}
decoding: {all: {num_beams: 1}, caption: {min_new_tokens: 0}}
closing_token: true
""",
    )
    how = protocol(path)
    assert (how.name, how.title) == ("mine", "Mine")
    assert how.prompt(benchmark("gqa"), ROW).instruction == "q? Briefly:"
    assert how.prompt(benchmark("vizwiz"), ROW).instruction == "Question: q? Short answer:"
    assert how.decoding(benchmark("gqa"))["max_new_tokens"] == 3
    # What is said for all forms holds for captions too, whatever the other protocol has for them.
    caption = how.decoding(benchmark("nocaps"))
    assert (caption["num_beams"], caption["min_new_tokens"], caption["max_new_tokens"]) == (1, 0, 80)
    assert how.answering(benchmark("iconqa")) == "generate"
    assert how.extract(benchmark("gqa"), ROW, "red\nblue") == "red"
    assert how.ranking(benchmark("hateful_memes"))["closing_token"] is True
    second = own(tmp_path, "extends: mine.yaml\nprompts: {vsr: {text: 'True? {question}'}}", "second.yaml")
    assert protocol(second).prompt(benchmark("gqa"), ROW).instruction == "q? Briefly:"
    assert protocol(str(second)).prompt(benchmark("vsr"), ROW).instruction == "True? q?"


def test_the_shortest_answer_is_no_longer_than_the_longest(tmp_path: Path) -> None:
    how = protocol(own(tmp_path, "extends: llava-1.5\nprompts: {nocaps: {text: x, decoding: {min_new_tokens: 200}}}"))
    assert how.decoding(benchmark("gqa"))["max_new_tokens"] == 128
    with pytest.raises(RecipeError, match="answers to nocaps of at least 200 and at most 128 tokens"):
        how.settings(benchmark("nocaps"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompts: {gqa: {text: '{quesion}'}}", r"gqa.text is '{quesion}', which has the field 'quesion'.*[^.]\.$"),
        ("prompts: {vrs: {text: q}}", r"line 1: prompts.vrs names no benchmark and no data set; did you mean 'vsr'\?"),
        ("prompts:\n  world_size: {text: q}", "line 2: prompts.world_size would not be used"),
        ("answer: {all: score}", "answer.all is 'score', expected 'generate' or 'rank'"),
        ("", "is empty; expected a mapping"),
        ("prompts: {gqa: {words: x}}", "unknown key 'prompts.gqa.words'"),
        ("decoding: {all: {num_beam: 3}}", "did you mean 'num_beams'"),
        ("decoding: {all: {num_beams: 0}}", "num_beams is 0"),
        ("answer: {choice: guess}", "answer.choice is 'guess'"),
        ("- a", "holds list; expected a mapping"),
        ("extends: nothing", "There is no protocol 'nothing'"),
        ("extends: mine.yaml", "extends itself"),
    ],
)
def test_mistakes_in_ones_own_protocol(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        protocol(own(tmp_path, text))


def test_a_protocol_without_words_for_a_benchmark(tmp_path: Path) -> None:
    how = protocol(own(tmp_path, "prompts: {gqa: {text: '{question}'}}"))
    with pytest.raises(RecipeError, match=r"'mine' has no words for vsr or for the form 'statement'"):
        how.prompt(benchmark("vsr"), ROW)
    with pytest.raises(RecipeError, match=r"no protocol 'instructblib'; did you mean 'instructblip'"):
        protocol("instructblib")
    # A file that changes is read again.
    own(tmp_path, "forms: {statement: {text: 'Right? {question}'}}")
    assert protocol(tmp_path / "mine.yaml").prompt(benchmark("vsr"), ROW).instruction == "Right? q?"
