"""``vistune convert``: any folder that is read, written again in today's layout."""

from __future__ import annotations

from pathlib import Path

from vistune.checkpoint.load import load_model
from vistune.checkpoint.locate import locate
from vistune.checkpoint.save import save_model
from vistune.errors import InputError


def convert(
    src: str | Path,
    dst: str | Path,
    *,
    max_shard_size: int | str = "5GB",
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> Path:
    """Read a checkpoint folder or hub name and write it as safetensors with today's config; no number is changed.

    A folder of adapters is written as one plain checkpoint: its base with the adapters added to the weights.

    Args:
        dst: a new or empty folder, or an older checkpoint, which is replaced.

    Returns:
        The folder that was written.

    Raises:
        InputError: DST is SRC, lies inside it or around it, or holds something else than a checkpoint.
        CheckpointError, StorageError: SRC cannot be read, or DST not written.
    """
    source = locate(src, revision)
    target = Path(dst).expanduser()
    _check_target(source.resolve(), target.resolve(), str(dst))
    model, processor = load_model(source, dtype="stored", trust_remote_code=trust_remote_code)
    save_model(model, processor, target, max_shard_size)
    return target


def _check_target(source: Path, target: Path, name: str) -> None:
    if target == source or source in target.parents or target in source.parents:
        where = "SRC itself" if target == source else "inside SRC" if source in target.parents else "around SRC"
        raise InputError(f"DST {name!r} is {where}; write into a folder of its own.")
    if target.is_dir() and any(target.iterdir()) and not (target / "config.json").is_file():
        raise InputError(f"DST {name!r} is not empty and no checkpoint; choose a new or empty folder.")
