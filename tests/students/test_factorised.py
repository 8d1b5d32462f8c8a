import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pocketbert.errors import DoesNotFit, UserError
from pocketbert.factorised import FactorisedEmbedding
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student, load_student, save_student
from students.exporting.files import export_fp32, export_int8
from students.exporting.loading import load
from students.exporting.running import run_onnx
from students.factorised import directions, factorise
from students.initialization import initialise
from students.spec import parse_student
from students.vocabulary import reading
from tests.students.exporting import texts, torch_logits
from tests.students.models import HIDDEN, VOCABULARY, batches, classifier, language_model, logits
from tests.students.wordpieces import wordpieces

SMALL = "layers=2,hidden=24,heads=3,feed_forward=40"
FAMILIES_AND_NARROW = (*FAMILIES, "electra-narrow")


@pytest.mark.parametrize("family", FAMILIES_AND_NARROW)
def test_in_the_full_width_nothing_changes(family):
    model = classifier(family)
    width = anatomy(model).word_embeddings.embedding_dim
    torch.testing.assert_close(logits(factorise(model, width), batches(2)), logits(model, batches(2)))


@pytest.mark.parametrize("family", FAMILIES_AND_NARROW)
def test_a_narrow_table_has_fewer_parameters_and_the_model_is_left(family):
    model = classifier(family)
    before = logits(model, batches(1))
    narrow = factorise(model, 5)
    width = anatomy(model).word_embeddings.embedding_dim
    counts = [sum(parameter.numel() for parameter in each.parameters()) for each in (model, narrow)]
    assert counts[0] - counts[1] == VOCABULARY * width - (VOCABULARY * 5 + 5 * width)
    assert torch.equal(logits(model, batches(1)), before)
    assert not torch.allclose(logits(narrow, batches(1)), before)


def test_directions_are_those_of_a_weighted_singular_value_decomposition():
    generator = np.random.default_rng(0)
    table, counts = generator.normal(size=(40, 8)), generator.integers(0, 50, 40)
    ours = directions(torch.tensor(table), 3, torch.tensor(counts)).numpy()
    weighted = table * (counts + 1)[:, None] ** 0.45
    theirs = np.linalg.svd(weighted, full_matrices=False)[2][:3].T
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-9)


def test_rows_that_no_piece_has_count_as_those_that_no_text_uses():
    """Tables are often padded to more rows than their tokenizer has pieces."""
    counts = torch.arange(VOCABULARY - 20)
    padded = torch.cat([counts, torch.zeros(20, dtype=torch.long)])
    short, whole = (factorise(classifier("bert"), 7, each) for each in (counts, padded))
    assert torch.equal(logits(short, batches(1)), logits(whole, batches(1)))


def test_pieces_that_the_text_uses_are_kept_best():
    model = classifier("bert")
    counts = torch.zeros(VOCABULARY, dtype=torch.long)
    counts[:20] = 10_000
    table = model.get_input_embeddings().weight

    def error(narrow):
        return (narrow.get_input_embeddings()(torch.arange(20)) - table[:20]).norm().item()

    assert error(factorise(model, 12, counts)) < 0.8 * error(factorise(model, 12))


@pytest.mark.parametrize("family", FAMILIES_AND_NARROW)
def test_a_model_in_factors_is_saved_and_exported(family, tmp_path):
    narrow = factorise(classifier(family, pad_token_id=1), 7)
    save_student(narrow, tmp_path)
    wordpieces(["fine"]).save_pretrained(tmp_path)
    for again in (load_student(tmp_path), load(tmp_path)[0]):
        assert isinstance(again.get_input_embeddings(), FactorisedEmbedding)
        assert torch.equal(logits(again, batches(1)), logits(narrow, batches(1)))
    export_fp32(again, tmp_path / "fp32.onnx")
    encodings = texts((9, 4, 1))
    expected = torch_logits(narrow, encodings)
    np.testing.assert_allclose(run_onnx(tmp_path / "fp32.onnx", encodings, threads=1), expected, atol=1e-3, rtol=1e-4)
    for four_bits in (False, True):
        export_int8(again, tmp_path / "int8.onnx", four_bit_tables=four_bits)
        difference = np.abs(run_onnx(tmp_path / "int8.onnx", encodings, threads=1) - expected).max()
        assert 0 < difference < 0.5 * np.abs(expected).max()


