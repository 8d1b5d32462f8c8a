"""What is said of limits: which hold, and which of them leave no student."""

from dataclasses import replace
from functools import partial

import optuna

from nas.footprint import Footprint, Setting, measured_footprint
from nas.objective import LEARNT, told
from nas.preparation import Question
from nas.search_space import student
from nas.study import looked_at
from pocketbert.errors import UserError
from students.building import build_student
from students.spec import StudentSpec


def told_limits(question: Question) -> str:
    """Say the limits that hold."""
    goals = question.goals
    pairs = {
        "latency": (goals.max_latency_ms, " ms at most"),
        "size": (goals.max_size_mb, " MB at most"),
        "memory": (goals.max_memory_mb, " MB at most"),
        "retention": (goals.min_retention, " of the teacher's at least"),
    }
    return ", ".join(f"{name} {value:g}{unit}" for name, (value, unit) in pairs.items() if value is not None)


def check_possible(question: Question, setting: Setting) -> None:
    """Check that a student of the space may keep the limits on costs.

    Args:
        question: with its limits.
        setting: that latency is measured at.

    Raises:
        UserError: none does, as a latency model or the smallest one's file says.
    """
    device, asked = question.device, question.goals
    if not asked.limits_costs:
        return
    # The first of a family is the smallest in everything; of families one may be the smallest and another the fastest.
    smallest = [student(family.family, next(family.points())) for family in question.space.families]
    found = {spec: _footprint(question, spec, setting) for spec in smallest}
    if device is not None:
        fastest = min(question.space.students(), key=device.predict)
        found = {spec: replace(footprint, latency_ms=device.predict(fastest)) for spec, footprint in found.items()}
    violations = {spec: asked.violations(footprint) for spec, footprint in found.items()}
    for name in violations[smallest[0]]:
        best = min(found, key=lambda spec: violations[spec][name])
        if violations[best][name] > 0:
            shown = fastest if device is not None and name == "latency" else best
            raise UserError(
                f"the limit on {name} leaves no student: the smallest of the space, {shown.name}, has "
                f"{told(name, found[best])} on {device.device if device else 'this machine'}. Raise it, or widen the "
                "space (--space)."
            )


def _footprint(question: Question, spec: StudentSpec, setting: Setting) -> Footprint:
    device = question.device
    return measured_footprint(
        build_student(spec, question.run.teacher.model),
        question.reference,
        setting,
        memory=question.goals.needs_memory,
        predicted_ms=None if device is None else partial(device.predict, spec),
    )


def why_none(study: optuna.Study, question: Question) -> str:
    """Say which limit the students looked at break, and by how little the nearest does."""
    trials = [trial for trial in looked_at(study) if trial.constraints]
    if not trials:
        return "no student was trained to the end: give the search more --minutes or --trials."
    counts = {name: sum(t.constraints.get(name, 0) > 0 for t in trials) for t in trials for name in t.constraints}
    worst = max(counts, key=lambda name: counts[name])
    if worst == LEARNT:
        return (
            f"{counts[worst]} of {len(trials)} students are no better than the same answer for every row, and no other "
            "keeps the limits. Give more --proxy-steps (or --supernet-steps), in another --out or --name."
        )
    nearest = min(trial.constraints[worst] for trial in trials if worst in trial.constraints)
    return (
        f"no student of {len(trials)} keeps the limits ({told_limits(question)}): {worst} rules out {counts[worst]} of "
        f"them, and the nearest misses it by {100 * max(nearest, 0):.0f} %. Search longer (the same command "
        "goes on), or raise that limit in another --out or --name."
    )
