"""A conversation as the tokens that the model was trained to go on from.

With a chat template, turns are put as training puts them. Without one (InstructBLIP, BLIP-2) a single message is the
prompt as it is, and earlier rounds stand in front as the data sets of dialogue have them: "Question: ... Answer: ...".
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.serve.messages import Conversation, Part
from vistune.serve.pictures import Picture, open_picture
from vistune.serve.refusal import Refusal

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from vistune.data.batch import Encoded
    from vistune.data.processor import Processor

Words = tuple[tuple[str, str | None], ...]


class Prompts:
    """Makes prompts for one model.

    Args:
        processor: its. context: most tokens of prompt and answer. image_root: see `open_picture`.
    """

    def __init__(self, processor: Processor, context: int, image_root: Path | None = None) -> None:
        self.processor = processor
        self.context = context
        self.image_root = image_root
        # Some tokenizers are changed while they are used.
        self._lock = threading.Lock()

    def encode(self, conversation: Conversation) -> Encoded:
        """One sample, with its pictures opened.

        Raises:
            Refusal: it does not fit the model, or a picture cannot be used.
        """
        from vistune.data.batch import Encoded

        pictures = conversation.pictures
        self._check_pictures(len(pictures))
        with self._lock:
            ids, seen = self._tokens(conversation, len(pictures))
            instruction = self.processor.instruction_ids(seen) if pictures else None
        if len(ids) >= self.context:
            raise Refusal(
                f"The prompt has {len(ids)} tokens, pictures included, but the model has {self.context} positions for "
                "prompt and answer; shorten it.",
                param="messages",
                code="context_length_exceeded",
            )
        return Encoded("request", ids, None, instruction, self._pixels(pictures))

    def _pixels(self, pictures: Sequence[Picture]) -> Tensor | None:
        """One picture after the other: all of a request's at once could fill memory."""
        import torch

        found = [self.processor.pixels(self._opened(picture)) for picture in pictures]
        return torch.cat([pixels for pixels in found if pixels is not None]) if found else None

    def _opened(self, picture: Picture) -> Image:
        from vistune.data.images import MAX_PIXELS

        image = open_picture(picture, self.image_root)
        square = max(image.size) ** 2
        if getattr(self.processor.image_processor, "do_pad", False) and square > MAX_PIXELS:
            raise Refusal(
                f"{picture.place} has {image.width}x{image.height} pixels; this model sees the square around it, of "
                f"{square / 1e6:.0f} megapixels, and at most {MAX_PIXELS / 1e6:.0f} are taken; make it smaller first.",
                param=picture.place,
                code="invalid_image",
            )
        return image

    def _check_pictures(self, number: int) -> None:
        each = self.processor.num_image_tokens
        most = (self.context - 1) // each
        if number > most:
            raise Refusal(
                f"The request has {number} pictures of {each} tokens each, but the model has {self.context} positions; "
                f"send at most {most}.",
                param="messages",
                code="context_length_exceeded",
            )

    def _tokens(self, conversation: Conversation, num_images: int) -> tuple[list[int], str]:
        """Token ids, and what a Q-Former that reads the instruction sees of the words."""
        plain = self.processor.plain_words.answer
        system = plain(conversation.system)
        if self.processor.chat_template is None:
            turns = tuple((plain(_words(said)), answer and plain(answer)) for said, answer in conversation.turns)
            prompt = without_template(system, turns)
            return self.processor.prompt_ids(prompt, num_images), prompt
        marked = tuple((self._marked(said), answer and plain(answer)) for said, answer in conversation.turns)
        # As in training: the Q-Former's instruction is the first question.
        first = plain(_words(conversation.turns[0][0]))
        return self.processor.formatted_ids(self._rendered(system, marked), num_images), first

    def _marked(self, said: Sequence[Part]) -> str:
        """A user's words with a mark for each picture; a single picture stands in front, as in training."""
        plain, mark = self.processor.plain_words.answer, self.processor.image_token + "\n"
        shown = sum(not isinstance(part, str) for part in said)
        if shown == 1:
            return mark + plain(_words(said))
        return "".join(plain(part) if isinstance(part, str) else mark for part in said)

    def _rendered(self, system: str, turns: Words) -> str:
        """By the chat template. System messages that it has no place for stand before the first question."""
        from jinja2 import TemplateError

        template, tokenizer = self.processor.chat_format(), self.processor.tokenizer
        try:
            text = template.prompt(turns, tokenizer, system)
            if system.strip() in text:
                return text
        except TemplateError as error:
            if not system:
                raise Refusal(f"The model's chat template refuses the messages: {error}", param="messages") from error
        front, rest = _split_marks(turns[0][0], self.processor.image_token + "\n")
        merged = ((f"{front}{system}\n\n{rest}", turns[0][1]), *turns[1:])
        try:
            return template.prompt(merged, tokenizer)
        except TemplateError as error:
            raise Refusal(f"The model's chat template refuses the messages: {error}", param="messages") from error


def without_template(system: str, turns: Words) -> str:
    """The prompt of a model without a chat template.

    One message alone is the prompt. Earlier rounds are put as Visual Dialog's history is, and the question like them;
    words of the system stand in front, an empty line between.
    """
    from vistune.data.templates.write import history_text

    question = turns[-1][0]
    if len(turns) > 1:
        rounds = history_text([(said, str(answer)) for said, answer in turns[:-1]])
        question = f"{rounds} Question: {question} Answer:"
    return f"{system}\n\n{question}" if system else question


def _words(said: Sequence[Part]) -> str:
    return "\n".join(part for part in said if isinstance(part, str))


def _split_marks(words: str, mark: str) -> tuple[str, str]:
    front = ""
    while words.startswith(mark):
        front, words = front + mark, words[len(mark) :]
    return front, words
