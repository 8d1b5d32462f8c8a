import json

import pytest
import torch
from transformers import AutoTokenizer

from distill import preparation
from nas.scoring import Scale
from nas.vocabularies import Vocabularies, vocabulary_of
from students.spec import parse_student
from tests.distill.test_vocabulary import PIECES, WORDS, teacher  # noqa: F401  (teacher is a fixture)
from tests.nas.studies import ready_run
from tests.nas.test_search import _refused, _search, search_arguments
from tests.students.wordpieces import wordpieces

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
SPEC = "layers=2,hidden=16,heads=2,feed_forward=32,family=bert"
WHOLE = len(wordpieces(WORDS))


@pytest.fixture(scope="module")
def run(files, teacher, tmp_path_factory):  # noqa: F811  (the fixture)
    return ready_run(teacher, files / "labels", SPEC, tmp_path_factory.mktemp("runs") / "search", 30)


def test_a_run_in_another_vocabulary_reads_it_and_has_the_trained_teachers_weights(run):
    vocabularies = Vocabularies(run)
    trimmed = vocabularies.of(PIECES)
    assert vocabulary_of(run) == WHOLE and vocabulary_of(trimmed) == PIECES
    assert vocabularies.of(0) is vocabularies.of(WHOLE) is run
    theirs, ours = run.source.state_dict(), trimmed.source.state_dict()
    for name, tensor in ours.items():
        expected = theirs[name][list(trimmed.trimmed.kept)] if "word_embeddings" in name else theirs[name]
        assert torch.equal(tensor, expected), name
    assert len(trimmed.rows.training) == len(run.rows.training)
    assert trimmed.rows.training["labels"][:] == run.rows.training["labels"][:]
    back = Vocabularies(trimmed).of(0)
    assert vocabulary_of(back) == WHOLE
    assert back.rows.evaluation["input_ids"][:] == run.rows.evaluation["input_ids"][:]


def test_the_search_keeps_the_pieces_that_distilling_keeps(run, tmp_path):
    config = run.config.model_copy(update={"student": f"{SPEC},vocabulary={PIECES}"})
    finished = preparation.prepare(config, tmp_path / "run")
    assert finished.trimmed.kept == Vocabularies(run).of(PIECES).trimmed.kept


def test_candidates_are_scored_in_their_own_vocabulary(run):
    scale = Scale(run)
    whole, trimmed = (parse_student(text) for text in (SPEC, f"{SPEC},vocabulary={PIECES}"))
    assert scale.run_of(whole) is run
    assert scale.run_of(trimmed) is scale.run_of(trimmed) is not run
    model = scale.build(trimmed)
    assert model.config.vocab_size == PIECES
    assert 0 <= scale.score(trimmed, model).quality <= 1


def test_a_search_varies_the_vocabulary_where_the_files_size_is_a_goal(files, teacher, tmp_path):  # noqa: F811  (the fixture)
    options = ("--objective", "quality", "--objective", "size", "--trials", "6", "--finish", "1", "--proxy-steps", "8")
    words = [*search_arguments(files, tmp_path / "out", *options), "--teacher", str(teacher)]
    del words[words.index("--teacher") : words.index("--teacher") + 2]  # the first, of another tokenizer
    result = _search(*words, "--space", f"vocabulary={PIECES},{WHOLE}", "--max-size-mb", "5")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"vocabulary {PIECES}, {WHOLE}" in result.stdout
    best = json.loads((tmp_path / "out" / "best.json").read_text())
    size = parse_student(best["student"]).vocabulary
    folder = next((tmp_path / "out").glob("finished-*/student"))
    assert size in {PIECES, WHOLE} and len(AutoTokenizer.from_pretrained(folder)) == size
    assert "pieces" in (tmp_path / "out" / "report.html").read_text()


def test_vocabularies_that_are_none_are_one_line(files, teacher, tmp_path):  # noqa: F811  (the fixture)
    words = search_arguments(files, tmp_path / "out", "--space", "vocabulary=80,99")
    _refused(_search(*words), "of the kind WordLevel")
    words[words.index("--teacher") + 1] = str(teacher)
    _refused(_search(*words, "--space", "vocabulary=9,80"), "take at least so many")
    _refused(_search(*words, "--strategy", "supernet"), "several sizes of vocabulary")
    del words[-2:]
    _refused(_search(*words, "--space", "heads=2", "--strategy", "supernet", "--max-size-mb", "1e-9"), "no student")
