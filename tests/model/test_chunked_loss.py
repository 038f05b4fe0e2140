"""The chunked loss: equal to the whole one in value and gradients, in far less memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vistune.model.chunked_loss import chunked_loss_sum, chunked_losses
from vistune.model.losses import token_loss_sum


def problem(seed: int = 0, trained: bool = True) -> tuple[Tensor, nn.Module, Tensor]:
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(6, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 50)).requires_grad_(trained)
    targets = torch.randint(0, 50, (3, 9))
    targets[:, ::4] = -100
    return torch.randn(3, 9, 6, requires_grad=True), head, targets


def gradients(loss: Tensor, hidden: Tensor, head: nn.Module) -> list[Tensor]:
    (loss * 0.25).backward()
    found = [hidden.grad, *(parameter.grad for parameter in head.parameters())]
    return [grad.clone() for grad in found if grad is not None]


@pytest.mark.parametrize("chunk", [1, 4, 1000, None])
@pytest.mark.parametrize("trained", [True, False])
def test_value_and_gradients_are_those_of_the_whole(chunk: int | None, trained: bool) -> None:
    hidden, head, targets = problem(trained=trained)
    whole = token_loss_sum(head(hidden), targets)
    expected = gradients(whole, hidden, head)
    hidden.grad = None
    head.zero_grad()
    loss = chunked_loss_sum(hidden, head, targets, chunk)
    torch.testing.assert_close(loss, whole)
    found = gradients(loss, hidden, head)
    assert len(found) == len(expected) == (7 if trained else 1)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("trained", [True, False])
def test_every_token_has_its_own_loss_beside_the_sum(trained: bool) -> None:
    hidden, head, targets = problem(trained=trained)
    expected = nn.functional.cross_entropy(head(hidden)[targets != -100], targets[targets != -100], reduction="none")
    total, each = chunked_losses(hidden if trained else hidden.detach(), head, targets, 4)
    torch.testing.assert_close(each, expected.detach())
    torch.testing.assert_close(total, expected.sum())
    assert total.requires_grad is trained and not each.requires_grad


def test_a_head_alone_may_learn_and_label_smoothing_is_that_of_torch() -> None:
    hidden, head, targets = problem()
    hidden = hidden.detach()
    loss = chunked_loss_sum(hidden, head, targets, 5, smoothing=0.1)
    loss.backward()
    own = [parameter.grad.clone() for parameter in head.parameters() if parameter.grad is not None]
    head.zero_grad()
    whole = nn.functional.cross_entropy(
        head(hidden).flatten(0, 1), targets.flatten(), label_smoothing=0.1, reduction="sum", ignore_index=-100
    )
    whole.backward()
    torch.testing.assert_close(loss, whole)
    for grad, parameter in zip(own, head.parameters(), strict=True):
        torch.testing.assert_close(grad, parameter.grad)


def test_without_gradients_and_without_learned_tokens() -> None:
    hidden, head, targets = problem()
    with torch.no_grad():
        quiet = chunked_loss_sum(hidden, head, targets, 4)
    torch.testing.assert_close(quiet, token_loss_sum(head(hidden), targets).detach())
    nothing = chunked_loss_sum(hidden, head, torch.full_like(targets, -100), 4)
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert hidden.grad is not None and not hidden.grad.any()


def test_under_autocast_gradients_keep_their_dtypes() -> None:
    hidden, head, targets = problem()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = chunked_loss_sum(hidden, head, targets, 4)
    loss.backward()
    assert loss.dtype == torch.float32
    exact = token_loss_sum(head(hidden), targets)
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.0)
    assert hidden.grad is not None and hidden.grad.dtype == torch.float32


def test_a_chunk_of_nothing_is_refused() -> None:
    hidden, head, targets = problem()
    with pytest.raises(ValueError, match="give 1 or more"):
        chunked_loss_sum(hidden, head, targets, 0)


MEASURE = """
import sys, torch
from pathlib import Path
from torch import nn
from vistune.model.chunked_loss import chunked_loss_sum
from vistune.model.losses import token_loss_sum
torch.manual_seed(0)
hidden = torch.randn(1024, 64, requires_grad=True)
head = nn.Linear(64, 32000, bias=False).requires_grad_(False)
targets = torch.randint(0, 32000, (1024,))
chunked_loss_sum(hidden[:2], head, targets[:2], 1).backward()
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) / 1024
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = status("VmRSS:")
if sys.argv[1] == "chunked":
    chunked_loss_sum(hidden, head, targets, 32).backward()
else:
    token_loss_sum(head(hidden), targets).backward()
print(status("VmHWM:") - before)
"""


def peak(kind: str) -> float:
    """MiB that loss and backward add, in a process of their own."""
    result = subprocess.run([sys.executable, "-c", MEASURE, kind], capture_output=True, text=True, check=True)
    return float(result.stdout)


def test_memory_does_not_grow_with_vocabulary_times_length(record_property: Callable[[str, object], None]) -> None:
    whole, chunked = peak("whole"), peak("chunked")
    record_property("whole_mib", whole)
    record_property("chunked_mib", chunked)
    # The logits alone are 125 MiB; the whole loss holds them, their logarithms and their gradient.
    assert whole > 240
    assert chunked < 0.25 * whole
