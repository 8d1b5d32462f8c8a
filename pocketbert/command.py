"""How every command ends: a user's mistake is one line and exit code 2."""

import sys
from typing import NoReturn

import typer
from rich.console import Console

from pocketbert.errors import UserError


def say(text: str, style: str) -> None:
    """Write one line to standard error, as it is."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(text, style=style, markup=False)


def run(app: typer.Typer, name: str) -> None:
    """Run a command line application; `name` is what its help calls it."""
    try:
        sys.exit(app(prog_name=name, standalone_mode=False) or 0)
    except typer.TyperException as error:  # a wrong option; typer alone would write four lines
        text = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        _refuse(f"{' '.join(text.split()).rstrip('.')}. See {name} --help.")
    except UserError as error:
        _refuse(str(error))


def _refuse(text: str) -> NoReturn:
    sys.stdout.flush()
    say(f"error: {text}", "red")
    sys.exit(2)
