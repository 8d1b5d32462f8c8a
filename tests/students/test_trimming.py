import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    DebertaV2Config,
    XLMRobertaConfig,
)

from pocketbert.errors import DoesNotFit
from students.trimming import changes, trim_model
from tests.students.models import config_of
from tests.students.subwords import counted, lines, other_lines, tokenizer_of
from tests.students.wordpieces import wordpieces

SEEN, WIDE = lines()[:60], 60
_SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 32}
_SIZES |= {"max_position_embeddings": WIDE}
_OTHERS = {
    "xlm-roberta": lambda **more: XLMRobertaConfig(**_SIZES, **more),
    "albert": lambda **more: AlbertConfig(**_SIZES, embedding_size=16, **more),
    "deberta-v3": lambda **more: DebertaV2Config(**_SIZES, relative_attention=True, type_vocab_size=0, **more),
}
FAMILIES = ("roberta", "bert", "distilbert", "electra-narrow", *_OTHERS)


def made(family, auto, tokenizer, rows=0):
    torch.manual_seed(0)
    options = {"vocab_size": rows or len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    options |= {"initializer_range": 0.3}
    config = _OTHERS[family](**options) if family in _OTHERS else config_of(family, **options)
    return auto.from_config(config).eval()


def read(tokenizer, texts):
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=WIDE - 24, return_tensors="pt")
    return {name: inputs[name] for name in ("input_ids", "attention_mask")}


def tokenizer_for(family):
    return (
        tokenizer_of(family) if family in (*_OTHERS, "roberta") else wordpieces(["parser", "argument", "the", "self"])
    )


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "auto", [AutoModelForSequenceClassification, AutoModelForMaskedLM, AutoModel], ids=lambda auto: auto.__name__
)
def test_a_trimmed_model_answers_as_before(family, auto):
    tokenizer = tokenizer_for(family)
    model = made(family, auto, tokenizer, rows=len(tokenizer) + 7)  # as some have more rows than pieces
    out = trim_model(model, tokenizer, counted(tokenizer, SEEN))
    before, after = (each(**read(t, SEEN))[0] for each, t in ((model, tokenizer), (out.model, out.tokenizer)))
    if auto is AutoModelForMaskedLM:
        assert after.shape[-1] == len(out.kept)
        before = before[..., list(out.kept)]
        assert len(torch.unique(before)) > 100
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    assert out.model.get_input_embeddings().weight.shape[0] == len(out.kept) == len(out.tokenizer)
    assert out.model.config.pad_token_id == out.tokenizer.pad_token_id
    assert f"{len(out.kept):,} of {len(tokenizer) + 7:,} pieces" in out.note


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra-narrow", "albert"])
def test_a_trimmed_language_head_is_still_the_embeddings(family, tmp_path):
    tokenizer = tokenizer_for(family)
    model = made(family, AutoModelForMaskedLM, tokenizer)
    out = trim_model(model, tokenizer, counted(tokenizer, SEEN), len(tokenizer) - 5)
    assert out.model.get_output_embeddings().weight is out.model.get_input_embeddings().weight
    numbers = [sum(parameter.numel() for parameter in each.parameters()) for each in (model, out.model)]
    width = model.get_input_embeddings().embedding_dim
    assert numbers[0] - numbers[1] == 5 * (width + 1)  # five rows and five biases
    out.model.save_pretrained(tmp_path)
    again = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    inputs = read(out.tokenizer, SEEN)
    with torch.no_grad():
        torch.testing.assert_close(again(**inputs).logits, out.model(**inputs).logits, atol=0, rtol=0)


def test_what_changes_is_counted_by_token_and_by_text():
    tokenizer = wordpieces(["fine", "dull", "great"])
    trimmed = trim_model(made("bert", AutoModel, tokenizer), tokenizer, counted(tokenizer, ["fine dull"]))
    found = changes(tokenizer, trimmed, ["fine dull", "fine great", "dull", "dull x y great"])
    assert found.tokens == pytest.approx(2 / 9)
    assert found.texts == 2 / 4
    assert changes(tokenizer, trimmed, ["fine dull x"]).tokens == 0
    assert changes(tokenizer, trimmed, []).texts == 0


def test_what_changes_counts_neighbours_that_are_read_otherwise():
    tokenizer = tokenizer_of("roberta")
    trimmed = trim_model(made("roberta", AutoModel, tokenizer), tokenizer, counted(tokenizer, SEEN))
    texts = other_lines()
    exact = [
        [trimmed.kept[number] for number in trimmed.tokenizer(text)["input_ids"]] == tokenizer(text)["input_ids"]
        for text in texts
    ]
    found = changes(tokenizer, trimmed, texts)
    assert found.texts == pytest.approx(1 - np.mean(exact))
    assert 0 < found.tokens < found.texts


def test_a_model_with_fewer_rows_than_pieces_is_refused():
    tokenizer = wordpieces(["fine"])
    model = made("bert", AutoModel, tokenizer, rows=40)
    with pytest.raises(DoesNotFit, match="rows for 40 only"):
        trim_model(model, tokenizer, counted(tokenizer, ["fine"]))
