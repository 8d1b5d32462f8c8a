"""Who may use the page: a token in the address lets one device in, whose cookie then stands for it."""

import secrets
from collections.abc import Callable

MOST_RESULTS = 20
"""A visit may send so many: a page that was loaded again measures again."""


class Visits:
    """Tokens, cookies, and the results that each visit has begun.

    Args:
        used: called with the next token when one is used up.
        now: returns a text of the time, in which a result's name begins.
    """

    def __init__(self, used: Callable[[str], object], now: Callable[[], str]) -> None:
        self._used, self._now = used, now
        self.token = secrets.token_urlsafe(16)
        self._results: dict[str, list[str]] = {}
        self.finished: set[str] = set()

    def enter(self, token: str) -> str | None:
        """Return the cookie for a token, which is used up by that; None for a wrong one."""
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return None
        self.token = secrets.token_urlsafe(16)
        cookie = secrets.token_urlsafe(32)
        self._results[cookie] = []
        self._used(self.token)
        return cookie

    def knows(self, cookie: str | None) -> bool:
        """Tell whether a cookie was given out here."""
        return cookie is not None and cookie in self._results

    def begin(self, cookie: str) -> str | None:
        """Return the name of a new result of a visit; None where it has begun too many."""
        begun = self._results[cookie]
        if len(begun) >= MOST_RESULTS:
            return None
        begun.append(f"{self._now()}-{secrets.token_hex(4)}")
        return begun[-1]

    def owns(self, cookie: str, result: str) -> bool:
        """Tell whether a result was begun by this visit and is not finished."""
        return result in self._results[cookie] and result not in self.finished
