"""Another system's answers: the same figure as our own, and one sentence for everything that is odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.runner.rig import lines

from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks import BENCHMARKS
from vistune.evaluate.protocols import protocol
from vistune.evaluate.runner.predictions import score_predictions
from vistune.evaluate.runner.request import Request

WORLD = BENCHMARKS["world_count"]
EXAMPLES = WORLD.examples(None, limit=20)


def scored(folder: Path, rows: Sequence[Any], **options: Any) -> Any:
    file = folder / "answers.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    request = Request("theirs", (WORLD,), folder / "out", limit=20)
    return score_predictions(request, WORLD, protocol("instructblip"), file, **options)


def right(number: int) -> dict[str, Any]:
    return {"id": EXAMPLES[number].id, "answer": str(EXAMPLES[number].target)}


def test_answers_in_words_in_any_order(tmp_path: Path) -> None:
    rows = [right(number) for number in reversed(range(20))]
    rows[0]["answer"] = "no idea"
    result = scored(tmp_path, rows)
    assert result.score.value == 95 and result.asked.settings["predictions"].endswith("answers.jsonl")
    written = lines(result.rows)
    assert [row["id"] for row in written] == [example.id for example in EXAMPLES]
    assert (written[-1]["text"], written[-1]["score"], written[-1]["prompt"]) == ("no idea", 0, None)


def test_scores_of_the_candidates(tmp_path: Path) -> None:
    rows = [
        {"id": example.id, "scores": [float(candidate == example.target) for candidate in example.candidates or ()]}
        for example in EXAMPLES
    ]
    result = scored(tmp_path, rows)
    assert result.score.value == 100
    assert lines(result.rows)[3]["answer"] == EXAMPLES[3].target


def test_rows_of_our_own_have_both(tmp_path: Path) -> None:
    """Scores where the protocol ranks, but not the best few of many: then the answer says which was the best."""
    rows = [
        {"id": e.id, "answer": "no idea", "scores": [float(text == e.target) for text in e.candidates or ()]}
        for e in EXAMPLES
    ]
    assert scored(tmp_path, rows).score.value == 100
    rows = [{**right(n), "candidates": ["x"], "scores": [1.0], "of": 6} for n in range(20)]
    assert scored(tmp_path, rows).score.value == 100


def test_a_file_of_all_rows_does_for_some(tmp_path: Path) -> None:
    rows = [{"id": example.id, "answer": str(example.target)} for example in WORLD.examples(None)]
    assert scored(tmp_path, rows).score.n == 20


ALL = [right(number) for number in range(20)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*ALL, {"id": "test-colour-3", "answer": "red"}], "answers id 'test-colour-3', which world_count"),
        (
            [{"id": f"x{n}", "answer": "1"} for n in range(9)],
            "answers 9 ids ('x0', 'x1', 'x2', ...), which world_count",
        ),
        ([*ALL, ALL[4]], "id 'test-count-4' stood in line 5 already"),
        (ALL[:-2], "no answer to 2 ids ('test-count-18', 'test-count-19') of world_count"),
        ([*ALL[:-1], {**ALL[-1], "answer": " "}], "empty answers for id 'test-count-19'"),
        ([*ALL[:-1], {"id": ALL[-1]["id"]}], "has answer None and scores None"),
        ([*ALL[:-1], {"id": ALL[-1]["id"], "scores": [1, "2"]}], "expected a text as answer"),
        ([*ALL[:-1], {"id": ALL[-1]["id"], "scores": [float("nan")] * 500}], "scores [nan, nan, nan, "),
        ([*ALL[:-1], "{cut"], "is not JSON"),
    ],
)
def test_odd_files(tmp_path: Path, rows: list[Any], said: str) -> None:
    with pytest.raises(DataError) as error:
        scored(tmp_path, rows)
    assert said in str(error.value) and len(str(error.value).replace(str(tmp_path), "")) < 400
    assert not (tmp_path / "out").exists()


def test_scores_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"6 candidates \('0', .*\) and scores of 2"):
        scored(tmp_path, [*ALL[:-1], {"id": ALL[-1]["id"], "scores": [1, 2]}])


def test_scores_where_answers_are_free(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    captions = BENCHMARKS["world_caption"]
    rows = [{"id": example.id, "scores": [1, 2]} for example in captions.examples(None, limit=2)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = Request("theirs", (captions,), tmp_path / "out", limit=2)
    with pytest.raises(DataError, match="has scores, but world_caption has no candidates under the protocol 'instru"):
        score_predictions(request, captions, protocol("instructblip"), file)


def test_ties_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", logger="vistune")
    rows = [
        {"id": e.id, "scores": [float(number == place) for place in range(len(e.candidates or ()))]}
        for number, e in enumerate(EXAMPLES)
    ]
    scored(tmp_path, [{**rows[0], "scores": [5, 5, 1, 1, 1, 1]}, *rows[1:6], *ALL[6:]])
    [told] = caplog.messages
    assert told.endswith("in 1 row several candidates share the highest score; the first of them counts.")
    caplog.clear()
    scored(tmp_path, [*rows[:6], *ALL[6:]])
    assert not caplog.messages


def test_empty_answers_can_be_counted(tmp_path: Path) -> None:
    assert scored(tmp_path, [*ALL[:-1], {**ALL[-1], "answer": ""}], allow_empty=True).score.value == 95
