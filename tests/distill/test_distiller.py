import pytest
import torch
from transformers import BertForMaskedLM

from distill import distiller as distiller_module
from distill.distiller import SHARE, Distiller
from distill.masking import Vocabulary
from distill.recipes import RECIPES, Stage
from distill.stages import build_distiller
from tests.conftest import tiny_bert
from tests.reference import losses as reference

BATCH = {
    "input_ids": torch.randint(5, 120, (4, 7), generator=torch.Generator().manual_seed(0)),
    "attention_mask": torch.ones(4, 7, dtype=torch.long),
    "labels": torch.tensor([0, 1, 1, 0]),
}
STAGES = {f"{recipe.name}-{stage.name}": stage for recipe in RECIPES.values() for stage in recipe.stages}


@pytest.fixture(params=STAGES)
def distiller(request, bert) -> Distiller:
    return build_distiller(STAGES[request.param], bert(seed=1, layers=2, hidden=16), bert())


def test_the_teacher_is_neither_trained_nor_saved(distiller):
    assert not any("teacher" in name for name in distiller.state_dict())
    distiller.train()
    assert not distiller.teacher.training
    assert not any(parameter.requires_grad for parameter in distiller.teacher.parameters())


def test_the_student_holds_no_projection(distiller):
    plain = type(distiller.student)(distiller.student.config).state_dict()
    assert distiller.student.state_dict().keys() == plain.keys()


def test_the_loss_is_the_weighted_sum_of_the_named_ones(distiller):
    distiller.student.eval()
    torch.manual_seed(0)
    result = distiller(**BATCH)
    names = {name for name in result if name not in {"loss", "logits"} and not name.endswith(SHARE)}
    assert names == set(distiller.objectives)
    assert all(result[f"{name}{SHARE}"] == 1 for name in names if f"{name}{SHARE}" in result)
    total = sum(distiller.objectives[name].weight * result[name] for name in names)
    assert result["loss"].item() == pytest.approx(total.item(), rel=1e-5)


def test_a_file_holds_each_tensor_once_and_loads_again():
    torch.manual_seed(0)
    models = [BertForMaskedLM(tiny_bert(layers=1).config) for _ in range(2)]
    one, other = (Distiller(model, {}, None) for model in models)
    state = one.state_dict()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    other.load_state_dict(state)  # strict: no name is missing
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_predictions_of_hidden_tokens_equal_the_papers_formula(monkeypatch):
    """DistilBERT's two losses on text: the teacher's distributions and the true tokens, at the hidden places alone."""
    torch.manual_seed(0)
    student, teacher = (BertForMaskedLM(tiny_bert(layers=n, hidden=h).config).eval() for n, h in ((2, 16), (4, 32)))
    stage = Stage(name="text", objectives={"soft_targets": {"temperature": 2.0}, "hard_labels": {}})
    words = Vocabulary(mask=4, special=(0, 1, 2, 3, 4), size=120, continues=torch.zeros(120, dtype=torch.bool))
    mask = torch.ones(4, 7, dtype=torch.long)
    mask[1, 4:] = 0
    whole = BATCH["input_ids"] * mask
    ids, places = whole.clone(), [(0, 2), (1, 1), (1, 3), (3, 6)]
    labels = torch.full_like(whole, -100)
    for place in places:
        ids[place], labels[place] = 4, whole[place]
    monkeypatch.setattr(distiller_module, "mask_tokens", lambda *_: (ids, labels))
    result = build_distiller(stage, student, teacher, vocabulary=words)
    result.train()
    student.eval()
    got = result(whole, mask)
    ours, theirs = (
        [model(input_ids=ids, attention_mask=mask).logits[place].detach().double().numpy() for place in places]
        for model in (student, teacher)
    )
    gold = [int(whole[place]) for place in places]
    assert got["soft_targets"].item() == pytest.approx(reference.hinton(ours, theirs, 2.0), abs=1e-6)
    assert got["hard_labels"].item() == pytest.approx(reference.cross_entropy(ours, gold), abs=1e-6)


def test_in_evaluation_only_loss_and_logits_come_back(distiller):
    assert set(distiller.eval()(**BATCH)) == {"loss", "logits"}


def test_stored_logits_replace_the_teacher(bert):
    stage = RECIPES["logits"].stages[0]
    teacher = bert().eval()
    distiller = build_distiller(stage, bert(seed=1), teacher).eval()
    inputs = {key: BATCH[key] for key in ("input_ids", "attention_mask")}
    stored = teacher(**inputs).logits
    assert distiller.needs_teacher_logits_only
    live = distiller(**BATCH)["loss"].item()
    assert distiller(**BATCH, teacher_logits=stored)["loss"].item() == pytest.approx(live, abs=1e-6)
    assert distiller(**BATCH, teacher_logits=stored + torch.eye(4, 2))["loss"].item() != pytest.approx(live, abs=1e-4)
