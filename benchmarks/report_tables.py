"""The report's tables and cards: rows of ready texts, so that the template only lays them out."""

from dataclasses import dataclass, field
from itertools import groupby

from benchmarks import report_format as form
from benchmarks.report_facts import (
    TEACHER_FILE,
    Record,
    dig,
    file_bytes,
    latency,
    median_ms,
    metric_name,
    number,
    quality,
    ratio,
    records,
    several_teachers,
    shipped,
    size_ratio,
    speed_ratio,
    stated_length,
)
from benchmarks.report_text import judge, kept_share

_QUALITY_ROWS = {
    "teacher": "teacher",
    "student_before_training": "student before training",
    "student": "student",
    "control": "control",
    "student_fp32_onnx": "student fp32 ONNX",
    "student_int8_onnx": "student int8 ONNX",
}
_VERDICTS = {
    "better": "above 0",
    "worse": "below 0",
    "unclear": "includes 0",
    "unknown": form.MISSING,
}


@dataclass(frozen=True)
class Cell:
    """One cell: its text and a smaller note below."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table ready to be laid out.

    Attributes:
        heads: the columns' names; the first column names the row.
        rows: as many cells a row as there are heads.
        groups: the heading above row i, for the rows that start a group.
    """

    heads: list[str]
    rows: list[list[Cell]]
    groups: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """A key figure of the student, the teacher's below it."""

    title: str
    value: str
    note: str


def key_figures(run: Record) -> list[Card]:
    """Return the cards: quality, latency, size and parameters of the student that ships."""
    variant, metric = shipped(run), metric_name(run)
    length = stated_length(run, variant.file)
    parameters = [number(run, "models", who, "parameters") for who in ("student", "teacher")]
    bare = number(run, "models", "student", "parameters_without_embeddings")
    kept, speed = kept_share(run, variant), speed_ratio(run, variant)
    size = size_ratio(run, variant)
    return [
        Card(
            metric.replace("_", " "),
            form.score(metric, quality(run, variant.quality)),
            _join(
                f"teacher {form.score(metric, quality(run, 'teacher'))}",
                kept and f"{form.percent(kept)} kept",
            ),
        ),
        Card(
            f"latency{f' at {length} tokens' if length else ''}",
            form.milliseconds(median_ms(run, variant.file, length)),
            _join(
                f"teacher {form.milliseconds(median_ms(run, TEACHER_FILE, length))}",
                speed and f"{form.times(speed)} the speed",
            ),
        ),
        Card(
            "file size",
            form.megabytes(file_bytes(run, variant.file)),
            _join(
                f"teacher {form.megabytes(file_bytes(run, TEACHER_FILE))}",
                size and f"{form.share(size)} of the size",
            ),
        ),
        Card(
            "parameters",
            form.count(parameters[0]),
            _join(f"teacher {form.count(parameters[1])}", bare and f"{form.count(bare)} without embeddings"),
        ),
    ]


def quality_table(run: Record) -> Table:
    """Return each model's metric with its interval, the other metrics, agreement with KL, calibration."""
    metric = metric_name(run)
    titles = _quality_rows(run)
    measured = {who: value for who in titles if isinstance(value := dig(run, "quality", who), dict)}
    others = list(
        dict.fromkeys(name for value in measured.values() for name in (value.get("metrics") or {}) if name != metric)
    )
    named = [(Cell(titles[who], _who(run, who)), value) for who, value in measured.items()]
    named[1:1] = [
        (
            Cell(f"teacher {i}", f"{form.model_name(item.get('name'))}, seed {item.get('seed')}"),
            dig(item, "quality") or {},
        )
        for i, item in enumerate(several_teachers(run), start=1)
    ]
    rows = [
        [
            title,
            Cell(form.score(metric, number(value, "value")), _interval(metric, value)),
            *(Cell(form.score(name, number(value, "metrics", name))) for name in others),
            Cell(form.percent(number(value, "agreement")), _divergence(value)),
            Cell(form.decimal(number(value, "calibration_error"))),
        ]
        for title, value in named
    ]
    names = [_words(name) for name in (metric, *others)]
    return _without_empty(Table(["model", *names, "agreement", "calibration error"], rows))


