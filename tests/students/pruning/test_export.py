import numpy as np
import pytest

from benchmarks.comparison import comparison, model_facts
from benchmarks.flops import counted_flops, flops
from benchmarks.size import sizes
from students.exporting.files import export_fp32, export_int8
from students.exporting.running import run_onnx
from students.pruning.pruner import prune
from students.pruning.removal import removed
from students.pruning.targets import parse_target
from tests.students.exporting import texts, torch_logits
from tests.students.models import classifier
from tests.students.pruning.labelled import EVEN, FAMILIES, UNEVEN, labelled

TARGETS = ("0.5", "hidden=0.25:heads=0.5:layers=0.5")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kept", [UNEVEN, EVEN])
def test_both_precisions_are_torchs(family, kept, tmp_path):
    model = removed(classifier(family), kept)
    encodings = texts((12, 5, 1), types=family in {"bert", "electra", "electra-narrow"})
    expected = torch_logits(model, encodings)
    export_fp32(model, tmp_path / "fp32.onnx")
    export_int8(model, tmp_path / "int8.onnx")
    np.testing.assert_allclose(run_onnx(tmp_path / "fp32.onnx", encodings, threads=1), expected, atol=1e-4)
    error = np.abs(run_onnx(tmp_path / "int8.onnx", encodings, threads=1) - expected).max()
    assert 0 < error < 0.15 * np.abs(expected).max()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("target", TARGETS)
def test_operations_of_a_pruned_model_are_torchs_count(family, target):
    model = prune(classifier(family), parse_target(target), labelled(1)).model
    assert flops(model, 33) == counted_flops(model, 33)
    assert sizes(model).parameters == sum(x.numel() for x in model.parameters())


def test_facts_of_layers_that_differ():
    pruned = prune(classifier("bert"), parse_target("0.5"), labelled(1))
    facts, layers = model_facts("pruned", pruned.model), pruned.after.layers
    assert facts["heads"] == [layer.heads for layer in layers]
    assert facts["feed_forward"] == [layer.feed_forward for layer in layers]
    assert facts["attention_width"] == [8 * layer.heads for layer in layers]
    assert (facts["layers"], facts["hidden"]) == (4, 32)
    table = comparison(model_facts("whole", classifier("bert")), facts)
    assert list(table.columns[2].cells)[3] == " ".join(str(layer.heads) for layer in layers)


def test_facts_of_layers_that_are_alike():
    model = prune(classifier("bert"), parse_target("heads=0.5"), labelled(1)).model
    facts = model_facts("pruned", model)
    assert (facts["heads"], facts["attention_width"], facts["feed_forward"]) == (2, 16, 64)
