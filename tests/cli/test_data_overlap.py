"""`vistune data overlap`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.tiny import picture


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of three pictures of one's own, and test rows of which one is a smaller copy."""
    for number in range(5):
        picture(number, (160, 120)).save(tmp_path / f"{number}.png")
    picture(0, (160, 120)).resize((80, 60)).save(tmp_path / "small.png")
    for name, pictures in (("train", ["0", "1", "2"]), ("test", ["3", "4", "small"])):
        lines = [json.dumps({"image": f"{image}.png", "question": "?", "answer": "yes"}) for image in pictures]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    path = tmp_path / "recipe.yaml"
    path.write_text("sets:\n  - {name: mine, path: train.jsonl}\n")
    return path


def test_a_copy_is_told_of(recipe: Path) -> None:
    tests, cache = recipe.parent / "test.jsonl", recipe.parent / "cache"
    outcome = vistune("data", "overlap", recipe, tests, "--cache", cache)
    assert outcome.code == 0, outcome
    assert f"shared: 1 picture of {tests} (33.33%) are in mine: 1 alike" in outcome.out
    assert "small.png is" in outcome.out and "1 of 1 pairs of sets share pictures" in outcome.out
    report = json.loads(vistune("data", "overlap", recipe, tests, "--cache", cache, "--json").out)
    assert report["shared"][0]["by"] == {"id": 0, "bytes": 0, "look": 1}
    assert report["train"]["mine"]["pictures"] == 3
    names = vistune("data", "overlap", recipe, tests, "--names-only")
    assert "no pictures are shared" in names.out and "copies under other names are not found" in names.out


def test_mistakes(recipe: Path) -> None:
    assert "no recipe 'nothing'" in failure("data", "overlap", "nothing", "held-out", code=2)
    assert "did you mean 'held-out'" in failure("data", "overlap", recipe, "heldout", code=2)
    assert "Where is vsr? Give" in failure("data", "overlap", recipe, "vsr", code=2)
    nothing = failure("data", "overlap", "llava15_stage1", "vsr", "--data-root", recipe.parent, code=1)
    assert "nothing to compare, of lcs558k/" in nothing
    missing = failure("data", "overlap", recipe, recipe.parent / "gone.jsonl", code=1)
    assert "nothing to compare" in missing and "gone.jsonl" in missing
