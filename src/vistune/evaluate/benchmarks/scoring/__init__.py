"""How benchmarks are scored: from rows and what was given for them to the official figure."""

from vistune.evaluate.benchmarks.scoring.registry import Scorer, score, scorer

__all__ = ["Scorer", "score", "scorer"]
