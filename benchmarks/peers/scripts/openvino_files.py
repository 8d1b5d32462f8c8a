"""`python openvino_files.py FOLDER…`: fp32 by OpenVINO and int8 by NNCF; runs in their own environment.

Every folder has plain/model-fp32.onnx and openvino/calibration.json: a list of texts, each a mapping of input names to
lists of ids.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import nncf
import numpy as np
import openvino


def write(folder: Path) -> None:
    """Write a model's files into openvino/ inside its folder."""
    out = folder / "openvino"
    model = openvino.convert_model(folder / "plain" / "model-fp32.onnx")
    names = [x.get_any_name() for x in model.inputs]
    texts = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    feeds = [{name: np.array([text[name]], np.int64) for name in names} for text in texts]
    openvino.save_model(model, out / "model-fp32.xml", compress_to_fp16=False)
    quantized = nncf.quantize(model, nncf.Dataset(feeds), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(feeds))
    openvino.save_model(quantized, out / "model-int8.xml", compress_to_fp16=False)
    (out / "versions.json").write_text(json.dumps({"nncf": version("nncf")}), encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write(Path(argument))