def _quality_rows(run: Record) -> dict[str, str]:
    """Return the title of each model by its key; the file that a chain of compression ended with comes last."""
    precision = dig(run, "compression", "precision")
    more = {f"student_{precision}_onnx": f"student {precision} ONNX"} if precision else {}
    return _QUALITY_ROWS | more


def comparison_table(run: Record) -> Table:
    """Return the paired differences with their intervals and what they say."""
    metric = metric_name(run)
    rows = []
    for name, interval in (dig(run, "quality", "comparisons") or {}).items():
        if number(interval, "difference") is not None:
            title = name.replace("_minus_", " − ").replace("_", " ")
            amount = Cell(form.difference(metric, number(interval, "difference")), _interval(metric, interval, True))
            rows.append([Cell(title), amount, Cell(_VERDICTS[judge(interval)])])
    return Table(["difference", f"{_words(metric)}{form.unit(metric)}", "95 % interval"], rows)


def seeds_table(run: Record) -> Table:
    """Return student, control and their difference for each seed, then the mean and standard deviation."""
    metric = metric_name(run)
    rows = []
    for seed in records(run, "seeds"):
        student, control = (number(seed, who, "value") for who in ("student", "control"))
        change = student - control if student is not None and control is not None else None
        name = form.plain(seed.get("seed"))
        scores = [Cell(form.score(metric, student)), Cell(form.score(metric, control))]
        rows.append([Cell(f"seed {name}"), *scores, Cell(form.difference(metric, change))])
    summary = dig(run, "summary_over_seeds")
    if len(rows) > 1 and summary:
        both = [
            Cell(_mean(metric, dig(summary, who)), _spread(metric, dig(summary, who))) for who in ("student", "control")
        ]
        change_over = dig(summary, "difference") or {}
        p_value = number(change_over, "p_value")
        parts = [
            _interval(metric, change_over, True),
            form.probability(p_value) if p_value is not None else "",
        ]
        note = "\n".join(part for part in parts if part)
        rows.append([Cell("mean"), *both, Cell(form.difference(metric, number(change_over, "mean")), note)])
    return _without_empty(Table(["seed", "student", "control", "difference"], rows))


def latency_table(run: Record) -> Table:
    """Return p50 and p95 of every model at every length, with the speed against the fp32 teacher."""
    of_steps = {
        str(step.get("name")) for step in records(run, "compression", "steps")
    }  # which have a table of their own
    found = [row for row in records(run, "latency", "rows") if row.get("model") not in of_steps]
    ordered = sorted(found, key=lambda row: number(row, "length") or 0)
    rows: list[list[Cell]] = []
    groups = {}
    for length, of_length in groupby(ordered, key=lambda row: row.get("length")):
        groups[len(rows)] = f"{form.plain(length)} tokens"
        teacher = number(latency(run, TEACHER_FILE, length), "p50_ms")
        rows += [
            [
                Cell(form.plain(row.get("model"))),
                Cell(form.milliseconds(number(row, "p50_ms"))),
                Cell(form.milliseconds(number(row, "p95_ms"))),
                Cell(form.times(ratio(teacher, number(row, "p50_ms")))),
            ]
            for row in of_length
        ]
    return Table(["model", "p50", "p95", "speed"], rows, groups)


def files_table(run: Record) -> Table:
    """Return every file the run wrote with its size, and the size against the fp32 teacher's file."""
    teacher = file_bytes(run, TEACHER_FILE)
    rows = [
        [
            Cell(form.plain(item.get("name")), form.plain(item.get("path"))),
            Cell(form.megabytes(number(item, "bytes"))),
            Cell(form.percent(ratio(number(item, "bytes"), teacher))),
        ]
        for item in records(run, "artefacts")
    ]
    return _without_empty(Table(["file", "size", "of teacher fp32"], rows))


def parity_table(run: Record) -> Table:
    """Return how near each ONNX file is to PyTorch on the evaluation rows."""
    metric = metric_name(run)
    rows = []
    for item in records(run, "artefacts"):
        parity = dig(item, "parity")
        if parity:
            drop = number(parity, "metric_drop")
            rows.append(
                [
                    Cell(form.plain(item.get("name")), "refused" if dig(parity, "refused") else ""),
                    Cell(form.decimal(number(parity, "max_logit_difference"))),
                    Cell(form.difference(metric, -drop if drop is not None else None)),
                    Cell(form.percent(number(parity, "agreement"))),
                ]
            )
    heads = ["file", "largest logit difference", f"{_words(metric)} change", "same answer"]
    return _without_empty(Table(heads, rows))


