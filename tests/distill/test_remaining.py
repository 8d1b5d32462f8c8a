import pytest
from transformers import TrainerState

from distill.checkpoints import steps_done
from distill.noise import Noise
from distill.recipes.schema import TrainingSettings
from distill.remaining import _epochs
from distill.trainer import seconds_trained, steps_per_epoch, total_steps


@pytest.mark.parametrize(
    ("noise", "epochs", "parts"),
    [
        (None, 4.0, [(0, 1.0)]),
        (Noise(), 1.0, [(0, 1.0)]),
        (Noise(), 4.0, [(0, 0.25), (1, 0.75)]),
        (Noise(clean_epochs=0), 4.0, [(0, 1.0)]),
    ],
)
def test_the_parts_of_a_stage_with_and_without_noise(noise, epochs, parts):
    assert _epochs(noise, epochs) == parts


def test_a_pass_is_counted_as_the_trainer_counts_it():
    settings = TrainingSettings(epochs=4, batch_size=8, gradient_accumulation_steps=4)
    assert steps_per_epoch(settings, 1000) == 32  # 125 batches, 31.25 steps
    assert total_steps(settings, 1000) == 128


@pytest.mark.parametrize(("rows", "steps"), [(40, 40), (400, 200), (1600, 600)])
def test_small_data_is_passed_more_often_up_to_a_limit(rows, steps):
    settings = TrainingSettings(epochs=3, min_steps=200, max_epochs=8, batch_size=8)
    assert total_steps(settings, rows) == steps


def test_time_of_all_parts_of_a_resumed_training():
    state = TrainerState(
        log_history=[{"loss": 1.0, "seconds": 4.0}, {"loss": 0.5, "seconds": 9.5}, {"train_loss": 1.0}]
    )
    assert seconds_trained(state) == 9.5
    assert seconds_trained(TrainerState()) == 0


def test_steps_up_to_a_whole_checkpoint_are_not_counted_again(tmp_path):
    for step, text in ((4, "{}"), (8, "{}"), (12, "{")):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(text)
    assert steps_done(tmp_path) == 8
    assert steps_done(tmp_path / "nothing") == 0
    assert (tmp_path / "checkpoint-12").exists()
