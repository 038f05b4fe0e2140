"""What a loader's worker does: the samples of a plan, their pictures, and the batch that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from torch import Tensor
from torch.utils.data import Dataset

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.batch import Batch, Encoded
from vistune.data.images import open_images
from vistune.data.mixture import Draw
from vistune.data.packing import packed_rows
from vistune.data.plans import Plan, SampleSet
from vistune.data.transforms import ImageTransform, PixelMaker, RandomKey
from vistune.errors import ImageError, VistuneError

if TYPE_CHECKING:
    from vistune.data.pairs import PairProcessor
    from vistune.data.processor import Processor

# What fills the places of a sample's pictures: pixels, or features from a cache.
Load = Callable[[Encoded, Draw], Encoded]
_SIDES = re.compile(r"\b(left|right)", re.IGNORECASE)


class LoadImages:
    """Opens a sample's pictures and makes pixels of them.

    Args:
        processor: of the model. transform: of the pictures; None: the checkpoint's own.
        mirror_safe: for each data set, whether its pictures may be mirrored. A sample whose own words speak of left or
            right never is.
    """

    def __init__(
        self,
        processor: Processor | PairProcessor,
        transform: ImageTransform | None = None,
        mirror_safe: Sequence[bool] = (),
    ) -> None:
        self._processor = processor
        self.make = PixelMaker(processor.image_processor, transform)
        self._mirror_safe = tuple(mirror_safe)

    def __call__(self, sample: Encoded, draw: Draw) -> Encoded:
        """The sample with pixels [n, 3, H, W] that still have to be finished.

        Raises:
            ImageError: a picture that cannot be read.
        """
        if not sample.images:
            return sample
        safe = bool(self._mirror_safe) and self._mirror_safe[draw.set] and not self._speaks_of_sides(sample)
        key = RandomKey(sample.id, draw.epoch, safe)
        return replace(sample, pixel_values=self.make.begin(open_images(sample.images), key))

    def _speaks_of_sides(self, sample: Encoded) -> bool:
        ids = [*sample.input_ids, *(sample.labels or [])]
        image = getattr(self._processor, "image_token_id", None)
        words = self._processor.tokenizer.decode([i for i in ids if i >= 0 and i != image])
        return _SIDES.search(words) is not None


class Collated(Protocol):
    """A batch of any kind: Batch, or the micro-batches of a training step."""

    @property
    def ids(self) -> list[str]:
        """Names of its samples."""

    def pin_memory(self) -> Self:
        """The same in pinned memory."""

    def with_pixels(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with its pixels, if it has any, changed."""


B = TypeVar("B", bound=Collated)
# How the samples of a plan become a batch, without those that are None because they were bad; None: none is left.
Collate = Callable[[Plan, Sequence[Encoded | None]], B | None]


@dataclass(frozen=True)
class Made(Generic[B]):
    """What a worker sends: a batch (None if all its samples were bad), what was left out, or why there is none."""

    batch: B | None = None
    bad: list[BadRow] = field(default_factory=list)
    error: VistuneError | None = None

    def pin_memory(self) -> Made[B]:
        """With the batch in pinned memory; the DataLoader calls it where there is a GPU."""
        return Made(None if self.batch is None else self.batch.pin_memory(), self.bad, self.error)


class BatchMaker(Dataset[Made[B]]):
    """From plan to batch, in any process."""

    def __init__(self, sets: Sequence[SampleSet], load: Load, collate: Collate[B]) -> None:
        self._sets = list(sets)
        self._load = load
        self._collate = collate

    def __getitem__(self, plan: Plan) -> Made[B]:
        """The batch of a plan, without the samples that cannot be used."""
        bad: list[BadRow] = []
        try:
            # All words before all pictures: decoding one drives what the other needs out of the processor's cache.
            worded = [self._tried(draw, self._words) for draw in plan.draws]
            made = [
                found if isinstance(found, BadRow) else self._tried(draw, partial(self._load, found), found.id)
                for draw, found in zip(plan.draws, worded, strict=True)
            ]
            bad = [found for found in made if isinstance(found, BadRow)]
            return Made(self._collate(plan, [None if isinstance(found, BadRow) else found for found in made]), bad)
        except VistuneError as error:
            # Sent as a value: raised here, it would arrive as text with the worker's traceback in it.
            return Made(None, bad, error)

    def _words(self, draw: Draw) -> Encoded:
        return self._sets[draw.set].tokens(draw.index, draw.epoch)

    def _tried(self, draw: Draw, step: Callable[[Draw], Encoded], id: str = "") -> Encoded | BadRow:
        """What a step makes of a draw, or why it cannot be used; ``id``: of the row, once it is known."""
        place = Place(self._sets[draw.set].name, None, draw.index)
        try:
            return step(draw)
        except BadRow as error:
            return error.at(place)
        except ImageError as error:
            words = str(error)
            reason = Reason.MISSING_IMAGE if words.startswith("There is no") else Reason.BROKEN_IMAGE
            return BadRow(reason, f"in row {id!r} {words[0].lower()}{words[1:]}", place)


class OneBatch:
    """Collates the samples of a plan to one Batch: padded, or packed as the plan says."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor

    def __call__(self, plan: Plan, samples: Sequence[Encoded | None]) -> Batch | None:
        """None if no sample is left."""
        good = [sample for sample in samples if sample is not None]
        if not good:
            return None
        if plan.size is None:
            return self._processor.collate(good)
        if plan.rows is None:
            return self._processor.pack(packed_rows(good, plan.size, self._processor.encoder_decoder))
        rows = [[sample for index in row if (sample := samples[index]) is not None] for row in plan.rows]
        return self._processor.pack(rows, plan.size.max_tokens, plan.size.max_targets)
