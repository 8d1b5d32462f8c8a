"""A phone on a cable, through Android's adb: its own localhost leads to this machine, and its browser is opened."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from pocketbert.errors import UserError

SECONDS = 20
STATES = {
    "unauthorized": "allow USB debugging on its screen",
    "offline": "plug it in again",
    "no permissions": "this user may not open it: see the udev rules of adb",
}


@dataclass(frozen=True)
class Phone:
    """A phone that adb reaches.

    Attributes:
        serial: by which adb knows it.
        model: as it calls itself; empty where it does not say.
    """

    serial: str
    model: str


def find(serial: str | None) -> Phone:
    """Return the phone that is attached.

    Args:
        serial: of the one to take, where there are several.

    Raises:
        UserError: adb is missing or fails, there is no phone or several, or it can't be used yet.
    """
    lines = [line.split(maxsplit=1) for line in _adb("devices", "-l").splitlines()[1:] if line.strip()]
    devices = [(words[0], words[1] if len(words) > 1 else "") for words in lines if not words[0].startswith("*")]
    if serial is not None:
        devices = [each for each in devices if each[0] == serial]
        if not devices:
            raise UserError(f"--serial {serial}: adb has no such device; adb devices lists them.")
    if not devices:
        raise UserError("--adb: no device is attached. Switch USB debugging on, plug it in, and see adb devices.")
    if len(devices) > 1:
        raise UserError(f"--adb: several devices are attached: {', '.join(_told(*each) for each in devices)}; "
                        "say which with --serial.")  # fmt: skip
    (found, state) = devices[0]
    for word, remedy in STATES.items():
        if state.startswith(word):
            raise UserError(f"--adb: device {found} is {word}: {remedy}.")
    return Phone(found, _model(state))


def connect(phone: Phone, port: int) -> None:
    """Let the phone's localhost at this port lead to this machine's.

    Raises:
        UserError: adb can't.
    """
    _adb("-s", phone.serial, "reverse", f"tcp:{port}", f"tcp:{port}")


def disconnect(phone: Phone, port: int) -> None:
    """Undo `connect`; a phone that is gone needs no undoing."""
    try:
        _adb("-s", phone.serial, "reverse", "--remove", f"tcp:{port}")
    except UserError:
        return


def open_page(phone: Phone, address: str) -> None:
    """Open an address in the phone's browser.

    Raises:
        UserError: adb can't.
    """
    # The device's shell reads the words once more: the quotes are for it.
    view = ("am", "start", "-a", "android.intent.action.VIEW", "-d", f"'{address}'")
    _adb("-s", phone.serial, "shell", *view)


def _adb(*words: str) -> str:
    adb = shutil.which("adb")
    if adb is None:
        raise UserError("adb is not on the PATH: install Android's platform tools, or use --lan.")
    try:
        done = subprocess.run(  # noqa: S603  (adb, with words of our own)
            [adb, *words], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"adb {' '.join(words)} did not end within {SECONDS} s.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"adb {' '.join(_quiet(words))}: {said[-1]}")
    return done.stdout


def _quiet(words: Sequence[str]) -> Sequence[str]:
    """Return the words without the address, whose token is nobody's business in a log."""
    return [word for word in words if "token=" not in word]


def _model(text: str) -> str:
    return next((word.removeprefix("model:") for word in text.split() if word.startswith("model:")), "")


def _told(serial: str, state: str) -> str:
    return f"{serial} ({_model(state) or state.split(maxsplit=1)[0]})"
