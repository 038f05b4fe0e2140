"""What a benchmark says of itself: the facts of its file. What is done with them stands in `base`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vistune.data.sources.base import SetInfo

Answering = Literal["generate", "rank", "score"]
"""A free answer; the best of candidates (InstructBLIP section 2.5); all pairs of pictures and texts compared."""

Form = Literal["caption", "text_caption", "question", "long", "choice", "yes_no", "statement", "dialogue", "retrieval"]
"""What kind of answer is asked for, by which protocols choose words and decoding where they name no benchmark."""


@dataclass(frozen=True)
class Given:
    """What a model gave for one row.

    Args:
        answer: its words, as the protocol's ``extract`` leaves them; "" is a wrong answer, None is no answer at all.
        scores: one a candidate, higher is better, in the order of the prompted row's ``candidates``.
        text: what the answer was read out of, for servers that read it themselves.
    """

    answer: str | None = None
    scores: Sequence[float] | None = None
    text: str | None = None


@dataclass(frozen=True)
class BenchmarkSpec:
    """A split of a data set and its metric.

    Args:
        name, title: title as in the papers' tables. source: a set of the catalogue, or "world".
        split: of the source; of the picture world "test".
        metric: how it is scored, see `vistune.evaluate.benchmarks.scoring`.
        role: "held-in" or "held-out" by InstructBLIP's figure 2, "extra" elsewhere.
        form, answer: what is asked for, and how a protocol that does not say otherwise has it answered.
        direct: take the direct answers of a set that has choices too (A-OKVQA), as if it had no choices.
        task: of the picture world. count: its rows.
        closing_token: whether the closing token of candidates counts in ranking; None: as published, for
            encoder-decoders only.
        submission: form of the official file, "" where there is none.
        root: a folder of a person's own that holds its data, whatever the data root; None for those that are known.
        choices: what the papers leave open, what was chosen, and why.
    """

    name: str
    title: str
    source: str
    split: str
    metric: str
    form: Form
    role: Literal["held-in", "held-out", "extra"] = "extra"
    answer: Answering = "generate"
    direct: bool = False
    task: str = ""
    count: int = 0
    closing_token: bool | None = None
    submission: str = ""
    root: Path | None = None
    choices: str = field(default="", repr=False)

    @property
    def info(self) -> SetInfo | None:
        """The data set; None for the picture world."""
        from vistune.data.catalogue import SOURCES

        return None if self.source == "world" else SOURCES[self.source].info

    @property
    def group(self) -> str:
        """The task group of InstructBLIP's figure 2."""
        info = self.info
        return info.group if info else "world"

    @property
    def url(self) -> str:
        """Where a person gets the data; "" for the picture world, which is made."""
        info = self.info
        return info.url if info else ""

    @property
    def public_answers(self) -> bool:
        """Whether the split's answers are public; otherwise nothing is scored here, see ``submission``."""
        info = self.info
        return info is None or self.split not in info.unlabelled

    @property
    def verbalizers(self) -> dict[str, tuple[str, ...]]:
        """Of two-way sets the words that stand for each answer; empty elsewhere."""
        info = self.info
        return dict(info.verbalizers) if info else {}
