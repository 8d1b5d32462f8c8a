"""A command line run in this process, as `python -m` would run it."""

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from rich.console import Console


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


def run_here(module: ModuleType, main: Callable[[], None], *words: str) -> Result:
    """Run a module's command; `module.console` is what it speaks through."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    console, argv = module.console, sys.argv
    module.console, sys.argv = Console(file=output, width=200), [module.__name__, *words]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        module.console, sys.argv = console, argv
    return Result(code, output.getvalue(), errors.getvalue())
