import itertools
import json
import statistics
from dataclasses import asdict, replace
from pathlib import Path

import onnx
import pytest
import torch
from transformers import AutoModelForTokenClassification
from typer.testing import CliRunner

from benchmarks import comparing, measuring
from benchmarks.device import environment, is_emulated
from benchmarks.latency import app
from benchmarks.latency_tables import latency_table
from benchmarks.measuring import LatencyRow, measure
from benchmarks.ratios import speed
from pocketbert.errors import UserError
from students.exporting.deployment import deploy
from students.exporting.files import export_fp32, export_int8
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, model = tmp_path_factory.mktemp("files"), random_model(family_config("bert"))
    export_fp32(model, folder / "model.onnx")
    export_int8(model, folder / "model-int8.onnx")
    return {"float32": folder / "model.onnx", "int8": folder / "model-int8.onnx"}


def test_a_row_for_each_file_and_length_in_order(files: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    rows = measure(files, (4, 9), batch=2, rounds=3, progress=lambda done, total: seen.append((done, total)))
    assert [(row.name, row.length) for row in rows] == [("float32", 4), ("float32", 9), ("int8", 4), ("int8", 9)]
    assert seen == [(number, 12) for number in range(1, 13)]
    for row in rows:
        assert (row.batch, row.threads, row.samples) == (2, 1, 15)
        assert 0 < row.fastest_ms <= row.p50_ms <= row.p90_ms <= row.p95_ms <= row.p99_ms
        assert [len(samples) for samples in row.raw_ms] == [5, 5, 5]
        assert statistics.median(itertools.chain.from_iterable(row.raw_ms)) == pytest.approx(row.p50_ms)
        assert row.calls_per_sample > 1, "a tiny model's call is far below 2 ms"


def test_slow_models_get_fewer_samples_but_at_least_one(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "BUDGET", 1e-6)
    assert {row.samples for row in measure(files, (4,), rounds=2)} == {2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": ()}, "nothing to measure"),
        ({"files": {}}, "nothing to measure"),
        ({"lengths": (8, 0)}, "length is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"threads": -1}, "threads is -1"),
        ({"threads": ()}, "nothing to measure"),
        ({"rounds": 0}, "rounds is 0"),
        ({"lengths": (67,)}, "float32 reads at most 66 tokens, and a text has 67: give a shorter --length"),
        ({"files": {"x": Path("none.onnx")}}, "no such file: none.onnx"),
    ],
)
def test_bad_input_is_refused(files: dict[str, Path], change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        measure(**{"files": files, "lengths": (4,), **change})


def test_a_file_that_fails_while_running_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    """Without metadata a length beyond the positions only shows when the file runs."""
    model = onnx.load(files["float32"])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(UserError, match="bare cannot run at length 70, batch 1"):
        measure({"bare": tmp_path / "bare.onnx"}, (70,))


def test_a_file_that_is_no_text_classifier_is_refused(tmp_path: Path) -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    pixels, out = (helper.make_tensor_value_info(name, kind, [1]) for name in ("pixels", "out"))
    graph = helper.make_graph([helper.make_node("Relu", ["pixels"], ["out"])], "image", [pixels], [out])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "image.onnx")
    with pytest.raises(UserError, match="image: a text classifier has no input 'pixels'"):
        measure({"image": tmp_path / "image.onnx"}, (4,))


def test_every_file_is_measured_with_every_number_of_threads(files: dict[str, Path]) -> None:
    rows = measure(files, (4,), threads=(1, 2), rounds=1)
    assert [(row.name, row.threads) for row in rows] == [("float32", 1), ("float32", 2), ("int8", 1), ("int8", 2)]


def test_command_line_prints_ratios_and_writes_json(files: dict[str, Path], tmp_path: Path) -> None:
    arguments = [*map(str, files.values()), "--length", "4", "--rounds", "2", "--json", str(tmp_path / "rows.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "model-int8.onnx" in result.output
    assert "1.00x" in result.output
    written = json.loads((tmp_path / "rows.json").read_text())
    assert set(written) == {"schema", "environment", "rows", "files"}
    assert [set(row) for row in written["rows"]] == [set(asdict(_row()))] * 2
    for row, path in zip(written["files"], files.values(), strict=True):
        assert row["bytes"] == path.stat().st_size
        assert 0.5 * row["bytes"] < sum(row["bytes_by_class"].values()) < row["bytes"]
        assert min(row["opening"][name] for name in ("first_ms", "again_ms", "first_call_ms", "peak_bytes")) > 0
        assert row["golden"] is None and not row["failed"]


def test_files_are_checked_on_golden_sentences_and_those_that_fail_are_not_timed(
    files: dict[str, Path], tmp_path: Path
) -> None:
    model = random_model(family_config("bert"), AutoModelForTokenClassification)
    deploy(model, wordpieces(["good", "film"]), tmp_path, ["good film", "a long film"], ["fp32"], least_agreement=0)
    right = tmp_path / "model-fp32.onnx"
    wrong = tmp_path / "other.onnx"
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))
    export_fp32(model, wrong)
    arguments = [str(right), str(wrong), "--length", "4", "--rounds", "1", "--no-open"]
    result = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / "rows.json")])
    assert isinstance(result.exception, UserError) and "other.onnx answers" in str(result.exception)
    written = json.loads((tmp_path / "rows.json").read_text())
    assert {row["name"] for row in written["rows"]} == {"model-fp32.onnx"}
    assert [row["failed"] for row in written["files"]] == [False, True]
    assert written["files"][0]["tokenizer_ms"] > 0
    assert "FAILED: 0." in result.output
    only = CliRunner().invoke(app, [str(right), "--check"])
    assert only.exit_code == 0 and "1.000 the same, off by " in only.output and "p50" not in only.output


