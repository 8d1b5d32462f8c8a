"""run.json of a run on a corpus; the same blocks as a task's, where there is something to say."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from distill.corpus.pipeline import Trained
from distill.corpus.preparation import KIND, Pretraining
from distill.evaluation import Quality
from distill.language import METRIC
from distill.record import SCHEMA, command
from students.initialization import Initialisation


def assemble(
    run: Pretraining,
    start: Initialisation,
    trained: Mapping[str, Trained],
    measured: Mapping[str, Quality],
    note: str,
) -> dict[str, Any]:
    """Return the document, without what only the caller knows (time, environment, models)."""
    return {
        "schema": SCHEMA,
        "command": command(run.config),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": run.config.model_dump(mode="json", exclude={"recipe"}),
        "recipe": run.config.recipe.model_dump(mode="json"),
        "data": _data(run),
        "teachers": [{"name": run.teacher.name, "seed": run.config.seed, "weight": 1.0, "note": note}],
        "initialisation": asdict(start),
        "alignment": run.alignment,
        "seeds": [_seed(run, trained, measured)],
        "quality": {role: asdict(quality) for role, quality in measured.items()},
        "warnings": [],
    }


def _data(run: Pretraining) -> dict[str, Any]:
    return {
        "name": run.corpus.name,
        "source": run.config.data,
        "kind": KIND,
        "metric": METRIC,
        "rows": {"train": len(run.train), "evaluation": len(run.held_out.rows)},
        "messages": [run.corpus.message],
        "fingerprint": run.corpus.fingerprint,
    }


def _seed(run: Pretraining, trained: Mapping[str, Trained], measured: Mapping[str, Quality]) -> dict[str, Any]:
    student, control = trained["student"], trained.get("control")
    return {
        "seed": run.config.seed,
        "student": asdict(measured["student"]),
        "control": asdict(measured["control"]) if control else None,
        "stages": [{k: v for k, v in asdict(stage).items() if k != "history"} for stage in student.stages],
        "history": [entry for stage in student.stages for entry in stage.history],
        "control_history": [entry for stage in control.stages for entry in stage.history] if control else [],
    }
