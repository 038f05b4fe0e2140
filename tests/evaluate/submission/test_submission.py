"""Official submission files: their form, and that they are whole or not written."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.data.releases.writing import VQA_HEAD, Writer
from tests.evaluate.benchmarks.whole import write_release

from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks import BENCHMARKS, Given, benchmark
from vistune.evaluate.submission import write_submission
from vistune.evaluate.submission.xlsx import workbook

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def submitted(name: str, root: Path, path: Path, words: str = "net") -> int:
    item = benchmark(name)
    examples = item.examples(write_release(item, root))
    return write_submission(item, examples, [Given(words)] * len(examples), path, root)


def read(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def table(content: bytes) -> list[list[str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    return [["".join(cell.itertext()) for cell in row] for row in sheet.iter(f"{_SHEET}row")]


@pytest.mark.parametrize("name", [name for name, item in BENCHMARKS.items() if item.submission])
def test_every_file_is_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / "submission"
    root = tmp_path / "data"
    root.mkdir()
    assert submitted(name, root, path) > 0
    first = path.read_bytes()
    assert submitted(name, root, path) > 0
    assert path.read_bytes() == first


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
    assert write_submission(item, examples, [Given("yes")], tmp_path / "out.json", root) == 1


def test_vizwiz_goes_by_the_pictures_file(tmp_path: Path) -> None:
    submitted("vizwiz", tmp_path, tmp_path / "out.json", "a mug")
    assert read(tmp_path / "out.json") == [{"image": "VizWiz_test_00000001.jpg", "answer": "a mug"}]


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


def test_mmbench_is_a_workbook_of_every_row(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    assert submitted("mmbench", tmp_path, path, "dog") == 5
    rows = table(path.read_bytes())
    assert rows[0] == ["index", "question", "A", "B", "C", "D", "prediction"]
    assert rows[1:3] == [
        ["241", "Which is it?", "cat", "dog", "cow", "", "B"],
        ["1000241", "Which is it?", "dog", "cow", "cat", "", "A"],
    ]
    # Red or blue: a dog is neither.
    assert rows[4] == ["7", "What colour?", "red", "blue", "", "", ""]


def test_rounds_made_here_are_not_submitted(tmp_path: Path) -> None:
    item = benchmark("mmbench")
    root = write_release(item, tmp_path)
    path = root / "mmbench" / "mmbench_test_20230712.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[4]]) + "\n", encoding="utf-8")
    examples = item.examples(root)
    assert len(examples) == 5
    assert write_submission(item, examples, [Given("cat")] * 5, tmp_path / "out.xlsx", root) == 2


def test_a_workbook_holds_any_text() -> None:
    odd = "<a> & \x0b\"b\" 'c'\n 日本"
    assert table(workbook([[1, odd]])) == [["1", odd.replace("\x0b", "")]]
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl to read what others would")
    sheet = openpyxl.load_workbook(io.BytesIO(workbook([[1, "x"]]))).active
    assert [cell.value for cell in next(sheet.iter_rows())] == [1, "x"]


def test_nothing_is_written_while_an_id_is_missing(tmp_path: Path) -> None:
    item = benchmark("mmbench")
    examples = item.examples(write_release(item, tmp_path))
    path = tmp_path / "out.xlsx"
    with pytest.raises(DataError, match=r"2 of 5 rows of mmbench have no answer \(the first: '7', '1000007'\)"):
        write_submission(item, examples[:3], [Given("cat")] * 3, path, tmp_path)
    with pytest.raises(InputError, match="Row '241' has no answer"):
        write_submission(item, examples, [Given()] * 5, path, tmp_path)
    with pytest.raises(InputError, match="has 5 rows and 1 answers"):
        write_submission(item, examples, [Given("cat")], path, tmp_path)
    with pytest.raises(InputError, match="gqa has no official submission file"):
        write_submission(benchmark("gqa"), [], [], path, tmp_path)
    assert not path.exists()
