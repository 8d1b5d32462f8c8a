import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModel, BertModel, FNetConfig, GPT2Config, PreTrainedTokenizerFast, XLNetConfig

from pocketbert.errors import UserError
from teachers.caching.logits import stored_logits
from teachers.finetuning import adopt, find_finetuned, mark_finetuned
from teachers.loading import load_teacher


@pytest.fixture
def save(tmp_path, bert):
    """Return a function that saves a tiny model and a tokenizer into a folder."""

    def save_model(model=None, tokenizer=True, **options):
        folder = tmp_path / "teacher-folder"
        (model or bert(**options)).save_pretrained(folder)
        if tokenizer:
            words = {f"w{i}": i for i in range(119)} | {"[PAD]": 119}
            inner = Tokenizer(WordLevel(words, unk_token="w0"))
            PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="w0").save_pretrained(folder)
        return folder

    return save_model


def _logits(model):
    return model(input_ids=torch.tensor([[5, 6, 7]])).logits


def test_a_head_with_these_labels_is_used_as_it_is(save, bert):
    model = bert(id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    teacher = load_teacher(str(save(model)), "classification", ["bad", "good"])
    assert teacher.ready
    assert torch.allclose(_logits(teacher.model), _logits(model.eval()))


def test_labels_in_another_order_are_put_right(save, bert):
    model = bert(id2label={0: "GOOD", 1: "BAD"}, label2id={"GOOD": 0, "BAD": 1})
    teacher = load_teacher(str(save(model)), "classification", ["bad", "good"])
    assert teacher.ready
    assert torch.allclose(_logits(teacher.model), _logits(model.eval()).flip(-1))
    assert teacher.model.config.id2label == {0: "bad", 1: "good"}


def test_generic_labels_are_taken_in_order_and_said(save):
    teacher = load_teacher(str(save()), "classification", ["no", "yes"])
    assert teacher.ready
    assert "LABEL_0 = no" in teacher.reason


@pytest.mark.parametrize(
    ("options", "kind", "labels", "reason"),
    [
        ({"labels": 3}, "classification", ["a", "b"], "3 classes, the task 2"),
        ({"id2label": {0: "cat", 1: "dog"}}, "classification", ["bad", "good"], r"other labels \(cat, dog\)"),
        ({"labels": 2}, "regression", [], "classifier"),
    ],
)
def test_a_head_that_does_not_fit_must_be_trained(save, options, kind, labels, reason):
    teacher = load_teacher(str(save(**options)), kind, labels)
    assert not teacher.ready
    assert _logits(teacher.model).shape == (1, max(1, len(labels)))
    assert __import__("re").search(reason, teacher.reason)


def test_an_encoder_without_a_head_must_be_trained(save, bert):
    base = BertModel(bert().config)
    teacher = load_teacher(str(save(base)), "classification", ["a", "b"])
    assert not teacher.ready
    assert "BertModel" in teacher.reason
    ours = teacher.model.bert.encoder.layer[0].output.dense.weight
    assert torch.equal(ours, base.encoder.layer[0].output.dense.weight)


def test_a_regression_head(save):
    teacher = load_teacher(str(save(labels=1)), "regression", [])
    assert teacher.ready
    assert teacher.model.config.problem_type == "regression"


def test_weights_of_an_encoder_that_lack_layers_are_refused(save, bert):

    folder = save()
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if ".layer.3." not in k}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match="incomplete"):
        load_teacher(str(folder), "classification", ["a", "b"])


def test_no_tokenizer(save):
    with pytest.raises(UserError, match="no tokenizer"):
        load_teacher(str(save(tokenizer=False)), "classification", ["a", "b"])


def test_finetuned_teachers_are_found_by_their_key_and_shared(save, tmp_path):
    first = tmp_path / "runs" / "first" / "teacher"
    save().rename(first.parent.mkdir(parents=True) or first)
    second = tmp_path / "runs" / "second"
    assert find_finetuned("key", second) is None
    mark_finetuned(first, "key", {})
    assert find_finetuned("other", second) is None
    found = find_finetuned("key", second)
    assert found == first
    adopted = adopt(found, second / "teacher")
    assert find_finetuned("key", second) == adopted == second / "teacher"
    assert (adopted / "model.safetensors").stat().st_ino == (first / "model.safetensors").stat().st_ino


def test_stored_logits_are_computed_once_for_a_key(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return torch.arange(6.0).view(3, 2).numpy()

    path = tmp_path / "deep" / "logits.safetensors"
    first = stored_logits(path, "a", compute)
    assert (stored_logits(path, "a", compute) == first).all()
    assert len(calls) == 1
    stored_logits(path, "b", compute)
    assert len(calls) == 2
    path.write_bytes(b"torn")
    assert (stored_logits(path, "b", compute) == first).all()


def test_logits_stored_in_a_folder_beside_are_taken_over(tmp_path):
    def refuse():
        raise AssertionError("asked again")

    first = stored_logits(tmp_path / "one" / "logits.safetensors", "a", lambda: np.arange(6.0).reshape(3, 2))
    assert (stored_logits(tmp_path / "two" / "logits.safetensors", "a", refuse) == first).all()
    assert (tmp_path / "two" / "logits.safetensors").exists(), "each folder is whole without the other"
    with pytest.raises(AssertionError, match="asked again"):
        stored_logits(tmp_path / "two" / "logits.safetensors", "b", refuse)


@pytest.mark.parametrize(("theirs", "order"), [(("us", "US"), [1, 0]), (("US", "us"), [0, 1]), (("Us", "uS"), None)])
def test_labels_that_differ_in_case_alone_are_told_apart(save, bert, theirs, order):
    model = bert(id2label=dict(enumerate(theirs)), label2id={name: i for i, name in enumerate(theirs)})
    teacher = load_teacher(str(save(model)), "classification", ["US", "us"])
    assert teacher.ready == (order is not None)
    if order is not None:
        assert torch.allclose(_logits(teacher.model), _logits(model.eval())[:, order])


@pytest.mark.parametrize(("file", "old", "new"), [("tokenizer.json", '"w5"', '"v5"'), ("config.json", "gelu", "relu")])
def test_the_fingerprint_stands_for_tokenizer_and_configuration_too(save, file, old, new):
    folder = save()
    before = load_teacher(str(folder), "classification", ["no", "yes"]).fingerprint
    assert load_teacher(str(folder), "classification", ["no", "yes"]).fingerprint == before
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert load_teacher(str(folder), "classification", ["no", "yes"]).fingerprint != before


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(vocab_size=120, n_embd=16, n_layer=1, n_head=2, n_positions=32, pad_token_id=0),
        FNetConfig(vocab_size=120, hidden_size=16, num_hidden_layers=1, intermediate_size=32),
        XLNetConfig(vocab_size=120, d_model=16, n_layer=1, n_head=2, d_inner=32),
    ],
    ids=lambda config: config.model_type,
)
@pytest.mark.filterwarnings("default")
def test_what_is_not_built_like_bert_is_refused_by_name(save, config):
    folder = save(AutoModel.from_config(config))
    with pytest.raises(UserError, match=f"a {config.model_type} model, which is not built like BERT"):
        load_teacher(str(folder), "classification", ["a", "b"])
