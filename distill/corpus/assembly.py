"""Joins the rooms for a run on a corpus: prepare, train, measure, report.

General distillation: a student of a masked language model. The recipes are those of tasks: the hidden tokens are the
gold labels, and the soft targets are the teacher's distributions at the hidden tokens. What comes out is a start for
any task (`--student RUN/student`).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_model

from benchmarks.comparison import comparison, model_facts
from benchmarks.report import write_report
from distill import estimation
from distill.config import CONFIG_FILE, RunConfig, take_folder
from distill.corpus import pipeline
from distill.corpus.pipeline import Trained
from distill.corpus.preparation import Pretraining, prepare
from distill.corpus.record import assemble
from distill.language import METRIC, Measured
from distill.planning import control_recipe
from distill.record import environment
from distill.remaining import Work, remaining, told, total
from distill.starting import RANDOM_LAYERS, RANDOM_STARTS
from pocketbert import processes
from pocketbert.devices import best_device, move
from pocketbert.files import write_json
from students.building import save_student


def carry_out(config: RunConfig, folder: Path, lock: FileLock, console: Console) -> Path | None:
    """Do everything; return the report's path, or None in a process that only helped to train.

    Raises:
        UserError: bad input, before anything is trained.
    """
    begin = environment()
    run = prepare(config, folder)
    processes.wait()
    continued = (folder / CONFIG_FILE).exists()
    models = {
        "teacher": model_facts(run.teacher.name, run.teacher.model),
        "student": model_facts(run.student_name, run.student),
    }
    if processes.is_first():
        _announce(run, models, console)
        estimation.check_disk(folder, _say_cost(run, console))
        take_folder(folder, config, run.inputs, lock)
    processes.wait()
    note = pipeline.ready_teacher(run)
    console.print(note)
    start = pipeline.start_student(run)
    console.print(f"student's start: {start.method} — {start.description}")
    if start.method in RANDOM_STARTS:
        console.print(f"warning: {RANDOM_LAYERS.format(start.method)}")
    move(run.teacher.model, best_device())
    measured = {"teacher": pipeline.measure(run, run.teacher.model, "teacher")}
    measured["student_before_training"] = pipeline.measure(run, run.student, "student before training")
    weights = {name: tensor.detach().clone() for name, tensor in run.student.state_dict().items()}
    trained: dict[str, Trained] = {}
    for role in ("student", "control") if config.control else ("student",):
        run.student.load_state_dict(weights)
        trained[role] = pipeline.train(run, role)
        measured[role] = trained[role].measured
    processes.leave()
    if not processes.is_first():
        return None
    console.print(_quality_table(measured))
    load_model(run.student, trained["student"].weights, device=str(run.student.device))
    save_student(run.student, folder / "student")
    run.teacher.tokenizer.save_pretrained(folder / "student")
    seconds = time.time() - psutil.Process().create_time()
    facts = {"wall_seconds": round(seconds, 1), "continued": continued, "environment": begin, "models": models}
    document = assemble(run, start, trained, measured, note) | facts
    write_json(folder / "run.json", document)
    report = write_report(document, folder)
    console.print(f"report: {report}\nstart for a task: --student {folder / 'student'}")
    return report


def _announce(run: Pretraining, models: dict[str, dict[str, Any]], console: Console) -> None:
    console.print(run.corpus.message)
    console.print(f"  {len(run.train):,} rows to train on ({run.tokens:,} tokens), {len(run.held_out.rows):,} held out")
    console.print(comparison(models["teacher"], models["student"]))
    for line in run.alignment:
        console.print(f"  {line}")


def _say_cost(run: Pretraining, console: Console) -> int:
    """Say what is left of the run, from a few timed steps; return the bytes it needs on disk."""
    held = estimation.held_memory([run.student, run.teacher.model])
    teacher, student = run.teacher.model, run.student
    parts: dict[str, Work] = {}
    conditions = pipeline.conditions(run, "estimate")
    if not run.teacher.ready:
        parts["teacher's head"] = pipeline.head_training(run).remaining()
    move(teacher, best_device())
    folders = [pipeline.training_folder(run, role) for role in ("student", "control")]
    parts["student"] = remaining(run.config.recipe, student, teacher, conditions, folders[:1])
    if run.config.control:
        recipe = control_recipe(run.config.recipe, len(run.train))
        parts["control"] = remaining(recipe, student, None, conditions, folders[1:])
    trained = [student] if run.teacher.ready else [student, teacher]
    cost = total(parts, trained, held, estimation.disk(trained, len(parts), [student]))
    console.print(f"cost: {cost.describe()} ({told(parts)})")
    return cost.disk_bytes


def _quality_table(measured: Mapping[str, Measured]) -> Table:
    table = Table("", METRIC, "95 % interval", "perplexity", "agreement", "KL")
    for role, each in measured.items():
        quality = each.quality
        compared = ("" if value is None else f"{value:.4f}" for value in (quality.agreement, quality.kl))
        interval = f"{quality.low:.4f} to {quality.high:.4f}"
        perplexity = f"{quality.metrics['perplexity']:.2f}"
        table.add_row(role.replace("_", " "), f"{quality.value:.4f}", interval, perplexity, *compared)
    return table