def test_a_place_that_can_not_be_written_is_told_before_measuring(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "rows.json"):
        arguments = [*map(str, files.values()), "--json", str(place)]
        with pytest.raises(UserError, match="can't be written"):
            CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_names_are_whole_in_a_file(tmp_path: Path, files: dict[str, Path]) -> None:
    folders = [tmp_path / f"a-rather-long-name-of-a-run-{number}" / "student" for number in (1, 2)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "model-int8.onnx").write_bytes(next(iter(files.values())).read_bytes())
    names = [str(folder / "model-int8.onnx") for folder in folders]
    result = CliRunner().invoke(app, [*names, "--length", "4", "--rounds", "1"])
    assert all(name in result.output for name in names)


@pytest.mark.parametrize("arguments", [["none.onnx"], ["none.onnx", "none.onnx"]])
def test_command_line_refuses_what_it_can_not_measure(arguments: list[str]) -> None:
    assert isinstance(CliRunner().invoke(app, arguments).exception, UserError)


def test_table_has_the_ratio_at_the_same_length() -> None:
    rows = [_row("a", 16, 2.0), _row("a", 32, 6.0), _row("b", 16, 4.0), _row("b", 32, 2.0)]
    assert list(latency_table(rows).columns[-2].cells) == ["1.00x", "1.00x", "0.50x", "3.00x"]


def test_the_interval_of_a_ratio_holds_what_slowed_both() -> None:
    """Rounds of very different speed in which one file is always twice as fast."""
    rounds = [1.0, 1.0, 9.0, 1.0, 5.0, 1.0]
    slow, fast = (replace(_row(), raw_ms=[[factor * x] * 3 for x in rounds], p50_ms=factor) for factor in (2.0, 1.0))
    result = speed(slow, fast)
    assert (result.ratio, result.low, result.high) == (2.0, 2.0, 2.0)
    noisy = replace(fast, raw_ms=[[1.0], [2.0], [1.0], [3.0], [1.0], [1.5]])
    result = speed(replace(slow, raw_ms=[[2.0], [2.1], [1.9], [2.0], [2.2], [2.0]]), noisy)
    assert result.low < result.high


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "emulated"),
    [
        ("aarch64", "vendor_id\t: GenuineIntel", True),
        ("aarch64", "processor\t: 0\nBogoMIPS\t: 100.00\n", True),
        ("aarch64", "processor\t: 0\nBogoMIPS\t: 38.40\nCPU implementer\t: 0x41", False),
        ("x86_64", "vendor_id\t: GenuineIntel", False),
    ],
)
def test_an_emulated_processor_is_found_out(machine: str, cpuinfo: str, emulated: bool) -> None:
    assert is_emulated(machine, cpuinfo) == emulated


