"""Progress for people: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vistune.train.reports.report import Report, StepEntry

if TYPE_CHECKING:
    from rich.console import Console

    from vistune.train.result import StageResult


class _Since:
    """Steps since the last report, together."""

    def __init__(self) -> None:
        self._entries: list[StepEntry] = []

    def add(self, entry: StepEntry) -> None:
        self._entries.append(entry)

    def words(self) -> str:
        """Loss, speed, learning rate, memory; begins anew."""
        entries, self._entries = self._entries, []
        last, seconds = entries[-1], max(1e-9, sum(entry.seconds for entry in entries))
        loss = sum(entry.loss for entry in entries) / len(entries)
        return (
            f"loss {loss:.4g}, {sum(entry.samples for entry in entries) / seconds:,.1f} samples/s, "
            f"{sum(entry.tokens for entry in entries) / seconds:,.0f} tokens/s, lr {rate_words(last.rates)}, "
            f"{last.memory / 2**30:.1f} GB"
        )


class Lines(Report):
    """A line every few steps.

    Args:
        say: takes a line. every: steps between lines; there is one after the last step too.
    """

    def __init__(self, say: Callable[[str], None], every: int) -> None:
        self._say = say
        self._every = every
        self._since = _Since()

    def line(self, text: str) -> None:
        """Pass it on."""
        self._say(text)

    def step(self, entry: StepEntry) -> None:
        """A line now and then."""
        self._since.add(entry)
        if entry.step % self._every == 0 or entry.step == entry.steps:
            left = clock(entry.seconds_left)
            self._say(f"{entry.stage} {entry.step:,}/{entry.steps:,}: {self._since.words()}, left {left}")

    def evaluated(self, step: int, figures: Mapping[str, float], best: bool) -> None:
        """A line."""
        self._say(evaluation_words(step, figures, best))

    def end(self, result: StageResult) -> None:
        """A line."""
        self._say(result.summary())


class Bar(Report):
    """A progress bar with the same words beside it.

    Args:
        console: of rich. every: steps between changes of the words.
    """

    def __init__(self, console: Console, every: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._every = every
        self._since = _Since()
        self._progress: Any = Progress(
            TextColumn("{task.fields[stage]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("left {task.fields[left]}"),
            TextColumn("{task.description}"),
            console=console,
        )

    def begin(self, stage: str, step: int, steps: int) -> None:
        """Show the bar."""
        self._task = self._progress.add_task("", total=steps, completed=step, stage=stage, left="?")
        self._progress.start()

    def line(self, text: str) -> None:
        """Above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def step(self, entry: StepEntry) -> None:
        """Move the bar."""
        self._since.add(entry)
        if entry.step % self._every == 0 or entry.step == entry.steps:
            words, left = self._since.words(), clock(entry.seconds_left)
            self._progress.update(self._task, completed=entry.step, description=words, left=left)
        else:
            self._progress.update(self._task, completed=entry.step)

    def evaluated(self, step: int, figures: Mapping[str, float], best: bool) -> None:
        """A line above the bar."""
        self.line(evaluation_words(step, figures, best))

    def end(self, result: StageResult) -> None:
        """A line above the bar."""
        self.line(result.summary())

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def rate_words(rates: Mapping[str, float]) -> str:
    """One number if all parts learn at the same rate."""
    if len(set(rates.values())) == 1:
        return f"{next(iter(rates.values())):.2e}"
    return " ".join(f"{part} {rate:.2e}" for part, rate in rates.items())


def clock(seconds: float) -> str:
    """ "1:02:03" or "2:03" """
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def evaluation_words(step: int, figures: Mapping[str, float], best: bool) -> str:
    """ "after step 300: okvqa 0.41, mean 0.5 (best so far)" """
    words = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    return f"after step {step:,}: {words}{' (best so far)' if best else ''}"
