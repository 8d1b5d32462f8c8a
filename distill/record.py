"""Assembles run.json: everything that was decided and measured, for the report and for programs."""

import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psutil
import torch
from scipy.special import softmax

import pocketbert
from distill.config import RunConfig
from distill.evaluation import Quality, constant_answer, difference, kept_share, predictions, quality
from distill.exporting import Exported
from distill.pipeline import Trained
from distill.preparation import Logits, Run
from distill.seeds import summary
from distill.stages import StageResult
from pocketbert import processes
from pocketbert.machine import commit, processor
from students.initialization import Initialisation

SCHEMA = 1
DISAGREEMENTS = 20
PACKAGES = ("torch", "transformers", "datasets", "tokenizers", "onnx", "onnxruntime", "numpy")


def assemble(
    run: Run,
    *,
    start: Initialisation,
    students: Sequence[Trained],
    controls: Sequence[Trained],
    start_logits: Logits,
    exported: Sequence[Exported],
    latency: Mapping[str, Any],
    notes: Sequence[str],
    warnings: Sequence[str],
    models: Mapping[str, Mapping[str, Any]],
    seconds: float,
    continued: bool,
    environment: Mapping[str, Any],
    compression: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of run.json.

    `environment` is of the run's begin, since its code may be changed on disk while it runs; `wall_seconds` is of the
    last call of the command; `continued` tells whether there were others before it.
    """
    return {
        "schema": SCHEMA,
        "command": command(run.config),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(seconds, 1),
        "continued": continued,
        "environment": dict(environment),
        "config": run.config.model_dump(mode="json", exclude={"recipe"}),
        "recipe": run.recipe.model_dump(mode="json"),
        "data": _data(run),
        "models": models,
        "teachers": _teachers(run, notes),
        "initialisation": asdict(start),
        "alignment": run.alignment,
        "seeds": _seeds(run, students, controls),
        "quality": _quality(run, students, controls, start_logits, exported),
        "summary_over_seeds": summary(_values(run, students), _values(run, controls)),
        "artefacts": [_artefact(run, file) for file in exported],
        "compression": compression,
        "latency": dict(latency),
        "disagreements": _disagreements(run, students[0].evaluation_logits),
        "warnings": list(warnings),
    }


def command(config: RunConfig) -> str:
    """Return the command line of the run, with the seeds and the control that its folder had already."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--seeds":
            next(words, None)
        elif not word.startswith("--seeds=") and word not in {"--control", "--no-control"}:
            kept.append(word)
    kept += ["--control"] * config.control + ["--seeds", str(config.seeds)] * (config.seeds > 1)
    return shlex.join(["python", "-m", "distill.run", *kept])


def environment() -> dict[str, Any]:
    """Return the versions and the machine that the numbers come from."""
    return {
        "pocketbert": pocketbert.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "threads": torch.get_num_threads(),
        "processes": processes.count(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "commit": commit(),
    }


def _data(run: Run) -> dict[str, Any]:
    task, rows = run.task, run.rows
    return {
        "name": task.name,
        "source": run.config.data,
        "kind": task.kind,
        "metric": task.metric,
        "labels": list(task.labels),
        "rows": {
            "train": len(rows.labelled),
            "unlabelled": len(rows.found) - len(rows.labelled),
            **({"augmented": run.data.augmented} if run.data.augmented else {}),
            "evaluation": len(rows.evaluation),
        },
        "text_columns": list(task.text_columns),
        "messages": list(run.data.messages),
        "fingerprint": run.data.fingerprint,
    }


def _teachers(run: Run, notes: Sequence[str]) -> list[dict[str, Any]]:
    """Return each teacher's own quality; where there are several, `quality.teacher` is their average's."""
    return [
        {
            "name": member.teacher.name,
            "seed": member.seed,
            "weight": member.weight,
            "note": note,
            "quality": asdict(quality(run.task, run.labels, logits)),
        }
        for member, logits, note in zip(run.members, run.member_answers, notes, strict=True)
    ]


def _values(run: Run, trained: Sequence[Trained]) -> list[float]:
    return [quality(run.task, run.labels, model.evaluation_logits).value for model in trained]


def _seeds(run: Run, students: Sequence[Trained], controls: Sequence[Trained]) -> list[dict[str, Any]]:
    matched: list[Trained | None] = list(controls) if controls else [None] * len(students)
    return [
        {
            "seed": student.seed,
            "student": _against_teacher(run, student.evaluation_logits),
            "control": _against_teacher(run, control.evaluation_logits) if control else None,
            **training_facts(student.stages, control.stages if control else ()),
        }
        for student, control in zip(students, matched, strict=True)
    ]


def training_facts(student: Sequence[StageResult], control: Sequence[StageResult]) -> dict[str, Any]:
    """Return what is told of a seed's trainings: the stages and the curves."""
    return {
        "stages": [{k: v for k, v in asdict(stage).items() if k != "history"} for stage in student],
        "history": [entry for stage in student for entry in stage.history],
        "control_history": [entry for stage in control for entry in stage.history],
    }


def _against_teacher(run: Run, logits: Logits) -> dict[str, Any]:
    return asdict(quality(run.task, run.labels, logits, run.teacher_logits))


def _teacher_quality(run: Run) -> Quality:
    return quality(run.task, run.labels, run.teacher_logits)


def _quality(
    run: Run,
    students: Sequence[Trained],
    controls: Sequence[Trained],
    start_logits: Logits,
    exported: Sequence[Exported],
) -> dict[str, Any]:
    files = {file.name: file for file in exported}
    student = students[0].evaluation_logits
    compare = {"student_minus_teacher": asdict(difference(run.task, run.labels, student, run.teacher_logits))}
    if controls:
        other = controls[0].evaluation_logits
        compare["student_minus_control"] = asdict(difference(run.task, run.labels, student, other))
    for name in (name for name in files if name.startswith("student ") and name != "student fp32"):
        change = difference(run.task, run.labels, files[name].logits, student)
        compare[f"{name.removeprefix('student ')}_minus_student"] = asdict(change)
    return {
        "teacher": asdict(_teacher_quality(run)),
        "student_before_training": _against_teacher(run, start_logits),
        "student": _against_teacher(run, student),
        "control": _against_teacher(run, controls[0].evaluation_logits) if controls else None,
        **{f"{name.replace(' ', '_')}_onnx": _against_teacher(run, file.logits) for name, file in files.items()},
        "constant_answer": constant_answer(run.task, run.labels),
        "comparisons": compare,
        "kept": _kept(run, {"student": student} | _student_files(exported)),
    }


def _student_files(exported: Sequence[Exported]) -> dict[str, Logits]:
    return {f"{file.name.replace(' ', '_')}_onnx": file.logits for file in exported if file.name.startswith("student")}


def _kept(run: Run, forms: Mapping[str, Logits]) -> dict[str, Any]:
    """Return each form's share of the teacher's metric with its interval, where such a share says anything."""
    found = {who: kept_share(run.task, run.labels, logits, run.teacher_logits) for who, logits in forms.items()}
    return {who: asdict(kept) for who, kept in found.items() if kept is not None}


def _artefact(run: Run, file: Exported) -> dict[str, Any]:
    return {
        "name": file.name,
        "path": "removed" if file.refused else str(file.path.relative_to(run.folder)),
        "bytes": None if file.refused else file.bytes,
        "parity": {
            **file.parity,
            "metric_drop": file.metric_drop,
            "limit": file.limit,
            "refused": file.refused,
        },
    }


def _disagreements(run: Run, student: Logits) -> list[dict[str, Any]]:
    """Return the evaluation rows on which student and teacher differ most."""
    teacher = run.teacher_logits
    if run.task.kind == "regression":
        gap = np.abs(student[:, 0] - teacher[:, 0])
    else:
        differs = predictions(run.task, student) != predictions(run.task, teacher)
        gap = np.abs(softmax(student, -1) - softmax(teacher, -1)).max(-1) * differs
    order = [int(row) for row in np.argsort(-gap, kind="stable")[:DISAGREEMENTS] if gap[row] > 0]
    return [_example(run, row, teacher, student) for row in order]


def _example(run: Run, row: int, teacher: Logits, student: Logits) -> dict[str, Any]:
    texts, task = run.data.evaluation[row], run.task
    example = {"text": texts["text"], "text_pair": texts.get("text_pair")}
    if task.kind == "regression":
        values = {"label": run.labels[row], "teacher": teacher[row, 0], "student": student[row, 0]}
        named = {name: f"{float(value):.4g}" for name, value in values.items()}
        return example | named | {"teacher_confidence": None, "student_confidence": None}
    return example | {
        "label": task.labels[int(run.labels[row])],
        "teacher": task.labels[int(teacher[row].argmax())],
        "teacher_confidence": float(softmax(teacher[row]).max()),
        "student": task.labels[int(student[row].argmax())],
        "student_confidence": float(softmax(student[row]).max()),
    }
