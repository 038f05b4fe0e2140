"""What stands in a protocol's YAML file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vistune.data.templates.files import Style
from vistune.data.templates.template import Template
from vistune.errors import RecipeError
from vistune.evaluate.benchmarks.spec import Form
from vistune.evaluate.protocols.extract import Extract

Way = Literal["generate", "rank"]
"""How a protocol may have answers given; all pairs are compared for retrieval alone, whatever the protocol."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decoding(_Strict):
    """Settings of generation as in `vistune.infer.settings.Arguments`; what is not given keeps its value from above.

    Answers are never drawn at random: a benchmark's figure must be the same whenever it is measured.
    """

    num_beams: int | None = Field(default=None, ge=1)
    max_new_tokens: int | None = Field(default=None, ge=1)
    min_new_tokens: int | None = Field(default=None, ge=0)
    length_penalty: float | None = Field(default=None, allow_inf_nan=False)
    repetition_penalty: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    penalize_prompt: bool | None = None
    no_repeat_ngram_size: int | None = Field(default=None, ge=0)

    def given(self) -> dict[str, Any]:
        """The settings that are set."""
        return self.model_dump(exclude_none=True)


class Wording(_Strict):
    """How one benchmark, or all of one form, is asked.

    Args:
        text, target: as in `vistune.data.templates.Template`; the target "{letter}" says that letters are answered.
        published: whether a paper prints the text so.
        answer: how it is answered, where that differs. decoding: what differs. extract: likewise.
    """

    text: str
    target: str = "{answer}"
    published: bool = False
    answer: Way | None = None
    decoding: Decoding = Decoding()
    extract: Extract | None = None

    @field_validator("text", "target")
    @classmethod
    def _is_a_template(cls, text: str) -> str:
        try:
            Template(text)
        except RecipeError as error:
            told = str(error).removeprefix(f"The template {text!r} ").rstrip(".")
            raise ValueError(f"which {told}") from error
        return text


class ProtocolFile(_Strict):
    """A protocol.

    Args:
        title: for reports. source: paper and section of what is published.
        extends: a packaged protocol, or a file beside this one, whose entries hold where this one has none.
        style: "plain" and "identifier" take the words of InstructBLIP's multitask baselines instead of ``prompts``.
        prompts: by benchmark, or by data set for all benchmarks of it. forms: for benchmarks that ``prompts`` lacks.
        answer: by form, how it is answered where the benchmark's own way does not hold; "all" for every form.
        decoding: by form; "all" for every form. extract: likewise.
        closing_token: whether the closing token of candidates counts in ranking; null: as published, for
            encoder-decoders only. reduce: "sum" as published, or "mean" over a candidate's tokens.
    """

    title: str = ""
    source: str = ""
    extends: str = ""
    style: Style | None = None
    prompts: dict[str, Wording] = Field(default_factory=dict)
    forms: dict[Form, Wording] = Field(default_factory=dict)
    answer: dict[Form | Literal["all"], Way] = Field(default_factory=dict)
    decoding: dict[Form | Literal["all"], Decoding] = Field(default_factory=dict)
    extract: dict[Form | Literal["all"], Extract] = Field(default_factory=dict)
    closing_token: bool | None = None
    reduce: Literal["sum", "mean"] | None = None
