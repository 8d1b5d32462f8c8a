"""Joins the rooms for `distill.run`: prepare, train, export, measure, report."""

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import psutil
import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from safetensors.torch import load_model
from transformers.utils import logging as transformers_logging

from benchmarks.comparison import comparison, model_facts
from benchmarks.measuring import measure
from benchmarks.model_latency import milliseconds
from benchmarks.report import write_report
from distill import exporting, pipeline, planning, preparation, record, shipping
from distill.augmentation.settings import Augmentation
from distill.compression.chain import check_chain
from distill.compression.cost import disk as compression_disk
from distill.compression.cost import parts as compression_cost
from distill.compression.outcome import compress
from distill.compression.plan import parse_chain
from distill.config import CONFIG_FILE, LOCK, TEACHER_TRAINING, RunConfig, grown, in_faster_precision, take_folder
from distill.corpus import assembly as corpus
from distill.corpus.pipeline import HEAD_TRAINING
from distill.corpus.texts import is_corpus
from distill.estimation import check_disk
from distill.evaluation import Quality, quality
from distill.pipeline import Trained
from distill.planning import STATES
from distill.preparation import Run
from distill.recipes.loading import load_recipe
from distill.recipes.schema import TrainingSettings
from distill.starting import RANDOM_LAYERS, RANDOM_STARTS
from distill.units import restore_units
from pocketbert import processes
from pocketbert.devices import check_bf16
from pocketbert.errors import UserError, unknown
from pocketbert.files import write_json
from pocketbert.validation import validated
from students.building import save_student

PRECISIONS = ("auto", "fp32", "bf16")
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Request:
    """The command line, parsed but not yet looked up; `precision` is auto, bf16 or fp32."""

    config: dict[str, Any]
    recipe: str
    settings: tuple[str, ...]
    teacher_settings: tuple[str, ...]
    augment: int | None
    augment_settings: tuple[str, ...]
    out: Path | None
    precision: str
    max_drop: float
    lengths: tuple[int, ...]
    threads: int
    rounds: int


