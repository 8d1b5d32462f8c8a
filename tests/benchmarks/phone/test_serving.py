"""The server as anyone in its network meets it, over a real socket."""

import http.client
import json
import socket
import threading
import time

import pytest
import uvicorn
from rich.console import Console

from benchmarks.phone.results import document, keep, understood
from benchmarks.phone.runtime import Runtime
from benchmarks.phone.serving import HEADERS, LARGEST, application
from benchmarks.phone.session import Session
from benchmarks.phone.visits import MOST_RESULTS, Visits


class Server:
    """One that runs, and a client of it."""

    def __init__(self, given, tmp_path):
        self.folder = tmp_path / "phone"
        runtime = tmp_path / "ort.wasm.min.mjs"
        runtime.write_text("export {};")
        self.session = Session(self.folder, "tiny", given, None, Console(quiet=True))
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.origin = f"http://localhost:{self.port}"
        self.tokens = []
        self.visits = Visits(self.tokens.append, lambda: "20260101-100000")
        served = self.session.served(Runtime(given.runtime, {runtime.name: runtime}), {self.origin}, isolated=True)
        app = application(served, self.visits, self.session.understand, self.session.take)
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def end(self):
        self.server.should_exit = True
        self.thread.join()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {"Host": f"localhost:{self.port}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def enter(self):
        answer, _ = self.ask("GET", f"/?token={self.visits.token}")
        return {"Cookie": answer.getheader("set-cookie").partition(";")[0]}

    def send(self, method, path, body, cookie, **headers):
        given = {"Content_Type": "application/json", "Origin": self.origin, **cookie, **headers}
        return self.ask(method, path, body if isinstance(body, bytes) else json.dumps(body), **given)

    def begin(self, cookie):
        return json.loads(self.send("POST", "/results", {}, cookie)[1])["result"]


@pytest.fixture
def server(given, tmp_path):
    running = Server(given, tmp_path)
    yield running
    running.end()


def test_a_token_lets_one_device_in_and_is_used_up(server):
    token = server.visits.token
    first, _ = server.ask("GET", f"/?token={token}")
    assert first.status == 303 and first.getheader("location") == "/"
    assert "HttpOnly" in first.getheader("set-cookie")
    assert server.ask("GET", f"/?token={token}")[0].status == 403, "the same address again"
    assert server.tokens == [server.visits.token] != [token]
    cookie = {"Cookie": first.getheader("set-cookie").partition(";")[0]}
    assert server.ask("GET", "/", **cookie)[0].status == 200, "the device that was let in may come again"


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=guess", "/plan", "/files/0", "/golden/0", "/page/page.js"])
def test_without_a_token_there_is_nothing(server, path):
    assert server.ask("GET", path)[0].status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/files/", "/files", "/files/2", "/files/..", "/files/../../setup.cfg", "/files/%2e%2e%2fsetup.cfg", "/page/",
        "/page/worker.py", "/page/..%2fserving.py", "/runtime/package.json", "/golden/golden.json", "/etc/passwd",
        "//etc/passwd", "/results/x", "/docs", "/openapi.json",
    ],
)  # fmt: skip
def test_nothing_else_is_given_out(server, path):
    assert server.ask("GET", path, **server.enter())[0].status in {404, 405}


def test_the_page_the_files_and_the_golden_sentences_are(server, files):
    cookie = server.enter()
    plan = json.loads(server.ask("GET", "/plan", **cookie)[1])
    assert plan["lengths"] == [4, 8] and plan["runtime"] == "1.30.0"
    for each, told in zip(files, plan["files"], strict=True):
        answer, content = server.ask("GET", f"/{told['url']}", **cookie)
        assert content == each.path.read_bytes() and len(content) == told["bytes"]
        assert json.loads(server.ask("GET", f"/{told['golden']}", **cookie)[1])["texts"] == each.golden.texts
    assert str(files[0].path.parent) not in json.dumps(plan), "a phone learns no path of the laptop"
    for path in ("/", "/page/page.js", "/page/report.css", "/runtime/ort.wasm.min.mjs"):
        answer, _ = server.ask("GET", path, **cookie)
        assert answer.status == 200
        assert all(answer.getheader(name) == value for name, value in HEADERS.items())
        assert answer.getheader("cross-origin-opener-policy") == "same-origin"


def test_a_result_is_kept_and_shown(server, sent):
    cookie = server.enter()
    name = server.begin(cookie)
    assert server.send("PUT", f"/results/{name}", {**sent, "complete": False}, cookie)[0].status == 200
    assert json.loads((server.folder / f"{name}.json").read_text())["complete"] is False, "so far"
    assert server.send("PUT", f"/results/{name}", sent, cookie)[0].status == 200
    assert json.loads((server.folder / f"{name}.json").read_text())["complete"] is True
    assert "Pixel 7" in (server.folder / "report.html").read_text()
    assert server.send("PUT", f"/results/{name}", sent, cookie)[0].status == 404, "it is finished"


def test_another_name_of_this_machine_is_told_the_address(server):
    answer, said = server.ask("GET", "/", Host=f"127.0.0.1:{server.port}")
    assert answer.status == 421 and f"at http://localhost:{server.port}/…:" in said.decode()


def _kept(server):
    return {path.name: path.read_bytes() for path in server.folder.glob("*")}


