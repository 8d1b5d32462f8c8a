import pytest
import torch

from distill.distiller import Distiller
from distill.noise import Noise, add_noise
from distill.recipes import RECIPES
from distill.stages import build_distiller

SPECIAL = (0, 1, 2)
IDS = torch.tensor([[1, 10, 11, 12, 2, 0], [1, 20, 21, 22, 23, 2]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
ALWAYS = Noise(replaced=1, share=1, clean_epochs=0)


def test_special_tokens_and_padding_stay_and_the_rest_comes_from_the_batch():
    torch.manual_seed(0)
    for _ in range(20):
        ids, changed = add_noise(IDS, MASK, SPECIAL, ALWAYS)
        assert torch.equal(changed, (ids != IDS).any(1)) and changed.any()
        kept = (MASK == 0) | torch.isin(IDS, torch.tensor(SPECIAL))
        assert torch.equal(ids[kept], IDS[kept])
        assert set(ids[~kept].tolist()) <= {10, 11, 12, 20, 21, 22, 23}


def test_rows_and_tokens_are_changed_as_often_as_asked():
    torch.manual_seed(0)
    ids = torch.arange(100, 100 + 400 * 50).reshape(400, 50)
    new, changed = add_noise(ids, torch.ones_like(ids), (), Noise(replaced=0.2, share=0.5))
    assert torch.equal((new != ids).any(1), changed)
    assert changed.float().mean().item() == pytest.approx(0.5, abs=0.08)
    assert (new != ids)[changed].float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(new[~changed], ids[~changed])


def test_a_batch_of_special_tokens_alone_stays():
    ids, changed = add_noise(IDS[:, :1], MASK[:, :1], SPECIAL, ALWAYS)
    assert torch.equal(ids, IDS[:, :1]) and not changed.any()


def _distiller(bert, noise) -> Distiller:
    stage = RECIPES["logits"].stages[0].model_copy(update={"noise": noise})
    return build_distiller(stage, bert(seed=1, layers=2, hidden=16), bert(), SPECIAL).train()


def test_changed_rows_have_no_gold_label_and_the_teacher_reads_what_the_student_reads(bert, monkeypatch):
    distiller = _distiller(bert, Noise(clean_epochs=1))
    teacher = distiller.teacher
    changed_ids = IDS.clone()
    changed_ids[1, 1] = 30
    monkeypatch.setattr("distill.distiller.add_noise", lambda *_: (changed_ids, torch.tensor([False, True])))
    stored = teacher(input_ids=IDS, attention_mask=MASK).logits
    seen = {}
    for name, objective in distiller.objectives.items():
        real = objective.forward

        def spy(student, teacher, mask, labels, name=name, real=real):
            seen[name] = (teacher.logits, labels)
            return real(student, teacher, mask, labels)

        monkeypatch.setattr(objective, "forward", spy)
    labels = torch.tensor([1, 0])
    distiller(IDS, MASK, labels=labels, teacher_logits=stored)
    assert torch.equal(seen["soft_targets"][0], stored) and seen["hard_labels"][1].tolist() == [1, 0]
    distiller.epoch = 1
    distiller(IDS, MASK, labels=labels, teacher_logits=stored)
    expected = teacher(input_ids=changed_ids, attention_mask=MASK).logits
    torch.testing.assert_close(seen["soft_targets"][0], expected)
    assert seen["hard_labels"][1].tolist() == [1, -100]
    distiller.eval()(IDS, MASK, labels=labels, teacher_logits=stored)
    assert torch.equal(seen["soft_targets"][0], stored)


def test_a_changed_row_of_a_regression_has_no_gold_value(bert):
    stage = RECIPES["logits"].stages[0].model_copy(update={"noise": ALWAYS})
    values = {"labels": 1, "problem_type": "regression"}
    distiller = build_distiller(stage, bert(seed=1, **values), bert(**values), SPECIAL).train()
    torch.manual_seed(0)
    assert distiller(IDS, MASK, labels=torch.tensor([3.0, 4.0]))["hard_labels"].item() == 0


def test_without_a_question_to_the_teacher_there_is_no_noise(bert):
    stage = RECIPES["logits"].stages[0].model_copy(update={"noise": ALWAYS, "objectives": {"hard_labels": {}}})
    distiller = build_distiller(stage, bert(seed=1), bert(), SPECIAL).train()
    assert distiller(IDS, MASK, labels=torch.tensor([1, 0]))["hard_labels"].item() > 0


def test_a_control_has_no_noise():
    recipe = RECIPES["logits"]
    noisy = recipe.model_copy(update={"stages": (recipe.stages[0].model_copy(update={"noise": Noise()}),)})
    assert noisy.without_teacher().stages[0].noise is None
