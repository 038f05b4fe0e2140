"""Starting up is quick: nothing heavy is imported before it is used."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "datasets", "PIL", "numpy")
IMPORT_SECONDS = 0.3
HELP_SECONDS = 0.6


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Coverage or debugger hooks in the environment would be timed too.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTHON"))}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment)


def best_seconds(*arguments: str) -> float:
    """Best of three runs, in seconds of the processor: other work on the machine must not fail the test."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run_python(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


@pytest.mark.parametrize(
    "statement", ["import vistune", "import vistune.cli.app", "import vistune.checkpoint, vistune.world, vistune.infer"]
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    found = run_python("-c", f"import sys; {statement}; print(*[name for name in {HEAVY} if name in sys.modules])")
    assert found.stdout.split() == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vistune.cli.app import app\n"
        "try:\n    app(['ask', '--help'])\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', *[name for name in {HEAVY} if name in sys.modules])"
    )
    assert run_python("-c", code).stdout.splitlines()[-1].split() == ["HEAVY"]


def test_import_is_quick() -> None:
    assert best_seconds("-c", "import vistune") < IMPORT_SECONDS


def test_help_is_quick() -> None:
    assert best_seconds("-m", "vistune", "--help") < HELP_SECONDS


def test_load_is_there_when_asked_for() -> None:
    import vistune

    assert callable(vistune.load)
    assert {"load", "Predictor", "VistuneError"} <= set(dir(vistune))
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        vistune.lode  # noqa: B018
