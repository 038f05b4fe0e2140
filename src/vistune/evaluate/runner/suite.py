"""A whole run: load what answers, measure benchmark after benchmark, write results and report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import InputError
from vistune.evaluate.benchmarks.published import published
from vistune.evaluate.protocols import own_protocol, protocol
from vistune.evaluate.runner.outcome import BenchmarkResult
from vistune.evaluate.runner.request import Request, check
from vistune.evaluate.runner.results import write_results

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark
    from vistune.train.parallel.processes import Processes

Say = Callable[[str], None]
Measure = Callable[["Benchmark", "list[Example]"], "BenchmarkResult | None"]
# What another system's answers are read by where nothing else is said: choices by their words or letters.
_FOREIGN = "instructblip"
_DTYPES = ("auto", "float32", "bfloat16", "float16")


def run_evaluation(
    request: Request,
    say: Say,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> dict[str, Any] | None:
    """Measure a model, over all processes that torchrun started.

    Returns:
        results.json's content; None on processes other than the main one.

    Raises:
        VistuneError: in one sentence what cannot be used: settings, data, checkpoint, pictures, the disk.
    """
    check(request)
    chosen = None if request.protocol is None else protocol(request.protocol)
    with _processes(device) as processes:
        tell = say if processes.is_main else _silent
        place = str(processes.device)
        if _is_first_stage(request):
            key, measure = _first_stage(request, processes, place, dtype)
        else:
            import vistune
            from vistune.evaluate.runner.benchmark import Machinery, evaluate_benchmark
            from vistune.evaluate.runner.keys import model_key

            predictor = vistune.load(
                request.model, device=place, dtype=dtype, revision=revision, trust_remote_code=trust_remote_code
            )
            used = chosen or protocol(own_protocol(predictor.model.config))
            key = model_key(predictor)
            machinery = Machinery(predictor, key, processes, request.batch_size)

            def measure(benchmark: Benchmark, examples: list[Example]) -> BenchmarkResult | None:
                return evaluate_benchmark(machinery, benchmark, used, examples, request.folder(benchmark.name))

        from vistune.train.run.provenance import machine

        return _measure_all(request, measure, tell, machine(processes), key)


def run_predictions(request: Request, file: Path, say: Say, *, allow_empty: bool = False) -> dict[str, Any]:
    """Score another system's answers to one benchmark.

    Raises:
        InputError: several benchmarks, or one that is no matter of answers. VistuneError: see `score_predictions`.
    """
    from vistune.evaluate.runner.predictions import score_predictions

    if len(request.benchmarks) != 1:
        raise InputError(
            f"--predictions holds the answers to one benchmark, and {len(request.benchmarks)} are chosen; give one "
            "--benchmark."
        )
    check(request)
    [benchmark] = request.benchmarks
    if benchmark.answer == "score":
        raise InputError(f"{benchmark.name} compares all pictures with all captions; there are no answers to score.")
    used = protocol(request.protocol or _FOREIGN)
    result = score_predictions(request, benchmark, used, file, allow_empty=allow_empty)
    return _written(request, [_completed(request, result)], say, {}, None)


def _measure_all(
    request: Request, measure: Measure, tell: Say, machine: dict[str, Any], key: str
) -> dict[str, Any] | None:
    results: list[BenchmarkResult] = []
    for benchmark in request.benchmarks:
        examples = benchmark.examples(
            request.data_root, limit=request.limit, shuffle=request.shuffle, seed=request.seed
        )
        found = measure(benchmark, examples)
        if found is not None:
            results.append(_completed(request, found))
            tell(summary_line(results[-1]))
            write_results(request, results, machine, key)
    return _written(request, results, tell, machine, key, told=True) if results else None


def _completed(request: Request, result: BenchmarkResult) -> BenchmarkResult:
    """With the official file, if it is asked for and there is one, and the report's break-downs."""
    from vistune.evaluate.report import analyse, read_columns
    from vistune.evaluate.submission import write_submission

    asked, benchmark = result.asked, result.benchmark
    path = None
    if request.submission and benchmark.submission:
        # One file a data set: A-OKVQA's holds direct answers and choices.
        suffix = ".xlsx" if benchmark.submission == "mmbench" else ".json"
        path = request.out / "submissions" / f"{benchmark.source}-{benchmark.split}{suffix}"
        write_submission(benchmark, asked.examples, asked.given, path, request.data_root)
    columns = None
    if request.columns is not None:
        columns = read_columns(request.columns, [example.id for example in asked.examples])
    analysis = analyse(
        benchmark,
        asked.examples,
        asked.prompted,
        asked.given,
        result.score,
        mistakes=result.rows.with_suffix(".mistakes.json"),
        columns=columns,
    )
    return replace(result, submission=path, analysis=analysis)


