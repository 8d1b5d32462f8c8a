"""A folder to ship: the model's files, its tokenizer, labels, golden sentences, and the lines that load it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import UserError
from pocketbert.files import write_json, write_text
from students.calibration import Calibration
from students.exporting.answers import torch_answers
from students.exporting.direct import can_write
from students.exporting.files import export_fp32
from students.exporting.fitness import check_answers, check_model, check_precisions
from students.exporting.forms import Form
from students.exporting.golden import GOLDEN, Golden, check
from students.exporting.lengths import longest_text
from students.exporting.minimal import OPERATORS
from students.exporting.precisions import PRECISIONS, check_given, export
from students.exporting.proof import check_shapes
from students.exporting.readme import README, Deployed, readme
from students.exporting.tasks import Task, task_of

Text = str | Sequence[str]
"""Or a pair."""

MOST_DIFFERENCE = 0.25
"""Of answers that are no classes and no vectors, as a share of the largest one that is expected."""

WITH_TOKENIZER = "with-tokenizer"
"""The folder of the files that take a text."""

Tell = Callable[[str], None]


def deploy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    texts: Sequence[Text],
    precisions: Sequence[str],
    *,
    least_agreement: float,
    most_difference: float = MOST_DIFFERENCE,
    metadata: Mapping[str, object] | None = None,
    name: str = "",
    forms: Mapping[str, Form] | None = None,
    calibration: Calibration | None = None,
    bits: Mapping[str, int] | None = None,
    tell: Tell = lambda _: None,
) -> list[Deployed]:
    """Write the folder; the files of an earlier export are replaced or removed.

    The golden sentences go first and come last: a folder that is half made has none.

    Args:
        model: of a class that `students.exporting.tasks` knows.
        tokenizer: its fast tokenizer.
        out: the folder.
        texts: of the golden sentences; those that are too long are cut as the model needs it.
        precisions: of `PRECISIONS`, in the order of the table.
        least_agreement: a file that agrees with PyTorch on fewer of the texts is removed again.
        most_difference: the same of a regression's, by the difference as a share of the largest expected answer.
        metadata: kept in the files.
        name: of the model, for the folder's README.
        forms: of the graphs, by precision; the others have the default.
        calibration: of int8-static.
        bits: of mixed, by layer.
        tell: takes lines for the user.

    Raises:
        UserError: the model can't be exported, or a file differs from PyTorch by too much; the others are kept.
    """
    golden = golden_of(model, tokenizer, texts)
    check_precisions(model, precisions)
    check_given(precisions, calibration, bits)
    (out / GOLDEN).unlink(missing_ok=True)
    if "fp32" not in precisions and (reason := _unproven(model)):
        tell(reason)
    chosen = forms or {}
    write = partial(export, metadata=metadata, calibration=calibration, bits=bits)
    files = [
        _written(model, out, precision, golden, partial(write, form=chosen.get(precision))) for precision in precisions
    ]
    refused = [said for file in files if (said := _refusal(file, least_agreement, most_difference))]
    kept = [file for file in files if not _refusal(file, least_agreement, most_difference)]
    if removed := _remove_others(out, {file.name for file in kept}, {file.name for file in files}):
        tell(f"removed, as files of an earlier export: {', '.join(removed)}")
    if kept:
        describe(model, tokenizer, out, golden, kept, name or out.name)
    if refused:
        raise UserError(f"refused and removed: {'; '.join(refused)} (of {len(texts)} texts). Take another --precision.")
    return kept


def golden_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[Text]) -> Golden:
    """Return texts with what PyTorch says of each alone.

    Raises:
        UserError: the model has no head that is exported, numbers that are none, or another model's tokenizer.
    """
    task = task_of(model)
    if task is None:
        raise UserError(f"{type(model).__name__} has no head that is exported")
    check_model(model, tokenizer)
    encodings = encode(model, tokenizer, texts)
    feeds = [{name: np.array([values]) for name, values in encoding.items()} for encoding in encodings]
    answers = [torch_answers(model, task, feed) for feed in feeds]
    check_answers(model, answers)
    expected = [{name: values[0].tolist() for name, values in each.items()} for each in answers]
    return Golden(task.name, _labels(model, task), list(texts), encodings, expected)


def describe(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    golden: Golden,
    files: Sequence[Deployed],
    name: str,
    shown: str | None = None,
) -> None:
    """Write what stands beside the files: tokenizer, labels, golden sentences and the README.

    Args:
        model: of the files.
        tokenizer: its fast tokenizer.
        out: their folder.
        golden: the sentences.
        files: at least one.
        name: of the model.
        shown: the file in the example; None: int8, or the nearest to PyTorch.
    """
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    write_json(out / "labels.json", golden.labels)
    write_text(out / README, readme(model, golden, files, name, shown))
    replace(golden, made={file.name: asdict(file.checked) for file in files}).write(out / GOLDEN)


def encode(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[Text]
) -> list[dict[str, list[int]]]:
    """Return texts, or pairs of them, as ids, each as long as the model reads at most."""
    longest = longest_text(model)
    firsts = [text if isinstance(text, str) else text[0] for text in texts]
    seconds = [text[1] for text in texts if not isinstance(text, str)] or None
    rows = tokenizer(firsts, seconds, truncation=longest is not None, max_length=longest)
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in rows]
    return [{name: list(rows[name][number]) for name in names} for number in range(len(texts))]


def _written(
    model: PreTrainedModel,
    out: Path,
    precision: str,
    golden: Golden,
    write: Callable[[PreTrainedModel, Path, str], None],
) -> Deployed:
    path = out / f"model-{precision}.onnx"
    write(model, path, precision)
    try:
        if precision == "fp32":
            check_shapes(model, path)
        return Deployed(path.name, path.stat().st_size / 1e6, check(golden, path))
    except UserError as error:
        path.unlink()
        raise UserError(f"{path.name} was removed: {error}") from None


def _unproven(model: PreTrainedModel) -> str:
    """Prove a float32 graph that nobody asked for, with all shapes; return why there is none, where there is none."""
    if not can_write(model):
        return "shapes with padding were not proven: --precision fp32 beside the others does."
    with TemporaryDirectory() as place:
        path = Path(place) / "model-fp32.onnx"
        try:
            export_fp32(model, path)
        except UserError as error:
            return f"shapes with padding were not proven ({error})."
        check_shapes(model, path)
    return ""


def _refusal(file: Deployed, least_agreement: float, most_difference: float) -> str:
    """Return what is wrong with a file; empty where nothing is."""
    same, difference = file.checked.agreement, file.checked.relative_difference
    if same is None:
        bound = f"--max-difference {most_difference:g} of the largest answer"
        return "" if difference <= most_difference else f"{file.name} differs by {difference:.3g}, over {bound}"
    bound = f"--min-agreement {least_agreement:g}"
    return "" if same >= least_agreement else f"{file.name} ({same:.3f}) agrees with PyTorch on less than {bound}"


def _remove_others(out: Path, kept: Collection[str], written: Collection[str]) -> list[str]:
    """Remove the files with names of ours that are not kept; return the names of those not written just now."""
    names = [f"model-{precision}.onnx" for precision in PRECISIONS]
    more = [name for each in names for name in (each.replace(".onnx", ".ort"), f"{WITH_TOKENIZER}/{each}")]
    found = [name for name in (*names, *more, OPERATORS) if name not in kept and (out / name).is_file()]
    for name in found:
        (out / name).unlink()
    if (out / WITH_TOKENIZER).is_dir() and not any((out / WITH_TOKENIZER).iterdir()):
        (out / WITH_TOKENIZER).rmdir()
    return [name for name in found if name not in written]


def _labels(model: PreTrainedModel, task: Task) -> list[str]:
    if "classification" not in task.name or model.config.num_labels == 1:
        return []
    return [str(label) for label in (model.config.id2label or {}).values()]