def test_under_emulation_nothing_is_timed(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.device.is_emulated", lambda: True)
    with pytest.raises(UserError, match="emulated"):
        CliRunner().invoke(app, [*map(str, files.values())], catch_exceptions=False)
    result = CliRunner().invoke(app, [*map(str, files.values()), "--check"])
    assert "emulated" not in str(result.exception)


def test_a_check_without_golden_sentences_checks_nothing_and_says_so(files: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"model\.onnx has no golden\.json beside it, and was not checked"):
        CliRunner().invoke(app, [str(files["float32"]), "--check"], catch_exceptions=False)


def test_a_file_of_another_model_fails_alone(files: dict[str, Path], tmp_path: Path) -> None:
    model = random_model(family_config("bert"), AutoModelForTokenClassification)
    deploy(model, wordpieces(["good", "film"]), tmp_path, ["good film"], ["fp32"], least_agreement=0)
    (tmp_path / "old.onnx").write_bytes(files["float32"].read_bytes())
    (tmp_path / "broken.onnx").write_text("none")
    names = [str(tmp_path / name) for name in ("old.onnx", "broken.onnx", "model-fp32.onnx")]
    result = CliRunner().invoke(app, [*names, "--length", "4", "--rounds", "1", "--json", str(tmp_path / "rows.json")])
    assert isinstance(result.exception, UserError)
    assert "old.onnx: answers of shapes" in str(result.exception)
    assert "FAILED: answers of shapes" in result.output and "broken.onnx is not a model" in result.output
    written = json.loads((tmp_path / "rows.json").read_text())
    assert {row["name"] for row in written["rows"]} == {"model-fp32.onnx"}
    assert [row["failed"] for row in written["files"]] == [True, True, False]


def test_a_file_with_fewer_words_fails_alone(tmp_path: Path) -> None:
    model = random_model(family_config("bert"))
    deploy(model, wordpieces(["good", "film"]), tmp_path, ["good film"], ["fp32"], least_agreement=0)
    config = family_config("bert")
    config.vocab_size = 6
    export_fp32(random_model(config), tmp_path / "old.onnx")
    result = CliRunner().invoke(app, [*(str(tmp_path / name) for name in ("old.onnx", "model-fp32.onnx")), "--check"])
    assert isinstance(result.exception, UserError) and "old.onnx can't be run on these texts" in str(result.exception)
    assert "\n" not in str(result.exception) and "1.000 the same" in result.output


def test_lengths_that_nobody_gave_are_those_that_all_files_read(tmp_path: Path) -> None:
    for longest in (40, 66):
        config = family_config("bert")
        config.max_position_embeddings = longest
        export_fp32(random_model(config), tmp_path / f"{longest}.onnx")
    names = [str(tmp_path / f"{longest}.onnx") for longest in (66, 40)]
    out = tmp_path / "rows.json"
    result = CliRunner().invoke(app, [*names, "--rounds", "1", "--no-open", "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert {row["length"] for row in json.loads(out.read_text())["rows"]} == {16, 32}
    assert measuring.fitting((16, 32), 8) == (8,) and measuring.fitting((16, 32), None) == (16, 32)


def test_a_folder_is_told_from_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder: give"):
        CliRunner().invoke(app, [str(tmp_path)], catch_exceptions=False)


def test_files_of_the_same_name_are_kept_apart() -> None:
    assert list(comparing.named([Path("a/m.onnx"), Path("b/m.onnx")])) == ["a/m.onnx", "b/m.onnx"]
    assert list(comparing.named([Path("a/m.onnx"), Path("b/n.onnx")])) == ["m.onnx", "n.onnx"]


def test_environment_names_the_processor_and_the_runtime() -> None:
    facts = environment()
    assert set(facts) == {"processor", "cores", "load", "system", "onnxruntime"}
    assert facts["processor"]


def _row(name: str = "x", length: int = 4, p50: float = 1.0) -> LatencyRow:
    return LatencyRow(name, length, 1, 1, p50, p50, p50, p50, p50, 10, 1, [[p50] * 5] * 2)
