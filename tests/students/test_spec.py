from pathlib import Path

import pytest

from pocketbert.errors import UserError
from students.architecture import FIELDS, Proportions, divisors, nearest_heads, usual_heads
from students.catalogue import STUDENTS
from students.spec import StudentSpec, parse_student, parse_student_or_folder


@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_is_found_under_its_name_and_says_where_it_comes_from(name):
    assert parse_student(name) is STUDENTS[name]
    assert STUDENTS[name].name == name
    assert STUDENTS[name].description


@pytest.mark.parametrize("name", STUDENTS)
def test_writing_out_a_students_sizes_gives_the_same_student(name):
    spec = STUDENTS[name]
    written = parse_student(",".join(f"{field}={getattr(spec, field)}" for field in FIELDS))
    assert [getattr(written, field) for field in FIELDS] == [getattr(spec, field) for field in FIELDS]


def test_tiny_has_the_published_sizes():
    assert STUDENTS["tiny"].sizes == "4x312/12/1200"


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("layers=3,hidden=384", "3x384/12/1536"),
        ("layers=2, hidden=128", "2x128/2/512"),
        ("layers=6,hidden=768", "6x768/12/3072"),
        ("layers=2,hidden=96", "2x96/3/384"),
        ("layers=2,hidden=128,heads=4,feed_forward=200", "2x128/4/200"),
        ("tiny,layers=3", "3x312/12/1200"),
        ("tiny, layers=3 ,heads=6", "3x312/6/1200"),
        ("layers=6,hidden=384,family=mobilebert", "6x384(96)/4/384"),
        ("layers=6,hidden=384,family=ib_bert", "6x384(768)/4/3072"),
        ("layers=2,hidden=64,family=mobilebert,bottleneck=20,heads=5,feed_forward=30", "2x64(20)/5/30"),
        ("mobilebert-6x384,bottleneck=48", "6x384(48)/12/384"),
    ],
)
def test_sizes_written_out(text, sizes):
    spec = parse_student(text)
    assert spec.sizes == sizes
    assert spec.name == text


MINILM, BERT_BASE = Proportions(384, 12, 1536), Proportions(768, 12, 3072)


@pytest.mark.parametrize(
    ("text", "teacher", "sizes"),
    [
        ("layers=3,hidden=320", MINILM, "3x320/10/1280"),  # usually 5 heads of 64, which heads of 32 can't give
        ("layers=3,hidden=256", MINILM, "3x256/8/1024"),
        ("layers=3,hidden=384", BERT_BASE, "3x384/12/1536"),
        ("layers=2,hidden=128", BERT_BASE, "2x128/2/512"),
        ("layers=2,hidden=128", Proportions(256, 4, 512), "2x128/2/256"),
        ("layers=2,hidden=7", Proportions(16, 2, 64), "2x7/1/28"),
        ("layers=2,hidden=13", Proportions(16, 4, 64), "2x13/1/52"),  # nothing fits
        ("layers=2,hidden=1024", MINILM, "2x1024/16/4096"),
        ("layers=2,hidden=128,heads=4,feed_forward=200", MINILM, "2x128/4/200"),
        ("bert-tiny", MINILM, "2x128/2/512"),
    ],
)
def test_sizes_left_out_are_such_that_they_can_be_cut_out_of_the_teacher(text, teacher, sizes):
    assert parse_student(text, teacher).sizes == sizes


@pytest.mark.parametrize("family", ["electra", "bert", "roberta", "distilbert"])
def test_a_narrow_table_is_for_every_family(family):
    spec = parse_student(f"tiny,family={family},embedding=64")
    assert (spec.embedding, spec.sizes) == (64, "4x312/12/1200, embeddings of 64")


@pytest.mark.parametrize(("sharing", "group"), [("all", 4), ("2", 2), ("1", 1), ("3", 3)])
def test_layers_share_in_groups(sharing, group):
    spec = parse_student(f"tiny,sharing={sharing}")
    assert spec.group == group
    assert spec.sizes == "4x312/12/1200" + (f", {sharing} layers shared" if group > 1 else "")


