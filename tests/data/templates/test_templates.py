"""Templates: the published words, the draw, and rows put into words."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from vistune.data.bad_rows import BadRow
from vistune.data.example import Example
from vistune.data.templates import Template, draw, draw_answer, groups, load_templates, write
from vistune.data.templates.write import fitting
from vistune.errors import RecipeError

TRAINED = ("caption", "text_caption", "vqa", "knowledge_vqa", "ocr_vqa", "vqg")
PAPER_GROUPS = (*TRAINED, "visual_reasoning", "video_qa", "visual_dialog", "classification", "llava")
PLAIN_VQA = Example("1", "vqav2", question="what is it?", target="a dog")
CHOICE = Example(
    "2",
    "aokvqa",
    question="what is it?",
    choices=("a cat", "A dog ", "a cow"),
    candidates=("a cat", "A dog ", "a cow"),
    target="a dog",
    references=("a dog",),
    answers=("dog", "dog", "puppy"),
)


def test_number_and_origin_of_the_templates() -> None:
    assert set(PAPER_GROUPS) <= set(groups())
    for group in TRAINED:
        templates = load_templates(group)
        for kind in (True, False):
            texts = [template.text for template in templates if template.shows_choices is kind]
            assert len(set(texts)) == len(texts)
            assert not texts or 10 <= len(texts) <= 15, group
        assert all(template.source for template in templates if template.published)
    published = {group: sum(t.published for t in load_templates(group)) for group in ("caption", "vqa", "vqg")}
    assert published == {"caption": 13, "vqa": 10, "vqg": 6}
    assert load_templates("llava") == []


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("caption", "Using language, provide a short account of the image."),
        ("vqa", "Given the image, answer the following question with no more than three words. what is it?"),
        ("vqa", 'The question "what is it?" can be answered using the image. A short answer is'),
        ("vqa", "Based on the image, respond to this question with a short answer: what is it?. Answer:"),
        ("vqg", "Taking the image into account, generate an question that has the answer: a dog. Question:"),
        ("ocr_vqa", "Question: what is it? Short answer:"),
    ],
)
def test_published_words(group: str, text: str) -> None:
    written = [write(PLAIN_VQA, template) for template in load_templates(group) if template.published]
    assert text in [example.instruction for example in written]
    assert {example.target for example in written} == {"what is it?" if group == "vqg" else "a dog"}


def test_the_published_question_answering_words_serve_three_groups() -> None:
    vqa = [t.text for t in load_templates("vqa") if t.published]
    assert [t.text for t in load_templates("knowledge_vqa") if t.published] == vqa
    assert [t.text for t in load_templates("ocr_vqa") if t.published] == [
        "[OCR tokens: {ocr_tokens}. ]" + text for text in vqa
    ]


def test_ocr_tokens_stand_in_front_the_first_thirty() -> None:
    example = Example("1", "textcaps", target="a sign", ocr_tokens=tuple(f"w{n}" for n in range(40)))
    [template] = [t for t in load_templates("text_caption") if t.text.endswith("A photo of")]
    expected = "OCR tokens: " + ", ".join(f"w{n}" for n in range(30)) + ". A photo of"
    assert write(example, template).instruction == expected


def test_rows_with_choices_get_the_words_with_choices() -> None:
    templates = load_templates("knowledge_vqa")
    assert all(t.shows_choices for t in fitting(templates, CHOICE))
    assert not any(t.shows_choices for t in fitting(templates, PLAIN_VQA))
    written = write(CHOICE, Template("Question: {question} Options: {choices}. Answer:"))
    assert written.instruction == "Question: what is it? Options: (a) a cat (b) A dog  (c) a cow. Answer:"
    assert written.target == "a dog", "the right choice, not one of the answers in words"
    assert write(CHOICE, Template("{question}"), None).target in CHOICE.answers


def test_llavas_multiple_choice_answers_with_the_letter() -> None:
    [template] = load_templates("llava_choice")
    written = write(CHOICE, template)
    assert written.instruction == (
        "what is it?\nA. a cat\nB. A dog \nC. a cow\nAnswer with the option's letter from the given choices directly."
    )
    assert (written.target, written.candidates, written.references) == ("B", ("A", "B", "C"), ("B",))
    with pytest.raises(BadRow, match="is none of its choices"):
        write(CHOICE, template, "a horse")


def test_llavas_response_formats() -> None:
    short = write(Example("1", "textvqa", question="which brand?", target="x", ocr_tokens=("A", "b")), load_templates(
        "llava_short")[0])  # fmt: skip
    assert short.instruction == (
        "which brand?\nReference OCR token: A, b\nAnswer the question using a single word or phrase."
    )
    caption = write(Example("1", "coco", target="x"), load_templates("llava_caption")[0])
    assert caption.instruction == "Provide a one-sentence caption for the provided image."


def test_every_draw_is_as_likely_and_depends_on_nothing_else() -> None:
    templates = load_templates("caption")
    counts = Counter(draw(templates, 0, epoch, f"row {row}").text for epoch in range(5) for row in range(520))
    assert len(counts) == 13
    assert all(140 < count < 260 for count in counts.values()), counts
    fixed = [draw(templates, 1, 2, f"row {row}").text for row in range(3)]
    code = (
        "from vistune.data.templates import draw, load_templates; t = load_templates('caption');"
        "print([draw(t, 1, 2, f'row {row}').text for row in range(3)])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(fixed), "another process draws the same"


def test_answers_are_drawn_as_often_as_they_were_given() -> None:
    example = Example("q", "vqav2", question="?", answers=("net",) * 7 + ("mesh",) * 3)
    counts = Counter(draw_answer(example, None, 0, epoch) for epoch in range(2000))
    assert counts["net"] / 2000 == pytest.approx(0.7, abs=0.04)
    generated = Example("q", "vqg_vqav2", question="what?", target="what?", answers=("net", "mesh"))
    for template in load_templates("vqg"):
        written = write(generated, template)
        assert written.target == "what?"
        assert "net" in written.instruction or "mesh" in written.instruction


def test_a_missing_field_is_named() -> None:
    with pytest.raises(BadRow, match="row '1' of 'coco' has no 'question'") as caught:
        write(Example("1", "coco", target="x"), load_templates("vqa")[0])
    assert caught.value.reason == "missing field"


def test_words_of_ones_own_stay() -> None:
    own = Example("1", "mine", instruction="Say hello.", target="Hello.")
    assert write(own, load_templates("vqa")[0]) == own
    [identifier] = load_templates("llava", "identifier", "LLaVA-Instruct")
    assert write(own, identifier).instruction == "[Visual conversation:LLaVA-Instruct] Say hello."
    talk = Example("1", "llava", turns=(("<image>\nhi", "yes"), ("more?", "no")))
    assert write(talk, load_templates("caption")[0]) == talk
    assert write(talk, identifier).turns == (
        ("[Visual conversation:LLaVA-Instruct] <image>\nhi", "yes"),
        ("more?", "no"),
    )


def test_multitask_baselines() -> None:
    def one(group: str, style: str, example: Example, title: str = "") -> str:
        [template] = load_templates(group, style, title)  # type: ignore[arg-type]
        return write(example, template).instruction

    caption = Example("1", "coco_caption", target="a dog")
    assert one("caption", "plain", caption) == ""
    assert one("vqa", "plain", PLAIN_VQA) == "what is it?"
    assert one("vqa", "identifier", PLAIN_VQA, "VQAv2") == "[Visual question answering:VQAv2] what is it?"
    assert one("vqa", "identifier", PLAIN_VQA) == "[Visual question answering] what is it?"
    assert one("caption", "identifier", caption, "COCO {x}") == "[Image captioning:COCO {x}]"
    assert one("vqg", "plain", PLAIN_VQA) == "a dog"
    with pytest.raises(RecipeError, match="expected one of instruction, plain, identifier"):
        load_templates("vqa", "plane")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{quesion}", "has the field 'quesion'; expected one of question"),
        ("[open {question}", r"has '\[' without ']'"),
        ("close] it", "in the wrong place"),
        ("a { b", "without its partner"),
    ],
)
def test_mistakes_in_a_template_are_told(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Template(text)


def test_brackets_braces_and_defaults() -> None:
    template = Template("[[x]] {{y}} {context|N/A}[ ({caption})]")
    assert write(Example("1", "t", target="a"), template).instruction == "[x] {y} N/A"
    full = write(Example("1", "t", target="a", context="{question}", caption="[c]"), template)
    assert full.instruction == "[x] {y} {question} ([c])", "what a row says is never read as a template"


def test_ones_own_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("- 'Q: {question}'\n- 'Tell me: {question}'\n")
    assert [t.text for t in load_templates(path)] == ["Q: {question}", "Tell me: {question}"]
    whole = tmp_path / "whole.yaml"
    whole.write_text("task: My task\nplain: '{question}'\ntarget: 'It is {answer}.'\ntemplates: ['{question}']\n")
    assert write(PLAIN_VQA, load_templates(str(whole))[0]).target == "It is a dog."
    assert load_templates(whole, "identifier", "mine")[0].text == "[[My task:mine]] {question}"
    for content, message in [
        ("templates: []\n", "has no templates"),
        ("templates: ['{quest}']\n", "broken.yaml: The template '{quest}' has the field 'quest'"),
        ("tempates: [x]\n", "line 1, unknown key 'tempates'; did you mean 'templates'"),
        ("3\n", "expected a list of texts"),
    ]:
        broken = tmp_path / f"{len(content)}broken.yaml"
        broken.write_text(content)
        with pytest.raises(RecipeError, match=message):
            load_templates(broken)
    with pytest.raises(RecipeError, match="no templates 'captions'; did you mean 'caption'"):
        load_templates("captions")
    with pytest.raises(RecipeError, match="no entry `plain`"):
        load_templates(path, "plain")
