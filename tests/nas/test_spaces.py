import pytest

from nas.spaces import parse_space, read_document
from pocketbert.errors import UserError
from students.architecture import Proportions
from students.spec import parse_student

MINILM = Proportions(384, 12, 1536)


def _parse(*texts, document=None, family="bert"):
    return parse_space(texts, document or {}, MINILM, 6, family)


def test_the_default_stays_within_the_teacher_so_that_students_can_be_cut_out_of_it():
    students = list(_parse().students())
    assert max(s.layers for s in students) == 6
    assert max(s.hidden for s in students) == 384
    assert max(s.feed_forward for s in students) == 1536
    assert all(16 <= s.hidden // s.heads <= 32 and s.heads <= 12 for s in students)
    assert any((s.layers, s.hidden, s.heads) == (4, 312, 12) for s in students)  # of the sizes of tiny


@pytest.mark.parametrize("teacher", [Proportions(32, 4, 64), Proportions(768, 12, 3072), Proportions(1024, 16, 4096)])
@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert", "mobilebert"])
def test_every_family_has_students_of_every_teacher(teacher, family):
    assert parse_space((), {}, teacher, 4, family).count() > 10


def test_the_command_line_restricts_and_wins_over_the_file():
    space = _parse("layers=2..3", document={"layers": [1], "hidden": "96,192"})
    assert {(s.layers, s.hidden) for s in space.students()} == {(2, 96), (2, 192), (3, 96), (3, 192)}


def test_heads_given_by_name_need_not_fit_the_teacher():
    assert {s.heads for s in _parse("hidden=128", "heads=1,2").students()} == {1, 2}


def test_several_families_share_what_both_have():
    space = _parse("family=bert,mobilebert", "layers=2", "bottleneck=96")
    assert [each.family for each in space.families] == ["bert", "mobilebert"]
    assert {s.bottleneck for s in space.students()} == {0, 96}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layer=2", "did you mean layers"),
        ("botleneck=96", "unknown dimension of the space 'botleneck'"),
        ("family=brt", "did you mean bert"),
        ("layers=0", "from 1 to 256"),
        ("hidden=big", "no whole number"),
        ("layers", "write it as name=values"),
        ("layers=", "write it as name=values"),
        ("hidden=97", "divides any of hidden=97"),
    ],
)
def test_mistakes_are_named(text, said):
    with pytest.raises(UserError, match=said):
        _parse(text)


def test_a_dimension_of_another_family_says_which():
    with pytest.raises(UserError, match=r"bottleneck is of the family mobilebert.*bert: add --space family=mobilebert"):
        _parse("bottleneck=64")
    with pytest.raises(UserError, match="did you mean vocabulary"):
        parse_space(("vocabularies=4000",), {}, MINILM, 6, "bert", (30522,))


def test_an_unknown_attention_has_near_matches():
    with pytest.raises(UserError, match="did you mean narrow"):
        _parse("attention=narow", family="mobilebert")
    with pytest.raises(UserError, match="did you mean gelu"):
        _parse("activation=gellu", family="mobilebert")


def test_a_mobilebert_varies_its_norm_and_activation():
    sizes = ("layers=2", "bottleneck=64", "embedding=96", "feed_forward=128", "feed_forwards=1", "heads=2")
    students = list(_parse(*sizes, "attention=shared", family="mobilebert").students())
    found = {(spec.normalization, spec.activation) for spec in students}
    assert found == {(norm, act) for norm in ("no_norm", "layer_norm") for act in ("relu", "gelu")}
    assert len({spec.sizes for spec in students}) == 4, "each is told from the others"
    turned = _parse(*sizes, "normalization=layer_norm,no_norm", family="mobilebert")
    assert next(turned.students()).normalization == "no_norm", "the cheaper one is first"


def test_vocabularies_vary_where_there_are_several_or_one_is_asked_for():
    def choices(*texts, pieces):
        return parse_space(texts, {}, MINILM, 6, "bert", pieces).choices_of("vocabulary")

    assert choices(pieces=(30522,)) == choices(pieces=()) == ()
    assert choices(pieces=(4000, 30522)) == (4000, 30522)
    assert choices("vocabulary=4000..8000/2000", pieces=(30522,)) == (4000, 6000, 8000)
    with pytest.raises(UserError, match="unknown dimension of the space 'vocabulary'"):
        choices("vocabulary=4000", pieces=())


def test_a_file_is_a_mapping(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("layers: 2..3\nhidden: [96, 192]\n")
    assert read_document(file) == {"layers": "2..3", "hidden": [96, 192]}
    for text in ("- 1\n", "a: [\n"):
        file.write_text(text)
        with pytest.raises(UserError, match="space"):
            read_document(file)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_a_narrow_table_can_be_searched_in_every_family(family):
    space = _parse("embedding=32,64,96", "layers=2", "hidden=96,192", family=family)
    assert {spec.embedding for spec in space.students()} == {32, 64, 96}
    assert space.count() == len(list(space.students()))
    assert _parse(family=family).choices_of("embedding") == ()
    with pytest.raises(UserError, match="embedding=128 is wider than its hidden=96"):
        _parse("embedding=32,128", "hidden=96,192", family=family)
    with pytest.raises(UserError, match="leave --space embedding out"):
        space.largest()


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_shared_layers_can_be_searched_in_every_family(family):
    space = _parse("sharing=1..3", "layers=3,4", "hidden=96", family=family)
    students = list(space.students())
    assert {spec.group for spec in students} == {1, 2, 3}
    assert space.count() == len(students)
    assert parse_student(students[0].name) == students[0]
    assert space.parameters(students[0])["sharing"] == "1"
    assert {spec.group for spec in _parse("sharing=all", "layers=2,3", family=family).students()} == {2, 3}
    assert _parse(family=family).choices_of("sharing") == ()
    with pytest.raises(UserError, match="sharing=3 is more than its layers=2"):
        _parse("sharing=1,3", "layers=2..4", family=family)
    with pytest.raises(UserError, match="leave --space sharing out"):
        space.largest()


@pytest.mark.parametrize("value", ["half", "0"])
def test_groups_that_are_none_are_refused(value):
    with pytest.raises(UserError, match=f"sharing={value} is none"):
        _parse(f"sharing={value}")


def test_mobilebert_shares_nothing():
    with pytest.raises(UserError, match="sharing"):
        _parse("sharing=2", family="mobilebert")


def test_a_pruned_teacher_bounds_its_students_by_its_smallest_layers():
    """Eight heads of 32, which together are narrower than the width."""
    students = list(parse_space((), {}, Proportions(384, 8, 128, 32), 6, "bert").students())
    assert all(s.hidden <= 32 * s.heads and s.heads <= 8 and s.feed_forward <= 128 for s in students)
    assert max(s.hidden for s in students) == 240
