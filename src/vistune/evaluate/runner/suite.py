"""A whole run: load what answers, measure benchmark after benchmark, write results and report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import InputError
from vistune.evaluate.protocols import own_protocol, protocol
from vistune.evaluate.report.write import REPORT, write_report
from vistune.evaluate.runner.before import check
from vistune.evaluate.runner.outcome import BenchmarkResult
from vistune.evaluate.runner.place import Place
from vistune.evaluate.runner.request import Request
from vistune.evaluate.runner.results import RESULTS, entry_of, read_results, refuse_other_model, write_results
from vistune.evaluate.runner.telling import replaced_line, summary_line
from vistune.evaluate.runner.together import alike, is_first, joined, started_together

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark
    from vistune.evaluate.protocols import Protocol
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
    if not started_together():
        # Before anything heavy is imported.
        _checked(request)
    with joined(device) as processes:

        def ready() -> tuple[str, Measure]:
            chosen = _checked(request)
            place = str(processes.device)
            if _is_first_stage(request):
                return _first_stage(request, processes, place, dtype, revision)
            return _answering(request, processes, place, dtype, chosen, revision, trust_remote_code)

        key, measure = alike(processes, ready)
        alike(processes, lambda: refuse_other_model(request, key))
        return _measure_all(request, measure, say, processes, key)


def run_predictions(request: Request, file: Path, say: Say, *, allow_empty: bool = False) -> dict[str, Any] | None:
    """Score another system's answers to one benchmark.

    Returns:
        results.json's content; None on processes other than the main one, which have nothing to do.

    Raises:
        InputError: several benchmarks, or one that is no matter of answers. VistuneError: see `score_predictions`.
    """
    from vistune.evaluate.runner.predictions import score_predictions

    if not is_first():
        return None
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
    refuse_other_model(request, None)
    found = score_predictions(request, benchmark, used, file, allow_empty=allow_empty)
    with closing(Place(request.out)) as place:
        content = _written(request, found, place, say, {}, None)
    say(f"report: {request.out / REPORT}")
    return content


def _checked(request: Request) -> Protocol | None:
    """All that can be known to be wrong without data and model; returned is the protocol that was asked for."""
    check(request)
    _is_first_stage(request)
    if (request.out / RESULTS).exists():
        read_results(request.out)
    return None if request.protocol is None else protocol(request.protocol)


def _measure_all(request: Request, measure: Measure, say: Say, processes: Processes, key: str) -> dict[str, Any] | None:
    from vistune.train.run.provenance import machine

    content = None
    with closing(Place(request.out)) if processes.is_main else nullcontext() as place:
        for number, benchmark in enumerate(request.benchmarks, 1):
            examples = alike(processes, partial(_begun, request, benchmark, place))
            found = measure(benchmark, examples)
            if found is not None and place is not None:
                last = number == len(request.benchmarks)
                content = _written(request, found, place, say, machine(processes), key, last)
                place.leave(benchmark.name)
    if content is not None:
        say(f"report: {request.out / REPORT}")
    return content


def _begun(request: Request, benchmark: Benchmark, place: Place | None) -> list[Example]:
    """A benchmark's rows; nobody else measures it in the same folder from here on."""
    from vistune.evaluate.report import read_columns

    examples = benchmark.examples(request.data_root, limit=request.limit, shuffle=request.shuffle, seed=request.seed)
    if request.columns is not None:
        # A file of other rows is refused before anything is asked.
        read_columns(request.columns, [example.id for example in examples])
    if place is not None:
        place.take(benchmark.name)
    return examples


