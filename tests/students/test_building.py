import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    MobileBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from pocketbert.errors import UserError
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student, load_student, save_student, student_config, usable_positions
from students.catalogue import STUDENTS
from students.exporting.lengths import longest_text
from students.spec import parse_student
from tests.students.models import batches, classifier, config_of, logits

SMALL = "layers=2,hidden=24,heads=3,feed_forward=40"


def parameters_of(name, teacher):
    with torch.device("meta"):
        student = build_student(parse_student(name), AutoModelForSequenceClassification.from_config(teacher))
    return sum(parameter.numel() for parameter in student.base_model.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("tiny", 14_350_248),
        ("bert-tiny", 4_385_920),
        ("small", 28_763_648),
        ("tiny6", 66_955_008),
        ("distil6", 66_362_880),
        ("minilm-6x384", 22_713_216),
        ("minilm-12x384", 33_360_000),
    ],
)
def test_published_parameter_counts(name, parameters):
    assert parameters_of(name, BertConfig()) == parameters


@pytest.mark.parametrize("maker", [RobertaConfig, XLMRobertaConfig, CamembertConfig, MPNetConfig])
def test_a_model_reads_as_many_tokens_as_said_and_no_more(maker):
    sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = maker(**sizes, intermediate_size=16, max_position_embeddings=20, pad_token_id=1)
    model = AutoModelForSequenceClassification.from_config(config)
    longest = usable_positions(config)
    assert longest == longest_text(model) == 18
    model(torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        model(torch.full((1, longest + 1), 5))


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("teacher", [BertConfig(), RobertaConfig(max_position_embeddings=514, type_vocab_size=1)])
def test_every_student_is_built_with_its_sizes_and_its_teachers_vocabulary(name, teacher):
    with torch.device("meta"):
        student = build_student(STUDENTS[name], AutoModelForSequenceClassification.from_config(teacher))
    spec, config = STUDENTS[name], student.config
    sizes = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    assert sizes == (spec.layers, spec.hidden, spec.heads)
    if not spec.has_bottleneck:
        parts = anatomy(student)
        first = parts.layers[0]
        sizes = (len(parts.layers), parts.hidden, first.heads, first.feed_forward_in.out_features)
        assert sizes == (spec.layers, spec.hidden, spec.heads, spec.feed_forward)
        assert parts.family == (teacher.model_type if spec.family == "auto" else spec.family)
    assert student.get_input_embeddings().num_embeddings == teacher.vocab_size
    assert usable_positions(config) == 512
    assert config.pad_token_id == teacher.pad_token_id


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("mobilebert", 24_581_888), ("mobilebert-wide", 25_359_104), ("ib-bert", 294_205_184)],
)
def test_published_sizes_without_pooler(name, parameters):
    with torch.device("meta"):
        encoder = build_student(STUDENTS[name], AutoModelForSequenceClassification.from_config(BertConfig())).base_model
    pooler = sum(parameter.numel() for parameter in encoder.pooler.parameters())
    assert sum(parameter.numel() for parameter in encoder.parameters()) - pooler == parameters


@pytest.mark.parametrize(
    "teacher",
    [
        DebertaV2Config(),
        MobileBertConfig(),
        AlbertConfig(),
        ElectraConfig(),
        DistilBertConfig(),
        RobertaConfig(),
        BertConfig(),
    ],
    ids=lambda config: config.model_type,
)
def test_labels_dropout_and_activation_are_the_teachers(teacher):
    teacher.id2label = {0: "bad", 1: "so-so", 2: "good"}
    teacher.label2id = {"bad": 0, "so-so": 1, "good": 2}
    teacher.problem_type = "single_label_classification"
    if teacher.model_type == "distilbert":
        teacher.dropout = 0.3
    else:
        teacher.hidden_dropout_prob = 0.3
    config = student_config(parse_student("tiny"), teacher)
    assert config.model_type == (teacher.model_type if teacher.model_type in FAMILIES else "bert")
    assert (config.id2label, config.num_labels) == (teacher.id2label, 3)
    assert config.problem_type == "single_label_classification"
    assert (config.dropout if config.model_type == "distilbert" else config.hidden_dropout_prob) == 0.3
    theirs = teacher.activation if teacher.model_type == "distilbert" else teacher.hidden_act
    assert (config.activation if config.model_type == "distilbert" else config.hidden_act) == theirs


@pytest.mark.parametrize(("teacher", "student"), [("roberta", "bert"), ("bert", "roberta"), ("roberta", "distilbert")])
def test_positions_count_the_same_tokens_in_another_family(teacher, student):
    built = build_student(parse_student(f"{SMALL},family={student}"), classifier(teacher))
    assert usable_positions(built.config) == usable_positions(config_of(teacher))


def test_electra_keeps_narrow_embeddings_and_only_those():
    narrow = build_student(parse_student(SMALL), classifier("electra-narrow"))
    assert anatomy(narrow).word_embeddings.embedding_dim == 16
    assert anatomy(narrow).embedding_projection.out_features == 24
    wide = build_student(parse_student(SMALL), classifier("electra"))
    assert anatomy(wide).word_embeddings.embedding_dim == 24
    assert anatomy(wide).embedding_projection is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_student_is_read_back_by_us_and_by_transformers(family, tmp_path):
    student = build_student(parse_student(SMALL), classifier(family))
    save_student(student, tmp_path / "student")
    assert sorted(path.name for path in (tmp_path / "student").iterdir()) == ["config.json", "model.safetensors"]
    text = batches(1)
    for again in (
        load_student(tmp_path / "student"),
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "student").eval(),
    ):
        assert type(again) is type(student)
        torch.testing.assert_close(logits(again, text), logits(student, text), atol=0, rtol=0)


def test_folders_without_safe_weights_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        load_student(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"no config\.json"):
        load_student(tmp_path)
    classifier("bert").config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has no weights"):
        load_student(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(UserError, match=r"only pickled weights \(pytorch_model\.bin\)"):
        load_student(tmp_path)


def test_a_student_larger_than_the_memory_is_refused_before_it_is_built():
    with pytest.raises(UserError, match="GB of weights and this machine"):
        build_student(parse_student("layers=200,hidden=16384"), classifier("bert"))
