import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.peers import compare, environments, models, openvino, optimizer, optimum
from benchmarks.peers.candidates import CANDIDATES, PEERS
from benchmarks.peers.errors import error
from benchmarks.peers.folders import model_folders
from benchmarks.peers.heads import fit_head
from benchmarks.peers.scripts import worker as script
from benchmarks.peers.visiting import timed_texts, visit
from benchmarks.peers.workers import Worker
from benchmarks.sentences import encoded, read_labelled, read_sentences
from pocketbert.errors import UserError
from students.exporting.deployment import encode
from students.exporting.running import run_onnx
from tests.students.exporting import SIZES, family_config, random_model, torch_logits
from tests.students.wordpieces import wordpieces

SENTENCES = ["good film", "a long film", "no", "a good film and no long film"]
OTHERS = [f"--without={peer}" for peer in PEERS if peer != "onnxruntime optimizer"]
PYTHON = Path(sys.executable)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one tiny model, with our files and those of ONNX Runtime's optimizer."""
    place = tmp_path_factory.mktemp("peers")
    config = family_config("bert")
    config.num_labels = 2
    models.write(random_model(config), wordpieces(["good", "film", "long"]), place / "small")
    result = CliRunner().invoke(optimizer.app, ["--models", str(place)], catch_exceptions=False)
    assert result.exit_code == 0
    return place


def test_the_files_of_a_model_answer_like_it(place: Path) -> None:
    (folder,) = model_folders(place)
    config = family_config("bert")
    config.num_labels = 2
    model, tokenizer = random_model(config), wordpieces(["good", "film", "long"])
    texts = encode(model, tokenizer, SENTENCES)
    expected = torch_logits(model, texts)
    scale = np.abs(expected).max()
    for file, most in (
        ("plain/model-fp32.onnx", 1e-5),
        ("pocketbert/model-fp32.onnx", 1e-5),
        ("optimizer/model-fp32.onnx", 1e-5),
        ("pocketbert/model-int8.onnx", 0.1),
        ("pocketbert/model-int8-full-range.onnx", 0.1),
        ("optimizer/model-int8.onnx", 0.2),
    ):
        assert np.abs(run_onnx(folder / file, texts, batch_size=1) - expected).max() < most * scale, file


def test_comparison_writes_a_row_for_each_version_and_length(place: Path, tmp_path: Path) -> None:
    arguments = ["--models", str(place), "--csv", str(tmp_path / "peers.csv"), "--length", "4", "--length", "8"]
    result = CliRunner().invoke(
        compare.app, [*arguments, "--openings", "2", "--rounds", "2", "--samples", "3", *OTHERS], catch_exceptions=False
    )
    assert result.exit_code == 0
    with (tmp_path / "peers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    ours, theirs, eager = "pocketbert", "onnxruntime optimizer", "PyTorch eager"
    expected = [
        (ours, "fp32"),
        (ours, "int8"),
        (f"{ours} full range", "int8"),
        (theirs, "fp32"),
        (theirs, "int8"),
        (eager, "fp32"),
    ]
    assert [(row["version"], row["precision"], row["length"]) for row in rows] == [
        (*version, length) for version in expected for length in ("4", "8")
    ]
    for row in rows:
        assert row["model"] == "small" and row["samples"] == "12" and float(row["p50 ms"]) > 0
        times = float(row["our int8 is x times as fast"])
        assert float(row["int8 low"]) <= times <= float(row["int8 high"])
        assert str(tmp_path) not in row["command"] and "--length=4 --length=8" in row["command"]
        error = float(row["relative difference"])
        assert error < (1e-5 if row["precision"] == "fp32" else 0.2) and float(row["agreement"]) > 0.7
    assert rows[0]["our fp32 is x times as fast"] == rows[2]["our int8 is x times as fast"] == "1.000"
    assert "torch" in rows[-1]["versions"] and "made by onnxruntime" in rows[6]["versions"]
    assert "small" in result.output and "optimizer, int8" in result.output
    with (tmp_path / "peers-summary.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["version"] for line in lines] == [", ".join(version) for version in expected]
    assert lines[1]["ours of that precision is x times as fast"] == "1.00 1.00"
    assert lines[4]["p50 ms at 4/8 tokens"] == " ".join(f"{float(row['p50 ms']):.3g}" for row in rows[8:10])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--without": "nobody"}, "unknown peer 'nobody'"),
        ({"--only": "big"}, "unknown model 'big'"),
        ({"--models": "none"}, "has no models: run python -m benchmarks.peers.models"),
        ({"--without": "torch.compile"}, "run python -m benchmarks.peers.optimum first, or leave it out"),
        ({"--without": "optimum-onnx"}, "run python -m benchmarks.peers.openvino first"),
        ({"--csv": "."}, "can't be written"),
        ({"--texts": "none.txt"}, "none.txt can't be read"),
    ],
)
def test_what_is_missing_is_told_before_measuring(place: Path, change: dict[str, str], message: str) -> None:
    options = {"--models": str(place), "--csv": "peers.csv", **change}
    arguments = [part for option in options.items() for part in option]
    others = OTHERS if "--texts" in change else ()
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(compare.app, [*arguments, *others], catch_exceptions=False)


