"""Data: from JPEG to batch beside transformers, packed beside padded training, and the feature cache.

    python bench/data.py [--part all|encoding|packing|features] [--pictures 1024] [--samples 512] [--steps 4]
                         [--repeats 5] [--json]

Goals on two cores: 1.5 x the samples per second of transformers' processor in a DataLoader, 1.8 x of padded training.
Time to the first batch (worker processes, their first 64 pictures) is told apart from the speed from there on;
processor time, of all processes, depends little on what else the machine does. Pictures are 640x480 JPEGs of about
140 KB; lengths are those of InstructBLIP's held-in mixture (bench/mixed_lengths.py).
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from encoding import compare_encoding
from training import compare_features, compare_packing, computed_features_ratio


def main() -> None:
    """Print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("all", "encoding", "packing", "features"), default="all")
    parser.add_argument("--pictures", type=int, default=1024, help="from JPEG to batch")
    parser.add_argument(
        "--samples", type=int, default=512, help="to train the demo's model on, with the cache and without"
    )
    parser.add_argument("--steps", type=int, default=4, help="training steps of 64 samples")
    parser.add_argument("--max-tokens", type=int, default=1024, help="of a packed row")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report: dict[str, dict[str, float]] = {}
    if options.part in ("all", "encoding"):
        report["from JPEG to batch"] = compare_encoding(max(128, options.pictures), options.workers, options.repeats)
    if options.part in ("all", "packing"):
        for kind in ("llama", "t5"):
            report[f"training, {kind}"] = compare_packing(kind, options.max_tokens, options.steps, options.repeats)
    if options.part in ("all", "features"):
        report["feature cache, demo"] = compare_features(options.samples, options.repeats)
        # Positions a sample of the held-in mixture takes: its own tokens, and those of the longest of 64 beside it.
        report["feature cache, ViT-g and Vicuna-7B, packed (computed)"] = computed_features_ratio(76)
        report["feature cache, ViT-g and Vicuna-7B, padded (computed)"] = computed_features_ratio(300)
    if options.json:
        print(json.dumps(report))
        return
    for name, row in report.items():
        print(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in row.items()))


if __name__ == "__main__":
    main()
