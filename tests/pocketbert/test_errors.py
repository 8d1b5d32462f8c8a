import pytest

from pocketbert.errors import UserError, unknown
from pocketbert.files import fingerprint, read_json, write_json, write_text


def test_near_matches_come_first():
    error = unknown("student", "tyni", ["tiny", "small"], "Or a folder.")
    assert str(error) == "unknown student 'tyni': did you mean tiny? Or a folder."


def test_without_a_near_match_all_names_are_listed():
    assert str(unknown("student", "zzz", ["tiny", "small"])) == "unknown student 'zzz': known: tiny, small."


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_fingerprints_ignore_the_order_of_keys_and_nothing_else():
    assert fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": [2, 3], "a": 1})
    assert fingerprint({"b": [3, 2], "a": 1}) != fingerprint({"a": 1, "b": [2, 3]})


def test_a_user_error_is_an_exception_of_its_own():
    assert not issubclass(UserError, (ValueError, OSError))