def _written(
    request: Request,
    results: list[BenchmarkResult],
    say: Say,
    machine: dict[str, Any],
    key: str | None,
    told: bool = False,
) -> dict[str, Any]:
    from vistune.evaluate.report import write_report

    content = write_results(request, results, machine, key)
    report = write_report(request.out)
    if not told:
        for result in results:
            say(summary_line(result))
    say(f"report: {report}")
    return content


def summary_line(result: BenchmarkResult) -> str:
    """A benchmark's outcome for a terminal, with what the model's own paper prints."""
    benchmark, score = result.benchmark, result.score
    if score is None:
        told = result.note
    else:
        low, high = score.interval()
        told = f"{score.value:.4g} (95 % interval {low:.4g} to {high:.4g}, n = {len(result.asked.examples):,})"
    reused = f", {result.asked.reused:,} answers from before" if result.asked.reused else ""
    best = max((entry for entry in published(benchmark.name) if not entry.part), key=_value, default=None)
    beside = "" if best is None or score is None else f"; published: {best.model} {best.value:.4g}"
    written = "" if result.submission is None else f"; official file: {result.submission}"
    return f"{benchmark.name} [{result.protocol}]: {told}{reused}{beside}{written}"


def _value(entry: Any) -> float:
    value: float = entry.value
    return value


def _is_first_stage(request: Request) -> bool:
    """Whether retrieval is measured.

    Raises:
        InputError: retrieval together with benchmarks of answers, which are another kind of model's.
    """
    scored = [item.name for item in request.benchmarks if item.answer == "score"]
    if scored and len(scored) < len(request.benchmarks):
        other = next(item.name for item in request.benchmarks if item.answer != "score")
        raise InputError(
            f"{scored[0]} is measured on BLIP-2's first stage and {other} on a model that answers; run them apart."
        )
    return bool(scored)


def _first_stage(request: Request, processes: Processes, place: str, dtype: str) -> tuple[str, Measure]:
    """Every process compares all pairs; the main one writes."""
    import torch

    from vistune.checkpoint.stage1 import load_stage1
    from vistune.evaluate.runner.keys import weights_hash
    from vistune.evaluate.runner.retrieval import evaluate_retrieval

    if dtype not in _DTYPES:
        raise InputError(f"Unknown dtype {dtype!r}; expected one of {', '.join(_DTYPES)}.")
    precision: torch.dtype | None = getattr(torch, dtype, None)
    model, processor = load_stage1(request.model, place, precision)

    def measure(benchmark: Benchmark, examples: list[Example]) -> BenchmarkResult | None:
        found = evaluate_retrieval(
            model,
            processor,
            benchmark,
            examples,
            request.folder(benchmark.name),
            batch_size=request.batch_size,
            writes=processes.is_main,
        )
        return found if processes.is_main else None

    return weights_hash(model), measure


@contextmanager
def _processes(device: str) -> Iterator[Processes]:
    """This process alone, or with the others that torchrun started."""
    from vistune.infer.predictor import choose_device
    from vistune.train.parallel.processes import Processes, start, stop

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes.alone(choose_device(device))
        return
    # Without a number each process takes the GPU of its own.
    processes = start("ddp", None if device in ("auto", "cuda") else choose_device(device))
    yield processes
    stop(processes)


def _silent(line: str) -> None:
    """Nothing: the main process tells."""
