import csv

from pocketbert.files import write_csv


def test_rows_come_back_from_a_file_of_a_new_folder(tmp_path):
    rows = [{"name": "a, b", "value": "1"}, {"name": 'with "quotes"\nand a line', "value": ""}]
    write_csv(tmp_path / "new" / "rows.csv", rows)
    text = (tmp_path / "new" / "rows.csv").read_bytes()
    assert text.startswith(b"name,value\n") and b"\r" not in text
    with (tmp_path / "new" / "rows.csv").open(newline="", encoding="utf-8") as stream:
        assert list(csv.DictReader(stream)) == rows
