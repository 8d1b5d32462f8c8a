"""`python -m benchmarks.peers.optimizer`: ONNX Runtime's transformers optimizer, and its dynamic quantisation."""

from pathlib import Path
from typing import Annotated

import onnx
import onnxruntime
import typer
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model

from benchmarks.peers.folders import PLAIN, VERSIONS, need_models
from pocketbert import command
from pocketbert.files import read_json, write_json
from students.exporting.silence import silenced

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def optimizer(
    models: Annotated[Path, typer.Option(help="The folder that benchmarks.peers.models wrote.")] = Path("runs/peers"),
) -> None:
    """Write the fused fp32 file and its int8, per channel, into optimizer/ inside every model's folder."""
    for folder in need_models(models):
        write(folder)
        typer.echo(f"written: {folder / 'optimizer'}")


def write(folder: Path) -> None:
    """Write the files of one model."""
    out = folder / "optimizer"
    out.mkdir(exist_ok=True)
    config = read_json(folder / "config.json")
    fused, quantized = out / "model-fp32.onnx", out / "model-int8.onnx"
    with silenced():
        optimize_model(
            str(folder / PLAIN),
            model_type="bert",
            num_heads=config["num_attention_heads"],
            hidden_size=config["hidden_size"],
            opt_level=1,
        ).save_model_to_file(str(fused))
        quantize_dynamic(
            fused,
            quantized,
            per_channel=True,
            weight_type=QuantType.QInt8,
            # The types of what fused operators give out are not in the file.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    write_json(out / VERSIONS, {"made by onnxruntime": onnxruntime.__version__})


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.peers.optimizer")
