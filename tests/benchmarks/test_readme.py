from benchmarks.readme import ROOT, files, fill, table


def test_results_go_between_their_marks(tmp_path):
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "speed.csv").write_text('model,ms\n"tiny | int8",1.5\n')
    text = "before\n<!-- results:speed -->\nold\n<!-- /results:speed -->\nafter\n"
    filled = fill(text, tmp_path)
    between = "| model | ms |\n| --- | --- |\n| tiny \\| int8 | 1.5 |\n"
    assert filled == text.replace("old\n", between)
    assert fill(filled, tmp_path) == filled
    assert table(results / "speed.csv") in filled


def test_files_are_said_in_the_first_line_of_their_docstring(tmp_path):
    for folder in ("distill", "distill/data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "distill" / "losses.py").write_text('"""Losses.\n\nMore of them."""\n')
    (tmp_path / "distill" / "data" / "tsv.py").write_text('"""Tables."""\n')
    assert files(tmp_path) == "\n**distill/**\n\n- `losses.py`: Losses.\n\n**distill/data/**\n\n- `tsv.py`: Tables.\n\n"


def test_the_readme_is_up_to_date():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert fill(text, ROOT) == text, "run python -m benchmarks.readme"


def test_rows_of_a_turned_table_are_columns(tmp_path):
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "speed.csv").write_text("model,ms\ntiny,1\nsmall,2\n")
    text = "<!-- results:speed turned -->\n<!-- /results:speed -->\n"
    between = "| model | tiny | small |\n| --- | --- | --- |\n| ms | 1 | 2 |\n"
    assert fill(text, tmp_path) == text.replace("turned -->\n", f"turned -->\n{between}")
