"""A tiny release of every set of the catalogue."""

from __future__ import annotations

from tests.data.releases.benchmarks import BENCHMARKS
from tests.data.releases.captions import CAPTIONS
from tests.data.releases.conversations import CONVERSATIONS
from tests.data.releases.questions import QUESTIONS
from tests.data.releases.reasoning import REASONING
from tests.data.releases.videos import VIDEOS
from tests.data.releases.writing import Release

RELEASES: dict[str, Release] = {**CAPTIONS, **QUESTIONS, **REASONING, **VIDEOS, **CONVERSATIONS, **BENCHMARKS}
