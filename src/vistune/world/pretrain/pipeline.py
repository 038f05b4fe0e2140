"""The whole pretraining: encoders and language model side by side, probes, folders, record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vistune.errors import VistuneError
from vistune.world.assets import NAMES, RECORD, checksums
from vistune.world.pretrain.settings import LanguageSettings, PretrainSettings, VisionSettings

_POLL_SECONDS = 2.0


def pretrain(
    out: Path, seed: int, settings: PretrainSettings | None, quiet: bool, questions_per_probe: int = 200
) -> Path:
    """Trains every part in its own one-thread process (two such processes do 1.4 times the work of one with two
    threads), two at a time, and puts the parts and the record into `out` at the end."""
    settings = settings or PretrainSettings()
    started = time.time()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pretrain-", dir=out.parent) as beside:
        work = Path(beside)
        plan = {"seed": seed, "settings": asdict(settings)}
        written = json.dumps({**plan, "questions_per_probe": questions_per_probe})
        (work / "plan.json").write_text(written, encoding="utf-8")
        _train_parts(work, quiet)
        _write_record(work, plan, time.time() - started)
        out.mkdir(exist_ok=True)
        for name in NAMES:
            shutil.rmtree(out / name, ignore_errors=True)
            os.replace(work / name, out / name)
        os.replace(work / RECORD, out / RECORD)
    return out


def train_part(name: str, work: Path) -> None:
    """Trains one part as `work`/plan.json says and writes its folder, its log and its figures there."""
    plan = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    seed, settings, questions = int(plan["seed"]), plan["settings"], int(plan.get("questions_per_probe", 200))
    started, cpu = time.time(), time.process_time()
    log: list[dict[str, float]] = []

    def write_log(entry: dict[str, float]) -> None:
        log.append(entry)
        print(name, json.dumps(entry), flush=True)

    folder = work / name
    folder.mkdir()
    if name == "language":
        figures = _train_language(folder, LanguageSettings(**settings["language"]), seed, questions, write_log)
    else:
        figures = _train_vision(name, folder, VisionSettings(**settings["vision"]), seed, questions, write_log)
    figures |= {"seconds": round(time.time() - started, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
    kept = [entry for index, entry in enumerate(log) if index % max(1, len(log) // 20) == 0 or entry is log[-1]]
    (work / f"{name}.json").write_text(json.dumps({**figures, "log": kept}), encoding="utf-8")


def _train_vision(
    kind: str, folder: Path, settings: VisionSettings, seed: int, questions: int, log: Any
) -> dict[str, Any]:
    import torch

    from vistune.world.pretrain.folders import save_image_processor, save_part, scale_features
    from vistune.world.pretrain.probe import probe_encoder, read_features
    from vistune.world.pretrain.vision import build_encoder, draw_pictures, train_encoder

    torch.manual_seed(seed)
    model = build_encoder(kind, settings)
    train_encoder(kind, model, settings, seed, log)
    _, pixels = draw_pictures(settings, "train", seed, 1000)
    scale_features(kind, model, read_features(kind, model, pixels))
    save_part(model, folder)
    save_image_processor(kind, settings.image_size, folder)
    return {"probe": probe_encoder(kind, model, settings, seed, 20 * questions), "parameters": _size(model)}


def _train_language(folder: Path, settings: LanguageSettings, seed: int, questions: int, log: Any) -> dict[str, Any]:
    import torch

    from vistune.world.pretrain.folders import save_part
    from vistune.world.pretrain.language import build_language_model, train_language_model
    from vistune.world.pretrain.probe import probe_language
    from vistune.world.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model = build_language_model(tokenizer, settings)
    train_language_model(model, tokenizer, settings, seed, log)
    save_part(model, folder)
    tokenizer.save_pretrained(folder)
    return {"probe": probe_language(model, tokenizer, seed, questions), "parameters": _size(model)}


def _size(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _train_parts(work: Path, quiet: bool) -> None:
    """The language model takes longest, so it runs from the start beside one encoder after the other."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    waiting = ["language", "eva", "clip"]
    at_once = min(2, os.cpu_count() or 1)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                name = waiting.pop(0)
                running[name] = _start(name, work, quiet)
            time.sleep(_POLL_SECONDS)
            running = {name: process for name, process in running.items() if not _ended(name, process)}
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _ended(name: str, process: subprocess.Popen[bytes]) -> bool:
    code = process.poll()
    if code:
        raise VistuneError(f"pretraining of {name!r} ended with exit code {code}: see its output above")
    return code == 0


def _start(name: str, work: Path, quiet: bool) -> subprocess.Popen[bytes]:
    program = (
        "import sys, torch; torch.set_num_threads(1);"
        "from pathlib import Path; from vistune.world.pretrain.pipeline import train_part;"
        "train_part(sys.argv[1], Path(sys.argv[2]))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    output = subprocess.DEVNULL if quiet else None
    return subprocess.Popen([sys.executable, "-c", program, name, str(work)], env=environment, stdout=output)


def _write_record(work: Path, plan: dict[str, Any], seconds: float) -> None:
    """pretrain.json: all there is to know about these files, and what the language model knew from text alone."""
    import torch
    import transformers

    parts = {name: json.loads((work / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
    files = checksums(work)
    known = {
        "meaning": "accuracy by ranking in text alone on validation scenes: own = in the wordings of the pretraining, "
        "task = in the wordings of the tasks, which no pretraining text has",
        **parts["language"]["probe"],
    }
    record = {
        **plan,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "seconds": round(seconds, 1),
        "bytes": sum((work / name).stat().st_size for name in files),
        "known_from_text": known,
        "parts": parts,
        "sha256": files,
    }
    (work / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
