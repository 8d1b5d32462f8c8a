import json

import pytest
import torch
from torch.testing import assert_close

from distill import pipeline
from distill.losses import soft_targets
from distill.preparation import student_rows
from distill.recipes import RECIPES
from distill.recipes.schema import Stage, TrainingSettings
from distill.stages import build_distiller
from nas.search_space import SearchSpace
from nas.slicing import Slice
from nas.spaces import parse_space
from nas.supernet import TEMPERATURE, Sandwich, Supernet
from pocketbert.errors import UserError
from students.architecture import Proportions
from tests.distill.command import interrupted
from tests.nas.test_proxy import run  # noqa: F401  (a fixture)
from tests.students.models import batches, classifier

pytestmark = pytest.mark.filterwarnings("default")
OBJECTIVES = RECIPES["logits"].stages[0].objectives


def _space(*texts) -> SearchSpace:
    texts = texts or ("layers=1..4", "hidden=8..32/8", "feed_forward=16..64/16")
    return parse_space(texts, {}, Proportions(32, 4, 64), 4, "bert")


def _supernet(run, folder, steps=12, learning_rate=1e-3):  # noqa: F811  (the fixture)
    rows = pipeline.answered(run, student_rows(run), run.folder / "supernet.safetensors")
    training = TrainingSettings(max_steps=steps, batch_size=8, learning_rate=learning_rate)
    return Supernet(run, _space(), rows, Stage(name="supernet", objectives=OBJECTIVES, training=training), folder)


def test_the_largest_holds_all_and_the_smallest_is_in_all():
    space = _space()
    assert space.largest().sizes == "4x32/4/64"
    assert (space.smallest().layers, space.smallest().hidden, space.smallest().feed_forward) == (1, 8, 16)
    for texts in (("family=bert,electra",), ("family=mobilebert",)):
        with pytest.raises(UserError, match="slices are of one family"):
            _space(*texts).largest()
    with pytest.raises(UserError, match="do not make it up"):
        _space("hidden=8,32", "heads=2,8").largest()


def test_the_loss_is_the_largest_ones_and_the_slices_divergences_from_it():
    student, teacher, batch = classifier("bert"), classifier("bert", seed=1), batches(1)[0]
    specs = [_space().smallest(), next(iter(_space().students()))]
    alone = build_distiller(Stage(name="s", objectives=OBJECTIVES), student, teacher)
    sandwich = Sandwich(student, dict(alone.objectives.items()), teacher, lambda: specs)
    for module in (m for m in student.modules() if isinstance(m, torch.nn.Dropout)):
        module.p = 0.0
    student.config.hidden_dropout_prob = student.config.attention_probs_dropout_prob = 0.0
    expected = alone.train()(**batch, labels=None)["loss"]
    target = student(**batch).logits.detach()
    for spec in specs:
        expected = expected + soft_targets(Slice(spec, student).logits(batch, training=True), target, TEMPERATURE)
    assert_close(sandwich.train()(**batch, labels=None)["loss"], expected)


def test_slices_get_better_by_the_training_and_are_found_again(run, tmp_path):  # noqa: F811  (the fixture)
    spec = _space().smallest()

    def score(supernet):
        model = supernet.build(spec)
        supernet.start(spec, model)
        return supernet.train(spec, model, lambda *_: True).quality

    trained = _supernet(run, tmp_path, steps=80)
    again = _supernet(run, tmp_path, steps=80)
    assert score(trained) == score(again) > 0.6
    assert json.loads((tmp_path / "supernet.json").read_text())["seconds"] > 0


def test_an_interrupted_training_ends_where_the_straight_one_does(run, tmp_path):  # noqa: F811  (the fixture)
    straight = _supernet(run, tmp_path / "straight")
    with interrupted(7, 0), pytest.raises(KeyboardInterrupt):
        _supernet(run, tmp_path / "resumed")
    resumed = _supernet(run, tmp_path / "resumed")
    assert_close(resumed.whole.state_dict(), straight.whole.state_dict(), rtol=0, atol=0)
