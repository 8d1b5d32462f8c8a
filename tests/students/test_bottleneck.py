import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from students.anatomy import anatomy
from students.building import build_student
from students.forward import embed, texts_of
from students.initialization import initialise
from students.spec import parse_student

IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 8, 13, 3, 0]])
BATCH = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=20, num_labels=3,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


@torch.no_grad()
@pytest.mark.parametrize("family", ["mobilebert", "ib_bert"])
def test_a_student_as_wide_begins_with_its_teachers_embeddings(teacher, family):
    student = build_student(parse_student(f"layers=2,hidden=32,embedding=32,heads=4,family={family}"), teacher)
    found = initialise(student, teacher, [BATCH])
    assert found.method == "pca"
    assert "positions and head, random layers" in found.description
    ours = student.base_model.embeddings(IDS)[BATCH["attention_mask"].bool()]
    theirs = embed(anatomy(teacher), texts_of([BATCH]))
    if family == "ib_bert":
        assert torch.allclose(ours, theirs, rtol=1e-2)  # transformers' norm there has another epsilon
    else:  # a norm without statistics only comes near
        assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.9
    assert torch.equal(student.classifier.weight, teacher.classifier.weight)
    assert torch.equal(student.base_model.pooler.dense.weight, teacher.bert.pooler.dense.weight)


@torch.no_grad()
def test_a_narrower_student_takes_the_words_alone(teacher):
    student = build_student(parse_student("layers=2,hidden=16,embedding=8,heads=4,family=mobilebert"), teacher)
    before = student.base_model.embeddings.position_embeddings.weight.clone()
    words = student.get_input_embeddings().weight.clone()
    assert initialise(student, teacher, [BATCH]).method == "pca"
    assert torch.equal(student.base_model.embeddings.position_embeddings.weight, before)
    assert not torch.equal(student.get_input_embeddings().weight, words)


def test_a_teacher_with_narrower_embeddings_leaves_all_to_chance(teacher):
    student = build_student(parse_student("layers=2,hidden=64,embedding=48,heads=4,family=mobilebert"), teacher)
    found = initialise(student, teacher, [BATCH])
    assert found.method == "random"
    assert "48 wide and its teacher's only 32" in found.description


@torch.no_grad()
@pytest.mark.parametrize("family", ["mobilebert", "ib_bert"])
def test_a_teacher_of_the_same_form_gives_its_embeddings_and_head(teacher, family):
    torch.manual_seed(1)
    wide = build_student(parse_student("layers=3,hidden=32,embedding=12,heads=4,family=ib_bert"), teacher)
    wide.base_model.embeddings.LayerNorm.weight.uniform_(0.5, 1.5)
    student = build_student(parse_student(f"layers=2,hidden=32,embedding=12,heads=4,family={family}"), teacher)
    assert initialise(student, wide, [BATCH]).description == "the teacher's embeddings and head, random layers"
    ours, theirs = (model.base_model.embeddings(IDS) for model in (student, wide))
    if family == "ib_bert":
        assert torch.equal(ours, theirs)
    else:
        assert torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).min() > 0.9
    assert torch.equal(student.classifier.weight, wide.classifier.weight)
    assert torch.equal(student.base_model.pooler.dense.weight, wide.base_model.pooler.dense.weight)
    assert isinstance(wide.base_model.embeddings.LayerNorm, torch.nn.LayerNorm), "the teacher is as it was"
