"""What comes after the chains: results.json, run.json, the report, pictures to ask about."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

import vistune
from vistune.demo.folders import MODELS, answers_file, data_file, read_times, write_json
from vistune.demo.parallel import cores
from vistune.demo.report import write_report
from vistune.demo.samples import save_pictures
from vistune.demo.setup import Settings
from vistune.evaluate.results import results_table
from vistune.evaluate.run import read_answers
from vistune.train.precision import chosen


def finish(settings: Settings, out: Path) -> dict[str, Any]:
    """Results, record and report from what the chains left; returns the results."""
    tasks = settings.tests().tasks
    figures = {
        model: {task.name: read_answers(answers_file(out, model, task.name))[0] for task in tasks}
        for model in (*MODELS, "blind")
    }
    data = json.loads(data_file(out).read_text(encoding="utf-8"))
    results = results_table(tasks, {name: figures[name] for name in MODELS}, data["majority"], figures["blind"])
    record = {**_record(settings, out), "rows": data["rows"]}
    record["standard_errors"] = {
        model: {name: {"rank": f.rank_error, "generate": f.generate_error} for name, f in by_task.items()}
        for model, by_task in figures.items()
    }
    write_json(out / "results.json", results)
    write_json(out / "run.json", record)
    write_report(out, settings, tasks, results, record)
    save_pictures(out, tasks)
    return results


def _record(settings: Settings, out: Path) -> dict[str, Any]:
    return {
        "settings": asdict(settings),
        "plan": settings.plan().as_dict(),
        "seconds": read_times(out),
        "precision": chosen("auto", torch.device("cpu")),
        "versions": {
            "vistune": vistune.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        "machine": f"{platform.machine()}, {cores()} cores",
    }
