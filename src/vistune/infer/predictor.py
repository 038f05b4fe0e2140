"""Predictor: a loaded model that answers. ``vistune.load`` makes one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, Literal

import torch

from vistune.data.batch import Encoded
from vistune.data.processor import Processor, as_image_list
from vistune.errors import InputError
from vistune.infer.generation import generate_batch
from vistune.infer.ranking import Candidates, Ranking, RankOptions, candidate_lists, rank_batch
from vistune.infer.sampling import StopOnEvent, cut_at_stop
from vistune.infer.settings import Arguments, Settings, resolve
from vistune.infer.streaming import TextStreamer, iterate
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.data.processor import Images


def load(
    path: str | Path,
    device: str = "auto",
    dtype: str | torch.dtype = "auto",
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> Predictor:
    """Load a checkpoint folder, or a hub name, ready to answer.

    Args:
        path: a transformers folder of InstructBLIP, BLIP-2, LLaVA or LLaVA-1.5, one that vistune wrote, or a hub name.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (the checkpoint's own), "float32", "bfloat16", "float16", or a torch dtype.
        trust_remote_code: run code that the checkpoint brings; never on unless asked.
        revision: branch, tag or commit of a hub name.

    Raises:
        CheckpointError, InputError: one sentence that says what is wrong and what to do.
    """
    from vistune.checkpoint import load_model

    place = choose_device(device)
    model, processor = load_model(
        path, device=place, dtype=dtype, trust_remote_code=trust_remote_code, revision=revision
    )
    return Predictor(model, processor)


def choose_device(device: str) -> str:
    """The device that the name means, if it is there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise InputError(f"Unknown device {device!r}; expected auto, cpu, cuda, cuda:N or mps.") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in available:
        raise InputError(f"Unknown device {device!r}; expected auto, cpu, cuda, cuda:N or mps.")
    if not available[kind]:
        raise InputError(f"Device {device!r} is not available here; use --device cpu, or auto.")
    if kind == "cuda" and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise InputError(f"Device {device!r} does not exist, there are {torch.cuda.device_count()} CUDA devices.")
    return device


class Predictor:
    """Answers about images by generation, streaming or ranking.

    ``images`` has one entry a prompt: a PIL image, a path, a list of them (several images, or video frames), or None.
    Prompts are what the user says; ``raw=True`` passes the text through as it is (with ``<image>`` in it for LLaVA
    types). Lists may have any length; ``batch_size`` changes speed and memory, never results.
    """

    def __init__(self, model: VisionLanguageModel, processor: Processor) -> None:
        self.model = model.eval()
        self.processor = processor

    def generate(
        self,
        images: Sequence[Images],
        prompts: Sequence[str],
        *,
        raw: bool = False,
        batch_size: int = 16,
        **arguments: Any,
    ) -> list[str]:
        """One answer a prompt. ``arguments``: see :class:`vistune.infer.settings.Arguments`."""
        return self.generate_encoded(self._encode(images, prompts, raw), batch_size=batch_size, **arguments)

    def generate_encoded(self, samples: Sequence[Encoded], *, batch_size: int = 16, **arguments: Any) -> list[str]:
        """As generate, over samples that are tokens already (and may bring cached image features)."""
        settings = self._settings(arguments)
        answers = [""] * len(samples)
        for rows in self._plan(samples, settings, batch_size):
            chosen = [samples[row] for row in rows]
            for row, ids in zip(rows, generate_batch(self.model, self.processor, chosen, settings, rows), strict=True):
                answers[row] = cut_at_stop(self.processor.decode(ids), settings.stop).strip()
        return answers

    def stream(self, image: Images, prompt: str, *, raw: bool = False, **arguments: Any) -> Iterator[str]:
        """The answer in pieces as they come; joined they are what ``generate`` returns for this one prompt."""
        settings = self._settings(arguments)
        if (settings.config.num_beams or 1) > 1:
            raise InputError(f"num_beams is {settings.config.num_beams}; streaming needs 1, as beams change late.")
        sample = self._encode([image], [prompt], raw)[0]
        self._check_room(sample, settings)
        queue: Queue[object] = Queue()
        streamer = TextStreamer(self.processor, settings.closing_ids, settings.stop, queue)

        def run(stop: Any) -> None:
            generate_batch(self.model, self.processor, [sample], settings, [0], [StopOnEvent(stop)], streamer)

        return iterate(run, queue)

    def rank(
        self,
        images: Sequence[Images],
        prompts: Sequence[str],
        candidates: Candidates,
        *,
        raw: bool = False,
        batch_size: int = 16,
        closing_token: bool | None = None,
        reduce: Literal["sum", "mean"] = "sum",
        top: int | None = None,
    ) -> list[Ranking]:
        """Vocabulary ranking (InstructBLIP section 2.5): each candidate's log-probability after the prompt.

        Args:
            candidates: one list of strings for all prompts, or one list a prompt.
            closing_token, reduce, top: see :class:`vistune.infer.ranking.RankOptions`.
        """
        lists = candidate_lists(candidates, len(prompts))
        samples = self._encode(images, prompts, raw)
        return self.rank_encoded(
            samples, lists, batch_size=batch_size, closing_token=closing_token, reduce=reduce, top=top
        )

    def rank_encoded(
        self,
        samples: Sequence[Encoded],
        candidates: Candidates,
        *,
        batch_size: int = 16,
        closing_token: bool | None = None,
        reduce: Literal["sum", "mean"] = "sum",
        top: int | None = None,
    ) -> list[Ranking]:
        """As rank, over samples that are tokens already (and may bring cached image features)."""
        options = RankOptions(closing_token, reduce, top)
        lists = candidate_lists(candidates, len(samples))
        for sample in samples:
            self._check_context(sample, 1, "a candidate")
        order = sorted(range(len(samples)), key=lambda row: len(samples[row].input_ids))
        results: dict[int, Ranking] = {}
        for start in range(0, len(order), _checked(batch_size)):
            rows = order[start : start + batch_size]
            ranked = rank_batch(
                self.model, self.processor, [samples[row] for row in rows], [lists[row] for row in rows], options
            )
            results.update(zip(rows, ranked, strict=True))
        return [results[row] for row in range(len(samples))]

    def _settings(self, arguments: dict[str, Any]) -> Settings:
        known = Arguments.__dataclass_fields__
        for name in arguments:
            if name not in known:
                raise InputError(f"Unknown argument {name!r}; expected one of {', '.join(known)}.")
        return resolve(Arguments(**arguments), self.model.generation_config, self.processor)

    def _encode(self, images: Sequence[Images], prompts: Sequence[str], raw: bool) -> list[Encoded]:
        if isinstance(prompts, str):
            raise InputError(f"prompts is the string {prompts!r}; expected a list of strings, one a prompt.")
        if not isinstance(images, list | tuple):
            raise InputError(f"images is {type(images).__name__}; expected a list with one entry a prompt.")
        if len(images) != len(prompts):
            raise InputError(
                f"There are {len(images)} entries in images for {len(prompts)} prompts; give one a prompt."
            )
        return [
            self.processor.encode_one(
                prompt, image if image is None else as_image_list(image), raw=raw, id=f"prompt {row}"
            )
            for row, (image, prompt) in enumerate(zip(images, prompts, strict=True))
        ]

    def _plan(self, samples: Sequence[Encoded], settings: Settings, batch_size: int) -> list[list[int]]:
        """Batches of rows with equal length limits, near in length."""
        groups: dict[tuple[int, int], list[int]] = {}
        for row, sample in enumerate(samples):
            self._check_room(sample, settings)
            limits = settings.lengths(len(sample.input_ids), self.processor.encoder_decoder)
            groups.setdefault(limits, []).append(row)
        size = _checked(batch_size)
        plan = []
        for rows in groups.values():
            rows.sort(key=lambda row: len(samples[row].input_ids))
            plan += [rows[start : start + size] for start in range(0, len(rows), size)]
        return plan

    def _check_room(self, sample: Encoded, settings: Settings) -> None:
        most, _ = settings.lengths(len(sample.input_ids), self.processor.encoder_decoder)
        self._check_context(sample, most, f"{most} new tokens")

    def _check_context(self, sample: Encoded, new_tokens: int, wanted: str) -> None:
        """Positions beyond the context are garbage (or a crash deep inside), so say it before."""
        context = getattr(self.model.config.language, "max_position_embeddings", None)
        if context is None or self.processor.encoder_decoder:
            return
        length = len(sample.input_ids)
        if length + new_tokens > context:
            tail = self.processor.decode([i for i in sample.input_ids if i != self.processor.image_token_id][-12:])
            raise InputError(
                f"The prompt has {length} tokens (images included) and {wanted} shall follow, but the language model "
                f"has {context} positions: shorten it by {length + new_tokens - context} tokens; it ends in {tail!r}."
            )


def _checked(batch_size: int) -> int:
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected at least 1.")
    return batch_size
