"""`python -m benchmarks.peers.openvino`: OpenVINO's fp32 and NNCF's int8 files, in an environment of their own."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers.environments import prepare, run_script
from benchmarks.peers.folders import OPENVINO_ENVIRONMENT, need_models
from benchmarks.sentences import encoded, read_sentences
from pocketbert import command
from pocketbert.files import write_json
from students.exporting.golden import TEXTS
from students.exporting.loading import load

CALIBRATION = 128

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def openvino(
    models: Annotated[Path, typer.Option(help="The folder that benchmarks.peers.models wrote.")] = Path("runs/peers"),
    env: Annotated[
        Path | None, typer.Option(help=f"The environment, made once. Default: {OPENVINO_ENVIRONMENT} inside --models.")
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help=f"A text a line, or a .tsv; the first {CALIBRATION} calibrate. Default: the golden sentences."
        ),
    ] = None,
) -> None:
    """Write openvino/model-fp32.xml and model-int8.xml inside every model's folder."""
    folders = need_models(models)
    sentences = list(TEXTS) if texts is None else read_sentences(texts, CALIBRATION)
    for folder in folders:
        write_json(folder / "openvino" / "calibration.json", encoded(*load(folder), sentences))
    run_script(prepare(env or models / OPENVINO_ENVIRONMENT, "openvino"), "openvino_files.py", folders)
    typer.echo(f"written: openvino/ in {', '.join(map(str, folders))}")


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.peers.openvino")
