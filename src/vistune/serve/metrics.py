"""Figures for Prometheus, at GET /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vistune.serve.engine import BatchReport, Engine

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """What was asked and how long it took. One a server, so that several may live in a process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vistune_requests", "HTTP requests by path and status", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "vistune_request_seconds", "From a chat request to its end", buckets=_SECONDS, registry=self._registry
        )
        self._first = Histogram(
            "vistune_first_piece_seconds", "From a streamed chat request to its first words", buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self._prompt = Counter("vistune_prompt_tokens", "Tokens of answered prompts", registry=self._registry)
        self._written = Counter("vistune_completion_tokens", "Tokens of finished answers", registry=self._registry)
        self._rows = Histogram(
            "vistune_batch_size", "Answers a batch", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self._registry
        )
        self._batch_seconds = Histogram(
            "vistune_batch_seconds", "From a batch's beginning to its end", buckets=_SECONDS, registry=self._registry
        )

    def watch(self, engine: Engine) -> None:
        """Tell the engine's queue too."""
        self._registry.register(_Queue(engine))

    def batch(self, report: BatchReport) -> None:
        """Note a batch that is over."""
        self._rows.observe(report.rows)
        self._batch_seconds.observe(report.seconds)

    def request(self, path: str, status: int) -> None:
        """Note a request that is over; 499: the client went away."""
        self._requests.labels(path, status).inc()

    def chat(self, seconds: float) -> None:
        """Note the time that a chat request took."""
        self._seconds.observe(seconds)

    def first_piece(self, seconds: float) -> None:
        """Note the time until a stream began."""
        self._first.observe(seconds)

    def tokens(self, prompt: int, completion: int) -> None:
        """Note the tokens of a request that was answered."""
        self._prompt.inc(prompt)
        self._written.inc(completion)

    def text(self) -> bytes:
        """All of it in Prometheus' words."""
        return generate_latest(self._registry)


class _Queue(Collector):
    """Lengths as they are at this moment."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> list[GaugeMetricFamily]:
        """Called by Prometheus' registry."""
        return [
            GaugeMetricFamily("vistune_queue_length", "Answers that wait", value=self._engine.waiting),
            GaugeMetricFamily("vistune_running", "Answers that are being written", value=self._engine.running),
        ]
