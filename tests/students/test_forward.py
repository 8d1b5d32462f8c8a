import pytest
import torch

from students.anatomy import anatomy
from students.forward import embed, head_logits, run_layer, texts_of
from tests.students.models import batches, classifier, logits


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "electra-narrow", "distilbert"])
def test_pieces_put_together_give_the_models_logits(family):
    model = classifier(family)
    parts, text = anatomy(model), batches(2, types=family in {"bert", "electra", "electra-narrow"})
    texts = texts_of(text)
    with torch.no_grad():
        hidden = embed(parts, texts)
        for layer in parts.layers:
            hidden = run_layer(layer, parts.activation, hidden, texts).result
        ours = head_logits(parts, hidden[texts.first])
    torch.testing.assert_close(ours, logits(model, text), atol=1e-5, rtol=1e-5)


def test_texts_leave_padding_out():
    batch = {
        "input_ids": torch.tensor([[5, 6, 0], [7, 8, 9]]),
        "attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1]]),
    }
    texts = texts_of([batch, batch])
    assert texts.ids.tolist() == [5, 6, 7, 8, 9] * 2
    assert texts.positions.tolist() == [0, 1, 0, 1, 2] * 2
    assert texts.types.tolist() == [0] * 10
    assert texts.first.tolist() == [0, 2, 5, 7]