def carry_out(request: Request, console: Console) -> Path | None:
    """Do everything; return the report's path, or None in a process that only helped to train.

    Raises:
        UserError: bad input, before any long work.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    _check_request(request)
    processes.join()
    config = _config(request)
    _check_compression(config)
    folder = request.out or _default_folder(config)
    asked, config = config, grown(config, folder)
    if config != asked:
        console.print(f"{folder} has {config.seeds} seed(s){', a control' * config.control}: they stay in the report")
    if request.precision == "auto":
        config, reason = in_faster_precision(config, folder)
        console.print(f"precision: {reason}")
    lock = FileLock(folder / LOCK)
    try:
        if is_corpus(config.data):
            return corpus.carry_out(config, folder, lock, console)
        return _carry_out(request, config, folder, lock, console)
    finally:
        lock.release(force=True)


def _carry_out(request: Request, config: RunConfig, folder: Path, lock: FileLock, console: Console) -> Path | None:
    environment = record.environment()
    run = preparation.prepare(config, folder)
    if config.compress:
        check_chain(run, parse_chain(config.compress))
    processes.wait()  # until all have looked at the folder that the first claims now
    continued = (folder / CONFIG_FILE).exists()
    if processes.is_first():
        _begin(run, lock, console)
    notes = pipeline.ready_teachers(run)
    console.print(*notes, sep="\n")
    warnings = preparation.warnings(run)
    if processes.is_first():
        take_folder(run.folder, run.config, run.inputs, lock)
    console.print(*(f"warning: {text}" for text in warnings), sep="\n", end="\n" if warnings else "")
    start = pipeline.start_student(run)
    console.print(f"student's start: {start.method} — {start.description}")
    if start.method in RANDOM_STARTS:
        warnings.append(RANDOM_LAYERS.format(start.method))
        console.print(f"warning: {warnings[-1]}")
    if (cached := pipeline.ready_cache(run)) is not None:
        console.print(cached)
        run.alignment.append(cached)
    students, controls, start_logits = _train(run)
    processes.leave()
    if not processes.is_first():
        return None
    watch = partial(milliseconds, request.threads, request.rounds, max(request.lengths))
    outcome = compress(run, students, controls, watch, console.print)
    students, controls = outcome.students, outcome.controls
    _say_quality(run, students, controls, start_logits, console)

    load_model(run.student, students[0].weights, device=str(run.student.device))
    outcome.take_over(run)
    warnings += outcome.warnings()
    for model in (run.student, run.teacher.model):
        restore_units(model, run.task)
    save_student(run.student, folder / "student")
    run.reading.tokenizer.save_pretrained(folder / "student")
    more = outcome.more_files(run)
    exported = exporting.export_and_prove(run, students[0].evaluation_logits, folder, request.max_drop, more)
    shipping.ship(run, exported, folder / "student")
    shipping.prove_teacher(run, folder / "teacher-onnx")
    for file in exported:
        console.print(file.describe())
    kept = {file.name: file.path for file in exported if not file.refused} | outcome.files
    latency = _latency(kept, request, run, console) if kept else {}
    warnings += [file.describe() for file in exported if file.refused or file.doubtful]

    document = record.assemble(
        run, start=start, students=students, controls=controls, start_logits=start_logits,
        exported=exported, latency=latency, notes=notes, warnings=warnings, models=_models(run),
        seconds=time.time() - psutil.Process().create_time(), continued=continued,
        environment=environment, compression=outcome.document(),
    )  # fmt: skip
    write_json(folder / "run.json", document)
    report = write_report(document, folder)
    console.print(f"report: {report}")
    return report


def _check_request(request: Request) -> None:
    """Refuse numbers that would only be missed at the very end."""
    for option, value in (
        ("threads", request.threads),
        ("rounds", request.rounds),
        ("latency-length", min(request.lengths)),
    ):
        if value < 1:
            raise UserError(f"--{option} {value}: it must be at least 1.")
    cores = os.cpu_count() or 1
    if request.threads > cores:
        raise UserError(f"--threads {request.threads}: this machine has {cores} cores.")
    if request.out is not None and not _is_utf8(str(request.out)):
        raise UserError(f"--out {str(request.out)!a}: the name is not UTF-8; give another.")
    if request.precision not in PRECISIONS:
        raise unknown("precision", request.precision, PRECISIONS)
    if request.precision == "bf16":
        check_bf16()
    if not 0 <= request.max_drop < math.inf:
        raise UserError(f"--max-drop {request.max_drop}: it must be a number from 0 up.")


def _check_compression(config: RunConfig) -> None:
    """Refuse chains where nothing can be compressed."""
    if config.compress is None:
        return
    if is_corpus(config.data):
        raise UserError("--compress is for a student of a task: give --data of one, and this run's student then.")
    if processes.count() > 1:
        raise UserError("--compress works in one process: train without it first, or start one process.")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _config(request: Request) -> RunConfig:
    recipe = load_recipe(request.recipe, request.settings)
    training = teacher_training(request.config["data"], request.teacher_settings)
    document = request.config | {"recipe": recipe, "teacher_training": training, "bf16": request.precision == "bf16"}
    return validated(RunConfig, document | {"augmentation": _augmentation(request)})


def teacher_training(data: str, texts: Iterable[str]) -> TrainingSettings:
    """Return how a teacher is trained for data, with what a user set of it ("epochs=5")."""
    usual = HEAD_TRAINING if is_corpus(data) else TEACHER_TRAINING
    given = _assignments(texts, "--teacher-set", "epochs=5")
    passes = {"min_steps": 0} if "epochs" in given else {}  # as with --set: who asks for passes gets them
    return validated(TrainingSettings, usual.model_dump() | passes | given, "--teacher-set")


def _augmentation(request: Request) -> Augmentation | None:
    given: dict[str, Any] = dict(_assignments(request.augment_settings, "--augment-set", "probability=0.3"))
    if request.augment is None:
        if given:
            raise UserError("--augment-set: say how many copies to make of each text, too, such as --augment 20.")
        return None
    return validated(Augmentation, given | {"copies": request.augment}, "--augment")


def _assignments(texts: Iterable[str], option: str, example: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    wrong = next((text for text, (_, equals, _) in zip(texts, pairs, strict=True) if not equals), None)
    if wrong is not None:
        raise UserError(f"{option} {wrong}: write it as field=value, such as {example}.")
    return {name.removeprefix("training."): value for name, _, value in pairs}


def _default_folder(config: RunConfig) -> Path:
    parts = [*config.teachers, config.student, config.data, config.recipe.name]
    short = (Path(part).stem if Path(part).exists() else part for part in parts)
    return Path("runs") / re.sub(r"[^A-Za-z0-9.+=-]+", "-", "-".join(short))


def _begin(run: Run, lock: FileLock, console: Console) -> None:
    """Say what the run is and will cost, and claim its folder."""
    _announce(run, console)
    steps = parse_chain(run.config.compress) if run.config.compress else ()
    cost, parts = planning.estimate(run, lambda: compression_cost(run, steps), compression_disk(run, steps))
    console.print(f"cost: {cost.describe()} ({parts}); cutting, exporting and measuring come on top")
    check_disk(run.folder, cost.disk_bytes, option="--out, or a smaller --cache-gb" if STATES in parts else "--out")
    if not run.ready:  # else nothing is written yet, and a refusal may ask for another option
        take_folder(run.folder, run.config, run.inputs, lock)


def _announce(run: Run, console: Console) -> None:
    task, rows = run.task, run.rows
    classes = f", {len(task.labels)} classes" if task.labels else ""
    console.print(f"data: {task.name}, {task.kind}{classes}, metric {task.metric}")
    for message in run.data.messages:
        console.print(f"  {message}")
    extra, copies = len(rows.found) - len(rows.labelled), len(rows.training) - len(rows.found)
    made = f", {copies} copies" if copies else ""
    counts = f"{len(rows.labelled)} labelled rows, {extra} without label{made}, {len(rows.evaluation)} for evaluation"
    console.print(f"  {counts}")
    if rows.truncated:
        console.print(f"  {rows.truncated} training rows reach --max-length {run.config.max_length} and may be cut")
    models = _models(run)
    console.print(comparison(models["teacher"], models["student"]))
    for line in run.alignment:
        console.print(f"  {line}")


def _models(run: Run) -> dict[str, dict[str, Any]]:
    return {
        "teacher": model_facts(run.teacher.name, run.teacher.model),
        "student": model_facts(run.student_name, run.student),
    }


def _train(run: Run) -> tuple[list[Trained], list[Trained], np.ndarray]:
    weights: Weights = {name: tensor.detach().clone() for name, tensor in run.student.state_dict().items()}
    start_logits = pipeline.answer(run, run.student)
    students, controls = [], []
    for seed in range(run.config.seed, run.config.seed + run.config.seeds):
        students.append(pipeline.train_student(run, weights, seed))
        if run.config.control:
            controls.append(pipeline.train_control(run, weights, seed))
    return students, controls, start_logits


def _say_quality(
    run: Run,
    students: Iterable[Trained],
    controls: Iterable[Trained],
    start_logits: np.ndarray,
    console: Console,
) -> None:
    table = Table("", run.task.metric, "95 % interval", "agreement", "KL", "calibration error")

    def add(name: str, logits: np.ndarray) -> None:
        table.add_row(name, *_cells(quality(run.task, run.labels, logits, run.teacher_logits)))

    add("teacher" if len(run.members) == 1 else f"average of {len(run.members)} teachers", run.teacher_logits)
    for member, logits in zip(run.members, run.member_answers, strict=True):
        if len(run.members) > 1:
            add(f"{member.title}: {member.teacher.name}, seed {member.seed}", logits)
    add("student before training", start_logits)
    for trained in students:
        add(f"student, seed {trained.seed}", trained.evaluation_logits)
    for trained in controls:
        add(f"control, seed {trained.seed}", trained.evaluation_logits)
    console.print(table)


def _cells(measured: Quality) -> list[str]:
    optional = [measured.agreement, measured.kl, measured.calibration_error]
    interval = f"{measured.low:.4f} to {measured.high:.4f}"
    return [
        f"{measured.value:.4f}",
        interval,
        *("" if value is None else f"{value:.4f}" for value in optional),
    ]


def _latency(files: dict[str, Path], request: Request, run: Run, console: Console) -> dict[str, Any]:
    longest = preparation.longest_input(run.student, run.teacher.model)
    lengths = sorted({min(length, longest) for length in request.lengths})
    with _bar(console, "measuring latency") as advance:
        rows = measure(files, lengths, batch=1, threads=request.threads, rounds=request.rounds, progress=advance)
    kept = ("length", "p50_ms", "p95_ms", "samples")
    return {
        "threads": request.threads,
        "batch": 1,
        "rounds": request.rounds,
        "rows": [{"model": row.name} | {name: getattr(row, name) for name in kept} for row in rows],
    }


@contextmanager
def _bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    with Progress(console=console) as progress:
        task = progress.add_task(title)
        yield lambda done, total: progress.update(task, completed=done, total=total)