def test_a_hostile_or_broken_post_changes_nothing(server, sent):
    cookie, other = server.enter(), server.enter()
    name = server.begin(cookie)
    assert server.send("PUT", f"/results/{name}", {**sent, "complete": False}, cookie)[0].status == 200
    before = _kept(server)
    put = f"/results/{name}"
    tries = {
        "another visit's": (server.send("PUT", put, sent, other), 404),
        "no visit": (server.send("PUT", put, sent, {}), 403),
        "a guessed name": (server.send("PUT", "/results/20260101-100000-00000001", sent, cookie), 404),
        "a path": (server.send("PUT", "/results/..%2fx", sent, cookie), 404),
        "from another page": (server.send("PUT", put, sent, cookie, Origin="http://evil.example"), 403),
        "from no page": (server.ask("PUT", put, json.dumps(sent), Content_Type="application/json", **cookie), 403),
        "a form": (server.send("PUT", put, sent, cookie, Content_Type="text/plain"), 415),
        "by another name of this machine": (server.send("PUT", put, sent, cookie, Host="evil.example"), 421),
        "broken": (server.send("PUT", put, b"{", cookie), 422),
        "of another schema": (server.send("PUT", put, {**sent, "schema": 9}, cookie), 422),
        "faster than anything": (server.send("PUT", put, _instant(sent), cookie), 422),
        "of another plan": (server.send("PUT", put, {**sent, "batch": 7}, cookie), 422),
        "too large": (server.send("PUT", put, b" " * (LARGEST + 1), cookie), 413),
    }
    assert {why: answer.status for why, ((answer, _), _) in tries.items()} == {
        why: status for why, (_, status) in tries.items()
    }
    assert _kept(server) == before
    assert server.send("PUT", put, sent, cookie)[0].status == 200, "the phone goes on"


def _instant(sent):
    return {**sent, "cells": [{**each, "samples_ms": [[0.0]]} for each in sent["cells"]]}


def test_what_can_not_be_reported_is_not_kept(server, sent, monkeypatch):
    cookie = server.enter()
    name = server.begin(cookie)
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.phone.session.report", lambda *_: 1 / 0)
        answer, said = server.send("PUT", f"/results/{name}", sent, cookie)
    assert answer.status == 422 and b"can't be reported" in said
    assert _kept(server) == {}
    assert server.send("PUT", f"/results/{name}", sent, cookie)[0].status == 200


def test_an_old_result_that_can_not_be_reported_does_not_take_the_others_down(server, sent, given, tmp_path, recwarn):
    server.folder.mkdir()
    for number, content in enumerate(("{", '{"schema": 9}', '{"schema": 1}')):
        (server.folder / f"20250101-100000-0000000{number}.json").write_text(content)
    instant = document(understood(json.dumps(sent).encode(), given), given.files, "now")
    for row in instant["rows"]:
        row |= {"raw_ms": [[0.0]], "p50_ms": 0.0}
    old = keep(server.folder, "20250101-100000-0000000a", instant)
    cookie = server.enter()
    with (tmp_path / "said").open("w") as said:
        server.session._console = Console(file=said, width=200, soft_wrap=True)
        server.session.write()
        assert server.send("PUT", f"/results/{server.begin(cookie)}", sent, cookie)[0].status == 200
    assert json.loads(old.read_text()), "left as it was"
    assert not [each for each in recwarn if each.category is RuntimeWarning], "one line, and no more"
    lines = [line for line in (tmp_path / "said").read_text().splitlines() if "is left out" in line]
    assert len(lines) == 4, "once each"
    assert "Pixel 7" in (server.folder / "report.html").read_text()


def test_one_that_leaves_in_the_middle_of_sending_changes_nothing(server, sent):
    cookie = server.enter()
    name = server.begin(cookie)
    body = json.dumps(sent).encode()
    head = (
        f"PUT /results/{name} HTTP/1.1\r\nHost: localhost:{server.port}\r\nOrigin: {server.origin}\r\n"
        f"Content-Type: application/json\r\nCookie: {cookie['Cookie']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body[:100])
    time.sleep(0.2)
    assert _kept(server) == {}
    assert server.ask("GET", "/plan", **cookie)[0].status == 200


def test_a_full_disk_loses_nothing_that_can_be_sent_again(server, sent, monkeypatch):
    cookie = server.enter()
    name = server.begin(cookie)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.phone.session.keep", full)
        answer, said = server.send("PUT", f"/results/{name}", sent, cookie)
    assert answer.status == 507 and b"No space left" in said
    assert server.send("PUT", f"/results/{name}", sent, cookie)[0].status == 200


def test_a_visit_can_not_fill_the_disk(server):
    cookie = server.enter()
    names = {server.begin(cookie) for _ in range(MOST_RESULTS)}
    assert len(names) == MOST_RESULTS
    assert server.send("POST", "/results", {}, cookie)[0].status == 429


def test_results_that_were_not_finished_are_said_in_the_end(server, sent, tmp_path):
    cookie = server.enter()
    server.send("PUT", f"/results/{server.begin(cookie)}", {**sent, "complete": False}, cookie)
    with (tmp_path / "said").open("w") as said:
        server.session._console = Console(file=said, width=200)
        server.session.farewell()
    assert "1 phone(s) left in the middle" in (tmp_path / "said").read_text()
    assert "left in the middle, or was stopped" in (server.folder / "report.html").read_text()
