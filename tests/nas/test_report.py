import optuna
import pytest

from nas.front import candidates
from nas.goals import Goals
from nas.report import importances
from nas.report_plots import Reached, front_plot, hypervolume, hypervolume_plot
from nas.report_tables import front_table, headline, sizes
from tests.nas.studies import known, small_space


@pytest.fixture
def study():
    space = small_space("layers=1..4", "hidden=96..384/48", "feed_forward=256..1536/256")
    study = optuna.create_study(directions=Goals().directions, sampler=optuna.samplers.RandomSampler(seed=0))
    _, objective, _ = known(space=space, study=study)
    study.optimize(objective, n_trials=40)
    return study


def test_each_objective_has_its_own_importances(study):
    # The known proxy's quality is the depth alone; its latency is depth times width; neither hears of feed_forward.
    shares = importances(study, Goals())
    assert shares["quality"]["layers"] > 0.9
    assert shares["latency"]["hidden"] > 0.1 > shares["latency"]["feed_forward"]


def test_the_hypervolume_only_grows_and_is_that_of_the_points_by_hand():
    study = optuna.create_study(directions=Goals().directions)
    for quality, latency in ((0.5, 2.0), (0.8, 3.0), (0.4, 2.5)):
        study.add_trial(optuna.create_trial(values=[quality, latency], user_attrs={"seconds": 60.0}))
    minutes, reached, students = zip(*hypervolume(study, [0.0, 4.0]), strict=True)
    assert students == (1, 2, 3)
    assert minutes == pytest.approx((1, 2, 3))
    assert reached == pytest.approx((1.0, 1.3, 1.3))


def test_the_hypervolume_is_over_minutes_or_over_students(study):
    curves = {"tpe": [Reached(0.5, 1.0, 2), Reached(1.5, 2.0, 7)], "random": [Reached(0.2, 0.5, 1)], "none": []}
    figure = hypervolume_plot(curves)
    over = {button.label: button.args[0]["x"] for button in figure.layout.updatemenus[0].buttons}
    assert [list(trace.x) for trace in figure.data] == over["minutes"] == [[0.5, 1.5], [0.2], []]
    assert over["students"] == [[2, 7], [1], []]


def test_the_picture_has_each_student_once_under_the_pointer(study):
    figure = front_plot(study, [], [], "accuracy", Goals(max_latency_ms=5.0))
    names = [text.split("<br>")[0] for trace in figure.data for text in trace.text]
    assert len(names) == len(set(names)) > 10
    assert all(name.startswith("family=bert") for name in names)


def test_the_picture_is_of_the_first_cost_that_is_an_objective(study):
    goals = Goals(objectives=("quality", "size", "latency"), max_size_mb=20.0)
    found = candidates(study, Goals())
    figure = front_plot(study, found, [], "accuracy", goals)
    front = next(trace for trace in figure.data if trace.name == "front")
    assert figure.layout.xaxis.title.text == "size, MB" and figure.layout.shapes[0].x0 == 20.0
    assert set(front.x) <= {candidate.footprint.size_mb for candidate in found}
    assert front.mode == "markers", "a front of three objectives is no line"


def test_words_and_tables_are_of_the_record():
    row = {"student": "family=bert,layers=2,hidden=96,heads=4,feed_forward=64", "quality": 0.45, "latency_ms": 1.5}
    row |= {"size_mb": 3.0, "memory_mb": None, "trial": 4}
    record = {
        "front": [row], "best": row, "finished": [], "metric": "accuracy", "teacher": {"name": "t", "quality": 0.5},
        "students_looked_at": 3, "students_in_space": 1000,
    }  # fmt: skip
    assert headline(record)["title"] == "2x96/4/64: 90.0 % of the teacher's accuracy at 1.50 ms and 3.0 MB"
    assert "not finished yet" in headline(record)["detail"]
    assert [cell.text for cell in front_table(record).rows[0]] == ["2x96/4/64", "45.00", "1.50", "3.0"]
    assert sizes("tiny") == "tiny"
