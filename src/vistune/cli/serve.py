"""`vistune serve`: one model behind an OpenAI-compatible HTTP server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A checkpoint folder, or a name on the hub.")],
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    served_name: Annotated[
        str | None,
        typer.Option("--served-name", metavar="NAME", help="The model's name in requests.", show_default="MODEL"),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")] = "auto",
    max_batch: Annotated[int, typer.Option("--max-batch", min=1, help="Most answers written at once.")] = 8,
    max_queue: Annotated[int, typer.Option("--max-queue", min=1, help="Most answers that wait.")] = 64,
    image_root: Annotated[
        Path | None, typer.Option("--image-root", help="Folder whose files file:// URLs may name.")
    ] = None,
    grace: Annotated[float, typer.Option("--grace", min=0.0, help="Seconds for running answers at the end.")] = 30.0,
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a hub name.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.")
    ] = False,
) -> None:
    """Serve a model to any client of OpenAI's chat protocol.

    With VISTUNE_API_KEY in the environment, requests must bring that key.

    [bold]Examples:[/bold]
      vistune serve runs/demo/llava --port 8000
      VISTUNE_API_KEY=... vistune serve llava-hf/llava-1.5-7b-hf --host 0.0.0.0
    """
    from vistune.errors import InputError

    try:
        from vistune.serve.server import ModelServer, Options
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "vistune":
            raise
        raise InputError(f"Serving needs the package {error.name}; `pip install 'vistune[serve]'`.") from error
    import vistune

    server = ModelServer(
        lambda: vistune.load(model, device=device, dtype=dtype, trust_remote_code=trust_remote_code, revision=revision),
        Options(served_name or model, host, port, max_batch, max_queue, image_root, grace),
        lambda line: typer.echo(line, err=True),
    )
    raise typer.Exit(server.run())
