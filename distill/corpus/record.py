"""run.json of a run on a corpus; the same blocks as a task's, where there is something to say."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from distill.corpus.pipeline import Trained
from distill.corpus.preparation import KIND, Pretraining
from distill.language import METRIC, Measured, difference, kept_share
from distill.preparation import FEW_ROWS
from distill.record import SCHEMA, command, training_facts
from distill.starting import RANDOM_LAYERS, RANDOM_STARTS
from students.initialization import Initialisation


def assemble(
    run: Pretraining,
    start: Initialisation,
    trained: Mapping[str, Trained],
    measured: Mapping[str, Measured],
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
        "quality": _quality(measured),
        "warnings": _warnings(run, start),
    }


def _quality(measured: Mapping[str, Measured]) -> dict[str, Any]:
    student, kept = measured["student"], kept_share(measured["student"], measured["teacher"])
    compare = {
        f"student_minus_{role}": asdict(difference(student, measured[role]))
        for role in ("teacher", "control")
        if role in measured
    }
    blocks = {role: asdict(each.quality) for role, each in measured.items()}
    return blocks | {"comparisons": compare, "kept": {"student": asdict(kept)} if kept else {}}


def _warnings(run: Pretraining, start: Initialisation) -> list[str]:
    rows = len(run.held_out.rows)
    few = [f"only {rows} rows are held out: every number below is rough"] if rows < FEW_ROWS else []
    return few + ([RANDOM_LAYERS.format(start.method)] if start.method in RANDOM_STARTS else [])


def _data(run: Pretraining) -> dict[str, Any]:
    return {
        "name": run.corpus.name,
        "source": run.config.data,
        "kind": KIND,
        "metric": METRIC,
        "rows": {"train": len(run.train), "evaluation": len(run.held_out.rows)},
        "tokens": run.tokens,
        "messages": [run.corpus.message],
        "fingerprint": run.corpus.fingerprint,
    }


def _seed(run: Pretraining, trained: Mapping[str, Trained], measured: Mapping[str, Measured]) -> dict[str, Any]:
    student, control = trained["student"], trained.get("control")
    return {
        "seed": run.config.seed,
        "student": asdict(measured["student"].quality),
        "control": asdict(measured["control"].quality) if control else None,
        **training_facts(student.stages, control.stages if control else ()),
    }
