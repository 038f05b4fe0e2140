"""What each of two processes does under torchrun; the first one writes down what came out, for test_two_processes.py.

python -m torch.distributed.run --nproc-per-node 2 tests/train/parallel/worker.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.train.parallel.rig import CASES, Course, Run, answer_batches, make_case

from vistune.model.lora import LoraSettings, add_lora
from vistune.model.recompute import recompute_activations
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.parallel.processes import Kind, Processes, start, stop

STEPS, SAVED = 4, 2
KINDS: tuple[Kind, ...] = ("ddp", "fsdp")
# A checkpoint made by the left is gone on from by the right.
RESUMED: tuple[tuple[str, Kind], ...] = (
    ("alone", "ddp"),
    ("alone", "fsdp"),
    ("ddp", "ddp"),
    ("fsdp", "fsdp"),
    ("ddp", "fsdp"),
    ("fsdp", "ddp"),
)


def checkpoints(folder: Path, case: str, kind: str, processes: Processes) -> Checkpoints:
    return Checkpoints(folder / "checkpoints" / f"{case}-{kind}", 2, processes, print, {"data": case})


def straight(folder: Path, name: str, kind: Kind, processes: Processes) -> Course:
    """All steps, with a checkpoint on the way."""
    run = Run(make_case(name, folder), kind, processes)
    saved = checkpoints(folder, name, "alone" if processes.size == 1 else kind, processes)
    run.steps(0, SAVED)
    saved.save(SAVED, run.spread.module, run.optimiser, {"step": SAVED})
    course = run.steps(SAVED, STEPS)
    saved.wait()
    return course


def resumed(folder: Path, name: str, made_by: str, kind: Kind, processes: Processes) -> Course:
    """The second half, from a checkpoint."""
    run = Run(make_case(name, folder), kind, processes)
    saved = checkpoints(folder, name, made_by, processes)
    path = saved.newest()
    assert path is not None
    extra = saved.load(path, run.spread.module, run.optimiser)
    return run.steps(extra["step"], STEPS)


def share_of_memory(folder: Path, processes: Processes) -> float:
    """Bytes of weights, gradients and optimiser's state that this process holds, by those of one process alone."""
    run = Run(make_case("llava-mlp", folder), "fsdp", processes)
    batch = next(answer_batches(run.case, 0, processes))
    run.spread.backward(run.spread.module(**batch.model_inputs()).loss, last=True)
    run.optimiser.step()
    held = whole = 0
    for parameter in run.case.model.parameters():
        for tensor in (parameter, parameter.grad, *run.optimiser.state.get(parameter, {}).values()):
            if tensor is not None and tensor.ndim:
                whole += tensor.numel()
                held += tensor.to_local().numel()
    return held / whole


def gathered(folder: Path, processes: Processes) -> float:
    """Worst difference of logits from the plain model's, each process asking for another number of them."""
    worst = 0.0
    for name in ("llava-mlp", "instructblip-llama"):
        plain = make_case(name, folder)
        batch = next(answer_batches(plain, 0, Processes.alone()))
        run = Run(make_case(name, folder), "fsdp", processes)
        with torch.no_grad():
            expected = plain.model(**batch.model_inputs(), return_logits=True).logits
            for _ in range(2):
                with run.spread.whole() as model:
                    for _ in range(1 + processes.rank):
                        logits = model(**batch.model_inputs(), return_logits=True).logits
                        worst = max(worst, float((logits - expected).abs().max()))
                        model.encode_images(batch.pixel_values)
        run.steps(0, 1)
    return worst


def recomputed(folder: Path, processes: Processes) -> Course:
    """Sharded layers that compute their activations again in the backward pass."""
    case = make_case("llava-mlp", folder)
    recompute_activations(case.model, ["vision", "language"])
    return Run(case, "fsdp", processes).steps(0, STEPS)


def in_bfloat16(folder: Path, processes: Processes) -> Course:
    """Layers sent and computed in bfloat16; adapters in float32 on frozen weights in bfloat16."""
    case = make_case("llava-mlp", folder)
    model = case.model
    model.get_submodule("language").to(torch.bfloat16)
    add_lora(model, {"language": LoraSettings(r=4, dropout=0.0)}, seed=1)
    course = Run(case, "fsdp", processes, torch.bfloat16).steps(0, STEPS)
    assert all(weight.dtype == torch.float32 for weight in course.weights.values())
    return course


def main(folder: Path) -> None:
    """Everything, in one start."""
    torch.set_num_threads(1)
    processes = start("ddp")
    courses = {(name, kind): straight(folder, name, kind, processes) for name in CASES for kind in KINDS}
    for made_by, kind in RESUMED:
        courses["llava-mlp", f"{made_by} to {kind}"] = resumed(folder, "llava-mlp", made_by, kind, processes)
    courses["llava-mlp", "recomputed"] = recomputed(folder, processes)
    courses["llava-mlp", "bfloat16"] = in_bfloat16(folder, processes)
    facts = {
        "share of memory": processes.collect(share_of_memory(folder, processes)),
        "gathered": processes.collect(gathered(folder, processes)),
    }
    if processes.is_main:
        torch.save({"courses": courses, "facts": facts}, folder / "results.pt")
    stop(processes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
