import pytest
import torch
from transformers import BertForMaskedLM

from distill import language
from distill.data.encoding import PaddingCollator
from distill.language import HeldOut, difference, kept_share, measure_language
from distill.losses import IGNORED_LABEL
from distill.masking import Masking, Vocabulary, mask_tokens
from tests.conftest import tiny_bert

WORDS = Vocabulary(mask=4, special=(0, 1, 2, 3, 4), size=120, continues=torch.zeros(120, dtype=torch.bool))


@pytest.fixture
def text(rows):
    return HeldOut(rows.select_columns(["input_ids"]), PaddingCollator(0), WORDS)


def _model(seed):
    torch.manual_seed(seed)
    return BertForMaskedLM(tiny_bert(layers=2).config).eval()


@torch.no_grad()
def test_numbers_are_those_of_the_plain_formula(text, monkeypatch):
    model, teacher = _model(0), _model(1)
    monkeypatch.setattr(language, "BATCH_SIZE", len(text.rows))
    got = measure_language(model, text, teacher).quality
    batch = text.collator([{"input_ids": ids} for ids in text.rows["input_ids"]])
    generator = torch.Generator().manual_seed(0)
    ids, labels = mask_tokens(batch["input_ids"], batch["attention_mask"], WORDS, Masking(), generator)
    hidden = labels != IGNORED_LABEL
    ours, theirs = (
        m(input_ids=ids, attention_mask=batch["attention_mask"]).logits[hidden].double().log_softmax(-1)
        for m in (model, teacher)
    )
    assert got.value == pytest.approx((ours.argmax(-1) == labels[hidden]).double().mean().item())
    assert got.metrics["loss"] == pytest.approx(-ours.gather(1, labels[hidden][:, None]).mean().item(), rel=1e-5)
    assert got.kl == pytest.approx((theirs.exp() * (theirs - ours)).sum(-1).mean().item(), rel=1e-4)
    assert got.agreement == pytest.approx((ours.argmax(-1) == theirs.argmax(-1)).double().mean().item())


def test_a_model_is_its_own_teacher(text):
    model = _model(0)
    alone, own = measure_language(model, text), measure_language(model, text, model)
    assert own.quality.agreement == 1
    assert own.quality.kl == pytest.approx(0, abs=1e-6)
    assert alone.quality.agreement is None
    assert difference(alone, own).high == difference(alone, own).low == 0


def test_no_share_of_what_may_be_nothing(text):
    measured = measure_language(_model(0), text)
    nothing = type(measured)(measured.quality, 0 * measured.accuracies)
    assert kept_share(measured, nothing) is None
