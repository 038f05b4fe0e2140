"""The tokeniser against the Java one: odd texts and what PTBTokenizer 3.4.1 made of them, and real captions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.evaluate.metrics.truth import needs_truth, rows

from vistune.evaluate.metrics import ptb_tokenize
from vistune.evaluate.metrics.ptb import tokenize_lines

# One text a line with the tokens that the official evaluator's Java program gave for it, punctuation dropped.
ODD = [json.loads(line) for line in (Path(__file__).parent / "ptb_odd.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ODD, ids=lambda row: ascii(row["raw"])[:40])
def test_odd_texts(row: dict[str, str]) -> None:
    assert " ".join(ptb_tokenize(row["raw"], following="x")) == row["tokenized"]


@needs_truth
def test_real_captions() -> None:
    captions = rows("coco_caption/ptb_tokenizer.jsonl")
    wrong = [row["raw"] for row in captions if " ".join(ptb_tokenize(row["raw"])) != row["tokenized"]]
    # Tokenised in the order of the whole data set, where the caption after this one began with an unusual word.
    assert wrong == ["Peculiar street sign showing intersection of 23 3/4 St and 8th Ave/CTH D."]
    assert ptb_tokenize(wrong[0], following="Two cats")[-1] == "d."


def test_nothing_is_no_token() -> None:
    assert ptb_tokenize("") == ptb_tokenize(" \n ") == ptb_tokenize("...!?".replace("!?", "")) == []


def test_the_next_line_decides_on_a_letter_at_the_end() -> None:
    assert tokenize_lines(["Plan B.", "The plan.", "vitamin C.", "a cat"]) == [
        ["plan", "b"],
        ["the", "plan"],
        ["vitamin", "c."],
        ["a", "cat"],
    ]


@pytest.mark.parametrize(
    ("lines", "tokens"),
    [
        (["vitamin C.", "  A cat"], ["vitamin c", "a cat"]),
        (["vitamin C.", "", " ", "The dog"], ["vitamin c", "", "", "the dog"]),
        (["vitamin C.", "", ""], ["vitamin c.", "", ""]),
        (["vitamin C.", "The"], ["vitamin c.", "the"]),  # the last line ends with the file, not with a line break
        (["vitamin C.", "The", ""], ["vitamin c", "the", ""]),
        (["C.", " <b> x"], ["c", "<b> x"]),
        (["on the gr\u2019ss.", "A cat"], ["on the gr 's s", "a cat"]),
        (["a cell ho\u2019ne.", "An owl"], ["a cell ho \u2019n e", "an owl"]),
        (["see No.", "", "5 dogs"], ["see no", "", "5 dogs"]),
        (["it was '90"], ["it was 90"]),
        (["it was '90", "x"], ["it was '90", "x"]),
    ],
)
def test_lines_as_the_java_program_made_of_them(lines: list[str], tokens: list[str]) -> None:
    assert [" ".join(found) for found in tokenize_lines(lines)] == tokens


def test_words_beside_each_other_do_not_change_a_token() -> None:
    """Chunks of text are tokenised once and kept; what may look over a space must not be."""
    for row in ODD:
        for chunk in row["raw"].split(" "):
            ptb_tokenize(chunk, "x")
    assert [" ".join(ptb_tokenize(row["raw"], "x")) for row in ODD] == [row["tokenized"] for row in ODD]
