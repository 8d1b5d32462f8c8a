"""How every command ends: a user's mistake is one line and exit code 2."""

import sys

import typer
from rich.console import Console

from pocketbert.errors import UserError


def say(text: str, style: str) -> None:
    """Write one line to standard error, as it is."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(text, style=style, markup=False)


def run(app: typer.Typer, name: str) -> None:
    """Run a command line application; `name` is what its help calls it."""
    try:
        app(prog_name=name)
    except UserError as error:
        sys.stdout.flush()
        say(f"error: {error}", "red")
        sys.exit(2)
