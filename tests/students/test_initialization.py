import copy

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from pocketbert.errors import DoesNotFit, UserError
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student, proportions
from students.initialization import choose, initialise
from students.spec import parse_student
from tests.students.models import batches, classifier, logits

WHOLE = "layers=4,hidden=32,heads=4,feed_forward=64"
HALF = "layers=2,hidden=32,heads=4,feed_forward=64"
NARROW = "layers=3,hidden=24,heads=4,feed_forward=40"
FEWER_HEADS = "layers=4,hidden=24,heads=3,feed_forward=64"
WIDE = "layers=2,hidden=48,heads=4,feed_forward=64"


def start(text, teacher, method="auto", texts=None, **options):
    torch.manual_seed(1)
    student = build_student(parse_student(text), teacher)
    return student, initialise(student, teacher, batches() if texts is None else texts, method, **options)


def distance(student, teacher):
    """Mean squared difference of logits on texts that the start has not seen, as a share of the teacher's variance."""
    text = batches(seed=7)
    theirs = logits(teacher, text)
    return float((logits(student, text) - theirs).square().mean() / theirs.var(0).mean())


@pytest.mark.parametrize("method", ["copy", "cut", "auto"])
@pytest.mark.parametrize("family", [*FAMILIES, "electra-narrow"])
def test_a_student_of_the_teachers_sizes_is_the_teacher(family, method):
    teacher = classifier(family)
    student, done = start(WHOLE, teacher, method)
    assert done.layers == (0, 1, 2, 3)
    text = batches(2, seed=7)
    torch.testing.assert_close(logits(student, text), logits(teacher, text), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_neurons_that_do_nothing_are_cut_without_loss(family):
    teacher = classifier(family)
    for layer in anatomy(teacher).layers:
        layer.feed_forward_out.weight[:, torch.randperm(64)[:24]] = 0
    student, done = start("layers=4,hidden=32,heads=4,feed_forward=40", teacher)
    assert done.method == "cut"
    text = batches(2, seed=7)
    torch.testing.assert_close(logits(student, text), logits(teacher, text), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("text", [NARROW, FEWER_HEADS])
@pytest.mark.parametrize("family", [*FAMILIES, "electra-narrow"])
def test_a_cut_is_far_nearer_to_the_teacher_than_chance(family, text):
    teacher = classifier(family)
    cut, done = start(text, teacher, texts=batches(24))
    assert done.method == "cut"
    assert distance(cut, teacher) < 0.8
    assert distance(start(text, teacher, "random")[0], teacher) > 1.2


def test_skipped_layers_are_partly_made_up_for():
    teacher = classifier("bert")
    copied, _ = start(HALF, teacher, "copy")
    cut, done = start(HALF, teacher, texts=batches(24))
    assert (done.method, done.layers) == ("cut", (0, 3))
    assert distance(cut, teacher) < 0.5 * distance(copied, teacher)


@pytest.mark.parametrize("family", FAMILIES)
def test_copied_layers_are_those_of_the_teacher(family):
    teacher = classifier(family)
    student, done = start(HALF, teacher, "copy", layers=[1, 3])
    assert done.layers == (1, 3)
    for layer, source in zip(anatomy(student).layers, (1, 3), strict=True):
        theirs = anatomy(teacher).layers[source]
        assert torch.equal(layer.query.weight, theirs.query.weight)
        assert torch.equal(layer.feed_forward_norm.bias, theirs.feed_forward_norm.bias)
    assert "1, 3" in done.description


def test_distilbert_from_bert_fits_its_other_head_to_the_logits():
    teacher = classifier("bert")
    student, done = start(f"{WHOLE},family=distilbert", teacher)
    assert (done.method, student.config.model_type) == ("copy", "distilbert")
    assert distance(student, teacher) < 0.5


def test_padding_changes_no_weight():
    teacher, text = classifier("bert"), batches(3)
    padded = [
        {
            "input_ids": F.pad(batch["input_ids"], (0, 5), value=3),
            "attention_mask": F.pad(batch["attention_mask"], (0, 5)),
        }
        for batch in text
    ]
    ours, theirs = start(NARROW, teacher, texts=text)[0], start(NARROW, teacher, texts=padded)[0]
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight, theirs.state_dict()[name], atol=1e-4, rtol=1e-4)


def test_the_teacher_is_left_as_it_is():
    teacher = classifier("bert")
    before = copy.deepcopy(teacher.state_dict())
    student, _ = start(WHOLE, teacher, "copy")
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1)
    start(NARROW, teacher)
    assert all(torch.equal(weight, before[name]) for name, weight in teacher.state_dict().items())


