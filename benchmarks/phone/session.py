"""One serving: takes what phones send, keeps it, and makes the report anew."""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from rich.console import Console

from benchmarks.phone.addresses import Certificate
from benchmarks.phone.given import Given
from benchmarks.phone.lines import lines, write_lines
from benchmarks.phone.report import FILE_NAME, report, write_report
from benchmarks.phone.results import document, keep, kept, name_of, now, understood
from benchmarks.phone.runtime import Runtime
from benchmarks.phone.schema import Result
from benchmarks.phone.serving import Served, application
from benchmarks.phone.tables import headline
from benchmarks.phone.visits import Visits
from pocketbert.errors import UserError
from students.exporting.golden import GOLDEN


class Session:
    """What a serving knows.

    Args:
        folder: of the results.
        title: of what is measured.
        given: what phones are to do.
        laptop: this machine's own rows; None where it did not measure.
        console: to tell the user.
    """

    def __init__(
        self,
        folder: Path,
        title: str,
        given: Given,
        laptop: Mapping[str, Any] | None,
        console: Console,
    ) -> None:
        self._folder, self._title, self._given = folder, title, given
        self._laptop, self._console = laptop, console
        self._open: set[str] = set()
        self._warned: set[str] = set()
        self.whole = 0

    def served(self, web: Runtime, origins: set[str], *, isolated: bool) -> Served:
        """Return what there is to get."""
        given = self._given
        numbered = {str(number): each for number, each in enumerate(given.files)}
        return Served(
            plan=given.plan.told(given.files, given.runtime),
            runtime=web.files,
            models={number: each.path for number, each in numbered.items()},
            golden={number: each.path.parent / GOLDEN for number, each in numbered.items() if each.golden},
            origins=frozenset(origins),
            isolated=isolated,
        )

    def understand(self, body: bytes) -> Result:
        """Return what a phone sent; raises UserError."""
        return understood(body, self._given)

    def take(self, name: str, result: Result) -> None:
        """Keep a result, whole or so far, and make the report anew.

        Raises:
            UserError: it can't be reported; nothing is kept of it.
        """
        found = document(result, self._given.files, f"{now():%Y-%m-%d %H:%M} UTC")
        try:
            self._report(found)
        except Exception as error:  # a phone may send anything, and what is kept must be reportable
            raise UserError(f"a result that can't be reported ({type(error).__name__})") from None
        keep(self._folder, name, found)
        who = name_of(found["device"])
        if not result.complete and name not in self._open:
            self._open.add(name)
            self._console.print(f"{who} is measuring")
        if result.complete:
            self._open.discard(name)
            self.whole += 1
            for file in result.files:
                if file.failed:
                    self._console.print(f"{file.name} was not timed: {file.failed}")
            self._console.print(headline([found]))
            self._console.print(f"report: {self.write()}")

    def write(self) -> Path:
        """Make report and table of all that is kept; return the report's path."""
        found = kept(self._folder, self._report, self._warn)
        write_lines(self._folder, found, self._laptop)
        return write_report(self._folder, self._title, found, self._laptop)

    def _report(self, found: Mapping[str, Any]) -> None:
        """Make what is made of a result, but write nothing."""
        lines([found], self._laptop)
        report(self._title, [found], self._laptop)
        headline([found])

    def _warn(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            self._console.print(line)

    def farewell(self) -> None:
        """Say what is left."""
        self.write()
        if self._open:
            self._console.print(f"{len(self._open)} phone(s) left in the middle: kept, and marked")
        if not self.whole:
            self._console.print(f"no whole result came; the report is {self._folder / FILE_NAME}")


def serve(
    served: Served,
    visits: Visits,
    session: Session,
    listening: socket.socket,
    proof: Certificate | None,
    *,
    once: bool,
) -> None:
    """Serve until the user ends it, or with `once` until the first whole result.

    Args:
        served: what there is to get.
        visits: who may.
        session: takes the results.
        listening: where.
        proof: for https; None: http.
        once: see above.
    """
    ends: list[Callable[[], None]] = []

    def take(name: str, result: Result) -> None:
        session.take(name, result)
        if once and session.whole:
            ends[0]()

    config = uvicorn.Config(
        application(served, visits, session.understand, take),
        log_level="error",
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=64,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        ssl_certfile=proof.certificate if proof else None,
        ssl_keyfile=proof.key if proof else None,
    )
    server = uvicorn.Server(config)
    ends.append(lambda: setattr(server, "should_exit", True))
    with suppress(KeyboardInterrupt):  # the way to end it
        server.run(sockets=[listening])
