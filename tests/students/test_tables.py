import pytest
import torch

from pocketbert.errors import DoesNotFit
from students.anatomy import anatomy
from students.tables import tables_for
from tests.students.models import classifier


def tables(student, teacher):
    return tables_for(anatomy(student), anatomy(teacher))


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_the_same_family_gets_the_same_tables(family):
    teacher = classifier(family)
    parts, found = anatomy(teacher), tables(classifier(family, seed=1), teacher)
    assert torch.equal(found.word, parts.word_embeddings.weight)
    assert torch.equal(found.position, parts.position_embeddings.weight)
    assert (found.token_type is None) == (family == "distilbert")
    if found.token_type is not None:
        assert torch.equal(found.token_type, parts.token_type_embeddings.weight)


@torch.no_grad()
def test_distilbert_gets_token_type_0_in_its_positions():
    teacher = classifier("bert")
    parts, found = anatomy(teacher), tables(classifier("distilbert"), teacher)
    expected = parts.position_embeddings.weight + parts.token_type_embeddings.weight[0]
    assert torch.equal(found.position, expected)
    assert found.token_type is None


def test_bert_from_distilbert_has_token_types_that_say_nothing():
    found = tables(classifier("bert"), classifier("distilbert"))
    assert found.token_type.abs().max() == 0


def test_positions_are_shifted_between_families():
    teacher = classifier("roberta")
    found = tables(classifier("bert", max_position_embeddings=38), teacher)
    assert torch.equal(found.position, anatomy(teacher).position_embeddings.weight[2:])
    assert torch.equal(found.token_type[1], anatomy(teacher).token_type_embeddings.weight[0])
    back = tables(classifier("roberta"), classifier("bert", max_position_embeddings=38))
    assert back.position[:2].abs().max() == 0


def test_other_vocabularies_and_longer_texts_are_refused():
    with pytest.raises(DoesNotFit, match="121 pieces and the teacher 120"):
        tables(classifier("bert", vocab_size=121), classifier("bert"))
    with pytest.raises(DoesNotFit, match="reads 41 tokens and the teacher only 40"):
        tables(classifier("bert", max_position_embeddings=41), classifier("bert"))
