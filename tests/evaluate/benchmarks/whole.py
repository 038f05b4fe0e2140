"""Tiny releases with the split that a benchmark measures on, where the data set's own tiny release has another."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.evaluate.benchmarks import Benchmark

# Files that stand in for those of another split: their rows are the same.
_COPIES = {
    "vqav2": (
        ("v2_OpenEnded_mscoco_train2014_questions.json", "v2_OpenEnded_mscoco_val2014_questions.json"),
        ("v2_mscoco_train2014_annotations.json", "v2_mscoco_val2014_annotations.json"),
        ("v2_OpenEnded_mscoco_test2015_questions.json", "v2_OpenEnded_mscoco_test-dev2015_questions.json"),
    ),
    "aokvqa": (("aokvqa_v1p0_train.json", "aokvqa_v1p0_val.json"),),
    "msvd_qa": (("val_qa.json", "test_qa.json"),),
}


def write_release(benchmark: Benchmark, root: Path) -> Path:
    """A data root with all that the benchmark reads."""
    if benchmark.source == "world":
        return root
    RELEASES[benchmark.source](Writer(root))
    folder = root / benchmark.source
    for known, wanted in _COPIES.get(benchmark.source, ()):
        shutil.copy(folder / known, folder / wanted)
    if benchmark.source == "textcaps":
        row = {"image_id": "00b", "image_width": 12}
        Writer(root).json("textcaps/TextCaps_0.1_test.json", {"dataset_type": "test", "data": [row]})
        Writer(root).image("textcaps/test_images/00b.jpg")
    if benchmark.source in ("msvd_qa", "msrvtt_qa"):
        Writer(root).text(f"{benchmark.source}/answers.txt", "someone\ncouch\nman\n")
    return root
