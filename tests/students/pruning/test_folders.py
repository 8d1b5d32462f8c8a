import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

from distill.given import load_given
from pocketbert.errors import UserError
from students.building import load_student, save_student
from students.exporting.loading import load
from students.pruning.kept import Kept
from students.pruning.removal import removed
from students.pruning.sizes import sizes_of
from teachers.loading import load_teacher
from tests.students.models import classifier, logits
from tests.students.pruning.labelled import EVEN, FAMILIES, UNEVEN, labelled


def _tokenizer():
    inner = Tokenizer(WordLevel({"[PAD]": 0} | {f"w{i}": i for i in range(1, 120)}, unk_token="w1"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="w1")


@pytest.fixture
def folder(tmp_path):
    """Return a function that saves a pruned model of a family with a tokenizer."""

    def save(family="bert", kept=UNEVEN):
        model = removed(classifier(family), kept)
        save_student(model, tmp_path / "pruned")
        _tokenizer().save_pretrained(tmp_path / "pruned")
        return tmp_path / "pruned", model

    return save


@pytest.mark.parametrize("family", FAMILIES)
def test_every_loader_reads_layers_that_differ(family, folder):
    place, model = folder(family)
    texts = labelled(1)
    labels = ["LABEL_0", "LABEL_1"]
    for again in (
        load_student(place),
        load_teacher(str(place), "classification", labels).model,
        load(place)[0],
        load_given(str(place), "classification", labels, "auto")[0].model,
    ):
        assert type(again) is type(model)
        assert sizes_of(again) == sizes_of(model)
        torch.testing.assert_close(logits(again, texts), logits(model, texts), atol=1e-6, rtol=0)


def test_a_folder_can_be_saved_again(folder, tmp_path):
    place, model = folder("distilbert")
    save_student(load_student(place), tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["config.json", "model.safetensors"]
    texts = labelled(1)
    torch.testing.assert_close(logits(load_student(tmp_path / "again"), texts), logits(model, texts), atol=1e-6, rtol=0)
    names = [json.loads((where / "config.json").read_text())["architectures"] for where in (place, tmp_path / "again")]
    assert names[0] == names[1] == ["DistilBertForSequenceClassification"]


@pytest.mark.parametrize("family", FAMILIES)
def test_even_layers_are_an_ordinary_folder(family, folder):
    place, model = folder(family, EVEN)
    assert "layer_sizes" not in json.loads((place / "config.json").read_text())
    again = AutoModelForSequenceClassification.from_pretrained(place).eval()
    assert sizes_of(again) == sizes_of(model)
    texts = labelled(1)
    torch.testing.assert_close(logits(again, texts), logits(model, texts), atol=1e-6, rtol=0)


def test_a_projection_between_equal_widths_is_kept(folder):
    """Transformers makes none for tables as wide as the hidden states."""
    stream = tuple(range(16))
    even = Kept(stream, (0, 1), ((0, 1),) * 2, (stream,) * 2, stream)
    place, model = folder("electra-narrow", even)
    assert sizes_of(model).embedding == sizes_of(model).hidden == 16
    texts = labelled(1)
    torch.testing.assert_close(logits(load_student(place), texts), logits(model, texts), atol=1e-6, rtol=0)


def test_another_head_is_made_for_other_labels(folder):
    place, model = folder()
    teacher = load_teacher(str(place), "classification", ["a", "b", "c"])
    assert not teacher.ready
    assert logits(teacher.model, labelled(1)).shape[1] == 3
    torch.testing.assert_close(teacher.model.bert.state_dict(), model.bert.state_dict())


def test_an_encoder_alone_is_loaded_for_embeddings(folder):
    place, model = folder("roberta")
    encoder, _ = load(place, "embedding")
    batch = {name: values for name, values in labelled(1)[0].items() if name != "labels"}
    with torch.no_grad():
        expected = model.roberta(**batch).last_hidden_state
        torch.testing.assert_close(encoder(**batch).last_hidden_state, expected, atol=1e-6, rtol=0)


def _change(place, change):
    config = json.loads((place / "config.json").read_text())
    change(config)
    (place / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(layer_sizes="wide"), "layer_sizes is damaged .*'wide'"),
        (lambda c: c["layer_sizes"].pop("layers"), r"is damaged \(no 'layers'\)"),
        (lambda c: c["layer_sizes"].update(layers=[]), "no list of layers"),
        (lambda c: c["layer_sizes"]["layers"].append(3), "layer 3 is 3"),
        (lambda c: c["layer_sizes"]["layers"][1].update(heads=0), "heads of layer 1 is 0, not a whole number"),
        (lambda c: c["layer_sizes"]["layers"][1].update(heads=True), "heads of layer 1 is True"),
        (lambda c: c["layer_sizes"]["layers"][1].update(feed_forward="8"), "feed_forward of layer 1 is '8'"),
        (lambda c: c["layer_sizes"]["layers"].pop(), "contradicts the other fields .layers: 2 and 3"),
        (lambda c: c.update(num_hidden_layers=4), "contradicts the other fields .layers: 3 and 4"),
        (lambda c: c.update(hidden_size=32), "hidden width: 24 and 32"),
        (lambda c: c["layer_sizes"].update(embedding=16), "embedding width: 16 and 24"),
        (lambda c: c["layer_sizes"]["layers"][1].update(heads=5), "most heads: 5 and 4"),
        (lambda c: c["layer_sizes"]["layers"][1].update(feed_forward=16), "widest feed-forward: 40 and 64"),
    ],
)
def test_damaged_or_contradictory_sizes_are_refused(change, message, folder):
    place, _ = folder()
    _change(place, change)
    for read in (load_student, load, lambda path: load_teacher(str(path), "classification", ["a", "b"])):
        with pytest.raises(UserError, match=message) as error:
            read(place)
        assert "\n" not in str(error.value)


def test_sizes_that_are_not_the_weights_are_refused(folder):
    """Even where a head may be replaced, the encoder's weights may not be random ones."""
    place, _ = folder()
    _change(place, lambda c: c["layer_sizes"]["layers"][0].update(heads=2))
    expected = r"config\.json says that bert\.encoder\.layer\.0\.attention\.output\.dense\.weight is 24x16"
    for labels in (["LABEL_0", "LABEL_1"], ["a", "b", "c"]):
        with pytest.raises(UserError, match=expected):
            load_teacher(str(place), "classification", labels)
    with pytest.raises(UserError, match=expected):
        load_student(place)


def test_missing_weights_are_refused(folder):
    place, _ = folder()
    weights = load_file(place / "model.safetensors")
    del weights["bert.encoder.layer.1.attention.self.query.weight"]
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="weights are incomplete"):
        load_student(place)


def test_a_family_whose_layers_cannot_differ_is_refused(folder):
    place, _ = folder()
    _change(place, lambda c: c.update(model_type="albert", embedding_size=24))
    with pytest.raises(UserError, match="a albert model can't have such a shape"):
        load_student(place)
