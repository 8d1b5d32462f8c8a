"""With a program in adb's place that answers as adb does, since there is no phone here."""

import os
import stat

import pytest

from benchmarks.phone import adb
from pocketbert.errors import UserError

SCRIPT = """#!/bin/sh
echo "$@" >> "{log}"
if [ "$1" = devices ]; then
  cat "{devices}"
elif [ "$3" = broken ]; then
  echo "error: closed" >&2
  exit 1
fi
"""


@pytest.fixture
def attach(tmp_path, monkeypatch):
    """Put phones on cables; returns what adb was asked so far."""
    log, devices = tmp_path / "log", tmp_path / "devices"
    program = tmp_path / "bin" / "adb"
    program.parent.mkdir()
    program.write_text(SCRIPT.format(log=log, devices=devices))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def put(*lines):
        devices.write_text("\n".join(("List of devices attached", *lines, "")))
        return lambda: log.read_text().splitlines()

    return put


PIXEL = "1A2B3C device usb:1-1 product:panther model:Pixel_7 device:panther transport_id:1"


def test_the_one_phone_is_found_connected_and_opened(attach):
    asked = attach(PIXEL)
    phone = adb.find(None)
    assert phone == adb.Phone("1A2B3C", "Pixel_7")
    adb.connect(phone, 8765)
    adb.open_page(phone, "http://localhost:8765/?token=x&y#start")
    adb.disconnect(phone, 8765)
    assert asked() == [
        "devices -l",
        "-s 1A2B3C reverse tcp:8765 tcp:8765",
        "-s 1A2B3C shell am start -a android.intent.action.VIEW -d 'http://localhost:8765/?token=x&y#start'",
        "-s 1A2B3C reverse --remove tcp:8765",
    ]


@pytest.mark.parametrize(
    ("lines", "serial", "message"),
    [
        ((), None, "no device is attached"),
        ((PIXEL, "emulator-5554 device model:sdk"), None, r"several .*1A2B3C \(Pixel_7\), emulator-5554 \(sdk\)"),
        ((PIXEL,), "XYZ", "--serial XYZ"),
        (("1A2B3C unauthorized usb:1-1",), None, "unauthorized: allow USB debugging"),
        (("1A2B3C offline",), None, "offline"),
        (("1A2B3C no permissions; see [http://developer.android.com]",), None, "no permissions"),
    ],
)
def test_no_usable_phone_is_one_line(attach, lines, serial, message):
    attach(*lines)
    with pytest.raises(UserError, match=message):
        adb.find(serial)


def test_one_of_several_can_be_said(attach):
    attach(PIXEL, "emulator-5554 device model:sdk")
    assert adb.find("emulator-5554").model == "sdk"


def test_what_adb_says_is_passed_on_without_the_token(attach):
    attach(PIXEL)
    with pytest.raises(UserError, match="closed") as raised:
        adb._adb("-s", "1", "broken", "http://localhost/?token=secret")
    assert "secret" not in str(raised.value)


def test_without_adb_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="adb is not on the PATH"):
        adb.find(None)