def test_random_changes_nothing():
    teacher = classifier("bert")
    torch.manual_seed(1)
    untouched = build_student(parse_student(NARROW), teacher)
    student, done = start(NARROW, teacher, "random")
    assert done.layers == ()
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), untouched.parameters(), strict=True))


@torch.no_grad()
def test_principal_components_keep_distances_of_words_that_lie_in_few_dimensions():
    teacher = classifier("bert")
    words = torch.randn(120, 20) @ torch.randn(20, 32)
    teacher.get_input_embeddings().weight.copy_(words)
    student, done = start(NARROW, teacher, "pca")
    found = student.get_input_embeddings().weight
    torch.testing.assert_close(torch.cdist(found, found), torch.cdist(words, words), atol=5e-2, rtol=1e-3)
    assert (done.method, done.layers) == ("pca", ())


@pytest.mark.parametrize(
    ("text", "method", "reason"),
    [
        (WHOLE, "copy", ""),
        (HALF, "cut", ""),
        (NARROW, "cut", ""),
        ("layers=6,hidden=24,heads=4,feed_forward=40", "pca", "number of layers is 6"),
        ("layers=2,hidden=24,heads=2,feed_forward=40", "pca", "head size is 12"),
        (WIDE, "random", "embeddings are 48 wide"),
    ],
)
def test_auto_takes_the_best_that_fits_and_says_why(text, method, reason):
    _, done = start(text, classifier("bert"))
    assert done.method == method
    assert reason in done.description


def test_auto_with_a_teacher_that_cannot_be_taken_apart():
    teacher = classifier("electra-narrow")
    student = build_student(parse_student(f"{NARROW},family=bert"), teacher)
    assert initialise(student, teacher, batches()).method == "random"


@pytest.mark.parametrize(
    ("text", "method", "message"),
    [
        (NARROW, "copy", "width is 24, its teacher's 32"),
        (WIDE, "cut", "width is 48 and its teacher's only 32"),
        (WIDE, "pca", "48 wide"),
    ],
)
def test_methods_that_do_not_fit_are_refused(text, method, message):
    with pytest.raises(DoesNotFit, match=message):
        start(text, classifier("bert"), method)


def test_other_mistakes():
    with pytest.raises(UserError, match="did you mean copy"):
        start(NARROW, classifier("bert"), "copi")
    with pytest.raises(UserError, match="needs some text"):
        start(NARROW, classifier("bert"), "cut", texts=[])
    with pytest.raises(DoesNotFit, match="each must be later"):
        start(NARROW, classifier("bert"), "cut", layers=[0, 2, 1])


@pytest.mark.parametrize("hidden", [8, 13, 20, 24, 31])
@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_left_out_can_be_cut_wherever_any_can(family, hidden):
    teacher = classifier(family)
    spec = parse_student(f"layers=2,hidden={hidden}", proportions(teacher.config))
    assert spec.feed_forward == 2 * hidden
    possible = any(hidden % heads == 0 and hidden // heads <= 8 for heads in range(1, 5))
    assert choose(build_student(spec, teacher), teacher)[0] == ("cut" if possible else "pca")


@pytest.mark.parametrize("family", FAMILIES)
def test_narrow_tables_come_nearer_to_the_teacher_the_wider_they_are(family):
    teacher = classifier(family)
    apart = []
    for width in (4, 12, 28):
        student, done = start(f"{WHOLE},family=electra,embedding={width}", teacher)
        assert done.method == "cut"
        assert tuple(anatomy(student).word_embeddings.weight.shape) == (120, width)
        apart.append(distance(student, teacher))
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 0.7 < apart[0]


def test_tables_that_vary_in_few_directions_are_narrowed_without_loss():
    teacher = classifier("bert")
    parts = anatomy(teacher)
    with torch.no_grad():
        basis = torch.linalg.qr(torch.randn(32, 8, generator=torch.Generator().manual_seed(0))).Q
        for table in (parts.word_embeddings, parts.position_embeddings, parts.token_type_embeddings):
            table.weight.copy_(table.weight @ basis @ basis.T)
    narrow, _ = start(f"{WHOLE},family=electra,embedding=12", teacher)
    other, _ = start(f"{WHOLE},family=electra,embedding=4", teacher)
    assert distance(narrow, teacher) < distance(other, teacher) / 3
