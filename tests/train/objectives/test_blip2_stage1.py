"""A step of the first stage: any number of micro-batches or processes is one, it learns, and frozen parts stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.model.stage1_rig import batch, build
from torch import Tensor

from vistune.data.pairs import PairBatch
from vistune.model.contrast import uniform_draws
from vistune.model.losses import LossPart
from vistune.model.stage1 import Gather, Stage1Model
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.parts import select_parts, set_modes

GROUPS = [4, 4, 1, 2, 3, 5, 6, 7]


def rows_of(pairs: PairBatch, rows: slice) -> PairBatch:
    tensors = {name: None if value is None else value[rows] for name, value in pairs.model_inputs().items()}
    return replace(pairs, ids=pairs.ids[rows], **tensors)


def split(pairs: PairBatch, sizes: Sequence[int]) -> list[PairBatch]:
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [rows_of(pairs, slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def means(parts: dict[str, LossPart]) -> dict[str, float]:
    return {name: float(part.sum / part.count) for name, part in parts.items()}


def gradients(model: Stage1Model) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    # Some gradients are zero but for rounding, such as those of the keys' biases.
    least = 0.01 * max(float(grad.norm()) for grad in expected.values())
    for name, grad in expected.items():
        error = float((found[name] - grad).norm()) / max(float(grad.norm()), least)
        assert error < 1e-5, (name, error)


@pytest.mark.parametrize("gather", ["full", "published"])
@pytest.mark.parametrize("trained", ["all", "published parts"])
def test_micro_batches_of_any_size_give_one_step(gather: Gather, trained: str) -> None:
    model = build()
    if trained != "all":
        select_parts(model, ["ln_vision", "queries", "qformer", "heads"])
    pairs = batch(8, groups=GROUPS)
    objective = Stage1Objective(seed=1, gather=gather)
    whole = means(objective(model, [pairs], step=3))
    expected = gradients(model)
    assert any("post_layernorm" in name for name in expected)
    assert any("embeddings.patch" in name for name in expected) == (trained == "all")
    for sizes in ([2, 2, 2, 2], [3, 1, 4]):
        model.zero_grad()
        calls: list[bool] = []

        def backward(loss: Tensor, last: bool, calls: list[bool] = calls) -> None:
            calls.append(last)
            loss.backward()

        parts = objective(model, split(pairs, sizes), 3, backward, scale=8.0)
        assert means(parts) == pytest.approx(whole, rel=1e-5)
        assert_close({name: grad / 8 for name, grad in gradients(model).items()}, expected)
        assert calls == [False] * (len(calls) - 1) + [True]


def test_the_loss_is_the_sum_of_three_means() -> None:
    model, pairs = build(), batch(6)
    parts = Stage1Objective(seed=1)(model, [pairs], step=0)
    found = gradients(model)
    model.zero_grad()
    again = model(**pairs.model_inputs(), uniform=uniform_draws(1, 0, 6))
    sum(part.sum / part.count for part in again.values()).backward()
    assert_close(found, gradients(model))
    assert {name: int(part.count) for name, part in parts.items()} == {"itc": 6, "itm": 18, "itg": pairs.num_learned}


def test_published_gradients_pass_through_own_rows_only() -> None:
    """LAVIS compares with gathered copies that hand nothing back; values stay the same."""
    results = {}
    for gather in ("full", "published"):
        model = build()
        kind: Gather = "full" if gather == "full" else "published"
        losses = means(Stage1Objective(seed=1, gather=kind)(model, [batch(6)], step=0))
        results[gather] = losses, gradients(model)["heads.text_proj.weight"]
    assert results["full"][0] == pytest.approx(results["published"][0])
    model, pairs = build(), batch(6)
    features = model.encode_images(pairs.pixel_values)
    own = model.read(features, pairs.text_ids, pairs.text_mask)
    to_images = torch.einsum("bd,gqd->bgq", own.texts, own.images.detach()).amax(-1) / model.heads.temp
    loss = torch.nn.functional.cross_entropy(to_images, torch.arange(6), label_smoothing=0.1) / 2
    expected = torch.autograd.grad(loss, model.heads.text_proj.weight)[0]
    torch.testing.assert_close(results["published"][1], expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(results["full"][1], expected, rtol=1e-2)


def test_features_cached_before_the_last_norm_let_it_learn() -> None:
    model, pairs = build(), batch(6)
    select_parts(model, ["ln_vision", "queries", "qformer", "heads"])
    norm = model.vision.backbone.post_layernorm
    whole = means(Stage1Objective(seed=1)(model, [pairs], 0))
    expected = gradients(model)
    kept: list[Tensor] = []
    handle = norm.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0].detach()))
    model.encode_images(pairs.pixel_values)
    handle.remove()
    cached = replace(pairs, pixel_values=None, image_features=kept[0])
    for sizes in ([6], [2, 4]):
        model.zero_grad()
        parts = Stage1Objective(seed=1, norm=norm)(model, split(cached, sizes), 0)
        assert means(parts) == pytest.approx(whole, rel=1e-5)
        assert_close(gradients(model), expected)


def test_a_repeated_forward_draws_the_same_dropout() -> None:
    """Against the same step with every graph kept, which needs no repetition."""
    model = build(dropout=0.2).train()
    for name, module in model.vision.named_modules():
        if name.endswith("post_layernorm"):
            module.register_forward_hook(lambda m, inputs, output: torch.nn.functional.dropout(output, 0.1))
    pieces = split(batch(6), [3, 3])
    torch.manual_seed(5)
    losses = means(Stage1Objective(seed=1)(model, pieces, 0))
    found = gradients(model)
    model.zero_grad()
    torch.manual_seed(5)
    pairs = batch(6)
    own, states = [], []
    for number, piece in enumerate(pieces):
        rows = slice(3 * number, 3 * number + 3)
        features = model.encode_images(piece.pixel_values)
        states.append(torch.get_rng_state())
        own.append((features, model.read(features, pairs.text_ids[rows], pairs.text_mask[rows])))
    every = torch.cat([features for features, _ in own])
    images, texts = (torch.cat([getattr(reading, name) for _, reading in own]) for name in ("images", "texts"))
    same = torch.eye(6, dtype=torch.bool)
    whole = replace(own[0][1], images=images, texts=texts)
    itc, to_texts, to_images = model.contrast(whole, images, texts, same, 0.1)
    from vistune.model.exchange import Alone, choose_negatives

    wrong_images, wrong_texts = choose_negatives(to_texts, to_images, same, uniform_draws(1, 0, 6), Alone())
    total = itc.sum / 6
    for number in range(2):
        rows = slice(3 * number, 3 * number + 3)
        torch.set_rng_state(states[number])
        ids, mask = pairs.text_ids[rows], pairs.text_mask[rows]
        reading = model.read(every[rows], ids, mask)
        wrong = every[wrong_images[rows]], pairs.text_ids[wrong_texts[rows]], pairs.text_mask[wrong_texts[rows]]
        itm = model.matching(every[rows], ids, mask, wrong)
        itg = model.captioning(reading.captions, ids, mask, 0.1)
        total = total + itm.sum / 18 + itg.sum / pairs.num_learned
    total.backward()
    assert sum(losses.values()) == pytest.approx(float(total.detach()), rel=1e-5)
    assert_close(found, gradients(model))


def test_one_batch_can_be_learned_by_heart_and_frozen_parts_stay() -> None:
    model, pairs = build(), batch(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and not name.startswith("vision"):
                parameter.mul_(0.5)
    trained = select_parts(model, ["ln_vision", "queries", "qformer", "heads"])
    set_modes(model, trained)
    names = {name for named in trained.values() for name, _ in named}
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser = torch.optim.AdamW([p for named in trained.values() for _, p in named], lr=6e-3, betas=(0.9, 0.98))
    objective = Stage1Objective(seed=0, smoothing=0.0)
    losses = {"itc": 9.0}
    for step in range(250):
        optimiser.param_groups[0]["lr"] = 6e-3 * min(1, (step + 1) / 20)
        optimiser.zero_grad()
        losses = means(objective(model, [pairs], step))
        optimiser.step()
        if max(losses.values()) < 0.1:
            break
    assert max(losses.values()) < 0.1, losses
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in names), name


WORKER = """
import json, sys, torch
from tests.model.stage1_rig import batch, build
from tests.train.objectives.test_blip2_stage1 import GROUPS, gradients, rows_of, split
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.parallel.processes import start, stop
processes = start("ddp", device="cpu")
results = {}
for gather in ("full", "published"):
    for sizes in ([4], [2, 2]):
        model = build()
        rank = processes.rank
        own = split(rows_of(batch(8, groups=GROUPS), slice(4 * rank, 4 * rank + 4)), sizes)
        parts = Stage1Objective(1, gather=gather, exchange=processes)(model, own, 3)
        processes.add_gradients(model.parameters())
        numbers = [[float(part.sum), float(part.count)] for part in parts.values()]
        sums = processes.sum(torch.tensor(numbers, dtype=torch.float64))
        results[f"{gather} {len(sizes)}"] = (sums[:, 0] / sums[:, 1]).tolist(), gradients(model)
if processes.rank == 0:
    torch.save(results, sys.argv[1])
stop(processes)
"""


def test_two_processes_are_one_with_the_global_batch(tmp_path: Path) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[3]
    workers = []
    for rank in range(2):
        environment = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "OMP_NUM_THREADS": "1",
        }
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(root)}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path / "results.pt")],
                env=environment,
                cwd=root,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    results = torch.load(tmp_path / "results.pt")
    for gather in ("full", "published"):
        kind: Gather = "full" if gather == "full" else "published"
        model = build()
        losses = list(means(Stage1Objective(1, gather=kind)(model, [batch(8, groups=GROUPS)], 3)).values())
        for pieces in (1, 2):
            found, grads = results[f"{gather} {pieces}"]
            assert found == pytest.approx(losses, rel=1e-5), json.dumps([found, losses])
            assert_close(grads, gradients(model))
