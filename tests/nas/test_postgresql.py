"""Two workers on one PostgreSQL server, one of them killed; needs Debian's package postgresql."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from nas.objective import STUDENT, TWIN
from nas.storage import GRACE, open_storage
from nas.study import looked_at
from tests.distill.command import environment
from tests.nas.test_search import ROOT, search_arguments

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(not BINARIES, reason="PostgreSQL's server is not installed (apt-get install postgresql)"),
]


@dataclass
class Server:
    url: str
    stop: Callable[[], None]


def _as_postgres(*words):
    """Return a command as a user that the server runs as: it refuses root."""
    return ["runuser", "-u", "postgres", "--", *map(str, words)] if getpass.getuser() == "root" else [*map(str, words)]


@pytest.fixture
def server(tmp_path_factory):
    pytest.importorskip("psycopg")
    folder, binaries = Path(f"/tmp/pocketbert-postgresql-{os.getpid()}"), BINARIES[-1].parent  # a path all may enter
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    data = folder / "data"
    subprocess.run(_as_postgres(binaries / "initdb", "-D", data, "-A", "trust", "-U", "worker"), check=True, cwd=folder)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    control = _as_postgres(binaries / "pg_ctl", "-D", data, "-w")
    subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], check=True, cwd=folder)

    def stop():
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd=folder)

    try:
        yield Server(f"postgresql://worker@127.0.0.1:{port}/postgres", stop)
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


def _worker(files, out, server, *options):
    words = [sys.executable, "-m", "nas.search", *search_arguments(files, out, "--storage", server.url, *options)]
    return subprocess.Popen(words, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_killed_workers_student_is_taken_up_by_another(files, tmp_path, server):
    options = ("--trials", "9", "--finish", "0", "--proxy-steps", "30")
    storage = open_storage(server.url)
    workers = [_worker(files, tmp_path / name, server, *options) for name in ("one", "two")]
    lost = _kill_at_work(workers[0], storage)
    long_ago = f"UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '{2 * GRACE} seconds' WHERE trial_id = "
    with storage.engine.begin() as connection:  # its grace is over
        assert connection.execute(text(long_ago + str(lost._trial_id))).rowcount == 1
    output, _ = workers[1].communicate(timeout=240)
    assert workers[1].returncode == 0, output.decode()
    study = optuna.load_study(study_name="search", storage=storage)
    students = [trial.user_attrs[STUDENT] for trial in looked_at(study)]
    assert len(students) == len(set(students)) >= 9
    assert lost.user_attrs[STUDENT] in students
    assert not [trial for trial in study.trials if trial.state.name == "RUNNING"]
    assert all(TWIN not in trial.user_attrs for trial in looked_at(study))
    workers = {trial.user_attrs["worker"]["pid"] for trial in looked_at(study)}
    assert len(workers) >= 2
    storage.remove_session()
    storage.engine.dispose()


def test_a_server_that_goes_away_is_told_in_one_line(files, tmp_path, server):
    storage = open_storage(server.url)
    worker = _worker(files, tmp_path / "one", server, "--trials", "100", "--finish", "0", "--proxy-steps", "30")
    _at_work(worker, storage)
    storage.remove_session()
    storage.engine.dispose()
    server.stop()
    output, _ = worker.communicate(timeout=120)
    assert worker.returncode == 2, output.decode()
    assert "no longer answers" in output.decode().splitlines()[-1]
    assert "Traceback" not in output.decode(), output.decode()


def _kill_at_work(worker, storage):
    """Kill a worker while it is at a student; return its trial."""
    lost = _at_work(worker, storage)
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    return lost


def _at_work(worker, storage):
    """Return the trial of the student that a worker is at, once it is at its third."""
    for _ in range(1200):
        time.sleep(0.05)
        names = optuna.get_all_study_names(storage)
        if "search" not in names:
            continue
        trials = optuna.load_study(study_name="search", storage=storage).trials
        own = [trial for trial in trials if trial.user_attrs.get("worker", {}).get("pid") == worker.pid]
        running = [trial for trial in own if trial.state.name == "RUNNING" and STUDENT in trial.user_attrs]
        if running and len(own) > 2:
            return running[0]
    raise AssertionError("the worker came to no third student")
