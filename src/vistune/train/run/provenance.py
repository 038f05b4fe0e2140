"""What a run was made with, for its record: versions, machine, git, command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vistune.train.parallel.processes import Processes

_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "datasets",
    "numpy",
    "pillow",
    "peft",
    "bitsandbytes",
    "tensorboard",
)
_GIT_SECONDS = 10.0


def versions() -> dict[str, str]:
    """Of Python, vistune and the libraries that numbers depend on; those that are not installed are left out."""
    import vistune

    found = {"python": platform.python_version(), "vistune": vistune.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(processes: Processes) -> dict[str, Any]:
    """Where it ran, and over how many processes."""
    import torch

    device = processes.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "device": str(device),
        "device_name": name,
        "cores": os.cpu_count(),
        "processes": processes.size,
    }


def git_state(folder: Path | None = None) -> dict[str, Any] | None:
    """Commit of the git checkout that the command runs in, and whether files differ from it; None outside of one."""
    commit = _git(["rev-parse", "HEAD"], folder)
    if commit is None:
        return None
    changed = _git(["status", "--porcelain"], folder)
    return {"commit": commit, "changed_files": len(changed.splitlines()) if changed is not None else None}


def command_line(command: Sequence[str] | None) -> list[str]:
    """The command as it was given; that of this process where nothing is said."""
    return list(command) if command is not None else [Path(sys.argv[0]).name, *sys.argv[1:]]


def _git(arguments: list[str], folder: Path | None) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
