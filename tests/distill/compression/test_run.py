"""`--compress`, `--student teacher` and `--max-loss` through the whole command, at smoke size."""

import json
import re

import numpy as np
import onnxruntime
import pytest
from transformers import AutoTokenizer

from students.building import load_student
from tests.distill.command import interrupted, run_command

QUICK = [
    *("--set", "training.max_steps=20", "--set", "training.learning_rate=3e-3"),
    *("--teacher-set", "max_steps=60", "--teacher-set", "learning_rate=2e-3", "--teacher-set", "batch_size=16"),
]
CHAIN = "trim,factorise:8,prune:0.3:rounds=2,qat"

pytestmark = pytest.mark.filterwarnings("default")
MISTAKES = {
    "nothing": (["--student", "teacher"], "say how it is made smaller"),
    "step": (["--compress", "trim,prun:0.5"], "did you mean prune"),
    "order": (["--compress", "qat,trim"], "put qat last"),
    "ratio": (["--compress", "prune:1.5"], "must be a number between 0 and 1"),
    "heads": (["--compress", "prune:heads=0.9"], "leaves nothing of 2: give at most 0.5"),
    "target": (["--compress", "prune:0.99"], "can be removed"),
    "second target": (["--compress", "prune:0.4,prune:0.4"], "after the pruning before it"),
    "pruned student": (["--student", "prune:0.99"], "can be removed"),
    "small vocabulary": (["--compress", "trim:3"], "compression step 'trim:3'"),
    "table": (["--compress", "factorise:16"], "give less than that"),
    "bits": (["--compress", "mixed:2"], "for a mean of 5 bits"),
    "settings": (["--compress", "int8:2"], "int8 has no settings"),
    "few texts": (["--compress", "int8-static", "--labelled-rows", "20"], "20 labelled texts are too few"),
    "limit": (["--compress", "trim", "--max-loss", "-1"], "--max-loss -1"),
    "limit in points": (["--compress", "trim", "--max-loss", "3"], "--max-loss 3"),
    "no number": (["--compress", "trim", "--max-loss", "nan"], "--max-loss nan"),
    "corpus": (["--compress", "trim", "--data", "corpus"], "for a student of a task"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2_before_anything_is_trained(files, tmp_path, case):
    options, message = MISTAKES[case]
    refused(run_command(files, tmp_path / "run", *options), message, tmp_path)


def refused(result, message, folder):
    """Check that a command ended with one line on a mistake, and left nothing behind."""
    assert result.returncode == 2, result.stdout + result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0], result.stderr
    assert "Traceback" not in result.stderr and "finetuning" not in result.stderr
    assert not (folder / "run").exists()


def test_a_tokenizer_that_cannot_be_trimmed(files, tmp_path):
    result = run_command(files, tmp_path / "run", "--teacher", str(files / "whole-words"), "--compress", "trim")
    refused(result, "compression step 'trim': ", tmp_path)


def test_a_narrow_table_is_not_made_narrow_again(files, tmp_path):
    student = "layers=2,hidden=16,heads=2,feed_forward=32,embedding=8"
    result = run_command(files, tmp_path / "run", "--student", student, "--compress", "factorise:4")
    refused(result, "in two factors already", tmp_path)


def test_shared_layers_are_not_pruned(files, tmp_path):
    student = "layers=2,hidden=16,heads=2,feed_forward=32,sharing=all"
    result = run_command(files, tmp_path / "run", "--student", student, "--compress", "prune:0.3")
    refused(result, "a model whose layers share weights can't be pruned", tmp_path)


def record_of(out):
    return json.loads((out / "run.json").read_text())


def logits_of(path, rows):
    """Return what an ONNX file says on texts, one at a time."""
    session = onnxruntime.InferenceSession(path)
    names = [item.name for item in session.get_inputs()]
    return np.concatenate([session.run(None, {name: np.array([row[name]]) for name in names})[0] for row in rows])


def rows_of(out, texts):
    """Return texts as the student's own tokenizer reads them."""
    tokenizer = AutoTokenizer.from_pretrained(out / "student")
    return [tokenizer(text, return_token_type_ids=True) for text in texts]


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    result = run_command(files, out, *QUICK, "--compress", CHAIN, "--control", "--seeds", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    return out, result


@pytest.mark.slow
def test_every_role_and_seed_has_its_chain(finished):
    out, result = finished
    for seed in (0, 1):
        for folder in ("compression", "compression-control"):
            steps = sorted(path.parent.name for path in (out / f"seed-{seed}" / folder).glob("*/step.json"))
            assert steps == ["01-trim", "02-factorise", "03-prune", "04-qat", "before"], (seed, folder)
    for who in ("student, seed 0", "student, seed 1", "control, seed 0", "control, seed 1"):
        assert result.stdout.count(f"{who}: qat: trained with int8's rounding") == 1, who
    assert "compression, prune:0.3:rounds=2: about" in result.stdout, "the cost line"


@pytest.mark.slow
def test_the_record_has_the_first_students_chain(finished):
    out, _ = finished
    record = record_of(out)
    chain = record["compression"]
    assert [step["name"] for step in chain["steps"]] == ["0 before", *(
        f"{number} {text}" for number, text in enumerate(CHAIN.split(","), start=1)
    )]  # fmt: skip
    assert chain["refused"] is None and chain["precision"] == "int8-static"
    sizes = [step["bytes"] for step in chain["steps"]]
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    timed = {row["model"] for row in record["latency"]["rows"]}
    assert timed >= {"student int8-static", *(step["name"] for step in chain["steps"])}
    assert len(record["summary_over_seeds"]["student"]["values"]) == 2
    assert record["models"]["student"]["parameters"] == chain["steps"][-1]["parameters"]
    assert record["config"]["compress"] == CHAIN


@pytest.mark.slow
def test_the_shipped_file_answers_as_the_chains_does(finished, files):
    out, _ = finished
    texts = [line.split("\t")[0] for line in (files / "labels" / "dev.tsv").read_text().splitlines()[1:]]
    rows = rows_of(out, texts)
    shipped = logits_of(out / "student" / "model-int8-static.onnx", rows)
    assert np.array_equal(shipped, logits_of(out / "seed-0" / "compression" / "04-qat" / "model.onnx", rows))
    right = (shipped.argmax(-1) == np.arange(60) % 2).mean()
    assert record_of(out)["compression"]["steps"][-1]["quality"]["value"] == pytest.approx(right)
    artefact = next(x for x in record_of(out)["artefacts"] if x["name"] == "student int8-static")
    assert (out / artefact["path"]).stat().st_size == artefact["bytes"]


@pytest.mark.slow
def test_the_students_folder_holds_the_compressed_one_and_its_tokenizer(finished):
    out, _ = finished
    student, tokenizer = load_student(out / "student"), AutoTokenizer.from_pretrained(out / "student")
    assert max(tokenizer.get_vocab().values()) + 1 == student.config.vocab_size < 160
    assert student.get_input_embeddings().embedding_dim == 8
    golden = json.loads((out / "student" / "golden.json").read_text())
    assert "model-int8-static.onnx" in json.dumps(golden)
    page = (out / "student" / "README.md").read_text()
    assert 'InferenceSession("model-int8-static.onnx")' in page, "what the chain was for"


@pytest.mark.slow
def test_the_report_has_the_waterfall(finished):
    page = (finished[0] / "report.html").read_text()
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for step in ("factorise:8", "prune:0.3:rounds=2"):
        assert step in words
    assert "size, latency and accuracy after each step of the compression" in page
    assert "trained with int8" in words
    assert "student int8-static ONNX" in words and "int8-static − student" in words


@pytest.mark.slow
def test_the_same_command_runs_nothing_again(files, finished):
    out, _ = finished
    before = record_of(out)
    result = run_command(files, out, *QUICK, "--compress", CHAIN)
    assert result.returncode == 0, result.stdout + result.stderr
    after = record_of(out)
    assert after["compression"] == before["compression"] and after["quality"] == before["quality"]
    assert "step/s" not in result.stderr, "no training"
    assert re.search(r"compression, qat: about 0 s", result.stdout)


@pytest.mark.slow
def test_a_finetuned_teacher_is_made_smaller_without_any_training(files, finished):
    teacher, out = str(finished[0] / "teacher"), finished[0].parent / "rounded"
    options = ("--teacher", teacher, "--no-finetune", "--student", "teacher", "--compress", "trim,int8")
    for _ in range(2):
        result = run_command(files, out, *QUICK, *options)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "(nothing to train)" in result.stdout
    assert [step["name"] for step in record_of(out)["compression"]["steps"]] == ["0 before", "1 trim", "2 int8"]


@pytest.mark.slow
def test_a_ruinous_step_ends_the_chain_and_the_student_before_it_is_shipped(files, finished):
    out = finished[0].parent / "ruined"
    options = ("--student", "teacher", "--compress", "trim,prune:0.3:rate=1:steps=3,qat", "--max-loss", "0")
    result = run_command(files, out, *QUICK, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    record = record_of(out)
    assert [step["name"] for step in record["compression"]["steps"]] == ["0 before", "1 trim"]
    (warning,) = [text for text in record["warnings"] if text.startswith("compression ended early: ")]
    for said in ("over --max-loss 0", "Most to blame, of what single layers (from 0) change: layer ", "Prune less"):
        assert said in warning and said in result.stdout
        assert said in (out / "report.html").read_text()
    assert "ends before it (qat not done)" in result.stdout
    assert "ended before it (qat not done)" in (out / "report.html").read_text()
    student, teacher = load_student(out / "student"), load_student(out / "teacher")
    assert student.config.vocab_size < teacher.config.vocab_size
    assert sum(x.numel() for x in student.base_model.encoder.parameters()) == sum(
        x.numel() for x in teacher.base_model.encoder.parameters()
    )
    assert record["quality"]["student"]["value"] == record["quality"]["teacher"]["value"]
    assert record["compression"]["precision"] is None
    assert not (out / "student" / "model-int8-static.onnx").exists()
    lifted = run_command(files, out, *QUICK, *options[:-1], "1")
    assert lifted.returncode == 0, lifted.stdout + lifted.stderr
    assert "prune:0.3:rate=1:steps=3: recovery" not in lifted.stderr, "what is kept is judged anew"
    assert len(record_of(out)["compression"]["steps"]) == 4 and record_of(out)["compression"]["refused"] is None
    assert (out / "student" / "model-int8-static.onnx").exists()


@pytest.mark.slow
def test_a_pruned_teacher_of_several_is_a_student(files, finished):
    out = finished[0].parent / "several"
    teachers = ("--teacher", str(files / "teacher")) * 2
    options = (*teachers, "--student", "prune:0.5:steps=20", "--seed", "1")
    result = run_command(files, out, *QUICK, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    record = record_of(out)
    assert record["initialisation"]["method"] == "teacher"
    assert [step["name"] for step in record["compression"]["steps"]] == ["0 before", "1 prune:0.5:steps=20"]
    assert record["config"]["student"] == "teacher" and "--student prune:0.5:steps=20" in record["command"]
    assert record["models"]["student"]["parameters"] < record["models"]["teacher"]["parameters"]
    assert "student is not smaller" not in result.stdout
    assert len(record["teachers"]) == 2
    assert record["seeds"][0]["stages"] == []


@pytest.mark.slow
def test_a_killed_chain_on_scores_goes_on_and_answers_in_their_units(files, tmp_path):
    options = (*QUICK, "--metric", "pearson", "--student", "teacher", "--compress", "trim,prune:0.3,qat")
    straight, killed = tmp_path / "a" / "run", tmp_path / "b" / "run"
    assert run_command(files, straight, *options, data="values").returncode == 0
    with interrupted(11, training=2):  # after the teacher's and the pruning's
        stopped = run_command(files, killed, *options, data="values")
    assert stopped.returncode == 130 and "goes on from the last checkpoint" in stopped.stderr
    assert not (killed / "seed-0" / "compression" / "03-qat" / "step.json").exists()
    again = run_command(files, killed, *options, data="values")
    assert again.returncode == 0, again.stdout + again.stderr
    for name in ("model.safetensors", "model-int8-static.onnx"):
        assert (straight / "student" / name).read_bytes() == (killed / "student" / name).read_bytes(), name
    assert record_of(straight)["compression"] == record_of(killed)["compression"]
    lines = [line.split("\t") for line in (files / "values" / "dev.tsv").read_text().splitlines()[1:]]
    tokenizer = AutoTokenizer.from_pretrained(killed / "student")
    rows = [tokenizer(first, second, return_token_type_ids=True) for first, second, _ in lines]
    said = logits_of(killed / "student" / "model-int8-static.onnx", rows)
    scores = np.array([float(score) for *_, score in lines])
    assert said.mean() == pytest.approx(scores.mean(), abs=1.0), "1.5 or 4.25, not standardised"
