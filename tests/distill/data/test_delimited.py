import pytest

from distill.data.delimited import ROWS_PER_CHUNK, read_csv, read_tsv
from pocketbert.errors import UserError
from tests.distill.data.writing import write


def test_a_quote_in_tsv_is_a_character(tmp_path):
    table = read_tsv(write(tmp_path / "a.tsv", "text\tlabel", '"quoted\t1', 'an "inner" one\t0'))
    assert table.data.to_pydict() == {"text": ['"quoted', 'an "inner" one'], "label": ["1", "0"]}


def test_csv_quotes_commas_quotes_and_line_breaks(tmp_path):
    table = read_csv(write(tmp_path / "a.csv", "text,label", '"one, two\nthree ""four""",1', "plain,0"))
    assert table.data.to_pydict() == {"text": ['one, two\nthree "four"', "plain"], "label": ["1", "0"]}
    assert table.lines.tolist() == [2, 4]


def test_blank_lines_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes("\ufefftext\tlabel\r\nnaïve\t1\r\n\r\nb\t0\r\n".encode())
    table = read_tsv(path)
    assert table.data.to_pydict() == {"text": ["naïve", "b"], "label": ["1", "0"]}
    assert table.where(1) == f"{path}, line 4"


def test_signs_that_look_like_line_ends_stay_in_the_text(tmp_path):
    text = "one\u2028two\x85three\x0bfour"
    assert read_tsv(write(tmp_path / "a.tsv", "text\tlabel", f"{text}\t1")).data["text"].to_pylist() == [text]


def test_rows_of_several_chunks_keep_their_order(tmp_path):
    count = ROWS_PER_CHUNK + 3
    table = read_tsv(write(tmp_path / "a.tsv", "text", *(str(number) for number in range(count))))
    assert table.data["text"].to_pylist() == [str(number) for number in range(count)]
    assert table.lines[-1] == count + 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty: it needs a header row"),
        (["text\tlabel"], "has a header row .text, label. and no rows"),
        (["text\ttext", "a\tb"], "the column 'text' twice"),
        (["a good film\t1", "a bad one\t0"], "first line .a good film, 1. looks like a row, since '1' is a value"),
        (["a film\tgood", "one\tbad", "two\tgood", "three\tgood"], "looks like a row, since 'good'"),
        (["text;label", "a film;1"], "one column, 'text;label': are its fields divided by ';'"),
        (["text\tlabel", "a\t1", "b"], "line 3: 1 fields where the header has 2"),
        (["text\tlabel", "a\t1\textra"], "line 2: 3 fields where the header has 2"),
    ],
)
def test_broken_files_are_told_with_their_line(tmp_path, lines, message):
    with pytest.raises(UserError, match=message) as error:
        read_tsv(write(tmp_path / "a.tsv", *lines))
    assert "a.tsv" in str(error.value)


def test_a_header_is_none_the_less_one_for_a_text_that_repeats_it(tmp_path):
    table = read_tsv(write(tmp_path / "a.tsv", "text\tlabel", "text\t1", "more text\t0"))
    assert table.data["text"].to_pylist() == ["text", "more text"]


def test_a_quote_that_is_never_closed_is_told_where_it_opens(tmp_path):
    with pytest.raises(UserError, match=r"line 3: can't be read .*quote"):
        read_csv(write(tmp_path / "a.csv", "text,label", "a,1", '"open,0', "b,1"))


@pytest.mark.parametrize(("reader", "separator"), [(read_tsv, b"\t"), (read_csv, b",")])
def test_a_line_that_is_not_utf8_is_named(tmp_path, reader, separator):
    path = tmp_path / "a.txt"
    path.write_bytes(separator.join([b"text", b"label\n"]) + separator.join([b"caf\xe9", b"1\n"]))
    with pytest.raises(UserError, match="line 2: not UTF-8; save the file as UTF-8"):
        reader(path)
