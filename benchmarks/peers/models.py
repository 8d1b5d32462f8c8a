"""`python -m benchmarks.peers.models`: the models that all are compared on, and our ONNX files of them."""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks.peers.folders import PLAIN, PRECISIONS, model_folders
from benchmarks.peers.heads import fit_head
from benchmarks.sentences import read_labelled
from pocketbert import command
from pocketbert.errors import UserError, unknown
from students.building import build_student, save_student
from students.catalogue import STUDENTS
from students.exporting.deployment import deploy
from students.exporting.files import export_int8
from students.exporting.golden import TEXTS
from students.exporting.loading import load
from teachers.loading import load_teacher

TEACHER = "minilm-6x384"
MODELS = (TEACHER, "tiny", "bert-tiny")
"""The teacher that is always there, and students of 4 x 312 and 2 x 128 by their names in the catalogue."""

LABELLED_ROWS = 2000
OPSET = 17
"""Of the plain file. With it and attention written out, ONNX Runtime's optimizer finds all that it looks for."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def models(
    *,
    out: Annotated[Path, typer.Option(help="A new folder, with a folder a model.")] = Path("runs/peers"),
    trained: Annotated[
        list[str] | None, typer.Option(help=f"NAME=FOLDER takes a trained model instead; of {', '.join(MODELS)}.")
    ] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="A .tsv (sentence, label) to fit heads on; without, heads are random.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this model; may be repeated.")] = None,
) -> None:
    """Write every model as a Hugging Face folder, as our fp32 and int8 files, and as PyTorch's own plain export."""
    places = _places(trained or ())
    for name in only or ():
        if name not in MODELS:
            raise unknown("model", name, MODELS)
    rows = None if labelled is None else read_labelled(labelled, LABELLED_ROWS)
    if out.is_dir() and (there := model_folders(out)):
        raise UserError(f"--out {out} has models already ({there[0].name}): give a new folder, or remove them.")
    for name in only or MODELS:
        model, tokenizer = load(places[name], "classification") if name in places else _made(name)
        if rows is not None and name not in places:
            fit_head(model, tokenizer, *rows)
        write(model, tokenizer, out / name)
        typer.echo(f"written: {out / name}")


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write one model's folder, its configuration last: only a whole folder has one."""
    half = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    save_student(model, half)
    tokenizer.save_pretrained(half)
    deploy(model, tokenizer, half / "pocketbert", TEXTS, PRECISIONS, least_agreement=0, name=folder.name)
    export_int8(model, half / "pocketbert" / "model-int8-full-range.onnx", full_range=True)
    _write_plain(model, half / PLAIN)
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


def _places(trained: Sequence[str]) -> dict[str, Path]:
    places = {}
    for text in trained:
        name, sign, folder = text.partition("=")
        if not sign:
            raise UserError(f"--trained {text}: write NAME=FOLDER.")
        if name not in MODELS:
            raise unknown("model", name, MODELS)
        places[name] = Path(folder)
    return places


def _made(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    torch.manual_seed(0)
    teacher = load_teacher("minilm", "classification", ["negative", "positive"])
    return (teacher.model if name == TEACHER else build_student(STUDENTS[name], teacher.model)), teacher.tokenizer


def _write_plain(model: PreTrainedModel, path: Path) -> None:
    """Export with PyTorch's older exporter, the only one whose attention other optimizers know."""
    path.parent.mkdir()
    attention = model.config._attn_implementation
    model.set_attn_implementation("eager")
    ids = torch.ones(2, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "sequence"} for name in names} | {"logits": {0: "batch"}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Logits(model).eval(), (ids, ids, torch.zeros_like(ids)), path, dynamo=False, opset_version=OPSET,
                input_names=names, output_names=["logits"], dynamic_axes=axes,
            )  # fmt: skip
    finally:
        model.set_attn_implementation(attention)


class _Logits(torch.nn.Module):
    """The model as a function of its three inputs, in their order."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits
        return logits


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.peers.models")
