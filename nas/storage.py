"""Where a study is kept: a file, or a database that many workers share."""

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import (
    BaseStorage,
    GrpcStorageProxy,
    JournalStorage,
    RDBStorage,
)
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from nas.quiet import quiet
from nas.workers import queue_again
from pocketbert.errors import UserError

HEARTBEAT = 5
"""Seconds between two signs of life of a trial."""

GRACE = 30
"""Seconds without one after which another worker takes a trial up."""

PATIENCE = 8
"""Seconds that a server may take to answer."""

JOURNALS = {".journal", ".log"}
_KINDS = "a file such as study.db or study.journal, sqlite:///FILE, postgresql://USER@HOST/NAME, or grpc://HOST:PORT"


def open_storage(text: str) -> BaseStorage:
    """Open a storage, or make it.

    Args:
        text: a file (.journal and .log: Optuna's journal; else SQLite), a URL of SQLAlchemy's, or grpc://HOST:PORT of
            Optuna's proxy. Databases note signs of life, so that a killed worker's trial is taken up again; the journal
            and the proxy do not, there the same machine's next worker does it.

    Raises:
        UserError: it can't be reached within ten seconds, or is none of these.
    """
    if "://" not in text:
        return _file(Path(text))
    if text.startswith("grpc://"):
        return _proxy(text)
    return _database(text)


@contextmanager
def answering(text: str) -> Iterator[None]:
    """Say in one line that a storage went away; what it holds is not lost.

    Args:
        text: the storage, as given.

    Raises:
        UserError: it no longer answers.
    """
    usual = threading.excepthook
    # A trial's signs of life come from a thread; what it meets, the trial itself meets next.
    threading.excepthook = lambda met: None if _of_storage(met.exc_value) else usual(met)
    try:
        yield
    except Exception as error:  # a storage's errors share no base class, and Optuna wraps some; what is not its goes on
        lost = _of_storage(error)
        if isinstance(error, UserError) or lost is None:
            raise
        reason = " ".join(str(lost).split("\n")[0].split())[:160]
        raise UserError(
            f"the storage {without_password(text)} no longer answers ({reason}): no student looked at is lost, and the "
            "same command goes on once it does."
        ) from None
    finally:
        threading.excepthook = usual


def _of_storage(error: BaseException | None) -> BaseException | None:
    """Return the storage's own error behind another: Optuna fails in its turn when it can't write how a trial ended."""
    while error is not None:
        # gRPC is no requirement, so its errors can't be named
        if isinstance(error, SQLAlchemyError | StorageInternalError) or type(error).__module__.startswith("grpc"):
            return error
        error = error.__cause__ or error.__context__
    return None


def without_password(text: str) -> str:
    """Return a storage's name as it may be shown."""
    if "://" not in text or text.startswith("grpc://"):
        return text
    try:
        url = make_url(text)
        secret = {name: "…" for name in url.query if "pass" in name.lower()}
        return url.update_query_dict(secret).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"{text.partition('://')[0]}://…"


def _file(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unreachable(str(path), error) from None
    if path.suffix not in JOURNALS:
        return _database(f"sqlite:///{path.absolute()}")
    try:
        # Opening with O_EXCL instead of a symbolic link works on every file system.
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
        _check_journal(path)
    except (OSError, ValueError) as error:
        raise _unreachable(str(path), error) from None
    return storage


def _check_journal(path: Path) -> None:
    """Raise ValueError if a file does not begin as Optuna's journals do: Optuna notices it at the first write."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        first = stream.readline()
    begun = json.loads(first) if first else {"op_code": 0}
    if not isinstance(begun, dict) or "op_code" not in begun:
        raise ValueError("it is no journal")


def _database(url: str) -> BaseStorage:
    options: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else {}
    if url.startswith("postgresql"):
        _check_port(url, 5432)
        options = {"connect_args": {"connect_timeout": PATIENCE}, "pool_pre_ping": True}
    try:
        return _tables(url, options)
    except ImportError as error:
        if not url.startswith("postgresql"):
            raise _unreachable(url, error) from None
        raise UserError(
            f"--storage {without_password(url)}: its driver is missing ({error}): pip install 'psycopg[binary]' for "
            "PostgreSQL."
        ) from None
    except (SQLAlchemyError, RuntimeError, ValueError) as error:
        raise _unreachable(url, error) from None


def _tables(url: str, options: dict[str, Any], tries: int = 5) -> RDBStorage:
    """Open a database, or make its tables; of workers that begin together one makes them and the others find them."""
    try:
        with quiet():
            return RDBStorage(
                url,
                engine_kwargs=options,
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=queue_again,
            )
    except (OperationalError, ProgrammingError, IntegrityError) as error:
        made = ("already exists", "unique", "duplicate key")
        if tries == 1 or not any(word in str(error).lower() for word in made):
            raise
    time.sleep(random.uniform(0.1, 0.5))  # noqa: S311  (so that they don't meet again)
    return _tables(url, options, tries - 1)


def _proxy(url: str) -> BaseStorage:
    parts = _check_port(url, 13000)
    try:
        with quiet():
            storage = GrpcStorageProxy(host=parts[0], port=parts[1])
        storage.wait_server_ready(timeout=PATIENCE)
    except ImportError:
        raise UserError(f"--storage {url}: needs the package grpcio: pip install grpcio.") from None
    except (OSError, RuntimeError, TimeoutError, optuna.exceptions.OptunaError) as error:
        raise _unreachable(url, error) from None
    return storage


def _check_port(url: str, usual: int) -> tuple[str, int]:
    """Return host and port, once something answers there: drivers try every address in turn, each for long."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or usual
        if not host.startswith("/"):
            socket.create_connection((host, port), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        raise _unreachable(url, error) from None
    return host, port


def _unreachable(text: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split("\n")[0].split())[:160] or type(error).__name__
    return UserError(f"--storage {without_password(text)} can't be opened ({reason}): give {_KINDS}.")