def models_table(run: Record) -> Table:
    """Return teacher and student side by side."""
    shapes = {"architecture": "architecture", "layers": "layers", "hidden": "width", "heads": "heads"}
    shapes |= {"feed_forward": "feed-forward", "vocabulary": "vocabulary"}
    costs = {"parameters": "parameters", "parameters_without_embeddings": "without embeddings"}
    costs |= {"flops_at_128": "FLOPs at 128 tokens"}
    sides = [dig(run, "models", who) or {} for who in ("teacher", "student")]
    if not any(sides):
        return Table(["", "teacher", "student"], [])
    rows = [[Cell("name"), *(Cell(_name_in_lines(str(side.get("name") or ""))) for side in sides), Cell("")]]
    rows += [[Cell(title), *(Cell(_shape(side.get(key))) for side in sides), Cell("")] for key, title in shapes.items()]
    for key, title in costs.items():
        teacher, student = (number(side, key) for side in sides)
        texts = [Cell(form.count(teacher)), Cell(form.count(student))]
        rows.append([Cell(title), *texts, Cell(form.share(ratio(teacher, student)))])
    return Table(["", "teacher", "student", "of teacher"], rows)


def _name_in_lines(name: str) -> str:
    """Return a model's name in lines that a phone has room for: of a path the last part, sizes one below the other."""
    return form.model_name(name).replace(" ", "\n").replace("/", "/\n")


def stages_table(run: Record) -> Table:
    """Return the steps and the time of every stage of every seed."""
    rows = []
    seeds = records(run, "seeds")
    for seed in seeds:
        for stage in records(seed, "stages"):
            steps = number(stage, "steps")
            rows.append(
                [
                    Cell(form.plain(stage.get("name")), "resumed" if stage.get("resumed") else ""),
                    Cell(form.plain(seed.get("seed"))),
                    Cell(f"{steps:,.0f}" if steps is not None else form.MISSING),
                    Cell(form.duration(number(stage, "seconds"))),
                ]
            )
    return Table(["stage", "seed", "steps", "time"], rows)


def settings_table(values: object) -> list[tuple[str, str]]:
    """Return a mapping as pairs of texts, in its own order; a mapping inside it as `outer.inner`."""
    if not isinstance(values, dict):
        return []
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        inner = settings_table(value)
        pairs += [(f"{key}.{name}", text) for name, text in inner] if inner else [(str(key), form.plain(value))]
    return pairs


def _divergence(value: Record) -> str:
    divergence = number(value, "kl")
    return f"KL {form.decimal(divergence)}" if divergence is not None else ""


def _shape(value: object) -> str:
    """Return a size with thousands apart, a pruned model's sizes per layer, or a name."""
    return f"{value:,}" if isinstance(value, int) else form.plain(value)


def _who(run: Record, who: str) -> str:
    if who == "control":
        return "same start, no teacher"
    if who == "teacher" and several_teachers(run):
        return f"average of {len(several_teachers(run))}"
    name = form.model_name(dig(run, "models", who, "name"))
    return f"{name}, PyTorch" if name and who == "student" else name


def _interval(metric: str, value: object, signed: bool = False) -> str:
    low, high = number(value, "low"), number(value, "high")
    if low is None or high is None:
        return ""
    show = form.difference if signed else form.score
    return f"[{show(metric, low)}, {show(metric, high)}]"


def _mean(metric: str, summary: object) -> str:
    return form.score(metric, number(summary, "mean"))


def _spread(metric: str, summary: object) -> str:
    spread = number(summary, "std")
    return f"± {form.score(metric, spread)}" if spread is not None else ""


def _words(name: str) -> str:
    return {"f1": "F1"}.get(name, name.replace("_", " "))


def _join(*parts: object) -> str:
    return " · ".join(str(part) for part in parts if part)


def _without_empty(table: Table) -> Table:
    """Return the table without the columns in which no row has anything."""
    kept = [
        column
        for column in range(len(table.heads))
        if column == 0 or any(row[column].text not in ("", form.MISSING) for row in table.rows)
    ]
    rows = [[row[column] for column in kept] for row in table.rows]
    return Table([table.heads[column] for column in kept], rows, table.groups)
