"""The README of a folder to ship: what the files are, and the lines that load one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from transformers import PreTrainedModel

from pocketbert import __version__
from pocketbert.files import write_text
from students.exporting.blocks import input_names
from students.exporting.golden import Checked, Golden
from students.exporting.lengths import longest_text

README = "README.md"
INT8 = "model-int8.onnx"
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


def example_file(files: Sequence[Deployed]) -> str:
    """Return the file that the example loads: int8 where there is one, or else the nearest to PyTorch."""

    def nearness(file: Deployed) -> float:
        same = file.checked.agreement
        return -file.checked.relative_difference if same is None else same

    return next((file.name for file in files if file.name == INT8), max(files, key=nearness).name)


def readme(
    model: PreTrainedModel, golden: Golden, files: Sequence[Deployed], name: str, shown: str | None = None
) -> str:
    """Return the page.

    Args:
        model: of the files.
        golden: their sentences, of which one is the example.
        files: at least one.
        name: of the model.
        shown: the file that the example loads; None: see `example_file`.
    """
    sources = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    fields = ", ".join(f'"{each}": [text.{sources[each]}]' for each in input_names(model))
    example = _example(golden)
    return _rendered(
        "README.md.j2",
        name=name,
        what=WHAT[golden.task] if golden.labels or golden.task != "classification" else "Gives a text a value.",
        labels=golden.labels,
        longest=longest_text(model) or "any number of",
        version=__version__,
        files=files,
        shown=shown or example_file(files),
        agreement="least cosine" if golden.task == "embedding" else "same answers",
        example=example,
        pair=len(example) > 1,
        python_inputs=f"{{{fields}}}",
        outputs=list(golden.expected[0]),
        types="token_type_ids" in input_names(model),
    )


def add_text_files(out: Path, golden: Golden, names: Sequence[str], otherwise: Sequence[str]) -> None:
    """Add to a folder's README how its files that take a text are loaded.

    Args:
        out: the folder.
        golden: its sentences.
        names: of the files, with their folder; int8 is in the example, or else the first.
        otherwise: scripts that they read otherwise than the tokenizer.
    """
    page = (out / README).read_text(encoding="utf-8")
    added = _rendered(
        "with-tokenizer.md.j2", names=names, otherwise=otherwise, example=_example(golden)[0],
        shown=next((name for name in names if name.endswith(f"/{INT8}")), names[0]), outputs=list(golden.expected[0]),
    )  # fmt: skip
    write_text(out / README, f"{page}\n{added}")


def _example(golden: Golden) -> list[str]:
    words = [[text] if isinstance(text, str) else list(text) for text in golden.texts]
    short = [each for each in words if len("".join(each)) <= SHOWN] or [[part[:SHOWN] for part in words[0]]]
    return [json.dumps(part, ensure_ascii=False) for part in max(short, key=lambda each: len("".join(each)))]


def _rendered(template: str, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("students"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701  (Markdown, no HTML)
    )  # fmt: skip
    return environment.get_template(template).render(**values)
