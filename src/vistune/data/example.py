"""One row of any data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from vistune.data.archives import ArchiveMember, ImageBytes
    from vistune.data.video import VideoFrames

    ImageRef = Image | Path | str | ArchiveMember | ImageBytes | VideoFrames


@dataclass(frozen=True)
class Example:
    """What a person would ask about pictures, and what would be right.

    A source fills in what the data set says (question, choices, ...); a template then writes ``instruction`` and
    ``target`` from it. Rows that come in words of their own (LLaVA-Instruct, one's own prompts) have ``instruction``
    and ``target``, or ``turns``, from the start.

    Args:
        id: unique within its data set.
        task: name of the data set or task, the key of per-task figures.
        instruction: the words put to the model, template already applied; "" until a template has written them.
        target: the answer to learn from; None where there is only something to predict, or one of ``answers`` to draw.
        images: pictures or paths, in reading order; several for multi-image rows or video frames; () for text alone.
        candidates: the answers to rank, or None.
        references: all acceptable answers for scoring; empty means (target,).
        turns: a conversation as (what the user says, what the assistant answers), all answers learned from;
            ``instruction`` and ``target`` are then unused. ``<image>`` in it says where a picture stands.
        question, context, ocr_tokens, choices, history, caption, lecture, rationale: what templates put into words; a
            statement to judge is a question, history is earlier (question, answer) rounds, context is a hint or the
            text on a meme.
        answers: right answers to learn from; one is drawn anew each epoch, repeated ones more often (as VQA sets give
            one a person asked).
        source_ids: names of the pictures across data sets, such as "coco:522418", "vg:2370799", "flickr:1000092795".
        parts: of the data set that results are also told for apart, such as "near-domain" (NoCaps), "SOC" (ScienceQA).
    """

    id: str
    task: str
    instruction: str = ""
    target: str | None = None
    images: tuple[ImageRef, ...] = ()
    candidates: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()
    question: str = ""
    context: str = ""
    ocr_tokens: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    history: tuple[tuple[str, str], ...] = ()
    caption: str = ""
    lecture: str = ""
    rationale: str = ""
    answers: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
