"""Attention as two matrix products beside scaled_dot_product_attention, for each precision: forward and backward with a
causal mask, and forward alone in frozen image encoders.

    python bench/attention.py [--repeats 10] [--json]

This is the measurement behind the choice in vistune/model/attention.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import torch
import torch.nn.functional as F
from common import medians

from vistune.model.attention import matmul_attention

# Batch, heads, length, head width: the picture world's language model, a ViT-B and a short prompt of a large model.
SHAPES = [(64, 4, 48, 32), (16, 12, 197, 64), (4, 32, 128, 128)]
# Eight pictures in CLIP ViT-L at 336 pixels, sixteen in ViT-g at 224.
FROZEN = [(8, 16, 577, 64), (16, 16, 257, 88)]
Shape = tuple[int, int, int, int]


def compare_frozen(dtype: torch.dtype, shape: Shape, repeats: int) -> dict[str, float]:
    """As :func:`compare`, forward alone, of states as transformers' models hand them over."""
    torch.manual_seed(0)
    batch, heads, length, width = shape
    query, key, value = (torch.randn(batch, length, heads, width, dtype=dtype).transpose(1, 2) for _ in range(3))
    with torch.no_grad():
        return _compared(
            lambda: F.scaled_dot_product_attention(query, key, value),
            lambda: matmul_attention(query, key, value),
            repeats,
        )


def compare(dtype: torch.dtype, shape: Shape, repeats: int) -> dict[str, float]:
    """Median seconds of forward and backward both ways, their ratio, and the largest difference of the outputs."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3))
    mask = torch.ones(shape[2], shape[2], dtype=torch.bool).tril()

    def run(function: object) -> torch.Tensor:
        output = function(query, key, value, mask)  # type: ignore[operator]
        output.sum().backward()
        return output.detach()

    return _compared(lambda: run(F.scaled_dot_product_attention), lambda: run(matmul_attention), repeats)


def _compared(sdpa: Callable[[], torch.Tensor], matmul: Callable[[], torch.Tensor], repeats: int) -> dict[str, float]:
    times, outputs = medians({"sdpa": sdpa, "matmul": matmul}, repeats)
    difference = (outputs["sdpa"].float() - outputs["matmul"].float()).abs().max().item()
    return {**times, "sdpa_over_matmul": times["sdpa"] / times["matmul"], "largest_difference": difference}


def main() -> None:
    """Print a line for each precision and shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = {
        f"{kind}{str(dtype).removeprefix('torch.')} {'x'.join(map(str, shape))}": measure(dtype, shape, options.repeats)
        for dtype in (torch.float32, torch.bfloat16, torch.float16)
        for kind, measure, shapes in (("", compare, SHAPES), ("frozen ", compare_frozen, FROZEN))
        for shape in shapes
    }
    if options.json:
        print(json.dumps(report))
        return
    for name, row in report.items():
        print(
            f"{name}: sdpa {row['sdpa'] * 1e3:.2f} ms, two products {row['matmul'] * 1e3:.2f} ms, "
            f"{row['sdpa_over_matmul']:.2f} x, largest difference {row['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
