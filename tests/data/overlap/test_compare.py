"""Sets of a recipe against sets of a suite."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer
from tests.tiny import picture

from vistune.data.arrow_build import build_arrow
from vistune.data.example import Example
from vistune.data.overlap.aliases import load_aliases
from vistune.data.overlap.compare import Shared, compare
from vistune.data.overlap.sets import NamedRows, evaluation_sets, training_sets
from vistune.data.recipe import DataRecipe, load_data_recipe
from vistune.errors import DataError, InputError


def rows(label: str, paths: Sequence[Path | str], ids: Sequence[str] = ()) -> NamedRows:
    def read() -> Iterator[Example]:
        for number, path in enumerate(paths):
            yield Example(str(number), label, "?", "!", (path,), source_ids=tuple(ids[number : number + 1]))

    return NamedRows(label, read)


def absent(label: str) -> NamedRows:
    def read() -> Iterator[Example]:
        raise DataError(f"{label} is not there, looked at x/y.json")

    return NamedRows(label, read)


def one(shared: list[Shared]) -> Shared:
    assert len(shared) == 1
    return shared[0]


@pytest.fixture
def folders(photographs: list[Path], tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """120 training photographs; 60 others to measure on, and copies of training ones: as they are, changed, cropped."""
    tests = tmp_path / "test"
    tests.mkdir()
    shutil.copy(photographs[0], tests / "same.jpg")
    for number, name in ((1, "saved.jpg"), (2, "small.jpg"), (3, "cropped.jpg")):
        with Image.open(photographs[number]) as image:
            copy = image.convert("RGB")
            if name == "small.jpg":
                copy = copy.resize((image.width // 2, image.height // 2))
            if name == "cropped.jpg":
                copy = copy.crop((round(0.05 * image.width), 0, image.width, round(0.95 * image.height)))
            copy.save(tests / name, quality=60)
    return photographs[:120], [*sorted(tests.glob("*.jpg")), *photographs[120:180]]


def test_copies_are_found_and_nothing_else(folders: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    train, tests = folders
    lines: list[str] = []
    report = compare([rows("a", train)], [rows("b", tests)], cache=tmp_path / "cache", on_progress=lines.append)
    shared = one(report.shared)
    assert (shared.train, shared.evaluation, shared.pictures) == ("a", "b", 4)
    assert shared.share == pytest.approx(4 / 64, abs=1e-4)
    assert shared.by == {"id": 0, "bytes": 1, "look": 3}
    pairs = {Path(pair["evaluation"]).name: Path(pair["train"]) for pair in shared.examples}
    expected = zip(("same.jpg", "saved.jpg", "small.jpg", "cropped.jpg"), train, strict=False)
    assert pairs == dict(expected)
    assert report.train == {"a": {"rows": 120, "pictures": 120, "named": 0, "unreadable": 0}}
    assert json.loads(json.dumps(report.as_dict()))["shared"][0]["pictures"] == 4
    reverse = compare([rows("b", tests)], [rows("a", train)], cache=tmp_path / "cache")
    assert one(reverse.shared).pictures == 4


def test_hashes_are_kept_and_changed_files_hashed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vistune.data.features.keys._SETTLED_NS", 0)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        picture(number, (90, 70)).save(path)
    cache = tmp_path / "cache"
    first = compare([rows("a", paths[:2])], [rows("b", paths[2:])], cache=cache)
    assert first.shared == []
    opened: list[object] = []
    real = compare.__globals__["look_at"].__globals__["first_square"]
    monkeypatch.setattr("vistune.data.overlap.looks.first_square", lambda ref: opened.append(ref) or real(ref))
    compare([rows("a", paths[:2])], [rows("b", paths[2:])], cache=cache)
    assert opened == []
    picture(0, (90, 70)).save(paths[3])
    again = compare([rows("a", paths[:2])], [rows("b", paths[2:])], cache=cache)
    assert opened == [str(paths[3])]
    assert one(again.shared).by == {"id": 0, "bytes": 1, "look": 0}


def test_names_are_compared_across_visual_genome_coco_and_flickr(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "vg").mkdir(parents=True)
    table = [
        {"image_id": 1, "coco_id": 77, "flickr_id": 900},
        {"image_id": 2, "coco_id": None, "flickr_id": 901},
        {"image_id": 3, "coco_id": None, "flickr_id": None},
    ]
    (root / "vg" / "image_data.json").write_text(json.dumps(table))
    aliases, path = load_aliases(root)
    assert path == root / "vg" / "image_data.json"
    assert aliases == {"vg:1": "coco:77", "flickr:900": "coco:77", "vg:2": "flickr:901"}
    paths = [tmp_path / f"{name}.png" for name in "abcdefg"]
    for number, picture_path in enumerate(paths):
        picture(number).save(picture_path)
    train = rows("train", paths[:3], ["coco:77", "flickr:901", "vg:3"])
    report = compare([train], [rows("test", paths[3:], ["vg:1", "vg:2", "vg:3", "vg:4"])], root, cache=None)
    assert one(report.shared).by == {"id": 3, "bytes": 0, "look": 0}
    assert one(report.shared).share == 0.75
    untranslated = compare([train], [rows("test", paths[3:], ["vg:1", "vg:2", "vg:3", "vg:4"])], tmp_path, look=False)
    assert one(untranslated.shared).by["id"] == 1
    assert untranslated.aliases is None


def test_one_file_in_many_sets_and_files_that_do_not_open(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        picture(number).save(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    gone = tmp_path / "gone.png"
    report = compare(
        [rows("a", [paths[0], paths[0], broken]), rows("b", [paths[1]]), absent("c")],
        [rows("x", [paths[0], paths[1], gone]), rows("y", [paths[2], broken])],
    )
    assert {(shared.train, shared.evaluation): shared.by["bytes"] for shared in report.shared} == {
        ("a", "x"): 1,
        ("b", "x"): 1,
    }
    assert report.train["a"] == {"rows": 3, "pictures": 2, "named": 0, "unreadable": 1}
    assert report.evaluation["x"]["unreadable"] == 1
    assert report.missing == {"c": "c is not there, looked at x/y.json"}
    with pytest.raises(DataError, match=r"nothing to compare, of c: c is not there, looked at x/y\.json"):
        compare([absent("c")], [rows("x", paths)])
    by_path = compare([rows("a", paths)], [rows("x", [paths[0], gone])], look=False)
    assert one(by_path.shared).by == {"id": 0, "bytes": 1, "look": 0}


def test_suites_and_recipes_name_their_sets(tmp_path: Path) -> None:
    names = [chosen.label for chosen in evaluation_sets("instructblip", tmp_path)]
    held_out = [chosen.label for chosen in evaluation_sets("held-out", tmp_path)]
    assert {"gqa", "vsr", "okvqa"} <= {name.partition("/")[0] for name in names}
    assert "okvqa" not in {name.partition("/")[0] for name in held_out}
    assert evaluation_sets("vsr:train, gqa", tmp_path)[0].label == "vsr/train"
    with pytest.raises(InputError, match="no suite or data set 'instructblipp'; did you mean 'instructblip'"):
        evaluation_sets("instructblipp", tmp_path)
    with pytest.raises(InputError, match="names no data sets"):
        evaluation_sets(" , ", tmp_path)
    recipe = DataRecipe.model_validate({"sets": ["okvqa", {"name": "mine", "path": str(tmp_path / "x.jsonl")}]})
    assert [chosen.label for chosen in training_sets(recipe, tmp_path)] == ["okvqa/train", "mine"]
    with pytest.raises(InputError, match=r"Where is gqa.*--data-root"):
        evaluation_sets("gqa", None)


def test_the_release_files_of_every_set_are_gone_through(tmp_path: Path) -> None:
    """InstructBLIP's recipe against its suite, on tiny releases in the official form."""
    writer = Writer(tmp_path)
    for release in RELEASES.values():
        release(writer)
    recipe = load_data_recipe("instructblip")
    suite = evaluation_sets("instructblip", tmp_path)
    report = compare(training_sets(recipe, tmp_path), suite, tmp_path, look=False)
    # The tiny releases do not have every split; those that are there are read, the others named with their paths.
    assert len(report.train) >= 10 and len(report.evaluation) >= 10
    assert len(report.train) + len(report.evaluation) + len(report.missing) == 13 + len(suite)
    assert all(str(tmp_path) in reason for reason in report.missing.values())
    assert all(numbers["rows"] > 0 for numbers in [*report.train.values(), *report.evaluation.values()])
    assert report.train["vqav2/train"]["named"] == 1


def test_a_known_set_that_was_built_needs_no_release_files(tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    picture(0).save(path)
    build_arrow([Example("1", "vsr", "?", "!", (path,))], tmp_path / "built" / "vsr" / "train", embed_images=True)
    path.unlink()
    again = tmp_path / "again.png"
    picture(0).save(again)
    recipe = DataRecipe.model_validate({"sets": [{"name": "vsr", "split": "train"}]})
    report = compare(training_sets(recipe, tmp_path), [rows("x", [again])], tmp_path)
    assert one(report.shared).by["bytes"] == 1
