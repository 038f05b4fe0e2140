"""The house of ARCHITECTURE.md: imports run downwards only, and heavy libraries stay out of the way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "vistune"
# From top to bottom; a room imports only itself and what stands below it. errors.py is below everything.
ROOMS = ("cli", "demo", "serve", "evaluate", "train", "infer", "checkpoint", "data", "world", "model")
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.Module) -> set[str]:
    """Rooms of vistune that a file imports anywhere, functions and type checking included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "vistune" else {node.module}
            )
    return {name.split(".")[1] for name in names if name.startswith("vistune.")}


def test_every_room_is_listed() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__", "__main__", "errors"}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) in ROOMS], ids=lambda path: path.stem)
def test_imports_run_downwards(path: Path) -> None:
    below = set(ROOMS[ROOMS.index(room_of(path)) :]) | {"errors", "__version__"}
    assert imported_rooms(ast.parse(path.read_text(encoding="utf-8"))) <= below


def test_model_reads_no_files_and_no_text() -> None:
    """The lowest room holds modules only."""
    for path in (PACKAGE / "model").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "open" not in calls, path
        assert "Path" not in calls, path


def imported_files(path: Path, room: dict[str, Path]) -> set[str]:
    """The files of the same room that a file imports anywhere, functions and type checking included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {name if (name := f"{node.module}.{alias.name}") in room else node.module for alias in node.names}
    return names & set(room)


@pytest.mark.parametrize("room", ["cli", "demo", "serve", "evaluate", "infer", "checkpoint", "world", "model"])
def test_files_of_a_room_import_in_one_direction(room: str) -> None:
    """What two files need of each other stands in a third one. Packages' own files only hand on what others hold."""
    files = {
        ".".join(("vistune", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in FILES
        if room_of(path) == room and path.stem != "__init__"
    }
    left = {name: imported_files(path, files) - {name} for name, path in files.items()}
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left
