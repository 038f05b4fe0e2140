"""Benchmarks: a data set, its split and how it is scored, one small YAML file each; suites; published figures."""

from vistune.evaluate.benchmarks.base import Benchmark
from vistune.evaluate.benchmarks.catalogue import BENCHMARKS, SUITES, benchmark, suite
from vistune.evaluate.benchmarks.published import Published, published
from vistune.evaluate.benchmarks.spec import Given

__all__ = ["BENCHMARKS", "SUITES", "Benchmark", "Given", "Published", "benchmark", "published", "suite"]
