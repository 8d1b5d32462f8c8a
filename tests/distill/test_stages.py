"""Stages: resumed runs equal straight ones, finished stages are not run again, NaN stops with a name."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from distill import stages
from distill.checkpoints import SparedCheckpoints
from distill.data.encoding import PaddingCollator
from distill.losses import IGNORED_LABEL
from distill.noise import Noise, add_noise
from distill.recipes import RECIPES, Recipe, Stage, TrainingSettings
from distill.stages import PROJECTIONS, WEIGHTS, Conditions, run_recipe
from distill.trainer import DistillTrainer
from pocketbert.errors import UserError
from students.fake_quantization import Settings, attach, ranges_of
from students.fake_quantization.ranges import RANGES

COLLATOR = PaddingCollator(0)


def _recipe(**training):
    settings = TrainingSettings(epochs=2, batch_size=4, learning_rate=1e-3, **training)
    source = RECIPES["tinybert"]
    copies = tuple(stage.model_copy(update={"training": settings}) for stage in source.stages)
    return source.model_copy(update={"stages": copies})


def _run(recipe, bert, rows, folder, seed=3):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert()
    results = run_recipe(recipe, student, teacher, Conditions(rows, COLLATOR, seed, "test"), folder)
    return student, results


class _KilledError(Exception):
    pass


@pytest.fixture
def kill_at(monkeypatch):
    """Return a function that makes training die, as kill -9 would, right before a given optimizer step."""

    def arm(step, stage_number):
        real = DistillTrainer.training_step
        runs = []

        def dying(self, *args, **kwargs):
            if self not in runs:
                runs.append(self)
            if len(runs) == stage_number and self.state.global_step == step:
                raise _KilledError
            return real(self, *args, **kwargs)

        monkeypatch.setattr(DistillTrainer, "training_step", dying)

    return arm


@pytest.mark.parametrize(("step", "stage"), [(7, 1), (13, 1), (17, 2)])
@pytest.mark.parametrize("noise", [None, Noise()])
def test_resumed_run_equals_the_straight_run(bert, rows, tmp_path, kill_at, monkeypatch, step, stage, noise):
    """24 steps a stage, a checkpoint every 2: killed in the first or second epoch, in the first or second stage."""
    recipe = _recipe()
    recipe = recipe.model_copy(
        update={"stages": tuple(stage.model_copy(update={"noise": noise}) for stage in recipe.stages)}
    )
    _, straight = _run(recipe, bert, rows, tmp_path / "straight")
    kill_at(step, stage)
    with pytest.raises(_KilledError):
        _run(recipe, bert, rows, tmp_path / "killed")
    monkeypatch.undo()
    _, resumed = _run(recipe, bert, rows, tmp_path / "killed")
    assert [result.resumed for result in resumed] == [stage == 1, stage == 2]
    assert all(result.seconds > 0 for result in resumed)
    for name in ("01-intermediate", "02-prediction"):
        for file in (WEIGHTS, PROJECTIONS):
            if not (tmp_path / "straight" / name / file).exists():
                assert not (tmp_path / "killed" / name / file).exists()
                continue
            expected = load_file(tmp_path / "straight" / name / file)
            got = load_file(tmp_path / "killed" / name / file)
            assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert [result.history for result in resumed] == [result.history for result in straight]


def test_noise_begins_with_the_second_pass_and_spares_special_tokens(bert, rows, tmp_path, monkeypatch):
    recipe = _recipe()
    stage = recipe.stages[1].model_copy(update={"noise": Noise(share=1, replaced=1)})
    calls = []

    def spy(ids, mask, special, noise):
        noisy, changed = add_noise(ids, mask, special, noise)
        calls.append((ids, noisy))
        return noisy, changed

    monkeypatch.setattr("distill.distiller.add_noise", spy)
    conditions = Conditions(rows, COLLATOR, 3, "test", special_ids=(0, *range(5, 60)))
    recipe = recipe.model_copy(update={"stages": (stage,)})
    run_recipe(recipe, bert(seed=1, layers=2, hidden=16), bert(), conditions, tmp_path)
    assert len(calls) == 12  # 24 steps of 4 rows are two passes over 48
    for ids, noisy in calls:
        assert torch.equal(ids[ids < 60], noisy[ids < 60]) and not torch.equal(ids, noisy)


def test_half_a_checkpoint_is_thrown_away(bert, rows, tmp_path, kill_at, monkeypatch):
    recipe = _recipe()
    kill_at(9, 1)
    with pytest.raises(_KilledError):
        _run(recipe, bert, rows, tmp_path)
    monkeypatch.undo()
    stage = tmp_path / "01-intermediate"
    whole = next(stage.glob("checkpoint-*"))
    torn = shutil.copytree(whole, stage / "checkpoint-20")
    (torn / "trainer_state.json").write_text('{"global_step": 2')
    _, results = _run(recipe, bert, rows, tmp_path)
    assert results[0].resumed
    assert results[0].steps == 24


def test_finished_stages_are_loaded_not_run(bert, rows, tmp_path, monkeypatch):
    student, results = _run(_recipe(), bert, rows, tmp_path)

    def never(*args, **kwargs):
        raise AssertionError("ran again")

    monkeypatch.setattr(stages, "DistillTrainer", never)
    again, repeated = _run(_recipe(), bert, rows, tmp_path)
    assert repeated == results
    for name, tensor in student.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_saved_student_weights_hold_no_projection(bert, rows, tmp_path):
    student, _ = _run(_recipe(), bert, rows, tmp_path)
    saved = load_file(tmp_path / "01-intermediate" / WEIGHTS)
    assert saved.keys() == student.state_dict().keys()
    assert load_file(tmp_path / "01-intermediate" / PROJECTIONS)


def test_no_checkpoint_is_left_behind(bert, rows, tmp_path):
    _run(_recipe(), bert, rows, tmp_path)
    assert not list(tmp_path.rglob("checkpoint-*"))


def test_every_objective_is_logged_by_name(bert, rows, tmp_path):
    _, results = _run(_recipe(), bert, rows, tmp_path)
    assert {"loss", "step", "hidden_mse", "attention_mse", "embedding_mse"} <= set(results[0].history[0])
    entry = results[0].history[0]
    total = entry["hidden_mse"] + entry["attention_mse"] + entry["embedding_mse"]
    assert entry["loss"] == pytest.approx(total, rel=1e-3)


def test_accumulation_does_not_change_the_loss(bert, rows, tmp_path):
    """The Trainer multiplies a bare model's loss by the accumulation steps unless told otherwise."""
    settings = {"max_steps": 1, "learning_rate": 1e-9, "dropout": 0.0}
    one = _logits_recipe(batch_size=16, **settings)
    four = _logits_recipe(batch_size=4, gradient_accumulation_steps=4, **settings)
    _, single = _run(one, bert, rows, tmp_path / "one")
    _, split = _run(four, bert, rows, tmp_path / "four")
    assert split[0].history[0]["loss"] == pytest.approx(single[0].history[0]["loss"], rel=1e-3)
    assert split[0].history[0]["hard_labels"] == pytest.approx(single[0].history[0]["hard_labels"], rel=1e-3)


