"""The whole command at smoke size, with a small teacher and data made here."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from nas import search
from nas.latency_model import LatencyModel, parts
from nas.objective import STUDENT, TWIN
from nas.study import looked_at
from pocketbert import command
from students.spec import parse_student, parse_student_or_folder
from tests.distill.command import environment
from tests.running import run_here

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).parents[2]
SMALL = ["layers=1..3", "hidden=8..16/4", "heads=2,4", "feed_forward=16,32"]


def search_arguments(files, out, *options):
    return [
        "--teacher", str(files / "teacher"), "--data", str(files / "labels"), "--compared-with",
        "layers=2,hidden=16,heads=2,feed_forward=32", "--out", str(out), "--proxy-steps", "4", "--length", "8",
        *("--teacher-set", "max_steps=150", "--teacher-set", "learning_rate=3e-3", "--teacher-set", "batch_size=16"),
        *("--set", "training.max_steps=4"),
        "--max-latency-ms", "100", "--minutes", "2",
        *(word for text in SMALL for word in ("--space", text)), *options,
    ]  # fmt: skip


def _search(*arguments):
    return run_here(search, lambda: command.run(search.app, "python -m nas.search"), *arguments)


def _refused(result, *said):
    assert result.returncode == 2, result.stdout
    assert any(part in result.stderr for part in said), result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def _study(out, name="search"):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{out / 'study.db'}")


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("searches") / "first"
    result = _search(*search_arguments(files, out, "--trials", "8", "--finish", "1", "--compare"))
    assert result.returncode == 0, result.stdout + result.stderr
    return out, result


def test_a_search_ends_with_a_front_a_finished_student_and_a_report(finished):
    out, result = finished
    record = json.loads((out / "search.json").read_text())
    assert record["students_looked_at"] == 8
    assert record["front"]
    assert [row["proxy"] is None for row in record["finished"]] == [False, True]
    for row in record["finished"]:
        folder = Path(row["folder"])
        assert (folder / "student" / f"model-{row['form']}.onnx").stat().st_size == row["footprint"]["size_mb"] * 1e6
        assert json.loads((folder / "run.json").read_text())["command"].startswith("python -m distill.run")
    looked = record["finalists"]
    assert 2 <= len(looked) <= 3
    assert looked[0]["student"] == record["best"]["student"]
    assert looked[0]["steps"] == 3 * 4
    assert [row["distance"] for row in looked] == sorted(row["distance"] for row in looked)
    page = (out / "report.html").read_text()
    assert "The best, distilled for longer" in page
    assert record["front"][0]["student"] in page and record["best"]["student"] in page
    assert "Finished with the whole recipe" in page
    assert "report:" in result.stdout


def test_the_best_is_a_student_that_distil_understands(finished):
    out, _ = finished
    best = json.loads((out / "best.json").read_text())
    spec = parse_student_or_folder(str(out / "best.json"))
    assert spec.name == best["student"]
    record = json.loads((out / "search.json").read_text())
    assert record["finished"][0]["student"] == best["student"]
    assert best["student"] == record["best"]["student"]
    assert best["quality"] >= max(row["quality"] for row in record["front"]) - 2 * record["noise"]


def test_the_same_command_goes_on_and_trains_nobody_twice(files, finished):
    out, _ = finished
    before = {trial.user_attrs[STUDENT] for trial in looked_at(_study(out))}
    result = _search(*search_arguments(files, out, "--trials", "10", "--finish", "0"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "has 8 already" in result.stdout
    after = [trial.user_attrs[STUDENT] for trial in looked_at(_study(out))]
    assert len(after) == len(set(after)) == 10
    assert before <= set(after)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "DATA/values"], "the content of data changed|is of another search|other settings"),
        (["--space", "layers=1"], "there, bert: layers 1; hidden 8, 12, 16"),
        (["--proxy-steps", "5"], "proxy.steps: 4 there, 5 here"),
        (["--max-latency-ms", "50"], "goals.max_latency_ms: 100.0 there, 50.0 here"),
    ],
)
def test_a_study_of_another_question_is_refused(files, finished, options, said):
    options = [option.replace("DATA", str(files)) for option in options]
    _refused(_search(*search_arguments(files, finished[0], *options)), *said.split("|"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--space", "layer=2"], "did you mean layers"),
        (["--method", "tp"], "did you mean tpe"),
        (["--objective", "speed"], "--objective 'speed'"),
        (["--objective", "latency", "--objective", "size"], "--min-retention what is good enough"),
        (["--out", "/dev/null/search"], "give another --out"),
        (["--max-latency-ms", "0"], "max-latency-ms"),
        (["--trials", "0"], "--trials 0"),
        (["--minutes", "nan"], "--minutes nan"),
        (["--finish", "-1"], "--finish -1"),
        (["--rungs", "0"], "rungs"),
        (["--space-file", "none.yaml"], "none.yaml"),
        (["--device", "none.json"], "none.json"),
        (["--storage", "postgresql://127.0.0.1:9/none"], "can't be opened"),
        (["--storage", "mysql://someone@127.0.0.1/none"], "can't be opened"),
        (["--space", "bottleneck=8"], "add --space family=mobilebert"),
        (["--out", "/proc/none"], "--out /proc/none can't be made"),
        (["--compared-with", "tny"], "did you mean tiny"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line_before_any_long_work(files, tmp_path, options, said):
    _refused(_search(*search_arguments(files, tmp_path / "out", *options)), said)
    assert not (tmp_path / "out" / "search" / "teacher").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"), [("--max-size-mb", "0.001", "size"), ("--max-latency-ms", "0.000001", "latency")]
)
def test_limits_that_no_student_keeps_are_named_before_any_long_work(files, tmp_path, option, value, said):
    result = _search(*search_arguments(files, tmp_path / "out", option, value))
    assert result.returncode == 2
    assert f"the limit on {said} leaves no student: the smallest of the space, family=bert,layers=1" in result.stderr
    assert not (tmp_path / "out" / "search" / "teacher").exists()


def test_a_teacher_near_chance_is_said_with_options_that_are_there(files, finished, tmp_path):
    words = search_arguments(files, tmp_path / "out", "--trials", "2", "--finish", "0")
    words[words.index("--teacher") + 1] = str(finished[0] / "search" / "teacher")
    trained = _search(*words, "--no-finetune")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    again = _search(*words, "--out", str(tmp_path / "again"), "--finetune")
    assert again.returncode == 0 and "fine-tuned" in again.stdout, again.stdout + again.stderr


def test_a_limit_that_no_trained_student_keeps_says_by_how_much(files, tmp_path):
    result = _search(*search_arguments(files, tmp_path / "out", "--min-retention", "1.9", "--trials", "3"))
    assert result.returncode == 2
    assert "retention rules out 3 of them" in result.stderr


def test_without_a_limit_the_hand_made_students_latency_holds_and_another_folder_takes_it_over(files, tmp_path):
    storage = ("--storage", str(tmp_path / "shared.db"), "--finish", "0")
    words = [search_arguments(files, tmp_path / name, *storage, "--trials", trials) for name, trials in
             (("one", "3"), ("two", "5"))]  # fmt: skip
    for each in words:
        place = each.index("--max-latency-ms")
        del each[place : place + 2]
        assert (result := _search(*each)).returncode == 0, result.stdout + result.stderr
    records = [json.loads((tmp_path / name / "search.json").read_text()) for name in ("one", "two")]
    assert records[0]["goals"]["max_latency_ms"] == records[1]["goals"]["max_latency_ms"] > 0
    assert records[1]["students_looked_at"] == 5


def test_an_interrupted_finishing_goes_on_with_the_same_student_and_searches_no_more(files, tmp_path):
    words = search_arguments(files, tmp_path / "out", "--minutes", "0.1", "--trials", "1000", "--finish", "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.assembly.finish", _press)
        assert _search(*words).returncode == 130
    before = len(_study(tmp_path / "out").trials)
    assert _search(*words).returncode == 0
    assert len(_study(tmp_path / "out").trials) == before


def _press(*_):
    raise KeyboardInterrupt


def test_a_latency_model_decides_for_a_device_that_is_not_here(files, tmp_path):
    costs = dict.fromkeys(parts(parse_student("tiny"), 8), 0.0) | {"call": 1.0, "layer": 10.0}
    LatencyModel("phone", 8, 1, 1, {"bert": costs}, None, {}, ()).save(tmp_path / "phone.json")
    device = ("--device", str(tmp_path / "phone.json"), "--max-latency-ms", "25", "--trials", "6")
    result = _search(*search_arguments(files, tmp_path / "out", *device, "--finish", "1"))
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "out" / "search.json").read_text())
    assert record["device"] == "phone"
    assert {row["latency_ms"] for row in record["front"]} <= {11.0, 21.0}
    assert record["finished"][0]["footprint"]["latency_ms"] in {11.0, 21.0}
    assert record["reference"]["latency_ms"] == 21.0
    result = _search(*search_arguments(files, tmp_path / "none", *device[:2], "--max-latency-ms", "5"))
    assert result.returncode == 2
    assert "has latency 11.00 ms on phone" in result.stderr


def test_a_killed_worker_loses_no_student_and_counts_none_twice(files, tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "nas.search", *search_arguments(files, out, "--trials", "6", "--finish", "0")]
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as first:
        for _ in range(600):
            if (out / "study.db").exists() and _running(out):
                break
            time.sleep(0.1)
        os.kill(first.pid, signal.SIGKILL)
    killed = [trial for trial in _study(out).trials if trial.state.name == "RUNNING"]
    result = _search(*search_arguments(files, out, "--trials", "6", "--finish", "0"))
    assert result.returncode == 0, result.stdout + result.stderr
    trials = _study(out).trials
    students = [trial.user_attrs[STUDENT] for trial in looked_at(_study(out))]
    assert len(students) == len(set(students)) == 6
    assert not [trial for trial in trials if trial.state.name == "RUNNING"]
    for trial in killed:
        if STUDENT in trial.user_attrs:
            assert trial.user_attrs[STUDENT] in students
    assert all(TWIN not in trial.user_attrs for trial in looked_at(_study(out)))


def _running(out):
    with contextlib.suppress(Exception):  # the study may be half made
        return any(STUDENT in t.user_attrs and t.state.name == "RUNNING" for t in _study(out).trials)
    return False
