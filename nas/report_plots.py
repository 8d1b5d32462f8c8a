"""The pictures of a search's page, with a student's sizes under the pointer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import optuna
import plotly.graph_objects as graph
from optuna.trial import FrozenTrial, TrialState

from nas.finishing import Finished
from nas.footprint import Footprint
from nas.front import Candidate, feasible
from nas.goals import UNITS, Goals, cost_of
from nas.objective import FOOTPRINT, NOTE, QUALITY, STUDENT, TWIN
from nas.quiet import quiet
from nas.workers import SECONDS

INK, ACCENT, SOFT, WARM = "#1f2933", "#0b6e69", "#9aa5b1", "#c2410c"
Points = Sequence[tuple[float, float, str]]


def front_plot(
    study: optuna.Study, found: Sequence[Candidate], finished: Sequence[Finished], metric: str, goals: Goals
) -> graph.Figure:
    """Return quality against a cost of every student that was trained, the front joined up where these two make it."""
    cost = goals.first_cost
    unit = UNITS[cost].strip()
    trials = [t for t in study.get_trials(deepcopy=False) if QUALITY in t.user_attrs and TWIN not in t.user_attrs]
    front = sorted((c for c in found if c.on_front), key=lambda c: cost_of(c.footprint, cost))
    on_front = {candidate.trial for candidate in front}
    rest = [t for t in trials if t.number not in on_front]
    figure = _figure(f"{cost}, {unit}", metric)

    def scatter(name: str, points: Points, colour: str, symbol: str = "circle", mode: str = "markers") -> None:
        _scatter(figure, name, points, unit, colour, symbol, mode)

    scatter("stopped early", _of([t for t in rest if t.state == TrialState.PRUNED], cost), SOFT, "circle-open")
    scatter("over a limit", _of([t for t in rest if t.state == TrialState.COMPLETE and not feasible(t)], cost), WARM)
    scatter("trained", _of([t for t in rest if feasible(t)], cost), SOFT)
    points = [(cost_of(c.footprint, cost), c.quality, c.student) for c in front]
    scatter("front", points, ACCENT, mode="lines+markers" if set(goals.objectives) == {"quality", cost} else "markers")
    done = [(cost_of(each.footprint, cost), each.quality, f"{each.student}<br>whole recipe") for each in finished]
    scatter("finished", done, INK, "star")
    limit = goals.limit(cost)
    if limit is not None:
        figure.add_vline(x=limit, line_dash="dot", line_color=WARM, annotation_text="limit")
    return figure


def _of(trials: Sequence[FrozenTrial], cost: str) -> Points:
    return [
        (
            cost_of(Footprint(**trial.user_attrs[FOOTPRINT]), cost),
            trial.user_attrs[QUALITY],
            f"{trial.user_attrs[STUDENT]}<br>{trial.user_attrs.get(NOTE, f'trial {trial.number}')}",
        )
        for trial in trials
    ]


class Reached(NamedTuple):
    """How far a search had come.

    Attributes:
        minutes: of work, of all workers together.
        hypervolume: of the front then.
        students: that it had looked at, those that were stopped or let go included.
    """

    minutes: float
    hypervolume: float
    students: int


def hypervolume(study: optuna.Study, reference: Sequence[float]) -> list[Reached]:
    """Return the hypervolume over a study.

    Args:
        study: of two objectives or more.
        reference: the worst value of each objective that still counts.
    """
    with quiet():
        figure = optuna.visualization.plot_hypervolume_history(study, list(reference))
    reached = dict(zip(figure.data[0].x, figure.data[0].y, strict=True))
    seconds, students, curve = 0.0, 0, []
    for trial in study.get_trials(deepcopy=False):
        seconds += trial.user_attrs.get(SECONDS, 0.0)
        students += trial.state in {TrialState.COMPLETE, TrialState.PRUNED} and TWIN not in trial.user_attrs
        if trial.number in reached:
            curve.append(Reached(seconds / 60, float(reached[trial.number]), students))
    return curve


def hypervolume_plot(curves: Mapping[str, Sequence[Reached]]) -> graph.Figure:
    """Return the hypervolume over time, or over students, a line a method."""
    titles = {"minutes": "minutes of work", "students": "students looked at"}
    figure = _figure(titles["minutes"], "hypervolume")
    for (name, points), colour in zip(curves.items(), (ACCENT, SOFT, WARM, INK), strict=False):
        x, y = [point.minutes for point in points], [point.hypervolume for point in points]
        figure.add_trace(graph.Scatter(x=x, y=y, name=name, line={"color": colour, "shape": "hv"}))
    buttons = [
        {
            "label": field,
            "method": "update",
            "args": [
                {"x": [[getattr(point, field) for point in points] for points in curves.values()]},
                {"xaxis.title.text": title},
            ],
        }
        for field, title in titles.items()
    ]
    below = {"x": 0.5, "xanchor": "center", "y": -0.2, "yanchor": "top"}
    menu = {"type": "buttons", "direction": "left", "buttons": buttons} | below
    figure.update_layout(updatemenus=[menu], margin_b=100, height=450)
    return figure


def importance_plot(importances: Mapping[str, Mapping[str, float]]) -> graph.Figure:
    """Return how much each dimension decides each objective."""
    figure = _figure("share of the variance", "")
    for (objective, shares), colour in zip(importances.items(), (ACCENT, SOFT, WARM, INK), strict=False):
        names = list(shares)[::-1]
        figure.add_trace(
            graph.Bar(y=names, x=[shares[n] for n in names], name=objective, orientation="h", marker_color=colour)
        )
    figure.update_layout(barmode="group")
    return figure


def _figure(x: str, y: str) -> graph.Figure:
    figure = graph.Figure()
    figure.update_layout(
        template="plotly_white",
        xaxis_title=x,
        yaxis_title=y,
        margin={"l": 60, "r": 12, "t": 12, "b": 48},
        legend={"orientation": "h", "y": 1.12},
        autosize=True,
        height=400,
        font={"family": "system-ui, sans-serif", "color": INK},
    )
    return figure


def _scatter(figure: graph.Figure, name: str, points: Points, unit: str, colour: str, symbol: str, mode: str) -> None:
    if not points:
        return
    x, y, text = zip(*points, strict=True)
    marker = {"color": colour, "symbol": symbol, "size": 13 if symbol == "star" else 8}
    hover = f"%{{text}}<br>%{{x:.2f}} {unit}, %{{y:.4f}}<extra>" + name + "</extra>"
    figure.add_trace(graph.Scatter(x=x, y=y, text=text, name=name, mode=mode, marker=marker, hovertemplate=hover))
