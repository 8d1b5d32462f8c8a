from benchmarks import report_tables as tables
from benchmarks.report import quality_latency_plot
from benchmarks.report_tables import Card, Cell
from tests.benchmarks.sample_run import classification_run, regression_run, score


def row(table, name):
    return next(cells for cells in table.rows if cells[0].text == name)


def test_key_figures_set_the_teacher_beside_the_shipped_student():
    assert tables.key_figures(classification_run()) == [
        Card("accuracy", "87.6", "teacher 90.1 · 97.2 % kept"),
        Card("latency at 32 tokens", "1.20 ms", "teacher 6.12 ms · 5.1x the speed"),
        Card("file size", "10.1 MB", "teacher 90.9 MB · 1/9 of the size"),
        Card("parameters", "14.4 M", "teacher 22.7 M · 4.77 M without embeddings"),
    ]


def test_quality_of_a_classification():
    table = tables.quality_table(classification_run())
    assert table.heads == ["model", "accuracy", "agreement", "calibration error"]
    assert row(table, "student int8 ONNX")[1:] == [
        Cell("87.6", "[85.4, 89.8]"),
        Cell("93.7 %", "KL 0.073"),
        Cell("0.033"),
    ]
    assert row(table, "teacher")[2] == Cell("–")


def test_quality_has_the_file_that_a_chain_of_compression_ended_with():
    run = classification_run()
    run["compression"] = {"steps": [], "refused": None, "precision": "int4"}
    run["quality"]["student_int4_onnx"] = score("accuracy", 0.8612, 0.8401, 0.8823)
    assert row(tables.quality_table(run), "student int4 ONNX")[1] == Cell("86.1", "[84.0, 88.2]")
    run["latency"]["rows"].append({"model": "student int4", "length": 32, "p50_ms": 1.1, "p95_ms": 1.2, "samples": 9})
    assert "student int4" in str(quality_latency_plot(run))


def test_quality_of_a_regression_has_no_columns_without_numbers():
    table = tables.quality_table(regression_run())
    assert table.heads == ["model", "pearson", "spearman"]
    assert [cells[0].text for cells in table.rows] == ["teacher", "student", "student fp32 ONNX"]


def test_comparisons_say_where_zero_lies():
    table = tables.comparison_table(classification_run())
    assert row(table, "student − teacher")[1:] == [Cell("−1.6", "[−3.1, −0.1]"), Cell("below 0")]
    assert row(table, "student − control")[2] == Cell("includes 0")


def test_seeds_end_in_mean_and_spread():
    table = tables.seeds_table(classification_run())
    assert [cells[0].text for cells in table.rows] == ["seed 0", "seed 1", "seed 2", "mean"]
    assert row(table, "mean")[1:] == [
        Cell("88.6", "± 0.5"),
        Cell("87.2", "± 0.2"),
        Cell("+1.4", "[+0.4, +2.4]\np = 0.026"),
    ]


def test_latency_is_grouped_by_length_and_set_against_the_fp32_teacher():
    table = tables.latency_table(classification_run())
    assert table.groups == {0: "16 tokens", 4: "32 tokens", 8: "128 tokens"}
    assert table.rows[7] == [Cell("student int8"), Cell("1.20 ms"), Cell("1.33 ms"), Cell("5.1x")]


def test_parity_shows_a_refused_file():
    run = classification_run()
    run["artefacts"][2]["parity"]["refused"] = True
    table = tables.parity_table(run)
    assert row(table, "student int8") == [Cell("student int8", "refused"), Cell("0.210"), Cell("−0.3"), Cell("98.5 %")]


def test_models_side_by_side():
    table = tables.models_table(classification_run())
    assert row(table, "vocabulary")[1:3] == [Cell("30,522"), Cell("30,522")]
    assert row(table, "FLOPs at 128 tokens")[1:] == [Cell("2.87 G"), Cell("1.25 G"), Cell("44 %")]


def test_a_pruned_models_sizes_per_layer_are_listed():
    run = classification_run()
    run["models"]["student"]["feed_forward"] = [1200, 800]
    assert row(tables.models_table(run), "feed-forward")[2] == Cell("1200, 800")


def test_everything_copes_with_an_empty_record():
    for build in (
        tables.quality_table,
        tables.comparison_table,
        tables.seeds_table,
        tables.latency_table,
        tables.files_table,
        tables.parity_table,
        tables.models_table,
        tables.stages_table,
    ):
        assert build({}).rows == []
    assert {card.value for card in tables.key_figures({})} == {"–"}


def test_long_names_of_models_are_in_lines():
    run = classification_run()
    run["models"]["teacher"]["name"] = "/a/long/way/to/teacher"
    run["models"]["student"]["name"] = "layers=2,hidden=64"
    names = tables.models_table(run).rows[0]
    assert [cell.text for cell in names[1:3]] == ["teacher", "layers=2,\nhidden=64"]
