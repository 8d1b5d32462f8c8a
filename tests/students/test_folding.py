import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from students.building import build_student
from students.exporting.files import export_fp32
from students.exporting.folding import folded, has_no_norm
from students.exporting.running import run_onnx
from students.spec import parse_student

SIZES = "layers=3,hidden=32,embedding=12,bottleneck=16,heads=4,feed_forward=24,family=mobilebert"


def _student(changes, pooled):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, max_position_embeddings=20
    )
    student = build_student(parse_student(f"{SIZES}{changes}"), BertForSequenceClassification(config))
    if not pooled:
        config = student.config
        config.classifier_activation = False
        student = type(student)(config).eval()
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if name.endswith("LayerNorm.weight"):
                parameter.uniform_(-1.5, -0.5) if "bottleneck" in name else parameter.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                parameter.normal_()
    return student


@torch.no_grad()
@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("changes", ["", ",attention=narrow,feed_forwards=2", ",attention=wide", ",feed_forwards=1"])
def test_a_folded_model_answers_alike_without_a_norm(changes, pooled):
    student = _student(changes, pooled)
    ids = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    other = folded(student)
    expected = student(input_ids=ids).logits
    assert torch.allclose(other(input_ids=ids).logits, expected, atol=1e-4 * float(expected.abs().max()))
    assert not [name for name, _ in other.named_parameters() if "LayerNorm" in name]
    assert all(torch.equal(before[name], tensor) for name, tensor in student.state_dict().items()), "a copy is folded"


@torch.no_grad()
def test_a_scale_of_nothing_is_left_as_it_is():
    student = _student("", True)
    student.base_model.encoder.layer[1].output.LayerNorm.weight[3] = 0
    assert folded(student) is student


def test_only_no_norm_is_folded():
    assert has_no_norm(_student("", True))
    bert = BertForSequenceClassification(BertConfig(num_hidden_layers=1, hidden_size=16, num_attention_heads=2))
    assert not has_no_norm(bert)


@torch.no_grad()
@pytest.mark.parametrize(
    "changes", [",normalization=layer_norm", ",activation=gelu", ",normalization=layer_norm,activation=gelu"]
)
def test_a_norm_with_statistics_is_not_folded_and_either_file_answers_as_the_model(changes, tmp_path):
    student = _student(changes, True)
    assert has_no_norm(student) == ("layer_norm" not in changes)
    assert student.config.hidden_act == ("gelu" if "gelu" in changes else "relu")
    rows = [{"input_ids": torch.randint(5, 60, (length,)).tolist()} for length in (5, 9)]
    rows = [row | {"attention_mask": [1] * len(row["input_ids"])} for row in rows]
    export_fp32(student, tmp_path / "model.onnx")
    for row, answer in zip(rows, run_onnx(tmp_path / "model.onnx", rows, batch_size=1), strict=True):
        expected = student(**{name: torch.tensor([values]) for name, values in row.items()}).logits[0]
        assert torch.allclose(torch.from_numpy(answer), expected, atol=1e-4 * float(expected.abs().max()))
