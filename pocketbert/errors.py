"""The one exception that stands for a user's mistake: one clear line, exit code 2, no traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input. The message says in one line what is wrong, where, and what to do."""


class DoesNotFit(UserError):
    """Two things that are fine alone but not together (a recipe and a student, a teacher and a task)."""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> UserError:
    """Return the error for a name that is not in a catalogue, with near matches.

    Args:
        kind: what the name should have been, such as "student".
        name: what the user wrote.
        known: the names that exist.
        hint: another way out, added at the end.
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return UserError(f"unknown {kind} '{name}': {advice}{' ' + hint if hint else ''}")
