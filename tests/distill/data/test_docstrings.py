import pytest

from distill.data.docstrings import STANDARD_LIBRARY, first_sentence, first_sentences, library_folder
from tests.distill.data.writing import write


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Return the sum. Of all.", "Return the sum."),
        ("Return the\n    sum\n\n    Parameters", "Return the sum"),
        ("Take e.g. The sum, i.e. All of it. Then stop.", "Take e.g. The sum, i.e. All of it."),
        ("Version 2.0 is meant. It is new.", "Version 2.0 is meant."),
        ("Use ``x`` of :class:`~a.B` *now*.", "Use x of ~a.B now."),
        ("add(x, y=None)\n\nReturn x + y.", "Return x + y."),
        ("add(x) -> int\n\nReturn x.", "Return x."),
        ("size (`int`, defaults to 3): The size.", ""),
        ("", ""),
    ],
)
def test_first_sentence_by_hand(docstring, sentence):
    assert first_sentence(docstring) == sentence


def test_docstrings_are_found_wherever_they_stand_and_nothing_is_imported(tmp_path):
    write(
        tmp_path / "package" / "module.py",
        *('"""The module."""', "raise SystemExit", "if x:", "    class A:", '        """The class."""'),
        *("        async def f():", '            """The method."""', "try:", "    pass", "except E:"),
        *("    def g():", '        """The function."""', "        return '''no docstring'''"),
    )
    write(tmp_path / "tests" / "test_module.py", '"""Left out."""')
    write(tmp_path / "broken.py", '"""Left out too."""', "def")
    assert set(first_sentences(tmp_path)) == {"The module.", "The class.", "The method.", "The function."}


def test_the_order_of_files_is_always_the_same_and_not_by_name(tmp_path):
    for number in range(20):
        write(tmp_path / f"{number:02}.py", f'"""File {number:02}."""')
    found = list(first_sentences(tmp_path))
    assert found == list(first_sentences(tmp_path))
    assert sorted(found) != found


def test_libraries_are_found_without_importing_them():
    assert (library_folder("torch") / "nn").is_dir()
    assert (library_folder(STANDARD_LIBRARY) / "json").is_dir()
    assert library_folder("no_such_library_at_all") is None