def _completed(request: Request, result: BenchmarkResult) -> BenchmarkResult:
    """With the official file, if it is asked for and there is one, the report's break-downs, and what a judge needs."""
    from vistune.evaluate.report import analyse, read_columns, warn_of_unused
    from vistune.evaluate.runner.judged import write_for_judge
    from vistune.evaluate.submission import submission_name, write_submission

    asked, benchmark = result.asked, result.benchmark
    path = None
    if request.submission and benchmark.submission:
        path = request.out / "submissions" / submission_name(benchmark)
        write_submission(benchmark, asked.examples, asked.given, path, request.data_root)
    columns = None
    if request.columns is not None:
        columns = read_columns(request.columns, [example.id for example in asked.examples])
        warn_of_unused(request.columns, columns)
    analysis = analyse(
        benchmark,
        asked.examples,
        asked.prompted,
        asked.given,
        result.score,
        mistakes=result.rows.with_suffix(".mistakes.json"),
        columns=columns,
    )
    hint = write_for_judge(result, request.model, request.data_root) if benchmark.metric == "judge" else ""
    return replace(result, submission=path, analysis=analysis, hint=hint)


def _written(
    request: Request,
    found: BenchmarkResult,
    place: Place,
    say: Say,
    machine: dict[str, Any],
    key: str | None,
    finished: bool = True,
) -> dict[str, Any]:
    """A benchmark's outcome in results.json and in the report, which are whole after each."""
    request = _as_asked(request, found)
    with place.results():
        result = _completed(request, found)
        before = entry_of(request.out, found.benchmark.name)
        content = write_results(request, [result], machine, key, finished)
        write_report(request.out)
    say(summary_line(result))
    after = next(entry for entry in content["benchmarks"] if entry["name"] == found.benchmark.name)
    replaced = replaced_line(before, after)
    if replaced:
        say(replaced)
    return content


def _as_asked(request: Request, found: BenchmarkResult) -> Request:
    """Without a limit that left nothing out: the figure is that of the whole set."""
    if request.limit is None:
        return request
    count = len(found.asked.examples)
    one_more = found.benchmark.examples(request.data_root, limit=count + 1, shuffle=request.shuffle, seed=request.seed)
    return replace(request, limit=None) if len(one_more) == count else request


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


def _answering(
    request: Request,
    processes: Processes,
    place: str,
    dtype: str,
    chosen: Protocol | None,
    revision: str | None,
    trust_remote_code: bool,
) -> tuple[str, Measure]:
    """A model's key, and how its answers are measured."""
    import vistune
    from vistune.evaluate.runner.benchmark import Machinery, evaluate_benchmark
    from vistune.evaluate.runner.keys import model_key

    predictor = vistune.load(
        request.model, device=place, dtype=dtype, revision=revision, trust_remote_code=trust_remote_code
    )
    used = chosen or protocol(own_protocol(predictor.model.config))
    machinery = Machinery(predictor, model_key(predictor), processes, request.batch_size)

    def measure(benchmark: Benchmark, examples: list[Example]) -> BenchmarkResult | None:
        return evaluate_benchmark(machinery, benchmark, used, examples, request.folder(benchmark.name))

    return machinery.key, measure


def _first_stage(
    request: Request, processes: Processes, place: str, dtype: str, revision: str | None
) -> tuple[str, Measure]:
    """A model's key, and how retrieval is measured on it."""
    import torch

    from vistune.checkpoint.stage1 import load_stage1
    from vistune.evaluate.runner.keys import stage1_key
    from vistune.evaluate.runner.matching import Matcher
    from vistune.evaluate.runner.retrieval import evaluate_retrieval

    if dtype not in _DTYPES:
        raise InputError(f"Unknown dtype {dtype!r}; expected one of {', '.join(_DTYPES)}.")
    precision: torch.dtype | None = getattr(torch, dtype, None)
    model, processor = load_stage1(request.model, place, precision, revision)
    matcher = Matcher(model, processor, stage1_key(model, processor), processes, request.batch_size)

    def measure(benchmark: Benchmark, examples: list[Example]) -> BenchmarkResult | None:
        return evaluate_retrieval(matcher, benchmark, examples, request.folder(benchmark.name))

    return matcher.key, measure