def test_the_logged_loss_of_gold_labels_is_over_the_rows_that_have_one(bert, rows, tmp_path):
    labels = [label if number % 4 == 0 else IGNORED_LABEL for number, label in enumerate(rows["labels"])]
    few = rows.remove_columns("labels").add_column("labels", labels)
    settings = {"max_steps": 1, "batch_size": len(rows), "learning_rate": 1e-9, "dropout": 0.0}
    _, partly = _run(_logits_recipe(**settings), bert, few, tmp_path / "few")
    _, alone = _run(_logits_recipe(**settings), bert, few.filter(lambda row: row["labels"] >= 0), tmp_path / "alone")
    assert partly[0].history[0]["hard_labels"] == pytest.approx(alone[0].history[0]["hard_labels"], rel=1e-4)
    none = rows.remove_columns("labels").add_column("labels", [IGNORED_LABEL] * len(rows))
    _, nothing = _run(_logits_recipe(**settings), bert, none, tmp_path / "none")
    assert "hard_labels" not in nothing[0].history[0]
    assert "soft_targets" in nothing[0].history[0]


def _logits_recipe(**training):
    stage = RECIPES["logits"].stages[0].model_copy(update={"training": TrainingSettings(**training)})
    return Recipe(name="x", stages=(stage,))


def test_nan_stops_and_names_the_objective(bert, rows, tmp_path):
    student = bert(seed=1)
    with torch.no_grad():
        student.classifier.weight.fill_(float("nan"))
    stage = Stage(name="task", objectives={"hard_labels": {}}, training=TrainingSettings(max_steps=4, batch_size=8))
    with pytest.raises(UserError, match="objective hard_labels"):
        run_recipe(Recipe(name="x", stages=(stage,)), student, None, Conditions(rows, COLLATOR, 0, "t"), tmp_path)


