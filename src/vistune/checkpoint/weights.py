"""The weight files of a folder as one table of tensors that are read one at a time, memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.locate import known_pieces, read_json
from vistune.errors import CheckpointError

if TYPE_CHECKING:
    import torch

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: shape, dtype (None if it holds no floating-point numbers), and what maps it into memory."""

    shape: tuple[int, ...]
    dtype: torch.dtype | None
    read: Callable[[], torch.Tensor]


class WeightFiles:
    """All tensors of a checkpoint folder by their names in the files.

    Tensors are private mappings of the files: reading them costs no anonymous memory until they are changed, and a
    change never reaches the file. A file may be deleted or replaced by a rename (as ``save_model`` does) while it is
    mapped; a program that cuts it off in place would crash every process that maps it.

    Raises:
        CheckpointError: no weights, a shard of the index is missing, damaged, or of another checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index_name, self.weight_map = _find_weights(folder)
        self.entries: dict[str, Entry] = {}
        for file_name in sorted(set(self.weight_map.values())):
            found = _open_file(folder / file_name)
            self._check_against_index(file_name, set(found))
            self.entries.update(found)

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def _check_against_index(self, file_name: str, found: set[str]) -> None:
        if self.index_name is None:
            return
        listed = {key for key, place in self.weight_map.items() if place == file_name}
        absent, surplus = sorted(listed - found), sorted(found - set(self.weight_map))
        misplaced = sorted(key for key in found & set(self.weight_map) if self.weight_map[key] != file_name)
        wrong = absent or misplaced or surplus
        if wrong:
            what = "lacks" if absent else "also holds"
            raise CheckpointError(
                f"Shard {file_name!r} of {str(self.folder)!r} does not fit {self.index_name!r}: it {what} {len(wrong)} "
                f"tensors against the index (such as {wrong[0]!r}); shards are swapped or of different "
                "checkpoints, fetch them again."
            )


def _find_weights(folder: Path) -> tuple[str | None, dict[str, str]]:
    """(name of the index or None, tensor name -> file name); for a single file the names are filled in by reading."""
    for single, index in zip(_SINGLES, _INDEXES, strict=True):
        if (folder / single).is_file():
            return None, {"": single}
        if (folder / index).is_file():
            weight_map = read_json(folder / index).get("weight_map")
            if not isinstance(weight_map, dict) or not weight_map:
                raise CheckpointError(f"{str(folder / index)!r} lists no weights; fetch the file again.")
            missing = sorted({str(name) for name in weight_map.values() if not (folder / str(name)).is_file()})
            if missing:
                raise CheckpointError(
                    f"{str(folder)!r} lacks {len(missing)} of the weight files that {index!r} lists "
                    f"({', '.join(missing)}); copy or fetch the missing shards."
                )
            return index, {str(key): str(name) for key, name in weight_map.items()}
    raise CheckpointError(f"{str(folder)!r} has no weights: {_why_no_weights(folder)}.")


def _why_no_weights(folder: Path) -> str:
    if any(folder.glob("model-*-of-*.safetensors")):
        return "there are shards but no model.safetensors.index.json; fetch the index too"
    expected = f"expected {_SINGLES[0]}, {_INDEXES[0]} with its shards, or {_SINGLES[1]}"
    return known_pieces(folder) or f"{expected}; give the folder of a checkpoint"


def _open_file(path: Path) -> dict[str, Entry]:
    with path.open("rb") as file:
        start = file.read(24)
    if not start:
        raise CheckpointError(f"{str(path)!r} is empty (0 bytes); fetch or copy it again.")
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{str(path)!r} is only a git-lfs pointer; run `git lfs pull` in its folder.")
    return _open_safetensors(path) if path.suffix == ".safetensors" else _open_pickle(path)


def _open_safetensors(path: Path) -> dict[str, Entry]:
    from safetensors import SafetensorError, safe_open

    def reader(key: str) -> Callable[[], torch.Tensor]:
        return lambda: handle.get_tensor(key)

    try:
        handle = safe_open(path, framework="pt")
        slices = {key: handle.get_slice(key) for key in handle.keys()}  # noqa: SIM118 (a handle is no mapping)
        return {
            key: Entry(tuple(part.get_shape()), _dtype(part.get_dtype()), reader(key)) for key, part in slices.items()
        }
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is cut off or no safetensors file ({error}); fetch or "
            "copy it again."
        ) from error


def _dtype(name: str) -> torch.dtype | None:
    import torch

    kinds = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return getattr(torch, kinds[name]) if name in kinds else None


def _open_pickle(path: Path) -> dict[str, Entry]:
    """``weights_only`` runs no code from the file; files from before torch 1.6 cannot be mapped and are read whole."""
    import pickle

    import torch

    def load(mmap: bool) -> Any:
        return torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)

    try:
        with path.open("rb") as file:
            content = load(mmap=file.read(2) == b"PK")
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{str(path)!r} is no plain file of tensors and would run code when loaded "
            f"({str(error).splitlines()[0]}); use "
            "the safetensors version of this checkpoint, or fetch it again if it is damaged."
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is cut off or no PyTorch file; fetch or copy it again."
        ) from error
    tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}

    def reader(key: str) -> Callable[[], torch.Tensor]:
        return lambda: tensors[key]

    return {
        key: Entry(tuple(value.shape), value.dtype if value.is_floating_point() else None, reader(key))
        for key, value in tensors.items()
    }
