"""A protocol, applied to a benchmark: the words as sent, the way of answering, decoding, the answer in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vistune.data.templates.files import Style, load_templates
from vistune.data.templates.template import Template
from vistune.data.templates.write import write
from vistune.errors import RecipeError
from vistune.evaluate.protocols.extract import Extract, extracted

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.base import Benchmark
    from vistune.evaluate.benchmarks.spec import Answering
    from vistune.evaluate.protocols.schema import Wording

_LETTER = "{letter}"
# Captions of the picture world are short; the demo writes as many tokens.
_WORLD_DECODING = {"num_beams": 1, "max_new_tokens": 64}


@dataclass(frozen=True)
class Protocol:
    """How benchmarks are put to a model; see `vistune.evaluate.protocols.schema.ProtocolFile` for the fields.

    decoding, answer_by_form, extract_by_form: by form, "all" for every form.
    """

    name: str
    title: str
    source: str
    style: Style
    prompts: Mapping[str, Wording] = field(repr=False)
    forms: Mapping[str, Wording] = field(repr=False)
    answer_by_form: Mapping[str, Answering] = field(repr=False)
    decoding_by_form: Mapping[str, Mapping[str, Any]] = field(repr=False)
    extract_by_form: Mapping[str, Extract] = field(repr=False)
    closing_token: bool | None = None
    reduce: str = "sum"

    def answering(self, benchmark: Benchmark) -> Answering:
        """How it is answered: "generate", "rank", or "score" for retrieval. The picture world has its own way."""
        if benchmark.answer == "score" or benchmark.source == "world":
            return benchmark.answer
        wording = self._wording(benchmark)
        by_form = self.answer_by_form.get(benchmark.form, self.answer_by_form.get("all"))
        return (wording.answer if wording else None) or by_form or benchmark.answer

    def template(self, name: str) -> Template | None:
        """The words for a benchmark, or for all of a data set, where the protocol names it."""
        wording = self.prompts.get(name)
        if wording is None:
            return None
        return Template(wording.text, wording.target, wording.published, self.source if wording.published else "")

    def prompt(self, benchmark: Benchmark, example: Example) -> Example:
        """The row with its instruction as sent.

        ``candidates`` are those to rank, all words of two-way sets and letters where letters are answered; None where
        an answer is generated. Rows that bring their own words (the picture world's) keep them.

        Raises:
            RecipeError: the protocol has no words for the benchmark.
            BadRow: the row lacks a field that the words need.
        """
        how = self.answering(benchmark)
        if how == "score":
            return example
        if benchmark.source == "world":
            written = self._in_style(benchmark, example)
        else:
            written = write(example, self._template(benchmark))
        if how == "generate":
            return replace(written, candidates=None)
        if benchmark.verbalizers:
            words = tuple(word for listed in benchmark.verbalizers.values() for word in listed)
            return replace(written, candidates=words)
        return written

    def decoding(self, benchmark: Benchmark) -> dict[str, Any]:
        """Arguments of `Predictor.generate`: beams, lengths, penalties. Nothing is drawn at random.

        Raises:
            RecipeError: the shortest answer may not be shorter than the longest.
        """
        if benchmark.source == "world":
            return {"do_sample": False, **_WORLD_DECODING}
        wording = self._wording(benchmark)
        settings = {
            **self.decoding_by_form.get("all", {}),
            **self.decoding_by_form.get(benchmark.form, {}),
            **(wording.decoding.given() if wording else {}),
        }
        fewest, most = settings.get("min_new_tokens", 0), settings.get("max_new_tokens")
        if most is not None and fewest > most:
            raise RecipeError(
                f"The protocol {self.name!r} has answers to {benchmark.name} of at least {fewest} and at most {most} "
                "tokens; change min_new_tokens or max_new_tokens under `decoding`."
            )
        return {"do_sample": False, **settings}

    def ranking(self, benchmark: Benchmark) -> dict[str, Any]:
        """Arguments of `Predictor.rank` beside the candidates; what the protocol's file says stands before all else."""
        closing = benchmark.closing_token if self.closing_token is None else self.closing_token
        return {"closing_token": closing, "reduce": self.reduce}

    def extract(self, benchmark: Benchmark, example: Example, text: str) -> str:
        """The answer in what the model wrote; of choices the choice's own words, "" where it names none.

        Args:
            example: as the benchmark has it, not in words.
        """
        return extracted(self._extract(benchmark), text, example)

    def settings(self, benchmark: Benchmark) -> dict[str, Any]:
        """All that decides an answer beside model and data, for keys and reports."""
        how = self.answering(benchmark)
        found: dict[str, Any] = {"protocol": self.name, "answering": how}
        if how == "score":
            return found
        if benchmark.source != "world":
            template = self._template(benchmark)
            found |= {"prompt": template.text, "published_prompt": template.published}
        elif self.style != "instruction":
            found["style"] = self.style
        if how == "rank":
            return found | {"ranking": self.ranking(benchmark)}
        return found | {"decoding": self.decoding(benchmark), "extract": self._extract(benchmark)}

    def _wording(self, benchmark: Benchmark) -> Wording | None:
        """The benchmark's own entry, else its data set's, else its form's; direct answers are no choices."""
        names = [benchmark.name] if benchmark.direct else [benchmark.name, benchmark.source]
        return next((self.prompts[name] for name in names if name in self.prompts), self.forms.get(benchmark.form))

    def _template(self, benchmark: Benchmark) -> Template:
        info = benchmark.info
        if self.style != "instruction" and info is not None:
            # The identifier of a held-out set names its task alone (InstructBLIP section 3.4).
            title = "" if info.role != "held-in" else info.title
            return load_templates(info.templates or info.group, self.style, title)[0]
        wording = self._wording(benchmark)
        if wording is None:
            raise RecipeError(
                f"The protocol {self.name!r} has no words for {benchmark.name} or for the form {benchmark.form!r}; "
                "add them under `prompts`."
            )
        return Template(wording.text, wording.target, wording.published, self.source if wording.published else "")

    def _extract(self, benchmark: Benchmark) -> Extract:
        wording = self._wording(benchmark)
        if self.style == "instruction" and wording is not None:
            if wording.extract is not None:
                return wording.extract
            if wording.target == _LETTER:
                return "letter"
        given = self.extract_by_form.get(benchmark.form, self.extract_by_form.get("all"))
        return given or ("choice" if benchmark.form == "choice" and benchmark.source != "world" else "text")

    def _in_style(self, benchmark: Benchmark, example: Example) -> Example:
        from vistune.train.run.data import in_style

        return in_style([example], benchmark.task, self.style, benchmark.role == "held-out")[0]
