import pytest
import torch

from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student, is_language_model
from students.initialization import initialise
from students.spec import parse_student
from tests.students.models import batches, classifier, language_model, logits

WHOLE = "layers=4,hidden=32,heads=4,feed_forward=64"
NARROW = "layers=4,hidden=24,heads=4,feed_forward=48"
EVERY_FAMILY = [*FAMILIES, "electra-narrow"]


def _start(text, teacher, method):
    torch.manual_seed(1)
    student = build_student(parse_student(text), teacher)
    initialise(student, teacher, batches(), method)
    return student


@torch.no_grad()
def _words(model, texts):
    """Logits of all real tokens, [N, vocabulary]."""
    return torch.cat([model(**batch).logits[batch["attention_mask"].bool()] for batch in texts])


@pytest.mark.parametrize("method", ["copy", "cut"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_a_student_of_the_teachers_sizes_is_the_teacher(family, method):
    teacher, texts = language_model(family), batches(2, seed=7)
    student = _start(WHOLE, teacher, method)
    torch.testing.assert_close(_words(student, texts), _words(teacher, texts), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_a_cut_head_is_far_nearer_to_the_teacher_than_a_random_one(family):
    teacher, texts = language_model(family), batches(2, seed=7)
    theirs = _words(teacher, texts)
    cut = _start(NARROW, teacher, "cut")
    ours = _words(cut, texts)
    torch.manual_seed(2)
    for parameter in (anatomy(cut).language_head.dense.weight, anatomy(cut).language_head.bias):
        torch.nn.init.normal_(parameter, std=0.2)
    assert (ours - theirs).square().mean() < 0.6 * (_words(cut, texts) - theirs).square().mean()


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_decoder_stays_the_word_embeddings(family):
    student = _start(NARROW, language_model(family), "cut")
    assert student.get_output_embeddings().weight is student.get_input_embeddings().weight


def test_which_models_are_language_models():
    assert is_language_model(language_model("bert"))
    assert not is_language_model(classifier("bert"))
    assert anatomy(classifier("roberta")).language_head is None
    assert logits(classifier("bert"), batches(1)).shape[1] == 2
