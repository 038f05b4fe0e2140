"""A checkpoint's own chat template as a conversation format: the answers are found, and checked, in what it renders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vistune.data.formats.published import closing
from vistune.data.formats.spans import Span, Turn
from vistune.errors import DataError

Message = dict[str, Any]

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class ChatTemplate:
    """Renders growing lists of messages; what an answer adds to its prompt is the answer and what closes it.

    Where the prompt of an answer is no beginning of the text with the answer (templates that ignore
    ``add_generation_prompt``, or rewrite earlier turns), the template's ``{% generation %}`` blocks say where answers
    stand. An answer that no special token closes gets the tokenizer's eos in place of the white space behind it, as
    LLaVA's templates on the hub need it.

    Args:
        template: Jinja. image_token: what stands for a picture in turns and in the rendered text.
    """

    template: str
    image_token: str = "<image>"

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """See `ConversationFormat`.

        Raises:
            DataError: the answers cannot be found in what the template renders; the text is shown.
        """
        try:
            return self._grow(turns, tokenizer)
        except DataError:
            if not _GENERATION.search(self.template) or turns[-1][1] is None:
                raise
            return self._marked(turns, tokenizer)

    def prompt(self, turns: Sequence[Turn], tokenizer: Any, system: str = "") -> str:
        """What inference puts in: the last turn has no answer yet. ``system``: a message in front, if any."""
        front: list[Message] = [{"role": "system", "content": self._content(system)}] if system else []
        return self._apply([*front, *self._messages(turns)], tokenizer, generate=True)

    def _grow(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        messages = self._messages(turns)
        spans: list[Span] = []
        before = ""
        for number, (_, answer) in enumerate(turns):
            prompt = self._apply(messages[: 2 * number + 1], tokenizer, generate=True)
            spans.append(Span(_added(prompt, before, "the next question")))
            if answer is None:
                break
            before = self._apply(messages[: 2 * number + 2], tokenizer, generate=False)
            learned, rest = _close(_added(before, prompt, "the answer"), answer, tokenizer)
            spans += [Span(learned, learned=True), Span(rest)]
        return [span for span in spans if span.text]

    def _marked(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """Spans by the template's generation blocks."""
        from transformers.utils.chat_template_utils import render_jinja_template

        special: dict[str, Any] = {k: v for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)}
        rendered: Any = render_jinja_template(
            [self._messages(turns)], chat_template=self.template, return_assistant_tokens_mask=True, **special
        )
        text: str = rendered[0][0]
        blocks: list[tuple[int, int]] = rendered[1][0]
        if len(blocks) != len(turns):
            raise DataError(
                f"The chat template marks {len(blocks)} answers of {len(turns)} in {_shortened(text)}; give it one "
                "generation block around each answer."
            )
        spans: list[Span] = []
        end = 0
        for (begin, stop), (_, answer) in zip(blocks, turns, strict=True):
            spans.append(Span(text[end:begin]))
            # What closes the answer may stand just behind the block.
            following = text[stop:]
            tail = following[: len(following) - len(following.lstrip())] + _special_at(following.lstrip(), tokenizer)
            tail = tail if tail.strip() else ""
            learned, rest = _close(text[begin:stop] + tail, str(answer), tokenizer)
            spans += [Span(learned, learned=True), Span(rest)]
            end = stop + len(tail)
        return [span for span in (*spans, Span(text[end:])) if span.text]

    def _apply(self, messages: Sequence[Message], tokenizer: Any, generate: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            list(messages), chat_template=self.template, tokenize=False, add_generation_prompt=generate
        )
        return text

    def _messages(self, turns: Sequence[Turn]) -> list[Message]:
        messages = []
        for question, answer in turns:
            messages.append({"role": "user", "content": self._content(question)})
            if answer is not None:
                messages.append({"role": "assistant", "content": self._content(answer)})
        return messages

    def _content(self, words: str) -> Any:
        """Words and pictures as the template reads them: parts with types, or one string."""
        if not self._reads_parts:
            return words
        parts: list[dict[str, str]] = []
        for number, text in enumerate(words.split(self.image_token)):
            parts += [{"type": "image"}] if number else []
            # The newline behind a picture is the template's to write.
            text = text.removeprefix("\n") if number else text
            parts += [{"type": "text", "text": text}] if text else []
        return parts

    @property
    def _reads_parts(self) -> bool:
        return "image" in self.template or re.search(r"""\[['"]type['"]\]|\.type\b""", self.template) is not None


def _added(text: str, before: str, what: str) -> str:
    if not text.startswith(before):
        raise DataError(
            f"The chat template changes what stood there when {what} is added: {_shortened(before)} became "
            f"{_shortened(text)}; use a format by name, or put {{% generation %}} around the template's answers."
        )
    return text[len(before) :]


def _close(rendered: str, answer: str, tokenizer: Any) -> tuple[str, str]:
    """What is learned of an answer as rendered, and what the template writes behind it.

    Raises:
        DataError: it does not begin with the answer's words, or other text than a special token stands behind them.
    """
    words = answer.strip()
    begin = len(rendered) - len(rendered.lstrip())
    if not words or not rendered[begin:].startswith(words):
        raise DataError(
            f"The chat template renders the answer {_shortened(answer)} as {_shortened(rendered)}; expected its words "
            "and then a closing token. Use a format by name, or a template that leads to the answer's words."
        )
    end = begin + len(words)
    tail = rendered[end:]
    space = len(tail) - len(tail.lstrip())
    token = _special_at(tail[space:], tokenizer)
    if token:
        end += space + len(token)
        return rendered[:end], rendered[end:]
    if tail.strip():
        raise DataError(
            f"The chat template ends the answer {_shortened(answer)} with {_shortened(tail)}, where no special token "
            "closes it; use a format by name, or a template that closes answers with one."
        )
    return rendered[:end] + closing(tokenizer), ""


def _special_at(text: str, tokenizer: Any) -> str:
    """The longest special token that a text begins with, or "" """
    known = {*tokenizer.all_special_tokens, *(str(token) for token in tokenizer.get_added_vocab())}
    if tokenizer.bos_token != tokenizer.eos_token:
        known.discard(tokenizer.bos_token)  # begins the next turn in some templates
    return max((token for token in known if text.startswith(token)), key=len, default="")


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 160 else f"{text[:80]} ... {text[-80:]}")
