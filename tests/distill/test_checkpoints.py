"""Checkpoints that come too soon after the last one are passed over."""

import pytest
from transformers import TrainerControl, TrainerState

from distill.checkpoints import SparedCheckpoints, latest_checkpoint
from pocketbert.errors import UserError


class Clock:
    """Tells the time that it is set to."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def _offered(callback, clock, at, step, cost=0.3):
    """Offer a checkpoint at a time; tell whether it was written, which costs seconds."""
    control = TrainerControl(should_save=True)
    clock.now = at
    callback.on_step_end(None, TrainerState(global_step=step, max_steps=100), control)
    if control.should_save:
        clock.now += cost
        callback.on_save(None, TrainerState(), control)
    return control.should_save


def test_the_first_is_written_and_the_next_after_fifty_times_its_cost(clock):
    callback = SparedCheckpoints(clock)
    written = [at for at in range(2, 40, 2) if _offered(callback, clock, at, step=at)]
    assert written == [2, 18, 34]  # 2.3 + 15 = 17.3; 18.3 + 15 = 33.3


def test_there_is_none_at_the_end(clock):
    assert not _offered(SparedCheckpoints(clock), clock, 1000, step=100)


def test_one_that_costs_nothing_is_always_written(clock):
    callback = SparedCheckpoints(clock)
    assert all(_offered(callback, clock, at, step=at, cost=0) for at in range(1, 20))


def test_none_is_written_where_none_is_asked_for(clock):
    control = TrainerControl(should_save=False)
    SparedCheckpoints(clock).on_step_end(None, TrainerState(global_step=1, max_steps=9), control)
    assert not control.should_save


def _written(folder, step, *states):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir()
    for name in ("trainer_state.json", *states):
        (checkpoint / name).write_text("{}")
    return checkpoint


ALONE, PAIR = ("rng_state.pth",), ("rng_state_0.pth", "rng_state_1.pth")


@pytest.mark.parametrize(("count", "states"), [(1, ALONE), (2, PAIR), (1, ()), (2, ())])
def test_as_many_processes_go_on(count, states, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", str(count))
    checkpoint = _written(tmp_path, 5, *states)
    assert latest_checkpoint(tmp_path) == checkpoint


@pytest.mark.parametrize(("count", "states", "before"), [(2, ALONE, 1), (1, PAIR, 2)])
def test_another_number_of_processes_is_refused(count, states, before, tmp_path, monkeypatch):
    """A batch is each process's own, so a step would be of another size from there on."""
    monkeypatch.setenv("WORLD_SIZE", str(count))
    checkpoint = _written(tmp_path, 5, *states)
    with pytest.raises(UserError, match=rf"checkpoint-5 was written by {before} .* {count} would.*delete that folder"):
        latest_checkpoint(tmp_path)
    assert checkpoint.exists()


def test_one_that_lacks_a_process_is_half_written(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    older, newer = _written(tmp_path, 5, *PAIR), _written(tmp_path, 10, PAIR[0])
    assert latest_checkpoint(tmp_path) == older
    assert not newer.exists()
