import socket
import threading
import time
from multiprocessing import get_context

import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage, RDBStorage
from sqlalchemy.exc import OperationalError

from nas.storage import answering, open_storage, without_password
from pocketbert.errors import UserError


def test_files_are_databases_or_journals(tmp_path):
    assert isinstance(open_storage(str(tmp_path / "new" / "study.db")), RDBStorage)
    assert isinstance(open_storage(f"sqlite:///{tmp_path}/other.db"), RDBStorage)
    assert isinstance(open_storage(str(tmp_path / "study.journal")), JournalStorage)


def _open_at_once(path, barrier, answers):
    barrier.wait()
    try:
        open_storage(path)
        answers.put("opened")
    except UserError as error:
        answers.put(str(error))


def test_workers_that_begin_together_all_open_a_new_file(tmp_path):
    context = get_context("spawn")
    for attempt in range(3):
        barrier, answers = context.Barrier(4), context.Queue()
        arguments = (str(tmp_path / f"{attempt}.db"), barrier, answers)
        workers = [context.Process(target=_open_at_once, args=arguments) for _ in range(4)]
        for worker in workers:
            worker.start()
        assert [answers.get(timeout=90) for _ in workers] == ["opened"] * 4
        for worker in workers:
            worker.join()


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("kind", ["postgresql://someone:secret@127.0.0.1:{}/studies", "grpc://127.0.0.1:{}"])
def test_a_server_that_is_not_there_is_said_within_ten_seconds_and_without_its_password(kind):
    begin = time.monotonic()
    with pytest.raises(UserError, match="can't be opened") as raised:
        open_storage(kind.format(_free_port()))
    assert time.monotonic() - begin < 10
    assert "secret" not in str(raised.value)


def test_a_server_that_says_nothing_is_given_up_within_ten_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begin = time.monotonic()
        with pytest.raises(UserError, match="can't be opened"):
            open_storage(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/studies")
        assert time.monotonic() - begin < 10


def test_what_is_no_storage_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be looked at\n" * 9)
    for text in (str(tmp_path / "text.db"), "nonsense://x", f"sqlite:///{tmp_path}/none/x.db"):
        with pytest.raises(UserError, match="can't be opened"):
            open_storage(text)


@pytest.mark.parametrize("behind", [None, UnboundLocalError("Optuna's own")])
def test_a_storage_that_goes_away_is_one_line_and_what_is_not_its_stays(behind):
    lost = OperationalError("SELECT 1", {}, Exception("server closed the connection"))
    said = r"u:\*\*\*@h/d no longer answers .*server closed"
    with pytest.raises(UserError, match=said), answering("postgresql://u:geheim@h/d"):
        if behind is None:
            raise lost
        raise behind from lost
    with pytest.raises(KeyError), answering("study.db"):
        raise KeyError("ours")


def test_a_thread_that_meets_a_lost_storage_says_nothing(capsys):
    def beat():
        raise StorageInternalError("gone")

    with answering("study.db"):
        thread = threading.Thread(target=beat)
        thread.start()
        thread.join()
    assert capsys.readouterr().err == ""


def test_a_password_is_not_shown():
    assert without_password("postgresql://a:b@host/name") == "postgresql://a:***@host/name"
    assert without_password("postgresql://a@host/name") == "postgresql://a@host/name"
    for text in ("u:se%23cret@h/db", "u:secret@h/db?user=u&password=secret", "u:se#cret@h/db", "u:a[secret@h/db"):
        assert "cret" not in without_password(f"postgresql://{text}"), text


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be opened"):
        open_storage(str(tmp_path / "file" / "study.db"))


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "not.journal").write_text("hello\n")
    with pytest.raises(UserError, match=r"not.journal can't be opened"):
        open_storage(str(tmp_path / "not.journal"))
