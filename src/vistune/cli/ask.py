"""`vistune ask`: one question about one or more pictures, answered in words or by ranking given answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vistune.cli.effect import refuse_without_effect

if TYPE_CHECKING:
    from vistune.infer.ranking import Ranking


def ask(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A checkpoint folder, or a name on the hub.")],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="Picture files; several go into one question.")
    ] = None,
    *,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to ask, in quotes.")],
    choices: Annotated[
        str | None, typer.Option("--choices", metavar="A|B|C", help="Rank these answers instead of writing one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")] = "auto",
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a hub name.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Pass PROMPT through without the chat format.")] = False,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", help="Longest answer in tokens.")] = None,
    min_new_tokens: Annotated[int | None, typer.Option("--min-new-tokens", help="Shortest answer in tokens.")] = None,
    num_beams: Annotated[int | None, typer.Option("--num-beams", help="Beam search with so many beams.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Sample instead of greedy.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Sample from this share of probability.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes sampling repeatable.")] = None,
    repetition_penalty: Annotated[float | None, typer.Option("--repetition-penalty", help="1 is none.")] = None,
    length_penalty: Annotated[float | None, typer.Option("--length-penalty", help="With beams.")] = None,
    stop: Annotated[list[str] | None, typer.Option("--stop", help="End the answer before this text.")] = None,
) -> None:
    """Ask a model about a picture, about several, or about none.

    Settings that are not given come from the checkpoint's generation config.

    [bold]Examples:[/bold]
      vistune ask runs/demo/llava photo.jpg "What is in the picture?"
      vistune ask runs/demo/llava photo.jpg "Is there a dog?" --choices "yes|no"
    """
    _check_order(prompt)
    settings = {
        "max_new_tokens": max_new_tokens,
        "min_new_tokens": min_new_tokens,
        "num_beams": num_beams,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
        "repetition_penalty": repetition_penalty,
        "length_penalty": length_penalty,
        "stop": stop or None,
    }
    if choices is not None:
        refuse_without_effect(ctx, list(settings), "--choices ranks the given answers and writes none")
    import vistune

    predictor = vistune.load(model, device=device, dtype=dtype, trust_remote_code=trust_remote_code, revision=revision)
    pictures = [list(images) if images else None]
    record: dict[str, Any] = {"model": model, "images": [str(path) for path in images or []], "prompt": prompt}
    if choices is not None:
        [ranking] = predictor.rank(pictures, [prompt], [choice.strip() for choice in choices.split("|")], raw=raw)
        _print_ranking(ranking, record, as_json)
        return
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    [answer] = predictor.generate(pictures, [prompt], raw=raw, **given)
    typer.echo(json.dumps({**record, "answer": answer}, ensure_ascii=False) if as_json else answer)


def _check_order(prompt: str) -> None:
    """Catch a forgotten prompt, which would turn the last picture into one."""
    if Path(prompt[:255]).is_file():
        raise typer.BadParameter(
            f"the last argument, {prompt!r}, is a file; put the prompt in quotes behind the picture(s).",
            param_hint="PROMPT",
        )


def _print_ranking(ranking: Ranking, record: dict[str, Any], as_json: bool) -> None:
    scored = [{"text": ranking.candidates[i], "score": ranking.scores[i]} for i in ranking.order]
    if as_json:
        typer.echo(json.dumps({**record, "answer": ranking.answer, "choices": scored}, ensure_ascii=False))
        return
    width = max(len(choice) for choice in ranking.candidates)
    for row in scored:
        typer.echo(f"{row['text']:<{width}}  {row['score']:8.3f}")