def test_dropout_is_set_for_the_stage_and_restored(bert, rows, tmp_path, monkeypatch):
    seen = []
    real = DistillTrainer.training_step

    def watching(self, *args, **kwargs):
        seen.append({module.p for module in self.model.modules() if isinstance(module, torch.nn.Dropout)})
        return real(self, *args, **kwargs)

    monkeypatch.setattr(DistillTrainer, "training_step", watching)
    student, _ = _run(_logits_recipe(max_steps=2, dropout=0.0), bert, rows, tmp_path)
    assert seen == [{0.0}, {0.0}]
    assert {module.p for module in student.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}


def test_bfloat16_trains_and_keeps_float32_weights(bert, rows, tmp_path):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert()
    recipe = _logits_recipe(max_steps=3, batch_size=8)
    (result,) = run_recipe(recipe, student, teacher, Conditions(rows, COLLATOR, 0, "t", bf16=True), tmp_path)
    assert result.steps == 3
    assert {tensor.dtype for tensor in load_file(tmp_path / "01-task" / WEIGHTS).values()} == {torch.float32}


def test_a_kill_after_the_last_step_adds_no_step(bert, rows, tmp_path, monkeypatch):
    """5 steps end in the middle of an epoch; the Trainer alone would take a sixth after the resume."""
    recipe = _recipe(max_steps=5, scheduler="constant")
    straight, _ = _run(recipe, bert, rows, tmp_path / "straight")

    def killed(*args):
        raise _KilledError

    monkeypatch.setattr(stages, "_finish", killed)
    with pytest.raises(_KilledError):
        _run(recipe, bert, rows, tmp_path / "killed")
    monkeypatch.undo()
    resumed, results = _run(recipe, bert, rows, tmp_path / "killed")
    assert [result.steps for result in results] == [5, 5]
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name])


@pytest.mark.parametrize("stop", [3, None])
def test_the_ranges_of_a_student_that_rounds_go_on_from_a_checkpoint(bert, rows, tmp_path, kill_at, monkeypatch, stop):
    """From one within the training, and from one that stands at its end."""
    recipe = _logits_recipe(max_steps=5, batch_size=4)

    def rounding(**options):
        return attach(bert(**options), Settings(decay=0.5)) if options else bert()  # the teacher

    straight, _ = _run(recipe, rounding, rows, tmp_path / "straight")

    def killed(*args):
        raise _KilledError

    if stop is None:
        monkeypatch.setattr(SparedCheckpoints, "on_step_end", lambda *args, **options: None)
        monkeypatch.setattr(stages, "_finish", killed)
    else:
        kill_at(stop, 1)
    with pytest.raises(_KilledError):
        _run(recipe, rounding, rows, tmp_path / "killed")
    monkeypatch.undo()
    resumed, results = _run(recipe, rounding, rows, tmp_path / "killed")
    assert results[0].resumed
    assert ranges_of(resumed) == ranges_of(straight)
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in straight.state_dict().items())
    again, _ = _run(recipe, rounding, rows, tmp_path / "killed")
    assert ranges_of(again) == ranges_of(straight), "of a finished stage"
    _run(recipe, bert, rows, tmp_path / "ordinary")
    assert not list((tmp_path / "ordinary").rglob(RANGES)) and list((tmp_path / "killed").rglob(RANGES))


def test_weights_that_are_not_finite_are_never_finished(bert, rows, tmp_path):
    """The loss of the last step is measured before the step that ruins the weights."""
    settings = {"max_steps": 1, "learning_rate": 1e38, "gradient_clipping": 0.0, "warmup_ratio": 0.0}
    with pytest.raises(UserError, match="not numbers"):
        _run(_logits_recipe(batch_size=8, **settings), bert, rows, tmp_path)
    assert not list(tmp_path.rglob("stage.json"))


def test_frozen_embeddings_stay_as_they_are(bert, rows, tmp_path):
    before = bert(seed=1, layers=2, hidden=16).state_dict()
    student, _ = _run(_logits_recipe(max_steps=3, batch_size=8, freeze_embeddings=True), bert, rows, tmp_path)
    for name, tensor in student.state_dict().items():
        assert torch.equal(tensor, before[name]) == (".embeddings." in name), name