def test_files_without_their_environment_are_refused(place: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.symlink_to(place / "small")
    folder = tmp_path / "other"
    (folder / "openvino").mkdir(parents=True)
    for file in ("config.json", "plain", "pocketbert", "optimizer"):
        (folder / file).symlink_to(place / "small" / file)
    for precision in ("fp32", "int8"):
        (folder / "openvino" / f"model-{precision}.xml").touch()
    arguments = ["--models", str(tmp_path), "--csv", str(tmp_path / "x.csv"), "--only", "other"]
    with pytest.raises(UserError, match="env-openvino/bin/python is not there"):
        CliRunner().invoke(compare.app, [*arguments, "--without", "optimum-onnx"], catch_exceptions=False)


def test_a_worker_samples_and_answers(place: Path) -> None:
    texts = timed_texts((3, 5), 120)
    with Worker("small", PYTHON, 1) as worker:
        worker.open("onnxruntime", place / "small" / "pocketbert" / "model-fp32.onnx", texts)
        assert set(worker.calls) == {3, 5} and min(worker.calls.values()) > 1 and "onnxruntime" in worker.versions
        assert len(worker.sample(5, 4)) == 4
        visits = visit({"a": worker}, rounds=3, samples=2)
        assert {cell: [len(each) for each in found] for cell, found in visits.items()} == {
            ("a", 3): [2, 2, 2],
            ("a", 5): [2, 2, 2],
        }
        assert worker.answer(texts).shape == (2, 2)
        with pytest.raises(UserError, match="small: KeyError: 7"):
            worker.sample(7, 1)


def test_a_worker_that_can_not_do_it_says_why(place: Path, tmp_path: Path) -> None:
    with Worker("small", PYTHON, 1) as worker:
        with pytest.raises(UserError, match=r"small: NoSuchFile: .*none\.onnx"):
            worker.open("onnxruntime", tmp_path / "none.onnx", timed_texts((3,), 120))
        with pytest.raises(UserError, match="small: KeyError: 'abacus'"):
            worker.open("abacus", tmp_path, [])
    with pytest.raises(UserError, match=r"small: .*can't be started"):
        Worker("small", tmp_path / "python", 1)


def test_a_worker_that_dies_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text("import sys; sys.exit('out of breath')")
    monkeypatch.setattr("benchmarks.peers.workers.SCRIPT", tmp_path / "worker.py")
    with (
        Worker("small", PYTHON, 1) as worker,
        pytest.raises(UserError, match=r"small: the process ended with exit code 1 \(out of breath\)"),
    ):
        worker.open("torch", tmp_path, [])


def test_runtimes_of_static_shapes_get_padded_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake answers with the length it saw and the number of tokens that count."""

    def opened(path: Path, threads: int) -> script.Opened:
        return {"fake": "1"}, lambda feed: lambda: np.array([[feed["input_ids"].size, feed["attention_mask"].sum()]])

    monkeypatch.setattr(script, "RUNTIMES", {"openvino static": opened, "onnxruntime": opened})
    texts = timed_texts((2, 3, 9), 100)
    for runtime, expected in (("openvino static", [[4, 2], [4, 3], [9, 9]]), ("onnxruntime", [[2, 2], [3, 3], [9, 9]])):
        timed = timed_texts((8, 4), 100)
        orders = [
            {"do": "open", "runtime": runtime, "path": "x", "threads": 1, "texts": timed, "shortest": 0, "warm_up": 1},
            {"do": "answer", "texts": texts},
            {"do": "sing"},
        ]
        answers = io.StringIO()
        script.main(io.StringIO("".join(json.dumps(order) + "\n" for order in orders)), answers)
        first, second, third = map(json.loads, answers.getvalue().splitlines())
        assert first == {"versions": {"fake": "1"}, "calls": {"8": 1, "4": 1}}
        assert second == {"logits": expected}
        assert third == {"error": "KeyError: 'sing'"}


def test_every_runtime_of_a_candidate_is_known() -> None:
    assert {each.runtime for each in CANDIDATES} == set(script.RUNTIMES)
    assert len({each.name for each in CANDIDATES}) == len(CANDIDATES)


def test_errors_of_known_logits() -> None:
    expected = np.array([[3.0, 1.0], [0.0, 4.0]])
    same = error(expected, expected)
    assert (same.agreement, same.relative_difference, same.largest_difference) == (1, 0, 0)
    other = error(expected, np.array([[3.0, 1.0], [5.0, 4.0]]))
    assert other.agreement == 0.5
    assert other.relative_difference == pytest.approx((25 / 26) ** 0.5)
    assert other.largest_difference == 5 / 4


def test_sentences_are_read_from_lines_and_tables(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.txt", tmp_path / "b.tsv"
    lines.write_text("one\n\n two \nthree\n")
    table.write_text('label\tsentence\n1\ta "good" film\n0\tno\n')
    assert read_sentences(lines) == ["one", "two", "three"]
    assert read_sentences(lines, 2) == ["one", "two"]
    assert read_sentences(table) == ['a "good" film', "no"]
    assert read_labelled(table, 9) == (['a "good" film', "no"], [1, 0])
    for bad, content, message in (
        ("a.txt", "\n", "has no text"),
        ("b.tsv", "text\nx\n", "no column 'sentence'"),
        ("c.tsv", "sentence\tlabel\nx\t1\n", "must be 0 and 1"),
        ("d.tsv", "sentence\nx\n", "no column 'label'"),
    ):
        (tmp_path / bad).write_text(content)
        with pytest.raises(UserError, match=message):
            read_labelled(tmp_path / bad, 9) if bad[0] in "cd" else read_sentences(tmp_path / bad)


def test_long_sentences_are_cut_before_their_last_token() -> None:
    model, tokenizer = random_model(family_config("bert")), wordpieces(["good", "film"])
    (whole,) = encoded(model, tokenizer, ["good film good film"])
    (short,) = encoded(model, tokenizer, ["good film good film"], 4)
    assert len(whole["input_ids"]) == 6
    assert short["input_ids"] == [*whole["input_ids"][:3], whole["input_ids"][-1]]
    assert short["token_type_ids"] == [0, 0, 0, 0]


def test_a_fitted_head_tells_its_sentences_apart() -> None:
    config = family_config("bert")
    config.num_labels = 2
    model, tokenizer = random_model(config), wordpieces(["good", "film", "bad"])
    texts = ["good film", "bad film", "good good film", "bad bad film"] * 8
    fit_head(model, tokenizer, texts, [1, 0] * 16)
    logits = torch_logits(model, encode(model, tokenizer, texts))
    assert logits.argmax(1).tolist() == [1, 0] * 16
    model.classifier = torch.nn.Linear(SIZES["hidden_size"], 3)
    with pytest.raises(UserError, match="no head of one layer and two classes"):
        fit_head(model, tokenizer, texts, [1, 0] * 16)


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def create(folder: Path, **_: object) -> None:
        made.append("venv")
        environments.python_of(folder).parent.mkdir(parents=True)
        environments.python_of(folder).touch()
        (folder / "pyvenv.cfg").touch()

    monkeypatch.setattr(environments.venv, "create", create)
    monkeypatch.setattr(environments, "run", lambda arguments, what: made.append(what))
    for _ in range(2):
        assert environments.prepare(tmp_path / "env", "optimum") == environments.python_of(tmp_path / "env")
    assert made == ["venv", "installing requirements-optimum.txt"]
    with pytest.raises(UserError, match="no environment of Python"):
        environments.prepare(tmp_path, "openvino")


def test_a_script_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="failing failed with exit code 3"):
        environments.run([sys.executable, "-c", "raise SystemExit(3)"], "failing")


@pytest.mark.parametrize("app", [optimizer.app, optimum.app, openvino.app])
def test_peers_need_models(app: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no models"):
        CliRunner().invoke(app, ["--models", str(tmp_path)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trained", "tiny"], "write NAME=FOLDER"),
        (["--trained", "huge=x"], "unknown model 'huge'"),
        (["--only", "huge"], "unknown model 'huge'"),
        (["--labelled", "none.tsv"], "can't be read"),
    ],
)
def test_models_refuse_bad_options(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(models.app, ["--out", str(tmp_path / "out"), *arguments], catch_exceptions=False)


def test_models_are_not_overwritten(place: Path) -> None:
    with pytest.raises(UserError, match=r"has models already \(small\)"):
        CliRunner().invoke(models.app, ["--out", str(place)], catch_exceptions=False)
