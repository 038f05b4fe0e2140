"""Official submission files: their form, and that they are whole or not written."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import openpyxl
import pytest
from tests.data.releases.writing import VQA_HEAD, Writer
from tests.evaluate.benchmarks.whole import write_release

from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks import BENCHMARKS, Given, benchmark
from vistune.evaluate.submission import check_submission, submission_name, write_submission
from vistune.evaluate.submission.workbook import write_workbook


def submitted(name: str, root: Path, path: Path, words: str = "net") -> int:
    item = benchmark(name)
    examples = item.examples(write_release(item, root))
    return write_submission(item, examples, [Given(words)] * len(examples), path, root)


def read(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def table(path: Path) -> list[list[object]]:
    """The cells of a workbook, as openpyxl reads them."""
    (sheet,) = openpyxl.load_workbook(path).worksheets
    return [list(row) for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("name", [name for name, item in BENCHMARKS.items() if item.submission])
def test_every_file_is_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / submission_name(benchmark(name))
    root = tmp_path / "data"
    root.mkdir()
    read_back = table if path.suffix == ".xlsx" else Path.read_bytes
    assert submitted(name, root, path) > 0
    first = read_back(path)
    assert submitted(name, root, path) > 0
    assert read_back(path) == first


def test_vqav2_answers_the_whole_test_split(tmp_path: Path) -> None:
    item = benchmark("vqav2")
    root = write_release(item, tmp_path)
    questions = [{"image_id": 1, "question": "q?", "question_id": number} for number in (1000, 1001)]
    Writer(root).json("vqav2/v2_OpenEnded_mscoco_test2015_questions.json", {**VQA_HEAD, "questions": questions})
    examples = item.examples(root)
    assert [row.id for row in examples] == ["1000"]
    assert write_submission(item, examples, [Given(" yes ")], tmp_path / "out.json", root) == 2
    assert read(tmp_path / "out.json") == [
        {"question_id": 1000, "answer": "yes"},
        {"question_id": 1001, "answer": ""},
    ]
    (root / "vqav2/v2_OpenEnded_mscoco_test2015_questions.json").unlink()
    (tmp_path / "out.json").unlink()
    told = r"takes answers to all questions of test, and there is no .*test2015_questions\.json; fetch it"
    with pytest.raises(DataError, match=told):
        check_submission([item], root)
    with pytest.raises(DataError, match=told):
        write_submission(item, examples, [Given("yes")], tmp_path / "out.json", root)
    assert not (tmp_path / "out.json").exists()


def test_vizwiz_goes_by_the_pictures_file(tmp_path: Path) -> None:
    submitted("vizwiz", tmp_path, tmp_path / "out.json", "a mug")
    assert read(tmp_path / "out.json") == [{"image": "VizWiz_test_00000001.jpg", "answer": "mug"}]


def test_ids_of_captions_are_of_one_kind(tmp_path: Path) -> None:
    """NoCaps' are numbers; TextCaps' are 16 hexadecimal digits, of which a few happen to be decimal ones."""
    item = benchmark("textcaps_test")
    root = write_release(item, tmp_path)
    names = ["1234567890123456", "037b8a4c4ee2bbf4"]
    rows = [{"image_id": name, "image_width": 12} for name in names]
    Writer(root).json("textcaps/TextCaps_0.1_test.json", {"dataset_type": "test", "data": rows})
    for name in names:
        Writer(root).image(f"textcaps/test_images/{name}.jpg")
    write_submission(item, item.examples(root), [Given("a sign")] * 2, tmp_path / "out.json", root)
    assert read(tmp_path / "out.json") == [{"image_id": name, "caption": "a sign"} for name in names]
    submitted("nocaps_test", tmp_path, tmp_path / "out.json")
    assert read(tmp_path / "out.json") == [{"image_id": 0, "caption": "net"}]


def test_aokvqas_file_holds_both_kinds_of_answers(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    submitted("aokvqa_mc_test", tmp_path, path, "cab")
    submitted("aokvqa_da_test", tmp_path, path, "a taxi")
    assert read(path) == {"22MexNkBPpdZGX6sxbxVBH": {"multiple_choice": "cab", "direct_answer": "a taxi"}}
    path.write_text('{"other": {}}', encoding="utf-8")
    with pytest.raises(DataError, match="no file of A-OKVQA's answers"):
        submitted("aokvqa_mc_test", tmp_path, path, "cab")
    assert path.read_text(encoding="utf-8") == '{"other": {}}'


def test_a_ranked_answer_is_the_best_candidate(tmp_path: Path) -> None:
    item = benchmark("aokvqa_mc_test")
    examples = item.examples(write_release(item, tmp_path))
    write_submission(item, examples, [Given(scores=[-3, -1, -2, -9])], tmp_path / "out.json", tmp_path)
    assert read(tmp_path / "out.json") == {"22MexNkBPpdZGX6sxbxVBH": {"multiple_choice": "train"}}


MMBENCH = ["index", "question", "A", "B", "C", "D", "prediction", "category", "l2_category", "split"]


def test_mmbench_is_a_workbook_of_every_row(tmp_path: Path) -> None:
    """The fields that the README of open-compass/MMBench asks for."""
    path = tmp_path / "out.xlsx"
    assert submitted("mmbench", tmp_path, path, "dog") == 5
    rows = table(path)
    assert rows[0] == MMBENCH
    assert rows[1:3] == [
        [241, "Which is it?", "cat", "dog", "cow", None, "B", "reasoning", "logic", "test"],
        [1000241, "Which is it?", "dog", "cow", "cat", None, "A", "reasoning", "logic", "test"],
    ]


def test_mmbenchs_server_reads_words_that_name_no_choice(tmp_path: Path) -> None:
    item = benchmark("mmbench_dev")
    examples = item.examples(write_release(item, tmp_path))
    given = [Given("cow", text="C"), Given("", text=" It says meow. "), Given("dog"), Given(""), Given("", text="")]
    write_submission(item, examples, given, tmp_path / "out.xlsx", tmp_path)
    rows = table(tmp_path / "out.xlsx")[1:]
    assert [row[6] for row in rows] == ["C", "It says meow.", "C", None, None]
    assert {row[9] for row in rows} == {"dev"}


def test_seed_bench_has_a_line_a_question(tmp_path: Path) -> None:
    """As the leaderboard's page and LLaVA's convert_seed_for_submission.py have it."""
    path = tmp_path / "out.json"
    assert submitted("seed", tmp_path, path, "option c") == 2
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == [{"question_id": number, "prediction": "C"} for number in ("101669", "92")]


def test_answers_to_vqa_and_vizwiz_are_in_the_evaluators_form(tmp_path: Path) -> None:
    """As LLaVA's two scripts write them: the evaluators compare the words as they are where all people agree."""
    for name in ("vqav2", "vizwiz"):
        submitted(name, tmp_path, tmp_path / "out.json", "The Two dogs.")
        rows = read(tmp_path / "out.json")
        assert isinstance(rows, list) and rows[0]["answer"] == "2 dogs"


