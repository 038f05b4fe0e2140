"""The conversation formats of LLaVA, as its checkpoints were trained (conversation.py and train.py of the release)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vistune.data.formats.spans import Span, Turn
from vistune.errors import DataError

SYSTEM_HUMAN = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
"""Of v0 and of llava_v1, which the release's own demo takes for v1 checkpoints."""

SYSTEM_USER = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
"""Of v1 (vicuna_v1): what v1 checkpoints are trained and evaluated with."""

SYSTEM_LLAMA_2 = (
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  "
    "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. "
    "Please ensure that your responses are socially unbiased and positive in nature.\n\n"
    "If a question does not make any sense, or is not factually coherent, explain why instead of answering something "
    "not correct. If you don't know the answer to a question, please don't share false information."
)
SYSTEM_LLAVA_LLAMA_2 = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
SYSTEM_MPT = (
    "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."
)
SYSTEM_CHATML = "Answer the questions."


@dataclass(frozen=True)
class Plain:
    """Stage 1: picture and caption alone, no roles. Caption and newline are learned; the question is thrown away."""

    image_token: str = "<image>"

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """See `ConversationFormat`."""
        if len(turns) != 1:
            raise DataError(
                f"The format 'plain' takes one caption a sample, but here are {len(turns)} turns; split them, or use "
                "a format with roles such as 'v1'."
            )
        question, caption = turns[0]
        marks = Span(self.image_token * question.count(self.image_token))
        return [marks] if caption is None else [marks, Span(f"{caption}\n", learned=True)]


@dataclass(frozen=True)
class Single:
    """v0: ``### Human: ...``, ``### Assistant: ...``, each on a line; answer and the next ``###`` are learned.

    ``###`` makes generation stop. This is the text of training (train.py, preprocess); the release's demo writes
    ``###Human: ...###`` without spaces and newlines, and one of its two v0 prompts has an example conversation in
    front.
    """

    system: str
    roles: tuple[str, str] = ("Human", "Assistant")

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """See `ConversationFormat`."""
        user, assistant = self.roles
        spans = [Span(f"{self.system}\n\n###")]
        for question, answer in turns:
            spans.append(Span(f" {user}: {question}\n### {assistant}:"))
            spans += [] if answer is None else [Span(f" {answer}\n###", learned=True)]
        return spans if turns[-1][1] is None else [*spans, Span(" ")]


@dataclass(frozen=True)
class Two:
    """v1: ``USER: ... ASSISTANT: ...</s>``; answer and closing token are learned."""

    system: str
    roles: tuple[str, str] = ("USER", "ASSISTANT")

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """See `ConversationFormat`."""
        user, assistant = self.roles
        spans = [Span(f"{self.system} ")]
        for question, answer in turns:
            spans.append(Span(f"{user}: {question} {assistant}:"))
            spans += [] if answer is None else [Span(f" {answer}{closing(tokenizer)}", learned=True)]
        return spans


@dataclass(frozen=True)
class Instruct:
    """llama_2: ``[INST] <<SYS>> ... <</SYS>> ... [/INST] ... </s>``; answer and closing token are learned."""

    system: str = ""
    with_bos: bool = True

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """See `ConversationFormat`."""
        bos = (tokenizer.bos_token or "") if self.with_bos else ""
        spans = []
        for number, (question, answer) in enumerate(turns):
            system = f"<<SYS>>\n{self.system}\n<</SYS>>\n\n" if self.system and number == 0 else ""
            # The tokenizer itself puts BOS in front of the first turn.
            spans.append(Span(f"{bos if number else ''}[INST] {system}{question} [/INST]"))
            spans += [] if answer is None else [Span(f" {answer} {closing(tokenizer)}", learned=True)]
        return spans


@dataclass(frozen=True)
class ChatMl:
    """mpt: ``<|im_start|>role``, newline, words, ``<|im_end|>``, nothing in between; answer and end are learned."""

    system: str
    start: str = "<|im_start|>"
    end: str = "<|im_end|>"

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """See `ConversationFormat`."""
        for token in (self.start, self.end):
            if tokenizer.convert_tokens_to_ids(token) in (None, tokenizer.unk_token_id):
                raise DataError(
                    f"This conversation format needs the token {token!r}, which the tokenizer does not have; use 'v1', "
                    "'chat_template', or add it to the checkpoint's tokenizer."
                )
        spans = [Span(f"{self.start}system\n{self.system}{self.end}")]
        for question, answer in turns:
            spans.append(Span(f"{self.start}user\n{question}{self.end}{self.start}assistant\n"))
            spans += [] if answer is None else [Span(f"{answer}{self.end}", learned=True)]
        return spans


def closing(tokenizer: Any) -> str:
    """Text of the token that ends an answer: ``</s>`` in the release, here whatever the tokenizer has for it.

    Raises:
        DataError: the tokenizer has none.
    """
    if tokenizer.eos_token is None:
        raise DataError("The tokenizer has no eos token, so an answer could not be closed; set one in the checkpoint.")
    return str(tokenizer.eos_token)
