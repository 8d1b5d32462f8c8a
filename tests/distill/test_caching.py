"""A run with the teacher's inside on disk learns what one learns that asks it in every step."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from distill.caching import STORED, TEXT, CachedCollator, Caching
from distill.data.encoding import PaddingCollator
from distill.recipes import RECIPES
from distill.recipes.loading import load_recipe
from distill.stages import build_distiller
from teachers.caching.codes import CODES

ROWS = 24
INSIDE = ("tinybert", "minilm", "minilmv2", "patient", "distilbert", "mobilebert-auxiliary", "mobilebert-joint")


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    ids = [generator.integers(5, 120, length).tolist() for length in generator.integers(3, 12, ROWS)]
    return Dataset.from_dict(
        {"input_ids": ids, "attention_mask": [[1] * len(x) for x in ids], "labels": [0, 1] * (ROWS // 2)}
    ).add_column("length", [len(x) for x in ids])


def _cached(distiller, teacher, rows, folder, code="fp32", gigabytes=1.0):
    caching = Caching(teacher, distiller.teacher_needs, rows, PaddingCollator(0), code, gigabytes)
    cache = caching.carry_out("key", folder / "run" / "teacher-cache", "test")
    return CachedCollator(PaddingCollator(0), cache)


def _batches(rows, collator):
    numbered = rows.remove_columns("length").add_column(TEXT, range(len(rows)))
    order = np.argsort(rows["length"]).tolist()
    for start in range(0, len(rows), 6):
        yield collator([numbered[i] for i in order[start : start + 6]])


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith(INSIDE)])
def test_losses_and_gradients_are_those_of_asking(name, rows, bert, tmp_path):
    teacher, asked = bert(seed=0), 0
    for stage in load_recipe(name, ()).stages:
        distiller = build_distiller(stage.model_copy(update={"noise": None}), bert(seed=1), teacher)
        if distiller.needs_teacher_logits_only:
            continue
        asked += 1
        collator = _cached(distiller, teacher, rows, tmp_path)
        distiller.train()
        for batch in _batches(rows, collator):
            found = []
            for given in (batch, {name: value for name, value in batch.items() if name != STORED}):
                torch.manual_seed(0)
                distiller.zero_grad()
                outputs = distiller(**given)
                outputs["loss"].backward()
                gradients = [p.grad.clone() for p in distiller.parameters() if p.grad is not None]
                found.append((outputs["loss"].detach(), gradients))
            torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
            ours, theirs = (torch.cat([gradient.flatten() for gradient in each[1]]) for each in found)
            assert (ours - theirs).norm() < 1e-3 * theirs.norm()
    assert asked


def test_the_teacher_is_not_asked_where_all_is_known(rows, bert, tmp_path, monkeypatch):
    teacher = bert(seed=0)
    distiller = build_distiller(load_recipe("tinybert", ()).stages[0], bert(seed=1), teacher)
    collator = _cached(distiller, teacher, rows, tmp_path)
    monkeypatch.setattr(teacher, "forward", None)
    for batch in _batches(rows, collator):
        assert torch.isfinite(distiller(**batch)["loss"])


@pytest.mark.parametrize("code", CODES)
def test_a_coarser_code_changes_the_loss_a_little(code, rows, bert, tmp_path):
    teacher = bert(seed=0)
    distiller = build_distiller(load_recipe("tinybert", ()).stages[0], bert(seed=1), teacher).eval()
    batch = next(_batches(rows, _cached(distiller, teacher, rows, tmp_path, code)))
    live = distiller(**{name: value for name, value in batch.items() if name != STORED})["loss"].item()
    assert distiller(**batch)["loss"].item() == pytest.approx(live, rel=0.02)


def test_a_changed_text_is_asked_about_and_the_others_are_not(rows, bert, tmp_path):
    """With noise, what is known of a text holds only as long as the text is as it was."""
    teacher = bert(seed=0)
    stage = load_recipe("tinybert", ("noise.share=0.5", "noise.replaced=0.9", "noise.clean_epochs=0")).stages[0]
    distiller = build_distiller(stage, bert(seed=1), teacher, special_ids=(0,))
    batch = next(_batches(rows, _cached(distiller, teacher, rows, tmp_path)))
    distiller.train()
    losses = []
    for given in (batch, {name: value for name, value in batch.items() if name != STORED}):
        torch.manual_seed(3)
        losses.append(distiller(**given)["loss"].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_batch_with_a_text_that_had_no_room_is_asked_about(rows, bert, tmp_path):
    teacher = bert(seed=0)
    distiller = build_distiller(load_recipe("tinybert", ()).stages[0], bert(seed=1), teacher)
    collator = _cached(distiller, teacher, rows, tmp_path, gigabytes=2e-5)
    kept = [STORED in batch for batch in _batches(rows, collator)]
    assert 0 < len(collator._cache.plan.order) < ROWS
    assert not all(kept)


def test_a_cache_beside_is_found(rows, bert, tmp_path, monkeypatch):
    teacher = bert(seed=0)
    needs = {"hidden_states": frozenset({1})}
    caching = Caching(teacher, needs, rows, PaddingCollator(0), "fp16", 1)
    made = caching.carry_out("key", tmp_path / "one" / "teacher-cache", "test")
    monkeypatch.setattr(Caching, "_answer", None)
    found = caching.carry_out("key", tmp_path / "two" / "teacher-cache", "test")
    assert found.folder == made.folder


def test_what_is_left_to_ask_is_nothing_where_a_run_beside_has_it(rows, bert, tmp_path):
    caching = Caching(bert(seed=0), {"hidden_states": frozenset({1})}, rows, PaddingCollator(0), "fp16", 1)
    ours = tmp_path / "two" / "teacher-cache"
    assert len(caching.left(caching.plan("key"), ours)) == ROWS
    caching.carry_out("key", tmp_path / "one" / "teacher-cache", "test")
    assert not len(caching.left(caching.plan("key"), ours))
    assert len(caching.left(caching.plan("other"), ours)) == ROWS


def test_asking_about_nothing_takes_no_time(rows, bert):
    caching = Caching(bert(seed=0), {"hidden_states": frozenset({1})}, rows, PaddingCollator(0), "fp16", 1e-9)
    assert not len(caching.plan().order)
    assert caching.seconds(caching.plan().order) == 0.0
