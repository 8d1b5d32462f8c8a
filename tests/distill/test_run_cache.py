"""The whole command with the teacher's states kept."""

import json
import shutil

import pytest

from tests.distill.command import run_command

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
TINYBERT = ["--recipe", "tinybert", "--set", "stages.0.training.epochs=2", "--set", "stages.1.training.epochs=2"]


def _losses(out):
    record = json.loads((out / "run.json").read_text())
    return [entry["loss"] for entry in record["seeds"][0]["history"]]


def test_a_run_learns_the_same_with_and_without_a_cache(files, tmp_path):
    kept = run_command(files, tmp_path / "kept", *TINYBERT, "--cache-precision", "fp32")
    asked = run_command(files, tmp_path / "asked", *TINYBERT, "--cache-gb", "0")
    assert kept.returncode == asked.returncode == 0, kept.stderr + asked.stderr
    assert "teacher's states kept: all texts" in kept.stdout and "states kept" not in asked.stdout
    assert (tmp_path / "kept" / "teacher-cache" / "cache.json").exists()
    assert not (tmp_path / "asked" / "teacher-cache").exists()
    assert _losses(tmp_path / "kept") == pytest.approx(_losses(tmp_path / "asked"), rel=2e-3)


def test_a_coarser_precision_is_told_with_its_error_and_found_beside(files, tmp_path):
    first = run_command(files, tmp_path / "first", *TINYBERT, "--cache-precision", "int8")
    second = run_command(
        files, tmp_path / "second", *TINYBERT, "--cache-precision", "int8", "--set", "stages.1.training.max_steps=9"
    )
    assert "as int8 (off by" in first.stdout
    assert f"in {tmp_path / 'first' / 'teacher-cache'}" in second.stdout
    assert not (tmp_path / "second" / "teacher-cache").exists()


def test_a_ready_teachers_states_are_those_of_any_seed_but_not_of_other_texts_and_need_a_place(files, tmp_path):
    given = run_command(files, tmp_path / "given", "--set", "training.max_steps=2")
    assert given.returncode == 0, given.stderr
    options = [*TINYBERT, "--teacher", str(tmp_path / "given" / "teacher"), "--no-finetune"]
    options += ["--set", "stages.1.training.max_steps=4"]
    for name, more in (("one", []), ("two", ["--seed", "1"]), ("three", ["--max-length", "12"])):
        done = run_command(files, tmp_path / name, *options, *more)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / "teacher-cache").exists() == (name != "two"), name
    assert f"in {tmp_path / 'one' / 'teacher-cache'}" in run_command(files, tmp_path / "four", *options).stdout

    place = tmp_path / "three" / "teacher-cache"
    for folder in (place, tmp_path / "three" / "seed-0"):
        shutil.rmtree(folder)
    place.write_text("a file is in its way")
    done = run_command(files, tmp_path / "three", *options, "--max-length", "12")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(f"error: {place}: File exists")


def test_with_little_room_the_shortest_texts_are_kept(files, tmp_path):
    done = run_command(files, tmp_path / "run", *TINYBERT, "--cache-gb", "0.0002")
    assert done.returncode == 0, done.stderr
    assert "teacher's states kept: the " in done.stdout and " shortest of " in done.stdout


def test_without_room_for_a_text_none_is_kept_and_it_is_said(files, tmp_path):
    done = run_command(files, tmp_path / "run", *TINYBERT, "--cache-gb", "1e-9")
    assert done.returncode == 0, done.stderr
    assert "teacher's states not kept: --cache-gb 1e-09 has no room for a single text" in done.stdout
    assert "GB kept" not in done.stdout  # in the line on costs
    assert not (tmp_path / "run" / "teacher-cache").exists()


def test_a_recipe_of_answers_alone_keeps_no_states(files, tmp_path):
    done = run_command(files, tmp_path / "run", "--set", "training.epochs=2")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run" / "teacher-cache").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cache-gb", "-1"], "cache-gb"),
        (["--cache-gb", "nan"], "cache-gb"),
        (["--cache-precision", "fp8"], "cache-precision"),
        (["--precision", "fp8"], "unknown precision 'fp8'"),
    ],
)
def test_bad_values_are_one_line(options, said, files, tmp_path):
    done = run_command(files, tmp_path / "run", *options)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