def test_an_encoder_alone_is_read_from_a_classifiers_folder(tmp_path):
    narrow = factorise(classifier("bert"), 7)
    save_student(narrow, tmp_path)
    wordpieces(["fine"]).save_pretrained(tmp_path)
    encoder, _ = load(tmp_path, "embedding")
    batch = batches(1)[0]
    with torch.no_grad():
        assert torch.equal(encoder(**batch)[0], narrow.bert(**batch)[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["cut", "pca", "random"])
def test_a_student_with_a_narrow_table_starts_from_its_teacher(family, method):
    teacher = classifier(family)
    student = build_student(parse_student(f"{SMALL},embedding=24"), teacher)
    whole = build_student(parse_student(SMALL), teacher)
    for each in (student, whole):
        assert initialise(each, teacher, batches(2), method).method == method
    if method != "random" and family != "electra":  # whose own form projects after the norm
        ids = torch.arange(VOCABULARY)
        torch.testing.assert_close(student.get_input_embeddings()(ids), whole.get_input_embeddings()(ids))


@pytest.mark.parametrize("method", ["copy", "cut"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_of_its_teachers_sizes_and_full_width_is_its_teacher(family, method):
    teacher, text = classifier(family), batches(4)
    sizes = f"layers=4,hidden={HIDDEN},heads=4,feed_forward=64"
    student = build_student(parse_student(f"{sizes},embedding={HIDDEN}"), teacher)
    initialise(student, teacher, text, method)
    torch.testing.assert_close(logits(student, text), logits(teacher, text), atol=1e-3, rtol=0)


@pytest.mark.parametrize("method", ["copy", "cut"])
def test_a_teacher_in_factors_is_taken_over_whole(method):
    teacher, text = factorise(classifier("bert"), 9), batches(4)
    sizes = f"layers=4,hidden={HIDDEN},heads=4,feed_forward=64"
    for student in (sizes, f"{sizes},embedding=9"):
        model = build_student(parse_student(student), teacher)
        initialise(model, teacher, text, method)
        torch.testing.assert_close(logits(model, text), logits(teacher, text), atol=1e-3, rtol=0)


def test_a_vocabulary_in_factors_is_trimmed():
    narrow, kept = factorise(classifier("bert", pad_token_id=0), 7), [0, 2, 5, 9, 50]
    trimmed = reading(narrow, kept)
    with torch.no_grad():
        ours = trimmed(torch.tensor([[1, 4, 3]])).logits
        theirs = narrow(torch.tensor([[2, 50, 9]])).logits
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("embedding", "message"), [(0, "is 32 wide: take 1 to that"), (33, "embedding=33: the word table is 32 wide")]
)
def test_a_width_that_is_none_is_refused(embedding, message):
    with pytest.raises(DoesNotFit, match=message):
        factorise(classifier("bert"), embedding)


def test_what_has_no_table_of_its_own_or_two_factors_is_refused():
    with pytest.raises(DoesNotFit, match="it is its head, too"):
        factorise(language_model("bert"), 8)
    with pytest.raises(DoesNotFit, match="in two factors already, 8 wide"):
        factorise(factorise(classifier("bert"), 8), 4)
    with pytest.raises(DoesNotFit, match="it is its head, too"):
        build_student(parse_student(f"{SMALL},embedding=8"), language_model("bert"))


def test_a_folder_that_lacks_a_factor_is_refused(tmp_path):
    save_student(factorise(classifier("bert"), 7), tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["bert.embeddings.word_embeddings.projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"incomplete \(no bert.embeddings.word_embeddings.projection.weight"):
        load_student(tmp_path)


def test_a_folder_with_a_table_of_another_width_is_refused(tmp_path):
    save_student(factorise(classifier("bert"), 7), tmp_path)
    save_file({"bert.embeddings.word_embeddings.weight": torch.zeros(VOCABULARY, 9)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="take the files that were saved together"):
        load_student(tmp_path)
