"""From what a person types, a folder path or a hub name, to a folder on this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vistune.checkpoint.atomic import recover
from vistune.errors import CheckpointError

ADAPTER_FILE = "adapter.json"
"""In a folder of adapters: what base model they belong to."""
_SMALL_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "qformer_tokenizer/*"]
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def locate(source: str | Path, revision: str | None = None) -> Path:
    """The folder of a checkpoint; a hub name is fetched (only the files that are needed) or found in the cache.

    Raises:
        CheckpointError: no such folder, a file instead of a folder, or a hub name that cannot be fetched.
    """
    folder = Path(source).expanduser()
    recover(folder)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{str(source)!r} is {_describe_file(folder)}; give the folder of a whole checkpoint.")
    name = str(source)
    if not _HUB_NAME.fullmatch(name) or isinstance(source, Path):
        raise CheckpointError(
            f"There is no folder {name!r}; give the path of a checkpoint folder or a hub name such as "
            "'Salesforce/instructblip-vicuna-7b'."
        )
    return _download(name, revision)


def _describe_file(path: Path) -> str:
    if path.name == "mm_projector.bin":
        return "a LLaVA projector file without the models around it"
    if path.suffix == ".pth":
        return "a .pth file as LAVIS writes them"
    return "a file"


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=[*_SMALL_FILES, "model*.safetensors"]))
        if not any(folder.glob("model*.safetensors")):
            # Only old repositories have no safetensors; never fetch both kinds.
            snapshot_download(name, revision=revision, allow_patterns=["pytorch_model*.bin"])
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"The hub lets nobody read {name!r} who has not accepted its terms; accept them there and log in with "
            "`hf auth login`."
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        what = f"revision {revision!r} of {name!r}" if isinstance(error, errors.RevisionNotFoundError) else repr(name)
        raise CheckpointError(
            f"There is neither a folder {name!r} here nor {what} on the hub; check the spelling, or log in if it "
            "is private."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError, OSError) as error:
        raise CheckpointError(
            f"There is no folder {name!r} here, and the hub cannot be reached to fetch a checkpoint of that name; "
            "check the path, or connect to the network."
        ) from error
    return folder


def known_pieces(folder: Path) -> str | None:
    """What a folder is that holds only a piece of a checkpoint, and what to do; None if it is nothing known."""
    if (folder / "adapter_config.json").is_file():
        return "it is a LoRA adapter; merge it into its base model first"
    if (folder / "mm_projector.bin").is_file():
        return (
            "it holds a LLaVA projector file (mm_projector.bin) without the models around it; give a whole checkpoint"
        )
    if any(folder.glob("*.pth")):
        return "it holds .pth files as LAVIS writes them; give a folder as transformers writes it"
    return None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint.

    Raises:
        CheckpointError: the file does not parse, or holds something else than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{str(path)!r} is no valid JSON ({error}); is it cut off? Fetch the file again."
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be read ({error.strerror}); check the file's permissions."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{str(path)!r} holds a {type(content).__name__}, expected an object; fetch the file again."
        )
    return content


def read_optional_json(path: Path) -> dict[str, Any]:
    """As :func:`read_json`, but an empty object where there is no such file."""
    return read_json(path) if path.is_file() else {}
