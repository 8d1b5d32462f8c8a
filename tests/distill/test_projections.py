import pytest
import torch
from datasets import Dataset

from distill.data.encoding import PaddingCollator
from distill.distiller import Distiller
from distill.objectives import OBJECTIVES
from distill.objectives.projected import Projected
from distill.projections import fit_projections
from distill.shapes import shape_of

PROJECTED = [name for name, kind in OBJECTIVES.items() if issubclass(kind, Projected)]


def _distiller(name, student, teacher):
    kind = OBJECTIVES[name]
    return Distiller(student, {name: kind(kind.Settings(), shape_of(student), shape_of(teacher))}, teacher)


def test_every_objective_with_projections_is_known():
    assert PROJECTED == ["embedding_mse", "hidden_mse", "hidden_cosine", "patient_states", "feature_maps"]


@pytest.mark.parametrize("name", PROJECTED)
def test_the_loss_falls_and_the_random_state_stays(name, bert, rows):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert(layers=4)
    torch.manual_seed(0)
    distiller = _distiller(name, student, teacher).eval()
    collator = PaddingCollator(0)
    batch = collator([rows.remove_columns("length")[i] for i in range(len(rows))])
    before, state = distiller(**batch)["loss"], torch.get_rng_state()
    fit_projections(distiller, rows, collator, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert distiller(**batch)["loss"] < 0.9 * before
    weights = [parameter.clone() for parameter in distiller.objectives.parameters()]
    fit_projections(distiller, rows, collator, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(weights, distiller.objectives.parameters(), strict=True))


def test_a_linear_map_between_the_states_is_found(bert, rows):
    """With the teacher's own states as both sides the least-squares solution is the identity, up to the penalty."""
    teacher = bert(layers=2)
    distiller = _distiller("hidden_mse", bert(seed=1, layers=2, hidden=16), teacher)
    objective = distiller.objectives["hidden_mse"]
    objective.projections = torch.nn.ModuleList([torch.nn.Linear(32, 32) for _ in range(2)])
    distiller.student = teacher
    fit_projections(distiller, rows, PaddingCollator(0), seed=0)
    found = objective.projections[1]
    with torch.no_grad():
        hidden = distiller.observe({"input_ids": torch.tensor([rows[0]["input_ids"]])})[0].layers("hidden_states")[2][0]
        assert torch.nn.functional.mse_loss(found(hidden), hidden) < 0.01 * hidden.var()


def test_padding_does_not_count(bert, rows):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert(layers=4)
    found = []
    for multiple in (1, 32):
        torch.manual_seed(0)
        distiller = _distiller("hidden_mse", student, teacher)
        fit_projections(distiller, rows, PaddingCollator(0, multiple), seed=0)
        found.append(torch.cat([parameter.flatten() for parameter in distiller.objectives.parameters()]))
    assert torch.allclose(*found, atol=1e-4)


def test_without_projections_nothing_is_read(bert):
    nothing = Dataset.from_dict({"input_ids": []})
    fit_projections(_distiller("hidden_mse", bert(), bert()), nothing, PaddingCollator(0), seed=0)
