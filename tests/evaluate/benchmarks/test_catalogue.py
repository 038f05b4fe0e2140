"""Benchmarks, suites and published figures by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vistune.data.catalogue import SOURCES
from vistune.errors import InputError
from vistune.evaluate.benchmarks import BENCHMARKS, SUITES, benchmark, published, suite
from vistune.evaluate.benchmarks.published import tables
from vistune.evaluate.benchmarks.scoring.objects import coco_words
from vistune.evaluate.benchmarks.scoring.registry import SCORERS
from vistune.world.tasks import TASKS

# The published splits, by hand: InstructBLIP figure 2 and appendix C.
HELD_OUT = {
    "nocaps": "val",
    "flickr30k": "test",
    "gqa": "testdev",
    "vsr": "test",
    "iconqa": "test",
    "textvqa": "val",
    "visdial": "val",
    "hateful_memes": "val",
    "vizwiz": "test",
    "scienceqa_img": "test",
    "msvd_qa": "test",
    "msrvtt_qa": "test",
    "ivqa": "test",
}
RANKED = {"iconqa", "scienceqa_img", "hateful_memes", "visdial", "msvd_qa", "msrvtt_qa"}


@pytest.mark.parametrize("item", BENCHMARKS.values(), ids=lambda item: item.name)
def test_a_benchmark_is_whole(item) -> None:  # type: ignore[no-untyped-def]
    assert item.metric in SCORERS and item.unit in ("percent", "fraction", "points")
    assert item.title and len(item.choices) > 40
    if item.source == "world":
        assert TASKS[item.task].role == item.role and item.count > 0
        return
    info = SOURCES[item.source].info
    assert item.split in info.splits
    assert item.group == info.group and item.url == info.url
    assert item.submission or item.public_answers
    assert item.role in (info.role, "extra")


def test_the_suites() -> None:
    assert {item.name: item.split for item in suite("instructblip-held-out")} == HELD_OUT
    assert {item.name for item in suite("instructblip-held-out") if item.answer == "rank"} == RANKED
    assert {"coco_caption", "okvqa", "aokvqa_da", "textcaps", "ocrvqa"} <= set(SUITES["instructblip-held-in"])
    llava = ("vqav2", "gqa", "vizwiz", "scienceqa_img", "textvqa", "pope", "mme", "seed", "mm_vet")
    assert set(llava) <= set(SUITES["llava-1.5"])
    assert {item.name: item.info.splits["test"] for item in suite("llava-bench") if item.info} == {
        "llava_bench_coco": 90,
        "llava_bench_wild": 60,
    }
    assert {item.task for item in suite("world")} == set(TASKS)
    assert "pope" in SUITES["hallucination"]
    assert all(name in BENCHMARKS for members in SUITES.values() for name in members)


def test_names_that_are_not_there() -> None:
    with pytest.raises(InputError, match=r"no benchmark 'nocap'; did you mean 'nocaps'\?"):
        benchmark("nocap")
    with pytest.raises(InputError, match="no suite 'everything'; choose one of instructblip-held-out"):
        suite("everything")


def test_published_figures_are_on_the_scale_of_the_metric() -> None:
    rows = {row.model: row for row in published("nocaps")}
    assert rows["InstructBLIP (Vicuna-7B)"].value == 1.231
    assert rows["InstructBLIP (Vicuna-7B)"].printed == 123.1
    assert "Flamingo-3B" not in rows
    gqa = [row for row in published("gqa") if row.model == "InstructBLIP (FlanT5-XL)"]
    assert [(row.value, row.table) for row in gqa] == [(48.4, "InstructBLIP table 1"), (48.4, "InstructBLIP table 2")]
    assert {row.value for row in published("mme")} == {1510.7, 1531.3, 1476.9, 1541.7}
    by_part = {row.part: row.value for row in published("pope") if row.model == "LLaVA-1.5-7B"}
    assert by_part == {"": 85.9, "random": 87.3, "popular": 86.1, "adversarial": 84.2}
    # The paper's average is that of the three categories.
    assert sum(by_part[name] for name in ("random", "popular", "adversarial")) / 3 == pytest.approx(85.9, abs=0.05)


def test_a_figure_of_one_split_stands_by_no_other() -> None:
    assert published("vizwiz") and not published("vizwiz_val")
    assert published("vqav2") and not published("vqav2_val")
    val = {row.model: row.value for row in published("aokvqa_mc")}
    test = {row.model: row.value for row in published("aokvqa_mc_test")}
    assert (val["InstructBLIP (Vicuna-7B)"], test["InstructBLIP (Vicuna-7B)"]) == (75.7, 73.4)


def test_the_tables_are_whole() -> None:
    found = tables()
    for name, table in found.items():
        for model, values in table["rows"].items():
            assert len(values) == len(table["columns"]), (name, model)
    assert len(found["InstructBLIP table 1"]["rows"]) == 11
    assert all(f"LLaVA table {number}" in found for number in (4, 5, 7, 8))
    # A check that the rows of table 7 are what it says: no mistake of a digit survives the mean over questions.
    rows = found["LLaVA table 7"]["rows"]
    for model in ("LLaVA", "LLaVA + GPT-4 (complement)", "LLaVA + GPT-4 (judge)", "GPT-4 (2-shot)"):
        grades = dict(zip(found["LLaVA table 7"]["columns"], rows[model], strict=True))
        low, high = sorted((grades["scienceqa/G1-6"], grades["scienceqa/G7-12"]))
        assert low <= grades["scienceqa"] <= high


def test_words_of_all_80_kinds_of_objects() -> None:
    words = coco_words()
    assert len(words) == 80 and all(name in listed for name, listed in words.items())
    every = [word for listed in words.values() for word in listed]
    assert len(set(every)) == len(every)


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vistune.evaluate.benchmarks import BENCHMARKS, suite\nsuite('llava-1.5')\n"
        "from vistune.evaluate.protocols import protocol\nprotocol('instructblip')\n"
        "print([m for m in ('torch', 'PIL', 'pyarrow', 'transformers', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
