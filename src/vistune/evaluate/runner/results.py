"""results.json: what is measured of a model, by one command or several into the same folder, and with what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.storage import written_whole
from vistune.errors import DataError, InputError
from vistune.evaluate.metrics.checks import shortened
from vistune.train.run.provenance import versions

if TYPE_CHECKING:
    from vistune.evaluate.runner.outcome import BenchmarkResult
    from vistune.evaluate.runner.request import Request

RESULTS = "results.json"
# What belongs to a command. Every benchmark has that of the command that measured it, the file that of the last one.
OF_A_COMMAND = ("suite", "data_root", "seed", "limit", "shuffle", "date", "versions", "machine")
# What a benchmark's fields are, where they are there. A person may have edited the file.
_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("value", "seconds"), (int, float, _NONE)),
    **dict.fromkeys(("n", "limit", "reused"), (int, _NONE)),
    **dict.fromkeys(("title", "metric", "unit", "protocol", "rows", "note"), (str, _NONE)),
    **dict.fromkeys(("interval", "published"), (list, _NONE)),
    **dict.fromkeys(("details", "settings", "analysis", "machine", "versions"), (dict, _NONE)),
}


def refuse_other_model(request: Request, model_key: str | None) -> None:
    """Whether results may be written where ``request`` wants them.

    Args:
        model_key: of the model; None for answers of another system, which is known by its name alone.

    Raises:
        InputError: the folder holds results of another model. DataError: its results.json is damaged.
    """
    if not (request.out / RESULTS).exists():
        return
    found = read_results(request.out)
    model, key = found.get("model"), found.get("model_key")
    if key == model_key and (key is not None or model == request.model):
        return
    of = f"the model {model!r}" if key is not None else f"answers by {model!r} from a file"
    if model == request.model and None not in (key, model_key):
        of += " with other weights, sizes or dtype"
    raise InputError(
        f"{str(request.out)!r} holds results of {of}, which would be mixed with those of {request.model!r}; choose "
        "another --out."
    )


def write_results(
    request: Request,
    results: Sequence[BenchmarkResult],
    machine: dict[str, Any],
    model_key: str | None,
    finished: bool = True,
) -> dict[str, Any]:
    """Put what is measured beside the benchmarks that earlier commands measured; one measured again is replaced.

    Args:
        finished: whether these are the last ones of the command.

    Returns:
        the whole content of the file.

    Raises:
        InputError: results of another model stand there by now. DataError: what stands there is damaged. StorageError:
            the disk is full or does not allow it.
    """
    refuse_other_model(request, model_key)
    command: dict[str, Any] = {
        "suite": request.suite,
        "data_root": None if request.data_root is None else str(request.data_root),
        "seed": request.seed,
        "limit": request.limit,
        "shuffle": request.shuffle,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": machine,
    }
    entries = {entry["name"]: entry for entry in _earlier(request.out)}
    entries.update((result.benchmark.name, {**result.entry(request.out), **command}) for result in results)
    content = {
        "model": request.model,
        "model_key": model_key,
        **command,
        "seconds": round(sum(entry.get("seconds") or 0 for entry in entries.values()), 3),
        "finished": finished,
        "benchmarks": list(entries.values()),
    }
    return write_content(request.out, content)


def write_content(run: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write results.json; returned as it stands in the file.

    Raises:
        StorageError: the disk is full or does not allow it.
    """
    # Numbers of numpy and the like become plain ones; what has no figure (NaN) becomes null.
    plain: dict[str, Any] = json.loads(json.dumps(content, default=_plain), parse_constant=lambda _: None)
    with written_whole(run / RESULTS) as new:
        new.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return plain


def read_results(run: Path) -> dict[str, Any]:
    """The content of a run folder's results.json.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = run / RESULTS
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{str(run)!r} holds no {RESULTS}; give the folder of a finished `vistune eval`.") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} is damaged ({error}); delete it and run `vistune eval` again, which takes the answers that "
            "are there."
        ) from None
    if not _is_whole(content):
        raise DataError(f"{str(path)!r} is no results file of `vistune eval`; delete it, or choose another folder.")
    for entry in content["benchmarks"]:
        for field, kinds in _KINDS.items():
            if not isinstance(entry.get(field), kinds):
                raise DataError(
                    f"{str(path)!r} says of {entry['name']} that {field} is {shortened(entry[field])}, which no "
                    "`vistune eval` writes; repair it, or delete the file and run `vistune eval` again, which takes "
                    "the answers that are there."
                )
    return content


def entry_of(run: Path, name: str) -> dict[str, Any] | None:
    """What stands there of a benchmark, with what belongs to its command; None if nothing does.

    Raises:
        DataError: results.json is damaged.
    """
    return next((entry for entry in _earlier(run) if entry["name"] == name), None)


def _is_whole(content: Any) -> bool:
    entries = content.get("benchmarks") if isinstance(content, dict) else None
    return isinstance(entries, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    )


def _earlier(run: Path) -> list[dict[str, Any]]:
    """The benchmarks that stand there, each with what belongs to its command."""
    if not (run / RESULTS).exists():
        return []
    content = read_results(run)
    known = {name: content[name] for name in OF_A_COMMAND if name in content}
    return [{**known, **entry} for entry in content["benchmarks"]]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
