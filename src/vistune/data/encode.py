"""An Example as token lists in a conversation format; pictures stay closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vistune.data.bad_rows import BadRow, Reason
from vistune.data.batch import IGNORE, Encoded
from vistune.data.formats import CHAT_TEMPLATE, NONE, Turn, get_format
from vistune.data.formats.registry import canonical
from vistune.data.formats.tokens import tokenise
from vistune.data.images import count_images
from vistune.data.plain_words import MARK
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.formats import ConversationFormat
    from vistune.data.processor import Processor


def encode_example(processor: Processor, example: Example, format: str | None = None) -> Encoded:
    """Tokens and labels of an example whose instruction and target, or turns, are written.

    Special tokens in its words are written apart (`PlainWords`): only the format itself opens, closes and shows.

    Args:
        format: name of a conversation format; None: the checkpoint's own.

    Returns:
        ``images`` as references, without pixels; ``labels`` None where the last answer is missing.

    Raises:
        BadRow: marks ``<image>`` that do not fit the pictures. DataError: turns or tokenizer do not fit the format.
        RecipeError, InputError: an unknown format, or one that the model cannot take.
    """
    name = canonical(format) if format is not None else own_format(processor)
    plain = processor.plain_words
    turns = [
        (plain.question(question), answer and plain.answer(answer))
        for question, answer in example.turns or ((example.instruction, example.target),)
    ]
    marked = place_images(turns, example, processor)
    num_images = count_images(example.images)
    if name == NONE:
        ids, labels = _apart(processor, marked, num_images, example)
    else:
        ids, labels = _together(processor, marked, num_images, _format(processor, name))
    words = "" if name == "plain" else _without_marks(turns[0][0])
    return Encoded(
        id=example.id,
        input_ids=ids,
        labels=labels,
        instruction_ids=processor.instruction_ids(words) if num_images else None,
        images=example.images,
    )


def own_format(processor: Processor) -> str:
    """The format that the checkpoint answers in: its chat template, or none."""
    return NONE if processor.chat_template is None else CHAT_TEMPLATE


def place_images(turns: Sequence[Turn], example: Example, processor: Processor) -> list[Turn]:
    """The turns with a mark for every picture; without any where the model puts pictures in front by itself.

    One mark in a turn moves to its front, on a line of its own, as LLaVA trains (train.py, preprocess_multimodal);
    several in one turn stay where they are. Without marks all pictures stand in front of the first turn. A mark may
    stand for a whole video.

    Raises:
        BadRow: the number of marks does not fit the pictures.
    """
    marks = sum(question.count(MARK) for question, _ in turns)
    frames = [count_images([ref]) for ref in example.images]
    if marks not in (0, len(frames), sum(frames)):
        raise BadRow(
            Reason.MISSING_IMAGE,
            f"the row {example.id!r} has {marks} {MARK} for {len(frames)} images; expected one each, or none.",
        )
    if processor.image_first:
        return [(_without_marks(question), _stripped(answer)) for question, answer in turns]
    repeats = iter(frames if marks == len(frames) else [1] * marks)
    token = processor.image_token
    placed: list[Turn] = []
    for number, (question, answer) in enumerate(turns):
        if not marks and number == 0:
            words = (token + "\n") * sum(frames) + question
        else:
            words = _marked(question, repeats, token)
        placed.append((words, _stripped(answer)))
    return placed


def _marked(question: str, repeats: Iterator[int], token: str) -> str:
    parts = question.split(MARK)
    if len(parts) == 1:
        return question
    if len(parts) == 2:
        return (token + "\n") * next(repeats) + _without_marks(question)
    return parts[0] + "".join(token * next(repeats) + part for part in parts[1:])


def _without_marks(question: str) -> str:
    return question.replace(MARK, "").strip() if MARK in question else question


def _stripped(answer: str | None) -> str | None:
    return None if answer is None else answer.strip()


def _format(processor: Processor, name: str) -> ConversationFormat:
    if processor.encoder_decoder:
        raise InputError(
            f"The conversation format {name!r} puts answers behind prompts, but this language model is an "
            f"encoder-decoder; use {NONE!r}."
        )
    return processor.chat_format() if name == CHAT_TEMPLATE else get_format(name)


def _together(
    processor: Processor, turns: Sequence[Turn], num_images: int, format: ConversationFormat
) -> tuple[list[int], list[int] | None]:
    """Prompt and answers as one text, tokenised once."""
    spans = format.render(turns, processor.tokenizer)
    ids, labels = _with_placeholders(processor, *tokenise(spans, processor.tokenizer), num_images)
    return ids, None if turns[-1][1] is None else labels


def _with_placeholders(
    processor: Processor, ids: list[int], labels: list[int], num_images: int
) -> tuple[list[int], list[int]]:
    """Token ids and labels with ``num_image_tokens`` placeholders for each image, which are not learned from."""
    token, number = processor.image_token_id, processor.num_image_tokens
    marks = ids.count(token)
    if marks != (0 if processor.image_first else num_images):
        raise InputError(
            f"The text has {marks} {processor.image_token} for {num_images} images; this model puts an image "
            f"{'before the prompt by itself' if processor.image_first else 'where that stands'}."
        )
    if processor.image_first:
        front = number * num_images
        return [token] * front + ids, [IGNORE] * front + labels
    repeats = [number if item == token else 1 for item in ids]
    return (
        [item for item, count in zip(ids, repeats, strict=True) for _ in range(count)],
        [label for label, count in zip(labels, repeats, strict=True) for _ in range(count)],
    )


def _apart(
    processor: Processor, turns: Sequence[Turn], num_images: int, example: Example
) -> tuple[list[int], list[int] | None]:
    """Prompt and answer tokenised on their own, as LAVIS does (facts of `Processor.encode_one`)."""
    if len(turns) != 1:
        raise BadRow(
            Reason.MISSING_FIELD,
            f"the row {example.id!r} is a conversation of {len(turns)} turns, which the format {NONE!r} cannot hold; "
            "use `turns: split`, or another format.",
        )
    question, answer = turns[0]
    ids = processor.prompt_ids(question, num_images, raw=True)
    if answer is None:
        return ids, None
    target = processor.target_ids(answer)
    if processor.encoder_decoder:
        return ids, target
    return ids + target, [IGNORE] * len(ids) + target
