"""From the command line's words to a checked request."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.assembly import teacher_training
from distill.config import RunConfig
from distill.recipes.loading import load_recipe
from nas.footprint import Setting
from nas.goals import Goals
from nas.settings import ProxySettings, Request
from nas.spaces import read_document
from pocketbert.devices import check_bf16
from pocketbert.errors import UserError
from pocketbert.validation import validated

CONFIG_FIELDS = {
    "teacher": "teachers", "data": "data", "metric": "metric", "text-column": "text_columns",
    "label-column": "label_column", "unlabelled": "unlabelled", "labelled-rows": "labelled_rows",
    "train-rows": "train_rows", "evaluation-rows": "evaluation_rows", "max-length": "max_length", "seed": "seed",
}  # fmt: skip


FINETUNE: dict[bool | None, tuple[str, ...]] = {None: (), True: ("--finetune",), False: ("--no-finetune",)}


def request_of(
    shared: Mapping[str, Any],
    *,
    bf16: bool,
    finetune: bool | None,
    compared_with: str,
    space: Sequence[str],
    space_file: Path | None,
    goals: Mapping[str, Any],
    proxy: Mapping[str, Any],
    setting: Mapping[str, int],
    **rest: Any,  # noqa: ANN401  (fields of Request as they are)
) -> Request:
    """Return the request that options stand for.

    Args:
        shared: options that `distill.run` has, too, by their names there.
        bf16: train in bfloat16.
        finetune: train the teacher's head; None: where it does not fit.
        compared_with: the hand-made student.
        space: restrictions.
        space_file: the same in a file.
        goals: fields of `Goals`.
        proxy: fields of `ProxySettings`.
        setting: fields of `Setting`.
        rest: the other fields of `Request`.

    Raises:
        UserError: a value is out of range, a file can't be read, or nothing asks for quality.
    """
    if bf16:
        check_bf16()
    recipe = load_recipe(shared["recipe"], shared["set"] or ())
    document = {CONFIG_FIELDS[name]: value for name, value in shared.items() if name in CONFIG_FIELDS}
    document |= {"student": compared_with, "recipe": recipe, "bf16": bf16, "finetune": finetune}
    document["teacher_training"] = teacher_training(shared["data"], shared["teacher-set"] or ())
    words = [word for name, value in shared.items() for word in _words(name, value)]
    wanted = validated(Goals, {name: value for name, value in goals.items() if value is not None})
    if "quality" not in wanted.objectives and wanted.min_retention is None:
        raise UserError(
            f"--objective {' --objective '.join(wanted.objectives)}: the cheapest student would do, whatever it "
            "answers; add --objective quality, or say with --min-retention what is good enough."
        )
    return Request(
        config=validated(RunConfig, document),
        space_texts=tuple(space),
        space_document={} if space_file is None else read_document(space_file),
        goals=wanted,
        proxy=validated(ProxySettings, proxy),
        setting=Setting(**setting),
        finishing=(*words, "--precision", "bf16" if bf16 else "fp32", *FINETUNE[finetune]),
        **rest,
    )


def _words(name: str, value: object) -> list[str]:
    if value is None:
        return []
    values = value if isinstance(value, list | tuple) else [value]
    return [word for each in values for word in (f"--{name}", str(each))]
