"""Where the files of the models and of their peers lie."""

from pathlib import Path

from pocketbert.errors import UserError

PRECISIONS = ("fp32", "int8")
PLAIN = Path("plain/model-fp32.onnx")
"""PyTorch's own export, which ONNX Runtime's optimizer and OpenVINO start from."""

VERSIONS = "versions.json"
OPENVINO_ENVIRONMENT = "env-openvino"
MODELS_FIRST = "python -m benchmarks.peers.models --out"


def model_folders(models: Path) -> list[Path]:
    """Return the folders of the models that `benchmarks.peers.models` wrote, in order of their names."""
    return sorted(path.parent for path in models.glob("*/config.json") if (path.parent / PLAIN).is_file())


def need_models(models: Path) -> list[Path]:
    """Return the same.

    Raises:
        UserError: there is none.
    """
    folders = model_folders(models) if models.is_dir() else []
    if not folders:
        raise UserError(f"--models {models} has no models: run {MODELS_FIRST} {models} first.")
    return folders
