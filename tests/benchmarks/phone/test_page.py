"""The page in a real browser that takes itself for a phone, from the command to the report."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import sync_playwright

from benchmarks.phone.results import kept

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
MEASURED = {"length": ("4", "8"), "rounds": "2", "seconds": "0.5", "port": "0"}
SECONDS = 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]


@pytest.fixture
def browse():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        yield lambda: browser.new_context(**PHONE, ignore_https_errors=True).new_page()
        browser.close()


@contextmanager
def serving(folder, out, *words, **changed):
    """Run the command; gives the process and the address that it says."""
    options = [
        f"--{name}={value}"
        for name, values in (MEASURED | changed).items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    command = [
        sys.executable,
        "-u",
        "-m",
        "benchmarks.phone",
        str(folder),
        "--no-laptop",
        f"--out={out}",
        *options,
        *words,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        while "waiting for a phone" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process, re.search(r"https?://\S+token=\S+", said)[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measured(page, address):
    """Open the page, start it, and wait for its end; return what it says of trouble."""
    page.goto(address)
    page.click("#start:enabled")
    page.wait_for_selector("body[data-ended]", timeout=1000 * SECONDS)
    return page.inner_text("#trouble")


def results(folder):
    return kept(folder, lambda _: None, pytest.fail)


def no_wider_than_the_phone(page):
    return page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_loopback_the_whole_way(folder, tmp_path, browse):
    with serving(folder, tmp_path, "--once", "--threads=1", "--threads=2") as (process, address):
        page = browse()
        mistakes = []
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        assert measured(page, address) == "" and mistakes == []
        assert no_wider_than_the_phone(page)
        assert "answers as on the laptop" in page.inner_text("#files")
        assert page.locator("#picture circle").count() == 4, "two files at two lengths, with the most threads"
        assert page.locator("#table tbody tr").count() == 4 + 8
        assert process.wait(SECONDS) == 0, "--once ends with the first whole result"
        said = process.stdout.read()
    (found,) = results(tmp_path)
    assert found["complete"] and found["context"]["isolated"] and found["context"]["secure"]
    assert found["context"]["timer_ms"] < 0.05
    fp32, int8 = found["files"]
    assert fp32["golden"]["agreement"] == 1.0 and fp32["golden"]["relative_difference"] < 1e-4
    assert 0 < int8["golden"]["relative_difference"] < 1
    places = {(row["name"], row["length"], row["threads"]) for row in found["rows"]}
    assert places == {
        (name, length, threads)
        for name in ("model-fp32.onnx", "model-int8.onnx")
        for length in (4, 8)
        for threads in (1, 2)
    }
    assert all(row["p50_ms"] > 0 and len(row["raw_ms"]) == 2 for row in found["rows"])
    assert re.search(r"model-int8.onnx is .*x as fast as model-fp32.onnx", said)
    page = browse()
    page.goto((tmp_path / "report.html").as_uri())
    assert no_wider_than_the_phone(page)


def test_without_isolation_there_is_one_thread_and_a_coarse_timer(folder, tmp_path, browse):
    with serving(folder, tmp_path, "--not-isolated") as (_, address):
        assert measured(browse(), address) == ""
    (found,) = results(tmp_path)
    assert found["complete"] and not found["context"]["isolated"]
    assert {row["threads"] for row in found["rows"]} == {1}
    assert found["context"]["timer_ms"] == pytest.approx(0.1, rel=0.2)
    # Twenty steps of the timer are aimed at; a busy warm-up makes a call look longer than it is.
    assert all(row["calls_per_sample"] * row["fastest_ms"] > 1 for row in found["rows"]), "several steps of the timer"


def _addresses():
    every = (each for addresses in psutil.net_if_addrs().values() for each in addresses)
    return [each.address for each in every if each.family == socket.AF_INET and not each.address.startswith("127.")]


@pytest.mark.skipif(not _addresses(), reason="this machine has no address in a network")
def test_over_https_it_has_all_that_it_has_on_loopback(folder, tmp_path, browse):
    with serving(folder, tmp_path, "--lan", f"--host={_addresses()[0]}") as (_, address):
        assert address.startswith("https://")
        assert measured(browse(), address) == ""
    (found,) = results(tmp_path)
    assert found["complete"] and found["context"]["isolated"] and found["context"]["secure"]
    assert found["files"][0]["golden"]["agreement"] == 1.0


def test_a_file_that_answers_otherwise_is_shown_and_not_timed(folder, tmp_path, browse):
    wrong = tmp_path / "wrong"
    shutil.copytree(folder, wrong)
    golden = json.loads((wrong / "golden.json").read_text())
    for expected in golden["expected"]:
        expected["logits"] = [-value for value in expected["logits"]]
    (wrong / "golden.json").write_text(json.dumps(golden))
    good = tmp_path / "good.onnx"
    shutil.copy(folder / "model-fp32.onnx", good)
    with serving(wrong / "model-fp32.onnx", tmp_path / "out", str(good)) as (_, address):
        page = browse()
        assert measured(page, address) == ""
        assert "not timed: only 0.000 of its answers" in page.inner_text("#files li.no")
    (found,) = results(tmp_path / "out")
    assert found["complete"] and {row["name"] for row in found["rows"]} == {"good.onnx"}
    assert "was not timed" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("leave", ["close", "stop"])
def test_a_phone_that_leaves_in_the_middle_leaves_what_it_has(folder, tmp_path, browse, leave):
    with serving(folder, tmp_path, rounds="200", seconds="30") as (process, address):
        page = browse()
        page.goto(address)
        page.click("#start:enabled")
        page.wait_for_selector("#table tbody tr", timeout=1000 * SECONDS)
        if leave == "close":
            page.close()
        else:
            page.click("#stop")
            page.wait_for_selector("body[data-ended=trouble]")
            assert "Stopped" in page.inner_text("#trouble")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert "left in the middle" in process.stdout.read()
    (found,) = results(tmp_path)
    assert not found["complete"] and 1 <= len(found["rows"][0]["raw_ms"]) < 200
    assert "left in the middle" in (tmp_path / "report.html").read_text()


def test_a_phone_that_leaves_before_the_first_round_is_over_leaves_its_answers(folder, tmp_path, browse):
    with serving(folder, tmp_path, length=("4", "66"), rounds="200", seconds="600") as (process, address):
        page = browse()
        page.goto(address)
        with page.expect_request(lambda request: request.method == "PUT" and len(request.post_data_json["files"]) == 2):
            page.click("#start:enabled")
        page.wait_for_selector("#status:has-text('warming up'):has-text(' left')", timeout=1000 * SECONDS)
        page.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert "left in the middle" in process.stdout.read()
    (found,) = results(tmp_path)
    assert not found["complete"] and found["rows"] == []
    assert [each["golden"]["agreement"] for each in found["files"]] == [1.0, pytest.approx(1.0, abs=0.7)]
    assert "there is no timing" in (tmp_path / "report.html").read_text().replace("\u00a0", " ")


def test_webgpu_where_there_is_none_is_said(folder, tmp_path, browse):
    with serving(folder, tmp_path, "--webgpu") as (_, address):
        page = browse()
        assert "no file passed its check" in measured(page, address)
        assert page.locator("#files li.no").count() == 2
    (found,) = results(tmp_path)
    assert found["rows"] == [] and all(each["failed"] for each in found["files"])