def test_rounds_made_here_are_not_submitted(tmp_path: Path) -> None:
    item = benchmark("mmbench")
    root = write_release(item, tmp_path)
    path = root / "mmbench" / "mmbench_test_20230712.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[4]]) + "\n", encoding="utf-8")
    examples = item.examples(root)
    assert len(examples) == 5
    assert write_submission(item, examples, [Given("cat")] * 5, tmp_path / "out.xlsx", root) == 2


def test_a_workbook_holds_any_text(tmp_path: Path) -> None:
    odd = "<a> & \x0b\"b\" 'c'\n 日本"
    write_workbook([[1, odd, "=1+1", "", "007"]], tmp_path / "out.xlsx")
    assert table(tmp_path / "out.xlsx") == [[1, odd.replace("\x0b", ""), "=1+1", None, "007"]]


def test_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "vistune.evaluate.submission.workbook.find_spec", lambda name: None if name == "openpyxl" else found(name)
    )
    with pytest.raises(InputError, match=r"needs openpyxl; `pip install 'vistune\[eval\]'`"):
        check_submission([benchmark("vizwiz"), benchmark("mmbench")], tmp_path)
    check_submission([benchmark("vizwiz"), benchmark("gqa")], tmp_path)
    with pytest.raises(InputError, match="needs openpyxl"):
        submitted("mmbench", tmp_path, tmp_path / "out.xlsx")
    assert not (tmp_path / "out.xlsx").exists()


def test_nothing_is_written_while_an_id_is_missing(tmp_path: Path) -> None:
    item = benchmark("mmbench")
    examples = item.examples(write_release(item, tmp_path))
    path = tmp_path / "out.xlsx"
    with pytest.raises(DataError, match=r"There is no answer to 2 of 5 rows of mmbench \(the first: '7', '1000007'\)"):
        write_submission(item, examples[:3], [Given("cat")] * 3, path, tmp_path)
    with pytest.raises(InputError, match="Row '241' has no answer"):
        write_submission(item, examples, [Given()] * 5, path, tmp_path)
    with pytest.raises(InputError, match="has 5 rows and 1 answer;"):
        write_submission(item, examples, [Given("cat")], path, tmp_path)
    with pytest.raises(InputError, match="gqa has no official submission file"):
        write_submission(benchmark("gqa"), [], [], path, tmp_path)
    assert not path.exists()
