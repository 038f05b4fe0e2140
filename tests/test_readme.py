"""The commands and the Python in README.md work as they stand there, one after the other, in a fresh folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/data.md",
    "docs/evaluation.md",
    "docs/judge.md",
    "docs/metrics.md",
    "docs/results.md",
    "docs/serve.md",
)
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```\n", re.DOTALL)
NOT_RUN = (
    "it runs this test itself",
    "it would change the environment of the tests",
    "needs the hub, and memory for the weights",
    "needs a folder of your pictures",
)


@dataclass(frozen=True)
class Block:
    """One fenced block; `reason` says why it is not run, if it is not."""

    language: str
    text: str
    reason: str | None


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(match["language"], match["text"], match["reason"]) for match in BLOCK.finditer(text)]


def test_every_block_is_found_and_only_marked_ones_are_skipped() -> None:
    found = blocks("README.md")
    assert len(found) == (ROOT / "README.md").read_text(encoding="utf-8").count("```") / 2
    assert {block.language for block in found} == {"bash", "python"}
    assert sorted(block.reason for block in found if block.reason) == sorted(NOT_RUN)
    assert sum(block.reason is None for block in found) >= 3


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout after `make setup`, with this Python's environment as its .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(ROOT / name, tmp_path / name)
    environment = tmp_path / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        (environment / entry.name).symlink_to(entry)
    stamp = environment / ".vistune-installed"
    stamp.unlink(missing_ok=True)
    stamp.touch()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/benchmarks.md",
        "docs/data.md",
        "docs/evaluation.md",
        "docs/judge.md",
        "docs/metrics.md",
        "docs/serve.md",
        "docs/training.md",
    ],
)
@pytest.mark.skipif(not (Path(sys.prefix) / "bin" / "vistune").exists(), reason="vistune's command is not installed")
def test_the_commands_work(checkout: Path, page: str) -> None:
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "VISTUNE_DEMO_MINUTES": "0.05", "PATH": path}
    for block in blocks(page):
        if block.reason:
            continue
        program = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
        result = subprocess.run(
            [*program, block.text],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, f"{block.text}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
        if "print(" in block.text or "vistune ask" in block.text:
            assert result.stdout.strip(), block.text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_named_files_exist(page: str) -> None:
    """Paths in backticks that begin in a folder of the repository are there."""
    named = re.findall(
        r"`((?:src|tests|docs|bench|recipes|examples)/[\w./-]+)`", (ROOT / page).read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
