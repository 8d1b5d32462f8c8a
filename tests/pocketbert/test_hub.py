import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from huggingface_hub import constants

from pocketbert import hub
from pocketbert.hub import hub_reachable


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_HEAD(self):
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def online(monkeypatch):
    """Let requests through, to whatever stands at the address given."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def at(port):
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")

    return at


@pytest.mark.parametrize(("status", "expected"), [(200, True), (401, True), (503, False)])
def test_a_hub_that_answers_is_reachable(online, monkeypatch, status, expected):
    monkeypatch.setattr(Answer, "status", status)
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        online(server.server_port)
        assert hub_reachable() is expected
        server.shutdown()


def test_a_hub_that_never_answers_or_refuses_is_not_reachable(online):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        online(port)
        assert hub_reachable(seconds=0.3) is False
    online(port)
    assert hub_reachable() is False


def test_offline_mode_is_not_asked(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "get_session", None)
    assert hub_reachable() is False
