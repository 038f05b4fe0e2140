"""What is told of a stage before it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vistune.data.counting import count_of
from vistune.train.parts import parts_text

if TYPE_CHECKING:
    from vistune.train.parts import Model
    from vistune.train.recipe.stage import Stage
    from vistune.train.run.data import StageData

# Sets of a mixture that are told.
_SHOWN_SETS = 20


def announce(notes: Sequence[str], model: Model, stage: Stage, data: StageData, say: Callable[[str], None]) -> None:
    """Where the weights come from, what trains, the mixture, and rows that were left out.

    Args:
        notes: of what was loaded and what is fresh. say: takes a sentence for people.
    """
    for note in notes:
        say(f"{stage.name}: {note}")
    say(f"{stage.name}: {parts_text(model, stage.train)}")
    table = data.mixture.table()
    shown = [f"{entry} {share:.1%} of {size:,}" for entry, size, share in table[:_SHOWN_SETS]]
    more = f", {len(table) - _SHOWN_SETS} more" if len(table) > _SHOWN_SETS else ""
    say(f"{stage.name}: data: {', '.join(shown)}{more}")
    if data.log.bad:
        say(f"{stage.name}: {count_of(len(data.log.bad), 'row')} left out, the first: {data.log.bad[0]}")
