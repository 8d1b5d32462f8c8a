"""`python -m students.export DIR`: a model's folder to ship, proven against PyTorch."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pocketbert import command
from pocketbert.errors import UserError, unknown

TASKS = ("classification", "token-classification", "question-answering", "embedding")
PRECISIONS = ("fp32", "fp16", "int8", "int8-tables4")
WIDTH = 160

console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A Hugging Face folder with safetensors, or a run's folder.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Where to write; default: onnx/ inside the folder.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(PRECISIONS)}; several times. Default: fp32 and int8.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help=f"{', '.join(TASKS)}. Default: as the folder's configuration says.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="A text a line, for the golden sentences. Default: some English ones.")
    ] = None,
    min_agreement: Annotated[
        float, typer.Option(help="Least share of the texts' answers that must be PyTorch's.")
    ] = 0.9,
) -> None:
    """Write ONNX files with tokenizer, labels, golden sentences and a README; needs PyTorch only here."""
    chosen = list(dict.fromkeys(precision or ("fp32", "int8")))
    for each in chosen:
        if each not in PRECISIONS:
            raise unknown("precision", each, PRECISIONS)
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
    if not 0 <= min_agreement <= 1:
        raise UserError(f"--min-agreement {min_agreement}: it must be from 0 to 1.")
    lines = None if texts is None else _lines(texts)
    from pocketbert.weights import check_model_folder  # noqa: PLC0415  (seconds, which --help should not take)
    from students.exporting.deployment import deploy  # noqa: PLC0415  (the same)
    from students.exporting.golden import TEXTS  # noqa: PLC0415  (the same)
    from students.exporting.loading import find_folder, load  # noqa: PLC0415  (the same)

    place = find_folder(folder)
    check_model_folder(place)
    model, tokenizer = load(place, task)
    target = out or place / "onnx"
    files = deploy(
        model, tokenizer, target, lines or TEXTS, chosen, least_agreement=min_agreement, name=folder.resolve().name
    )
    table = Table(title=f"{files[0].checked.texts} sentences beside PyTorch")
    for column in ("file", "MB", "largest difference", "agreement"):
        table.add_column(column, justify="left" if column == "file" else "right")
    for file in files:
        same = file.checked.agreement
        difference = f"{file.checked.largest_difference:.2g}"
        table.add_row(file.name, f"{file.megabytes:.1f}", difference, "" if same is None else f"{same:.3f}")
    (console if console.is_terminal or console.width > WIDTH else Console(width=WIDTH)).print(table)
    console.print(f"written: {target}")


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--texts {path} can't be read as UTF-8 text ({error}).") from None
    if not lines:
        raise UserError(f"--texts {path} has no text: give a text a line.")
    return lines


if __name__ == "__main__":
    command.run(app, "python -m students.export")
