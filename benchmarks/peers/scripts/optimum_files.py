"""`python optimum_files.py FOLDER…`: fp32 and int8 ONNX files by optimum-onnx; runs in its own environment."""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig


def write(folder: Path) -> None:
    """Write a model's files into optimum/ inside its folder: dynamic int8 for AVX512-VNNI, per channel."""
    out = folder / "optimum"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as place:
        main_export(str(folder), output=place, task="text-classification")
        settings = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
        ORTQuantizer.from_pretrained(place, file_name="model.onnx").quantize(settings, save_dir=place)
        Path(place, "model.onnx").replace(out / "model-fp32.onnx")
        Path(place, "model_quantized.onnx").replace(out / "model-int8.onnx")
    names = ("optimum-onnx", "transformers", "torch")
    (out / "versions.json").write_text(json.dumps({name: version(name) for name in names}), encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write(Path(argument))
