import pytest
from torch.testing import assert_close

from distill import pipeline
from distill.evaluation import divergence, measured, predict
from distill.preparation import student_rows
from distill.recipes import RECIPES
from distill.recipes.schema import Stage, TrainingSettings
from nas.proxy import Proxy
from students.spec import parse_student
from tests.nas.studies import ready_run

pytestmark = pytest.mark.filterwarnings("default")
SPEC = parse_student("layers=2,hidden=16,heads=2,feed_forward=32,family=bert")


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    return ready_run(files / "teacher", files / "labels", SPEC.name, tmp_path_factory.mktemp("runs") / "search", 200)


def _proxy(run, *rungs):
    objectives = RECIPES["logits"].stages[0].objectives
    training = TrainingSettings(max_steps=rungs[-1], batch_size=8, learning_rate=1e-3)

    def rows(own):
        return pipeline.answered(own, student_rows(own), own.folder / "logits.safetensors", list(range(0, 160, 2)))

    assert len(rows(run)) == 80
    return Proxy(run, rows, Stage(name="proxy", objectives=objectives, training=training), rungs)


def test_a_candidate_learns_and_is_scored_at_every_rung(run):
    proxy, seen = _proxy(run, 5, 20), []
    model = proxy.build(SPEC)
    proxy.start(SPEC, model)
    score = proxy.train(SPEC, model, lambda steps, quality: seen.append((steps, quality)) or True)
    assert [steps for steps, _ in seen] == [5, 20]
    assert score == proxy.score(SPEC, model)
    assert score.quality == seen[-1][1] > 0.6
    logits = predict(model, run.rows.evaluation, run.collator)
    assert score.distance == divergence(run.teacher_logits, logits) > 0


def test_a_candidate_that_is_behind_is_trained_no_further(run):
    proxy, seen = _proxy(run, 5, 20), []
    model = proxy.build(SPEC)
    proxy.start(SPEC, model)
    score = proxy.train(SPEC, model, lambda steps, quality: bool(seen.append(quality)))
    assert seen == [score.quality]
    assert score == proxy.score(SPEC, model)


def test_the_same_candidate_gets_the_same_score(run):
    proxy, states = _proxy(run, 4), []
    for _ in range(2):
        model = proxy.build(SPEC)
        proxy.start(SPEC, model)
        proxy.train(SPEC, model, lambda *_: True)
        states.append(model.state_dict())
    assert_close(states[0], states[1], rtol=0, atol=0)


def test_rows_carry_what_the_teacher_says_of_them(run):
    every = pipeline.answered(run, student_rows(run), run.folder / "all.safetensors")
    some = pipeline.answered(run, student_rows(run), run.folder / "some.safetensors", [3, 7])
    assert_close(some["teacher_logits"][:], [every["teacher_logits"][i] for i in (3, 7)], rtol=0, atol=1e-5)
    assert some["input_ids"][:] == [every["input_ids"][i] for i in (3, 7)]
    assert measured(run.task, run.labels, run.teacher_logits) > 0.6