def test_the_family_can_be_asked_for():
    assert parse_student("tiny,family=distilbert").family == "distilbert"
    assert parse_student("tiny").family == "auto"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tinny", "unknown student 'tinny': did you mean tiny"),
        ("", "unknown student ''"),
        ("tiny,layer=3", "unknown student field 'layer': did you mean layers"),
        ("tiny,3", "'3' is no field=value pair"),
        ("layers=3", "hidden is missing"),
        ("hidden=384", "layers is missing"),
        ("layers=three,hidden=384", "layers=three is not a whole number"),
        ("layers=3,hidden=384.0", "hidden=384.0 is not a whole number"),
        ("layers=0,hidden=384", "layers=0 must be a whole number of at least 1"),
        ("layers=3,hidden=-384", "hidden=-384 must be"),
        ("layers=100000000,hidden=64", "layers=100000000 is more than 256"),
        ("layers=3,layers=4,hidden=384", "layers is given twice"),
        ("tiny,heads=7", "heads=7 does not divide hidden=312: take heads=6 or 8"),
        ("tiny,heads=400", "take heads=312"),
        ("tiny,family=brt", "unknown student family 'brt': did you mean bert"),
    ],
)
def test_mistakes_say_what_to_do(text, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        parse_student(text)


def test_a_spec_cannot_be_changed_or_made_of_other_numbers():
    with pytest.raises(AttributeError):
        STUDENTS["tiny"].layers = 5
    with pytest.raises(UserError, match=r"layers=2\.0"):
        StudentSpec("x", 2.0, 64, 1, 64)
    with pytest.raises(UserError, match="layers=True"):
        StudentSpec("x", True, 64, 1, 64)


def test_usual_heads_divide_every_width():
    for hidden in range(1, 400):
        assert hidden % usual_heads(hidden) == 0
        assert all(hidden % heads == 0 for heads in nearest_heads(hidden, 5))
    assert divisors(12) == [1, 2, 3, 4, 6, 12]


def test_a_folder_does_not_shadow_a_students_name(tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_student_or_folder("tiny") is STUDENTS["tiny"]
    assert parse_student_or_folder("./tiny") == Path("tiny")
    with pytest.raises(UserError, match=r"\./tiny is a folder, whose student has its sizes"):
        parse_student_or_folder("./tiny,vocabulary=8000")
    with pytest.raises(UserError, match=r"\./tiny is a folder, and here a name or sizes are wanted"):
        parse_student("./tiny")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tiny,bottleneck=64", "are for family=mobilebert"),
        ("mobilebert,attention=sideways", "unknown student attention 'sideways'"),
        ("mobilebert,normalization=layernorm", "unknown student normalization 'layernorm'.*layer_norm"),
        ("tiny,activation=gelu", "are for family=mobilebert"),
        ("ib-bert,activation=gelu", "activation is for family=mobilebert"),
        ("mobilebert,heads=5", "heads=5 does not divide bottleneck=128: take heads=4 or 8"),
        ("mobilebert,feed_forwards=0", "feed_forwards=0 must be"),
        ("mobilebert,family=bert", "are for family=mobilebert"),
        ("tiny,embedding=313", "embedding=313 is wider than hidden=312"),
        ("tiny,embedding=-1", "embedding=-1 must be"),
        ("tiny,sharing=some", "sharing=some is none: write sharing=all or sharing=2"),
        ("tiny,sharing=0", "sharing=0 is none"),
        ("tiny,sharing=5", "sharing=5 is more than layers=4"),
        ("mobilebert,sharing=all", "sharing is not for family=mobilebert"),
        ("tiny,family=electra,embedding=-1", "embedding=-1 must be"),
        ("layers=2,hidden=64,family=mobilebert,embedding=0", "embedding=0 must be"),
    ],
)
def test_bottlenecks_that_do_not_fit_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        parse_student(text)


def test_a_bottleneck_has_its_teachers_heads_where_it_can():
    assert parse_student("layers=6,hidden=384,family=mobilebert", MINILM).heads == 12
    assert parse_student("layers=6,hidden=400,family=mobilebert", MINILM).heads == 10
