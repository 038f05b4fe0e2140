"""`vistune score` and `vistune compare`: files in, figures out, and one sentence for everything that is odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import failure, vistune

TEN = ["cat"] * 4 + ["dog"] * 6


def write(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def files(folder: Path, predictions: Sequence[Any], references: Sequence[Any]) -> tuple[Path, Path]:
    return write(folder / "p.jsonl", predictions), write(folder / "r.jsonl", references)


def scored(metric: str, folder: Path, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, Any]:
    outcome = vistune("score", metric, *files(folder, predictions, references), "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


CASES = [
    ("cider", {"answer": "a cat"}, {"answers": ["a cat"]}, 0.0),  # one picture: every n-gram is in every document
    ("bleu", {"answer": "a cat sits on mats"}, {"answers": ["a cat sits on mats"]}, 1.0),
    ("rouge-l", {"answer": "a cat"}, {"answers": ["a cat", "dogs"]}, 1.0),
    ("vqa", {"answer": "Cat."}, {"answers": TEN}, 100.0),
    ("vqa-evalai", {"answer": "Cat?"}, {"answers": TEN}, 100.0),
    ("anls", {"answer": "cats"}, {"answers": ["cat", "x"]}, 0.75),
    ("exact", {"answer": "The cat."}, {"answers": ["cat"]}, 100.0),
    ("aokvqa-da", {"answer": "cat"}, {"answers": ["cat", "cat", *["dog"] * 8]}, 200 / 3),
    ("ivqa", {"answer": "cat"}, {"answers": ["cat", "a", "b", "c", "d"]}, 50.0),
    ("pope", {"answer": "Yes, there is."}, {"answers": ["yes"]}, 100.0),
    ("scienceqa", {"answer": "The answer is B."}, {"answer_index": 1, "n_choices": 3}, 100.0),
    ("nlvr", {"answer": "True"}, {"answers": ["true"]}, 100.0),
    ("ranks", {"scores": [0.1, 0.5, 0.2]}, {"answer_index": 2}, 0.5),
]


@pytest.mark.parametrize(("metric", "prediction", "reference", "value"), CASES, ids=[case[0] for case in CASES])
def test_every_metric_from_files(
    metric: str, prediction: dict[str, Any], reference: dict[str, Any], value: float, tmp_path: Path
) -> None:
    found = scored(metric, tmp_path, [{"id": "q", **prediction}], [{"id": "q", **reference}])
    assert set(found) == {"metric", "value", "n", "interval", "details"}
    assert (found["metric"], found["n"]) == (metric, 1)
    assert found["value"] == pytest.approx(value, abs=1e-6)
    assert found["interval"] == pytest.approx([value, value], abs=1e-6)


def test_rows_are_joined_on_id_whatever_their_order(tmp_path: Path) -> None:
    predictions = [{"id": 2, "answer": "no"}, {"id": "1", "answer": "yes"}]
    references = [{"id": "1", "answers": ["yes"]}, {"id": "2", "answers": ["no"]}]
    assert scored("exact", tmp_path, predictions, references)["value"] == 100


def test_auc_reads_one_score_or_one_a_class(tmp_path: Path) -> None:
    references = [{"id": name, "answer_index": name % 2} for name in range(4)]
    one = [{"id": name, "scores": [value]} for name, value in enumerate([0.1, 0.4, 0.5, 0.8])]
    two = [{"id": name, "scores": [1.0, 1.0 + value]} for name, value in enumerate([0.1, 0.4, 0.5, 0.8])]
    assert scored("auc", tmp_path, one, references)["value"] == 0.75
    assert scored("auc", tmp_path, two, references)["value"] == 0.75


def test_details_have_the_promised_keys(tmp_path: Path) -> None:
    ranked = scored(
        "ranks",
        tmp_path,
        [{"id": 1, "scores": [1, 1, 0]}, {"id": 2, "scores": [3, 2, 1]}],
        [{"id": 1, "answer_index": 0, "relevance": [1, 0, 0.5]}, {"id": 2, "answer_index": 0}],
    )
    assert set(ranked["details"]) == {"mrr", "ndcg", "n_ndcg", "r@1", "r@5", "r@10", "mean_rank"}
    assert ranked["details"]["mean_rank"] == 1.25
    paths = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    last = json.loads(vistune("score", "ranks", *paths, "--ties", "last", "--json").out)
    assert last["details"]["mean_rank"] == 1.5
    pope = scored("pope", tmp_path, [{"id": 1, "answer": "no"}], [{"id": 1, "answers": ["no"]}])
    assert set(pope["details"]) == {"precision", "recall", "f1", "yes_ratio"}
    bleu = scored("bleu", tmp_path, [{"id": 1, "answer": "a b"}], [{"id": 1, "answers": ["a b"]}])
    assert set(bleu["details"]) == {"bleu_1", "bleu_2", "bleu_3", "bleu_4"}


def test_a_person_reads_a_line(tmp_path: Path) -> None:
    paths = files(tmp_path, [{"id": 1, "answer": "a"}], [{"id": 1, "answers": ["a"]}])
    assert vistune("score", "exact", *paths).out == "exact: 100.00 % (95 % interval 100.00 to 100.00, n = 1)\n"


GOOD = {"id": "q1", "answer": "cat"}
WANTED = [{"id": "q1", "answers": ["cat"]}]


@pytest.mark.parametrize(
    ("predictions", "references", "said"),
    [
        ([GOOD, {"id": "q2", "answer": "x"}], WANTED, "id 'q2' of no row"),
        ([GOOD, GOOD], WANTED, "line 2: id 'q1' stood in line 1 already"),
        ([GOOD], [*WANTED, {"id": "q3", "answers": ["x"]}], "lacks id 'q3'"),
        ([{"id": "q1", "answer": " "}], WANTED, "empty answers for id 'q1'"),
        ([{"id": "q1"}], WANTED, "'q1' has no 'answer' beside its id, but nothing"),
        ([{"id": "q1", "answer": 7}], WANTED, "'q1' has answer 7"),
        ([GOOD, "{half"], WANTED, "line 2 is not JSON"),
        ([GOOD, "[1]"], WANTED, "line 2 is '[1]'; expected an object"),
        ([{"answer": "x"}], WANTED, "line 1: id is None"),
        ([], WANTED, "holds no rows"),
        ([GOOD], [{"id": "q1", "answers": []}], "'q1' has answers []"),
        (WANTED, [GOOD], "'q1' has no 'answer' beside its id, but 'answers'; are the two files swapped?"),
        (['{"id": "q1", "answer": "a", "answer": "b"}'], WANTED, "line 1 has 'answer' more than once"),
        (["[" * 100_000], WANTED, "line 1 is not JSON (maximum recursion depth"),
        (['{"id": ' + "1" * 5000 + "}"], WANTED, "line 1 is not JSON (Exceeds the limit"),
        ([GOOD], [{"id": "q1"}], "'q1' has no 'answers' beside its id"),
    ],
)
def test_odd_files_are_told_in_one_sentence(
    predictions: list[Any], references: list[Any], said: str, tmp_path: Path
) -> None:
    paths = files(tmp_path, predictions, references)
    assert said in failure("score", "exact", *paths, "--json", code=1)


ONE = {"id": "q", "answer": "cat"}
SCORED = {"id": "q", "scores": [0.1, 0.5, 0.2]}


@pytest.mark.parametrize(
    ("metric", "prediction", "reference", "said"),
    [
        ("cider", ONE, {"answers": "cat"}, "'q' has answers 'cat'; expected a list of texts"),
        ("aokvqa-da", ONE, {"answers": "cat"}, "'q' has answers 'cat'; expected a list of texts"),
        ("pope", ONE, {"answers": ["yes", "no"]}, "expected one, 'yes' or 'no'"),
        ("pope", ONE, {"answers": ["maybe"]}, "expected one, 'yes' or 'no'"),
        ("nlvr", ONE, {"answers": ["yes"]}, "expected one, 'true' or 'false'"),
        ("ranks", SCORED, {"answer_index": 3}, "'q' has answer_index 3, its prediction 3 scores"),
        ("ranks", SCORED, {"answer_index": -1}, "'q' has answer_index -1"),
        ("ranks", SCORED, {"answer_index": True}, "'q' has answer_index True"),
        ("ranks", SCORED, {"answer_index": 0, "n_choices": 4}, "has 3 scores, its reference n_choices 4"),
        ("ranks", SCORED, {"answer_index": 0, "relevance": [1]}, "has relevance [1]; expected 3 numbers"),
        ("ranks", SCORED, {"answer_index": 0, "relevance": [0, 0, 0]}, "none above 0"),
        ("ranks", {"id": "q", "scores": 0.5}, {"answer_index": 0}, "has scores 0.5; expected a list"),
        ("auc", {"id": "q", "scores": [0.5]}, {"answer_index": 2}, "has answer_index 2; expected 0 or 1"),
        ("auc", {"id": "q", "scores": [1, 2, 3]}, {"answer_index": 1}, "has 3 scores; AUC reads one"),
        ("scienceqa", ONE, {"answer_index": 3, "n_choices": 3}, "'q' has answer_index 3 of n_choices 3"),
        ("scienceqa", ONE, {"answer_index": 0, "n_choices": 27}, "n_choices <= 26"),
        ("scienceqa", ONE, {"answer_index": 0}, "'q' has no 'n_choices'"),
    ],
)
def test_rows_that_a_metric_cannot_read_are_told_with_their_id(
    metric: str, prediction: dict[str, Any], reference: dict[str, Any], said: str, tmp_path: Path
) -> None:
    paths = files(tmp_path, [prediction], [{"id": "q", **reference}])
    assert said in failure("score", metric, *paths, "--json", code=1)


def test_files_of_other_editors_are_read(tmp_path: Path) -> None:
    predictions, references = files(tmp_path, [GOOD], WANTED)
    predictions.write_bytes(b"\xef\xbb\xbf" + predictions.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert json.loads(vistune("score", "exact", predictions, references, "--json").out)["value"] == 100
    predictions.write_bytes(json.dumps(GOOD).encode("utf-16"))
    assert "cannot be read as text" in failure("score", "exact", predictions, references, code=1)
    assert "cannot be read as text" in failure("score", "exact", tmp_path, references, code=1)


def test_consistency_is_that_of_the_identifiers(tmp_path: Path) -> None:
    """As in the official evaluators: the same words under two numbers are two sentences."""
    rows = [("7-0", "true"), ("7-1", "false"), ("8-0", "true")]
    predictions = [{"id": name, "answer": "true"} for name, _ in rows]
    references = [{"id": name, "answers": [label], "sentence": "There is a box."} for name, label in rows]
    assert scored("nlvr", tmp_path, predictions, references)["details"]["consistency"] == 50
    rows = [("dev-850-0-0", "true"), ("dev-850-1-0", "true"), ("dev-850-0-1", "false"), ("dev-9-0-1", "true")]
    predictions = [{"id": name, "answer": "true"} for name, _ in rows]
    references = [{"id": name, "answers": [label]} for name, label in rows]
    found = scored("nlvr", tmp_path, predictions, references)
    assert (found["value"], found["details"]["consistency"]) == (75, pytest.approx(200 / 3))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "null", '"1"', "true", "1" + "0" * 400])
def test_scores_that_are_no_numbers_are_refused(value: str, tmp_path: Path) -> None:
    row = f'{{"id": "q1", "scores": [0.5, {value}]}}'
    paths = files(tmp_path, [row], [{"id": "q1", "answer_index": 0}])
    assert "'q1': score 1 is" in failure("score", "ranks", *paths, code=2)


def test_other_mistakes(tmp_path: Path) -> None:
    paths = files(tmp_path, [GOOD], WANTED)
    assert "did you mean 'cider'?" in failure("score", "cidr", *paths, code=2)
    assert "exact has no ties" in failure("score", "exact", *paths, "--ties", "last", code=2)
    assert "There is no file" in failure("score", "exact", tmp_path / "none.jsonl", paths[1], code=1)
    assert "'q1' has answers ['cat']; this metric" in failure("score", "vqa", *paths, code=1)
    empty = write(tmp_path / "empty.jsonl", [{"id": "q1", "answer": ""}])
    assert "exact: 0.00 %" in vistune("score", "exact", empty, paths[1], "--allow-empty").out


def test_two_runs_are_compared_on_the_same_samples(tmp_path: Path) -> None:
    references = write(tmp_path / "r.jsonl", [{"id": n, "answers": ["yes"]} for n in range(40)])
    a = write(tmp_path / "a.jsonl", [{"id": n, "answer": "yes" if n % 2 else "no"} for n in range(40)])
    b = write(tmp_path / "b.jsonl", [{"id": n, "answer": "yes" if n % 4 else "no"} for n in reversed(range(40))])
    outcome = vistune("compare", a, b, "--metric", "exact", "--references", references, "--json")
    found = json.loads(outcome.out)
    assert (found["a"], found["b"], found["difference"], found["n"]) == (50, 75, 25, 40)
    assert 0 < found["low"] < 25 < found["high"] < 50
    assert found["interval"] == [found["low"], found["high"]]
    assert "b - a: +25.0000" in vistune("compare", a, b, "--metric", "exact", "--references", references).out


def test_rows_with_scores_are_compared_by_their_means(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [{"id": n, "score": 0.5} for n in range(4)])
    b = write(tmp_path / "b.jsonl", [{"id": n, "score": n / 4} for n in range(4)])
    assert json.loads(vistune("compare", a, b, "--json").out)["difference"] == -0.125
    c = write(tmp_path / "c.jsonl", [{"id": n, "score": 0.5} for n in range(5)])
    assert "id '4' of no row" in failure("compare", c, a, code=1)
    d = write(tmp_path / "d.jsonl", [{"id": n} for n in range(4)])
    assert "score None" in failure("compare", a, d, code=1)
    assert "belong together" in failure("compare", a, b, "--metric", "exact", code=2)
    assert "is a folder" in failure("compare", a, tmp_path, code=2)
