"""`python -m benchmarks.peers.optimum`: optimum-onnx's fp32 and int8 files, in an environment of its own."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers.environments import prepare, run_script
from benchmarks.peers.folders import need_models
from pocketbert import command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def optimum(
    models: Annotated[Path, typer.Option(help="The folder that benchmarks.peers.models wrote.")] = Path("runs/peers"),
    env: Annotated[
        Path | None, typer.Option(help="The environment, made once. Default: env-optimum inside --models.")
    ] = None,
) -> None:
    """Write optimum/model-fp32.onnx and model-int8.onnx (AVX512-VNNI, per channel) inside every model's folder."""
    folders = need_models(models)
    run_script(prepare(env or models / "env-optimum", "optimum"), "optimum_files.py", folders)
    typer.echo(f"written: optimum/ in {', '.join(map(str, folders))}")


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.peers.optimum")
