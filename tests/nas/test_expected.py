import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from nas.cost_models import CostModels
from nas.expected import FEWEST, Expected
from nas.footprint import Setting
from nas.front import feasible, reference_point
from nas.goals import Goals
from nas.objective import STUDENT
from nas.report_plots import hypervolume
from nas.scoring import Score
from nas.spaces import parse_space
from nas.study import looked_at, search
from nas.volume import hypervolume_of
from pocketbert.errors import UserError
from students.spec import parse_student
from tests.nas.studies import TEACHER, known, small_space, weigh

pytestmark = pytest.mark.filterwarnings("default")
BOTH = Goals(max_latency_ms=12.0)
WIDE = parse_space((), {}, TEACHER, 6, "bert")


@pytest.fixture(scope="module")
def searched():
    """Return studies of 14 students in the wide space by the one who proposes, three seeds."""
    return [_search(WIDE, BOTH, "gp", seed, 14)[0] for seed in range(3)]


class Smooth:
    """Scores a student by its sizes: deeper is better, up to a point; wider is, too."""

    teacher, floor, rungs, last = 1.0, 0.3, (5, 10), 10

    def build(self, spec):
        return spec

    def start(self, spec, model):
        """A student of known quality needs no weights."""

    def train(self, spec, model, watch):
        value = 1 - 0.9 / spec.layers - 40 / spec.hidden + 0.05 * np.log2(spec.feed_forward / 512)
        for steps in self.rungs:
            quality = value * steps / self.last
            if not watch(steps, quality):
                break
        return Score(quality, 1 - quality)


def _search(space, goals, method, seed, trials, study=None, scorer=None):
    study, objective, _ = known(space=space, goals=goals, study=study)
    objective._scorer = scorer or Smooth()
    costs = CostModels(Setting(), 30522, 512)
    expected = Expected(space, goals, costs, lambda s: reference_point(goals, 0.3, [s]), 0.3, seed)
    propose = expected.choose if method == "gp" else None
    search(study, objective, space, method, seed, trials=trials, seconds=60, ended=lambda *_: None, propose=propose)
    return study, expected


def test_it_reaches_more_than_chance_with_as_many_students(searched):
    by_chance = [_search(WIDE, BOTH, "random", seed, 14)[0] for seed in range(3)]
    ours, theirs = (
        np.median([hypervolume(s, reference_point(BOTH, 0.3, [s]))[-1][1] for s in studies])
        for studies in (searched, by_chance)
    )
    assert ours > 1.1 * theirs


def _is_over(trial):
    return weigh(parse_student(trial.user_attrs[STUDENT]), None).latency_ms > BOTH.max_latency_ms


def test_nobody_is_chosen_twice_and_no_one_over_a_limit_once_costs_are_known():
    studies = [_search(WIDE, BOTH, method, 0, 30)[0] for method in ("gp", "random")]
    names = [trial.user_attrs[STUDENT] for trial in studies[0].trials]
    assert len(set(names)) == len(names) == 30
    over = [sum(_is_over(trial) for trial in study.trials[FEWEST + 6 :]) for study in studies]
    assert over[0] <= 2 < over[1]


def test_a_small_space_is_looked_at_whole():
    space = small_space()
    study, expected = _search(space, Goals(), "gp", 0, 100)
    assert len(looked_at(study)) == space.count()
    assert expected.choose(study) is None


@pytest.mark.parametrize(
    "goals",
    [
        Goals(objectives=("quality",), max_latency_ms=12.0),
        Goals(objectives=("size", "latency"), min_retention=0.5),
        Goals(objectives=("quality", "latency", "size")),
    ],
)
def test_any_goals_do(goals):
    study, expected = _search(WIDE, goals, "gp", 0, 10)
    assert len(looked_at(study)) == 10
    first, again = expected.choose(study), expected.choose(study)
    assert first == again and first.name not in {trial.user_attrs[STUDENT] for trial in study.trials}
    reached = hypervolume_of_trials(study, goals)
    _search(WIDE, goals, "gp", 0, 16, study)
    assert hypervolume_of_trials(study, goals) >= reached > 0


