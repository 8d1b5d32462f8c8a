"""The page that a search leaves behind: report.html, one file that asks nothing of anywhere."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import plotly.graph_objects as graph
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from optuna.trial import FrozenTrial, TrialState

from benchmarks.report_format import unbroken
from nas.finalists import Finalist
from nas.finishing import Finished, warnings
from nas.front import Candidate, reference_point
from nas.goals import Goals
from nas.objective import TWIN
from nas.preparation import Question
from nas.quiet import quiet
from nas.report_plots import front_plot, hypervolume, hypervolume_plot, importance_plot
from nas.report_tables import cards, finalists_table, finished_table, front_table, headline
from nas.scoring import Scale
from nas.search_space import CONDITIONAL
from nas.settings import Request
from nas.study import looked_at
from pocketbert.files import write_json, write_text

REPORT, RECORD = "report.html", "search.json"
FEWEST_FOR_IMPORTANCE = 8
SHOWN = {"displayModeBar": False, "responsive": True}


def write_report(
    request: Request,
    question: Question,
    scale: Scale,
    studies: Mapping[str, optuna.Study],
    found: Sequence[Candidate],
    looked: Sequence[Finalist],
    finished: Sequence[Finished],
) -> Path:
    """Write report.html and search.json into the search's folder; return the page's path.

    Args:
        request: what was asked for.
        question: what the search was about.
        scale: what the students were measured on.
        studies: by method; the search's own, and those that it is compared with.
        found: the students within the limits, the best first.
        looked: those that were distilled for longer before one was chosen.
        finished: those distilled with the whole recipe.
    """
    study = studies[request.method]
    curves = {}
    if len(question.goals.objectives) > 1:
        floor = question.goals.least(scale.floor, scale.teacher)
        worst = reference_point(question.goals, floor, list(studies.values()))
        curves = {name: hypervolume(each, worst) for name, each in studies.items()}
    record = _record(request, question, scale, study, found, looked, finished) | {"hypervolume": curves}
    write_json(request.out / RECORD, record)
    shares = importances(study, question.goals)
    figures = {
        "front": front_plot(study, found, finished, question.run.task.metric, question.goals),
        "hypervolume": hypervolume_plot(curves) if any(curves.values()) else None,
        "importance": importance_plot(shares) if any(shares.values()) else None,
    }
    page = (
        _environment()
        .get_template("search.html.j2")
        .render(
            record=record,
            headline=headline(record),
            cards=cards(record),
            tables={
                "front": front_table(record),
                "finalists": finalists_table(record),
                "finished": finished_table(record),
            },
            space=question.space.describe(),
            plots=_drawn(figures),
        )
    )
    path = request.out / REPORT
    write_text(path, page)
    return path


def importances(study: optuna.Study, goals: Goals) -> dict[str, dict[str, float]]:
    """Return for each objective the share of its variance that each dimension explains; {} of too few students."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST_FOR_IMPORTANCE:
        return {}
    shares: dict[str, dict[str, float]] = {}
    # Optuna's default (PED-ANOVA) gives every objective of a study the same shares.
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    for number, name in enumerate(goals.objectives):
        try:
            with quiet():
                found = optuna.importance.get_param_importances(
                    study, evaluator=evaluator, target=partial(_value, number)
                )
        except (ValueError, RuntimeError):  # one value in all trials
            continue
        shares[name] = {each: float(share) for each, share in found.items() if CONDITIONAL not in each}
    return shares


def _value(number: int, trial: FrozenTrial) -> float:
    return float(trial.values[number])


def _record(
    request: Request,
    question: Question,
    scale: Scale,
    study: optuna.Study,
    found: Sequence[Candidate],
    looked: Sequence[Finalist],
    finished: Sequence[Finished],
) -> dict[str, Any]:
    trials = looked_at(study)
    return {
        "data": question.run.task.name,
        "metric": question.run.task.metric,
        "teacher": {"name": request.config.teacher, "quality": scale.teacher},
        "space": question.space.document(),
        "students_in_space": question.space.count(),
        "students_looked_at": len(trials),
        "twins": sum(TWIN in trial.user_attrs for trial in study.get_trials(deepcopy=False)),
        "drawn": question.goals.first_cost,
        "goals": question.goals.model_dump(mode="json"),
        "proxy": request.proxy.model_dump(mode="json"),
        "latency_at": vars(request.setting),
        "device": question.device.device if question.device else "this machine",
        "reference": {"student": request.config.student, "latency_ms": question.reference_ms},
        "best": found[0].document(),
        "noise": scale.noise,
        "front": [candidate.document() for candidate in found if candidate.on_front],
        "finalists": [each.document() for each in looked],
        "finished": [each.document() for each in finished],
        "warnings": warnings(finished, question.goals),
    }


def _drawn(figures: Mapping[str, graph.Figure | None]) -> dict[str, Markup]:
    """Return each figure's HTML; the first carries the script that draws them all."""
    drawn = dict.fromkeys(figures, Markup(""))
    for name, figure in figures.items():
        if figure is not None:
            first = not any(drawn.values())
            html = figure.to_html(full_html=False, include_plotlyjs=first, config=SHOWN)
            drawn[name] = Markup(html)  # noqa: S704  (plotly escapes what it is given)
    return drawn


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("nas"), PackageLoader("benchmarks")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    return environment
