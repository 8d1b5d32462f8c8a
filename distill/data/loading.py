"""`load_task`: from a path, a Hub id or the embedded task to rows ready for a tokenizer."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from distill.data.apidocs import ROWS_PER_CLASS, build_apidocs
from distill.data.columns import Columns, find_columns, require_columns
from distill.data.folders import Source, missing_path, open_path
from distill.data.formats import READERS, read_table, read_txt
from distill.data.hub import open_hub
from distill.data.labelled import keep_labelled
from distill.data.labels import LabelCoding, decide_coding
from distill.data.origins import origin_of
from distill.data.splits import Split, joined_splits, make_split, split_off
from distill.data.tasks import LABEL, Task, TaskData
from distill.metrics import choose_metric, find_metric
from pocketbert.errors import DoesNotFit, UserError
from pocketbert.files import fingerprint

logger = logging.getLogger(__name__)


def load_task(
    source: str,
    *,
    metric: str | None = None,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    unlabelled: str | None = None,
    labelled_rows: int | None = None,
    train_rows: int | None = None,
    evaluation_rows: int | None = None,
    regression: bool | None = None,
    cache_dir: Path | None = None,
    rows_per_class: int | None = None,
) -> TaskData:
    """Load a task.

    Args:
        source: `apidocs`, a folder with train and dev files, a file, or a Hub id such as `glue/sst2`. What exists as a
            path is taken as a path (`./apidocs` for a folder of that name).
        metric: a name in `METRICS`; accuracy or spearman by default.
        text_columns: one or two columns; found by their names by default.
        label_column: found by its name by default.
        unlabelled: a file with more texts, or a folder of such files; `.txt` holds one a line, other formats the
            same text columns.
        labelled_rows: keep that many labels, balanced as the data is; the other rows become unlabelled.
        train_rows: most train rows to take, chosen by a hash of the text.
        evaluation_rows: the same for evaluation.
        regression: True or False forces the kind of task.
        cache_dir: where `apidocs` is kept; `$XDG_CACHE_HOME/pocketbert` by default.
        rows_per_class: most rows a class of `apidocs`, for train and evaluation together.

    Raises:
        UserError: anything wrong with the input, before long work.
    """
    _check_arguments(metric, labelled_rows, train_rows, evaluation_rows, rows_per_class)
    origin = _open(source, cache_dir, ROWS_PER_CLASS if rows_per_class is None else rows_per_class)
    columns = find_columns(origin.train, text_columns, label_column)
    coding = decide_coding(origin.train, columns.label, regression)
    chosen_metric = choose_metric(metric, coding.kind)
    messages = [*origin.messages, columns.message, _describe_coding(coding)]
    train, evaluation = _splits(origin, columns, coding, messages)
    extra = _read_unlabelled(Path(unlabelled), columns, messages) if unlabelled else None
    if chosen_metric == "f1" and len(coding.names) == 2:
        messages.append(f"f1 takes class '{coding.names[1]}' for the positive one.")
    train, evaluation = train.lowest(train_rows), evaluation.lowest(evaluation_rows)
    extra = _without(extra, train, "the train rows", messages)
    _require_classes(train, coding)
    if labelled_rows is not None:
        train, rest = keep_labelled(train, labelled_rows, coding)
        messages.append(f"{len(train):,} labelled rows kept, {len(rest):,} made unlabelled.")
        extra = joined_splits([rest, extra]) if extra else rest
    extra = _without(extra, evaluation, "evaluation", messages)
    units = _units(train) if coding.kind == "regression" else (0.0, 1.0)
    task = Task(origin.name, coding.kind, columns.texts, columns.label, coding.names, chosen_metric, *units)
    repeated = int(np.isin(evaluation.hashes, train.hashes).sum())
    return _assemble(task, train, evaluation, extra, repeated, messages)


def _units(train: Split) -> tuple[float, float]:
    """Return mean and standard deviation of the targets (1 where they are all the same)."""
    targets = train.data[LABEL].to_numpy().astype(np.float64)
    return float(targets.mean()), float(targets.std()) or 1.0


def _assemble(
    task: Task, train: Split, evaluation: Split, extra: Split | None, repeated: int, messages: list[str]
) -> TaskData:
    counts = f"rows: {len(train):,} train, {len(evaluation):,} evaluation"
    messages.append(counts + (f", {len(extra):,} unlabelled." if extra else "."))
    for message in messages:
        logger.info(message)
    content = [task.as_dict(), train.digest(), evaluation.digest(), extra.digest() if extra else None]
    return TaskData(
        task=task,
        train=train.dataset(),
        evaluation=evaluation.dataset(),
        unlabelled=extra.dataset() if extra else None,
        repeated=repeated,
        messages=tuple(messages),
        fingerprint=fingerprint(content),
    )


def _check_arguments(metric: str | None, *counts: int | None) -> None:
    if metric is not None:
        find_metric(metric)
    names = ("labelled_rows", "train_rows", "evaluation_rows", "rows_per_class")
    for name, count in zip(names, counts, strict=True):
        if count is not None and count < 1:
            raise UserError(f"--{name.replace('_', '-')} {count}: take at least 1.")


def _open(source: str, cache_dir: Path | None, rows_per_class: int) -> Source:
    origin = origin_of(source)
    if origin == "embedded":
        return build_apidocs(cache_dir, rows_per_class)
    return open_path(Path(source).expanduser()) if origin == "path" else open_hub(source)


def _describe_coding(coding: LabelCoding) -> str:
    if coding.kind == "regression":
        return f"regression ({coding.reason})."
    shown = ", ".join(coding.names[:10]) + (" …" if len(coding.names) > 10 else "")
    return f"classification ({coding.reason}): {len(coding.names)} classes: {shown}."


def _splits(origin: Source, columns: Columns, coding: LabelCoding, messages: list[str]) -> tuple[Split, Split]:
    train = make_split(origin.train, columns.texts, columns.label, coding)
    _say_dropped(train, origin.train.name, messages)
    if origin.evaluation is None:
        train, evaluation = split_off(train, origin.train.name, columns)
        messages.append(f"no evaluation file: {len(evaluation):,} rows split off by a hash of the text.")
        return train, evaluation
    require_columns(origin.evaluation, [*columns.texts, columns.label])
    evaluation = make_split(origin.evaluation, columns.texts, columns.label, coding)
    _say_dropped(evaluation, origin.evaluation.name, messages)
    return train, evaluation


def _require_classes(train: Split, coding: LabelCoding) -> None:
    """Check that capping or splitting left more than one class."""
    if coding.names and len(pc.unique(train.data[LABEL])) < 2:
        raise UserError(f"the {len(train):,} train rows taken are of one class only: take more (--train-rows).")


def _say_dropped(split: Split, name: str, messages: list[str]) -> None:
    if split.dropped:
        messages.append(f"{name}: {split.dropped:,} rows with an empty text dropped.")


def _read_unlabelled(path: Path, columns: Columns, messages: list[str]) -> Split:
    path = path.expanduser()
    if not path.exists():
        raise missing_path(path)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".txt", *READERS))
        if not files:
            raise UserError(f"unlabelled text {path}: no file in that folder ends in .txt, {', '.join(READERS)}.")
        return joined_splits([_read_unlabelled(file, columns, messages) for file in files])
    if path.suffix.lower() == ".txt":
        if len(columns.texts) == 2:
            raise DoesNotFit(
                f"{path} holds one text a line, the task has pairs: give a file with the columns "
                f"{' and '.join(columns.texts)}."
            )
        table = read_txt(path, columns.texts[0])
    else:
        table = read_table(path)
        require_columns(table, columns.texts)
    split = make_split(table, columns.texts, None, None)
    messages.append(f"unlabelled text: {len(split):,} rows of {path}.")
    _say_dropped(split, str(path), messages)
    return split


def _without(extra: Split | None, known: Split, where: str, messages: list[str]) -> Split | None:
    """Drop the unlabelled rows whose text is known already."""
    if extra is None:
        return None
    both = np.isin(extra.hashes, known.hashes)
    if both.any():
        messages.append(f"{int(both.sum()):,} unlabelled rows dropped: their text stands in {where}.")
        extra = extra.take(~both)
    return extra if len(extra) else None
