from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vistune.data.example import Example
from vistune.errors import DataError, InputError
from vistune.evaluate.metrics import Score, roc_auc
from vistune.evaluate.metrics.score import mean_score
from vistune.evaluate.report.analysis.by_column import by_columns
from vistune.evaluate.report.analysis.columns import Column, columns_of
from vistune.evaluate.report.analysis.own_columns import read_columns


def column(name: str, values: list[str]) -> Column:
    return Column(name, {value: np.array([entry == value for entry in values]) for value in dict.fromkeys(values)})


def figures_of(score: Score, values: list[str]) -> dict[str, dict[str, Any]]:
    [found] = by_columns(score, [column("kind", values)])
    return {entry["value"]: entry for entry in found["values"]}


def test_figures_are_those_of_score_by() -> None:
    rng = random.Random(0)
    score = mean_score([float(rng.random() < 0.6) for _ in range(200)])
    values = [rng.choice("abc") for _ in range(200)]
    found = figures_of(score, values)
    for name, expected in score.by(values).items():
        assert found[name]["figure"] == pytest.approx(expected["value"])
        assert found[name]["n"] == expected["n"]
        rest = [hit for hit, value in zip(score.per_sample, values, strict=True) if value != name]
        assert found[name]["gap"] == pytest.approx(expected["value"] - sum(rest) / len(rest))


def test_interval_of_a_mean_is_the_normal_one() -> None:
    """Of 400 and 400 independent hits; the gap's error is the root of the sum of squares."""
    hits = [1.0] * 320 + [0.0] * 80 + [1.0] * 200 + [0.0] * 200
    found = figures_of(mean_score(hits), ["a"] * 400 + ["b"] * 400)
    error = (0.8 * 0.2 / 400) ** 0.5
    assert found["a"]["interval"] == pytest.approx([0.8 - 1.96 * error, 0.8 + 1.96 * error], abs=0.008)
    error = (0.8 * 0.2 / 400 + 0.5 * 0.5 / 400) ** 0.5
    assert found["a"]["gap_interval"] == pytest.approx([0.3 - 1.96 * error, 0.3 + 1.96 * error], abs=0.012)


def test_corpus_metric_is_computed_anew_for_each_value() -> None:
    """AUC is no mean; scikit-learn says what it is on the rows of a value and on all others."""
    rng = random.Random(1)
    labels = [rng.randrange(2) for _ in range(150)]
    sure = [label + rng.gauss(0, 1) for label in labels]
    values = [rng.choice(["day", "night"]) for _ in labels]
    found = figures_of(roc_auc(sure, labels), values)

    def auc(value: str) -> float:
        rows = [row for row, name in enumerate(values) if name == value]
        return float(roc_auc_score([labels[row] for row in rows], [sure[row] for row in rows]))

    assert found["day"]["figure"] == pytest.approx(auc("day"))
    assert found["day"]["gap"] == pytest.approx(auc("day") - auc("night"))
    assert found["day"]["interval"][0] < auc("day") < found["day"]["interval"][1]


def test_value_without_a_figure_is_left_out() -> None:
    """Rows of one class have no AUC."""
    labels = [0, 1] * 20 + [1] * 20
    sure = [float(row % 7) for row in range(60)]
    values = ["a"] * 20 + ["b"] * 20 + ["only one class"] * 20
    assert set(figures_of(roc_auc(sure, labels), values)) == {"a", "b"}


def test_few_rows_have_no_interval_and_no_part_in_the_largest_gap() -> None:
    hits = [1.0] * 30 + [0.0] * 30 + [0.0] * 9
    values = ["good"] * 30 + ["bad"] * 30 + ["rare"] * 9
    [found] = by_columns(mean_score(hits), [column("kind", values)])
    rare = found["values"][2]
    assert (rare["value"], rare["interval"], rare["gap_interval"]) == ("rare", None, None)
    assert found["largest_gap"]["between"] == ["good", "bad"]
    assert found["largest_gap"]["value"] == 1.0
    assert found["largest_gap"]["interval"] == [1.0, 1.0]


def test_rows_may_have_several_parts() -> None:
    examples = [Example("1", "s", parts=("NAT", "IMG")), Example("2", "s", parts=("SOC", "IMG"))] * 10
    [parts] = columns_of("caption", examples)
    assert {name: int(rows.sum()) for name, rows in parts.rows.items()} == {"NAT": 10, "IMG": 20, "SOC": 10}
    [found] = by_columns(mean_score([1.0, 0.0] * 10), [parts])
    by_name = {entry["value"]: entry for entry in found["values"]}
    assert by_name["IMG"]["figure"] == 0.5
    # All rows have it: there is no rest.
    assert by_name["IMG"]["gap"] is None


def test_columns_of_questions() -> None:
    examples = [
        Example("1", "q", question="Is it red?", references=("yes", "yes", "no")),
        Example("2", "q", question="How many?", references=("2",), history=(("a", "b"),)),
        Example("3", "q", question="how old?", target="12.5"),
        Example("4", "q", question="What?", target="a <b>", ocr_tokens=("STOP",)),
    ]
    found = {
        known.name: {value: np.flatnonzero(rows).tolist() for value, rows in known.rows.items()}
        for known in columns_of("question", examples)
    }
    assert found == {
        "first word of the question": {"is": [0], "how": [1, 2], "what": [3]},
        "kind of right answer": {"yes/no": [0], "number": [1, 2], "other": [3]},
        "earlier rounds": {"0": [0, 2, 3], "1": [1]},
        "text read in the picture": {"without": [0, 1, 2], "with": [3]},
    }


def test_rarest_of_many_values_are_taken_together() -> None:
    values = [str(number) for number in range(60) for _ in range(1 + (number < 10))]
    [own] = columns_of("caption", [Example(str(row), "q") for row in range(70)], {"place": values})
    assert len(own.rows) == 24
    assert list(own.rows)[-1] == "(others)"
    assert sum(rows.sum() for rows in own.rows.values()) == 70


def test_own_columns_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "columns.jsonl"
    path.write_text('{"id": 3, "light": "night"}\n{"id": "1", "light": "day", "people": 2}\n{"id": "9"}\n')
    assert read_columns(path, ["1", "2", "3"]) == {"light": ["day", "", "night"], "people": ["2", "", ""]}
    with pytest.raises(DataError, match="no id of these rows"):
        read_columns(path, ["a"])
    path.write_text('{"id": "1"}\n')
    with pytest.raises(DataError, match="nothing but ids"):
        read_columns(path, ["1"])


def test_own_column_of_another_length() -> None:
    with pytest.raises(InputError, match="'light' has 1 entry for 2 rows"):
        columns_of("caption", [Example("1", "q"), Example("2", "q")], {"light": ["day"]})
