"""How every command ends: a user's mistake is one line and exit code 2."""

import errno
import shlex
import sys
import time
from typing import NoReturn

import typer
from rich.console import Console

from pocketbert import processes
from pocketbert.errors import UserError

FIRST_SPEAKS = 3.0
PLACES = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG
}  # fmt: skip
"""What a file system says of a place that can't be written or read: no mistake of ours."""


def say(text: str, style: str) -> None:
    """Write one line to standard error, as it is, if this process is the one that speaks."""
    Console(stderr=True, soft_wrap=True, highlight=False, quiet=not processes.is_first()).print(
        text, style=style, markup=False
    )


def split(option: str, text: str) -> list[str]:
    """Split what a user gave as one text into words, as a shell would.

    Args:
        option: that it was given to.
        text: with quotation marks around what has spaces.

    Raises:
        UserError: a quotation mark is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise UserError(f"{option} {text}: a quotation mark is not closed.") from None


def run(app: typer.Typer, name: str) -> None:
    """Run a command line application; `name` is what its help calls it."""
    try:
        sys.exit(app(prog_name=name, standalone_mode=False) or 0)
    except typer.TyperException as error:  # a wrong option; typer alone would write four lines
        text = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        _refuse(f"{' '.join(text.split()).rstrip('.')}. See {name} --help.")
    except UserError as error:
        _refuse(str(error))
    except OSError as error:
        if error.errno not in PLACES or error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}. Nothing finished is lost: mend that, or take another place.")


def _refuse(text: str) -> NoReturn:
    sys.stdout.flush()
    say(f"error: {text}", "red")
    if not processes.is_first():
        time.sleep(FIRST_SPEAKS)  # a launcher ends all as soon as one ends
    sys.exit(2)
