"""`vistune train`: what it prints, what it would cost, and what it says about wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.cli.commands import failure, vistune

from vistune.train.recipe import recipe_names


def test_print() -> None:
    outcome = vistune("train", "tiny/llava", "stages.align.steps=3", "--print")
    assert outcome.code == 0
    content = yaml.safe_load(outcome.out)
    assert [stage["name"] for stage in content["stages"]] == ["align", "instruct"]
    assert content["stages"][0]["steps"] == 3
    assert "# override 'stages.align.steps=3'" in outcome.out


def test_dry_run() -> None:
    outcome = vistune("train", "llava15_7b", "--dry-run", "--gpu", "a100-40", "--gpus", 8)
    assert outcome.code == 0
    for words in (
        "trains: projection 20,979,712, language 6,738,415,616",
        "frozen: vision 303,505,408",
        "5,196 steps of 128",
        "with cached features",
        "fsdp  8 GPUs",
        "GPU-hours at 40%",
    ):
        assert words in outcome.out


def test_dry_run_as_json_is_on_the_page() -> None:
    """docs/scaling.md shows what the command computes."""
    outcome = vistune("train", "instructblip_vicuna7b", "--dry-run", "--json", "--gpu", "a100-40", "--gpus", 16)
    content = json.loads(outcome.out)
    assert content["recipe"] == "instructblip_vicuna7b"
    stage = content["stages"][0]
    page = (Path(__file__).resolve().parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
    hours, cached = stage["gpu_hours"]["computed"], stage["gpu_hours"]["cached"]
    flops = stage["flops"]["computed"] / 1e18
    row = f"| instructblip_vicuna7b | instruct | 60,000 x 128 | {flops:.3g} E | {hours:.1f} | {cached:.1f} |"
    assert row in page


def test_neither_needs_torch_or_a_network() -> None:
    code = (
        "import sys\nfrom vistune.cli.app import app\n"
        "for option in ('--print', '--dry-run'):\n"
        "    try:\n        app(['train', 'instructblip_flant5xl', option])\n"
        "    except SystemExit as stop:\n        assert not stop.code, stop.code\n"
        "heavy = ('torch', 'transformers', 'datasets', 'PIL', 'numpy')\n"
        "print('HEAVY', *[name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1].split() == ["HEAVY"]


def test_list() -> None:
    outcome = vistune("train", "--list")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()] == recipe_names()
    assert "InstructBLIP, Vicuna 7B" in outcome.out


def test_help_has_an_example() -> None:
    outcome = vistune("train", "--help")
    assert outcome.code == 0
    assert "Example:" in outcome.out and "--resume" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tiny/lava"], "There is no recipe 'tiny/lava'; did you mean 'tiny/llava'?"),
        (["none.yaml"], "There is no file 'none.yaml'"),
        (["tiny/llava", "stages.align.stepz=3"], "unknown key 'stages.0.stepz'; did you mean 'steps'?"),
        (["tiny/llava", "steps"], "override 'steps': expected key=value"),
        (["tiny/llava", "--json"], "--json has no effect here: it goes with --dry-run"),
        (["tiny/llava", "--gpus", "4", "--gpu", "h100"], "--gpu and --gpus have no effect here"),
        (["tiny/llava", "--dry-run", "--gpu", "a1000"], "There is no GPU 'a1000'"),
        (["tiny/llava", "model.language.from=nowhere", "--dry-run"], "The sizes of 'nowhere' are not known"),
    ],
)
def test_wrong_input(arguments: list[str], words: str) -> None:
    said = failure("train", *arguments, code=2)
    assert words in said and not said.endswith("?.")


def test_a_wrong_file_is_told_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: tiny/llava\nmodle: 3\nparallel: dpp\n", encoding="utf-8")
    message = failure("train", path, "--print", code=2)
    assert "2 mistakes" in message
    assert "line 2, unknown key 'modle'; did you mean 'model'?" in message
    assert "line 3, parallel is 'dpp', expected 'none', 'ddp' or 'fsdp'" in message
