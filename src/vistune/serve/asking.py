"""From a checked request to the jobs of the engine: lengths, sampling, seeds."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import VistuneError
from vistune.serve.jobs import Event, Job
from vistune.serve.messages import read_messages
from vistune.serve.parameters import Wanted
from vistune.serve.prompts import Prompts
from vistune.serve.refusal import Refusal

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from vistune.data.batch import Encoded
    from vistune.infer.predictor import Predictor
    from vistune.infer.settings import Settings

DEFAULT_NEW_TOKENS = 512
"""Where neither the request nor the folder says; transformers' own 20 would cut every answer."""
DEFAULT_CONTEXT = 4096
"""Positions of models that name none (T5), so that no request takes all memory."""


class Asking:
    """Makes jobs for one model. ``image_root``: see `open_picture`."""

    def __init__(self, predictor: Predictor, image_root: Path | None = None) -> None:
        self._predictor = predictor
        processor = predictor.processor
        context = getattr(predictor.model.config.language, "max_position_embeddings", None)
        self.context = DEFAULT_CONTEXT if context is None or processor.encoder_decoder else int(context)
        self._prompts = Prompts(processor, self.context, image_root)
        # Requests without a seed share one, each with a stream of its own, so that they may share a batch.
        self._seed = secrets.randbits(63)
        self._streams = itertools.count(1)

    def jobs(self, wanted: Wanted, messages: Any, tell: Callable[[int, Event], None]) -> list[Job]:
        """One job for each of the ``n`` answers; ``tell`` gets the answer's number with each event.

        Raises:
            Refusal: what cannot be answered.
        """
        try:
            sample = self._prompts.encode(read_messages(messages))
            settings = self._settings(wanted, sample)
        except Refusal:
            raise
        except VistuneError as error:
            raise Refusal(str(error)) from error
        seeded = wanted.seed is not None or settings.sample is None

        def job(choice: int) -> Job:
            number = choice if seeded else next(self._streams)
            return Job(sample, settings, number, wanted.stream, lambda event: tell(choice, event))

        jobs = [job(choice) for choice in range(wanted.n)]
        for made in jobs:
            _ = made.kind  # computed here instead of under the engine's lock
        return jobs

    def _settings(self, wanted: Wanted, sample: Encoded) -> Settings:
        from dataclasses import replace

        from vistune.infer.settings import Arguments, resolve

        folder, processor = self._predictor.model.generation_config, self._predictor.processor
        length = len(sample.input_ids)
        most = self._most(wanted.max_tokens, length, folder)
        sampling = dict(wanted.sampling)
        if folder is not None and folder.do_sample and sampling.get("temperature") != 0:
            sampling["num_beams"] = 1
        arguments = Arguments(max_new_tokens=most, stop=wanted.stop, **sampling)
        settings = resolve(arguments, folder, processor)
        most, fewest = settings.lengths(length, processor.encoder_decoder)
        seed = 0 if settings.sample is None else self._seed if wanted.seed is None else wanted.seed
        return replace(settings, max_new_tokens=most, min_new_tokens=fewest, seed=seed)

    def _most(self, asked: int | None, length: int, folder: GenerationConfig | None) -> int:
        room = self.context - length
        if asked is None:
            return min(room, _folders_length(folder, 1 if self._predictor.processor.encoder_decoder else length))
        if asked > room:
            raise Refusal(
                f"The prompt has {length} tokens, pictures included, and max_tokens is {asked}, but the model has "
                f"{self.context} positions for both; at most {room} tokens can follow.",
                param="max_tokens",
                code="context_length_exceeded",
            )
        return asked


def _folders_length(folder: GenerationConfig | None, before: int) -> int:
    """New tokens that the folder's generation config allows after so many; ours where it says nothing that works."""
    if folder is not None and folder.max_new_tokens:
        return int(folder.max_new_tokens)
    if folder is not None and folder.max_length and folder.max_length > before:
        return int(folder.max_length) - before
    return DEFAULT_NEW_TOKENS
