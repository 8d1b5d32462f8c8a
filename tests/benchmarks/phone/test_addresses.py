import hashlib
import socket
import ssl
import stat
import threading
from types import SimpleNamespace

import psutil
import pytest
import segno

from benchmarks.phone.addresses import bound, certificate, own_address, qr
from pocketbert.errors import UserError


def _answer(context, listening):
    with context.wrap_socket(listening.accept()[0], server_side=True) as connection:
        connection.sendall(b"hello")


def test_a_client_that_trusts_the_certificate_is_content(tmp_path):
    made = certificate("127.0.0.1", tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    with bound("127.0.0.1", 0) as listening:
        threading.Thread(target=_answer, args=(server, listening), daemon=True).start()
        client = ssl.create_default_context(cafile=made.certificate)
        with (
            socket.create_connection(listening.getsockname()) as plain,
            client.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.recv(10) == b"hello"
            seen = connection.getpeercert(binary_form=True)
    assert made.fingerprint.replace(":", "").lower() == hashlib.sha256(seen).hexdigest()


def test_a_port_in_use_is_said():
    with bound("127.0.0.1", 0) as listening, pytest.raises(UserError, match=r"--port .* can't be used"):
        bound("127.0.0.1", listening.getsockname()[1])


def _addresses(monkeypatch, **found):
    given = {
        name: [SimpleNamespace(family=socket.AF_INET, address=address) for address in addresses]
        for name, addresses in found.items()
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: given)


def test_the_one_address_of_a_network_is_taken(monkeypatch):
    _addresses(monkeypatch, lo=["127.0.0.1"], wlan0=["192.168.1.5"])
    assert own_address(None) == "192.168.1.5"
    with pytest.raises(UserError, match=r"--host 10.0.0.9 is not an address"):
        own_address("10.0.0.9")


def test_several_addresses_are_listed(monkeypatch):
    _addresses(monkeypatch, lo=["127.0.0.1"], wlan0=["192.168.1.5"], docker0=["172.17.0.1"])
    with pytest.raises(UserError, match=r"192.168.1.5 \(wlan0\), 172.17.0.1 \(docker0\)"):
        own_address(None)
    assert own_address("192.168.1.5") == "192.168.1.5"


def test_no_network_is_said(monkeypatch):
    _addresses(monkeypatch, lo=["127.0.0.1"])
    with pytest.raises(UserError, match="no address in a network"):
        own_address(None)


def test_the_code_holds_the_address():
    address = "https://192.168.1.5:8765/?token=abcdefghijklmnopqrstuv"
    pixels = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    drawn = []
    for line in qr(address).splitlines():
        both = [pixels[mark] for mark in line]
        drawn += [bytes(top for top, _ in both), bytes(low for _, low in both)]
    wanted = [bytes(row) for row in segno.make(address, error="l", micro=False).matrix_iter(border=2)]
    assert drawn[: len(wanted)] == wanted