def hypervolume_of_trials(study, goals):
    worst = goals.as_costs(tuple(reference_point(goals, 0.3, [study])))
    done = [goals.as_costs(tuple(t.values)) for t in study.trials if feasible(t)]
    return hypervolume_of(done, tuple(value + 1e-9 for value in worst))


def test_a_student_that_always_fails_is_left_alone():
    class Failing(Smooth):
        def train(self, spec, model, watch):
            if (spec.layers, spec.hidden) == (4, 384):
                raise UserError("no such thing")
            return super().train(spec, model, watch)

    space = small_space("layers=1..4", "hidden=96..384/48", "heads=6", "feed_forward=256,512")
    study, _ = _search(space, Goals(), "gp", 0, 21, scorer=Failing())
    assert len(looked_at(study)) == 21
    failed = [t.user_attrs[STUDENT] for t in study.trials if t.state == TrialState.FAIL]
    assert failed and len(set(failed)) == len(failed)


def test_students_at_work_elsewhere_are_not_chosen_again():
    space = small_space("layers=1..3", "hidden=96", "heads=6", "feed_forward=256")
    study, expected = _search(space, Goals(), "gp", 0, 2)
    running = study.ask()
    left = [s for s in space.students() if s.name not in {t.user_attrs.get(STUDENT) for t in study.trials}]
    running.set_user_attr(STUDENT, left[0].name)
    assert expected.choose(study) is None
    study.tell(running, state=TrialState.FAIL)
    assert expected.choose(study) == left[0]


def test_the_same_study_gets_the_same_student():
    studies = [_search(WIDE, BOTH, "gp", 3, 8)[0] for _ in range(2)]
    names = [[trial.user_attrs[STUDENT] for trial in study.trials] for study in studies]
    assert names[0] == names[1]
    assert optuna.trial.TrialState.WAITING not in {trial.state for trial in studies[0].trials}


class Noisy(Smooth):
    """Adds chance to the metric of a student, none to its distance, and remembers what it would be without."""

    noise = 0.08

    def train(self, spec, model, watch):
        sound = super().train(spec, model, lambda *_: True).quality
        quality = sound + self.noise * np.random.default_rng(len(spec.name) + spec.hidden + spec.layers).normal()
        watch(self.last, quality)
        return Score(quality, float(np.exp(-4 * sound)))


def test_what_it_learns_from_is_nearer_to_the_truth_than_what_was_measured():
    study, expected = _search(WIDE, BOTH, "random", 0, 24, scorer=Noisy())
    expected._noise = Noisy.noise
    trials = {t.user_attrs[STUDENT]: t for t in study.trials if feasible(t)}
    scored = {spec.name: value for spec, value in expected._scored(trials).items()}
    assert len(scored) > 8
    true = {name: Smooth().train(parse_student(name), None, lambda *_: True).quality for name in scored}
    errors = [sum((each[n] - true[n]) ** 2 for n in true) for each in (scored, {n: trials[n].values[0] for n in true})]
    assert errors[0] < 0.5 * errors[1]


def _largest(study):
    names = [t.user_attrs[STUDENT] for t in study.trials if feasible(t)]
    return max(weigh(parse_student(name), None).latency_ms for name in names)


def test_where_the_best_is_wanted_students_near_the_limit_are_looked_at(searched, monkeypatch):
    near = [_largest(study) for study in searched]
    monkeypatch.setattr("nas.expected.TURN", 1000)
    without = [_largest(_search(WIDE, BOTH, "gp", seed, 14)[0]) for seed in range(3)]
    assert np.mean(near) > np.mean(without) and np.mean(near) > 0.85 * BOTH.max_latency_ms


def test_the_expected_improvement_is_that_of_the_paper():
    class Guess:
        def guess(self, specs):
            return np.array([0.50, 0.49, 0.60]), np.array([0.0, 0.1, 0.05])

    specs = [parse_student(f"family=bert,layers={n},hidden=96,heads=6,feed_forward=256") for n in (1, 2, 3)]
    draw = np.random.default_rng(0).normal(size=200_000)
    gains = [np.maximum(m + s * draw - 0.55, 0).mean() for m, s in zip(*Guess().guess(specs), strict=True)]
    assert Expected._best(Guess(), specs, 0.55) == specs[int(np.argmax(gains))] == specs[2]
