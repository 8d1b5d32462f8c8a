"""Folders with a saved model: what must be in one before a library opens it."""

from pathlib import Path

from pocketbert.errors import UserError

PICKLED = ("*.bin", "*.bin.index.json", "*.pt", "*.pth")


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds a configuration and weights in safetensors.

    Raises:
        UserError: no such folder, no config.json, no weights, or weights in pickle only (which can run code).
    """
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}. Give one that holds config.json and model.safetensors.")
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} has no config.json: it is no Hugging Face model folder; save_pretrained(folder) makes one."
        )
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(file.name for pattern in PICKLED for file in folder.glob(pattern))
    if pickles:
        raise UserError(
            f"{folder} has only pickled weights ({pickles[0]}), which can run code when loaded: convert them once "
            "in a place you trust with model.save_pretrained(folder), which writes safetensors."
        )
    raise UserError(f"{folder} has no weights (no *.safetensors file): save_pretrained(folder) writes them.")
