"""A folder to ship: the model's files, its tokenizer, labels, golden sentences, and the lines that load it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert import __version__
from pocketbert.errors import UserError
from pocketbert.files import write_json, write_text
from students.exporting.answers import torch_answers
from students.exporting.blocks import input_names
from students.exporting.files import export_fp16, export_fp32, export_int8
from students.exporting.forms import Form
from students.exporting.golden import GOLDEN, Checked, Golden, check
from students.exporting.lengths import longest_text
from students.exporting.proof import LIMIT, worst_difference
from students.exporting.tasks import Task, task_of

PRECISIONS: dict[str, Callable[..., None]] = {
    "fp32": export_fp32,
    "fp16": export_fp16,
    "int8": export_int8,
    "int8-full": partial(export_int8, full_range=True),
    "int8-tables4": partial(export_int8, four_bit_tables=True),
}
Text = str | Sequence[str]
"""Or a pair."""

SHOWN = 60
"""Characters of the example."""

WHAT = {
    "classification": "Classifies a text.",
    "token-classification": "Labels every token of a text.",
    "question-answering": "Says how likely each token is the first and the last of the answer to a question.",
    "embedding": "Turns a text into a vector, the mean of its tokens' last hidden states.",
}


@dataclass(frozen=True)
class Deployed:
    """One file of the folder.

    Attributes:
        name: of the file.
        megabytes: its size, in 10^6 bytes.
        checked: its answers to the golden sentences beside PyTorch's.
    """

    name: str
    megabytes: float
    checked: Checked


def deploy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    texts: Sequence[Text],
    precisions: Sequence[str],
    *,
    least_agreement: float,
    metadata: Mapping[str, object] | None = None,
    name: str = "",
    forms: Mapping[str, Form] | None = None,
) -> list[Deployed]:
    """Write the folder; files that are there already are replaced.

    Args:
        model: of a class that `students.exporting.tasks` knows.
        tokenizer: its fast tokenizer.
        out: the folder.
        texts: of the golden sentences; those that are too long are cut as the model needs it.
        precisions: of `PRECISIONS`, in the order of the table; the last one is in the example.
        least_agreement: a file that agrees with PyTorch on fewer of the texts is removed again.
        metadata: kept in the files.
        name: of the model, for the folder's README.
        forms: of the graphs, by precision; the others have the default.

    Raises:
        UserError: the model can't be exported, or a file differs from PyTorch by too much; the others are kept.
    """
    golden = golden_of(model, tokenizer, texts)
    chosen = forms or {}
    files = [_written(model, out, precision, golden, metadata, chosen.get(precision)) for precision in precisions]
    kept = [file for file in files if _agrees(file.checked, least_agreement)]
    for file in files:
        if file not in kept:
            (out / file.name).unlink()
    if kept:
        describe(model, tokenizer, out, golden, kept, name or out.name)
    refused = [f"{file.name} ({file.checked.agreement:.3f})" for file in files if file not in kept]
    if refused:
        raise UserError(
            f"refused and removed: {', '.join(refused)}: it agrees with PyTorch on less than {least_agreement:g} of "
            f"{len(texts)} texts. Take another --precision, or a lower --min-agreement."
        )
    return kept


def golden_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[Text]) -> Golden:
    """Return texts with what PyTorch says of each alone.

    Raises:
        UserError: the model has no head that is exported.
    """
    task = task_of(model)
    if task is None:
        raise UserError(f"{type(model).__name__} has no head that is exported")
    encodings = encode(model, tokenizer, texts)
    feeds = [{name: np.array([values]) for name, values in encoding.items()} for encoding in encodings]
    answers = [torch_answers(model, task, feed) for feed in feeds]
    expected = [{name: values[0].tolist() for name, values in each.items()} for each in answers]
    return Golden(task.name, _labels(model, task), list(texts), encodings, expected)


def describe(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    golden: Golden,
    files: Sequence[Deployed],
    name: str,
) -> None:
    """Write what stands beside the files: tokenizer, labels, golden sentences and the README.

    Args:
        model: of the files.
        tokenizer: its fast tokenizer.
        out: their folder.
        golden: the sentences.
        files: the last one is in the example.
        name: of the model.
    """
    replace(golden, made={file.name: asdict(file.checked) for file in files}).write(out / GOLDEN)
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    write_json(out / "labels.json", golden.labels)
    write_text(out / "README.md", _readme(model, golden, files, name))


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
    metadata: Mapping[str, object] | None,
    form: Form | None,
) -> Deployed:
    path = out / f"model-{precision}.onnx"
    PRECISIONS[precision](model, path, metadata, form=form)
    if precision == "fp32" and (worst := worst_difference(model, path)) > LIMIT:
        path.unlink()
        raise UserError(f"{path.name} differs from PyTorch by {worst:.2g} of its largest answer, and was removed.")
    return Deployed(path.name, path.stat().st_size / 1e6, check(golden, path))


def _agrees(checked: Checked, least: float) -> bool:
    return checked.agreement is None or checked.agreement >= least


def _labels(model: PreTrainedModel, task: Task) -> list[str]:
    if "classification" not in task.name or model.config.num_labels == 1:
        return []
    return [str(label) for label in (model.config.id2label or {}).values()]


def _readme(model: PreTrainedModel, golden: Golden, files: Sequence[Deployed], name: str) -> str:
    sources = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    fields = ", ".join(f'"{each}": [text.{sources[each]}]' for each in input_names(model))
    words = [[text] if isinstance(text, str) else list(text) for text in golden.texts]
    short = [each for each in words if len("".join(each)) <= SHOWN] or [[part[:SHOWN] for part in words[0]]]
    example = max(short, key=lambda each: len("".join(each)))
    environment = Environment(
        loader=PackageLoader("students"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701  (Markdown, no HTML)
    )  # fmt: skip
    return environment.get_template("README.md.j2").render(
        name=name,
        what=WHAT[golden.task] if golden.labels or golden.task != "classification" else "Gives a text a value.",
        labels=golden.labels,
        longest=longest_text(model) or "any number of",
        version=__version__,
        files=files,
        agreement="least cosine" if golden.task == "embedding" else "same answers",
        example=[json.dumps(part, ensure_ascii=False) for part in example],
        pair=len(example) > 1,
        python_inputs=f"{{{fields}}}",
        outputs=list(golden.expected[0]),
        types="token_type_ids" in input_names(model),
    )
