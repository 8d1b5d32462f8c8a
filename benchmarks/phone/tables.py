"""What the phones' report says in tables, cards and warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks import report_format as form
from benchmarks.measuring import LatencyRow
from benchmarks.phone.results import name_of
from benchmarks.ratios import Speed, speed
from benchmarks.report_facts import PREFERRED_LENGTH
from benchmarks.report_tables import Card, Cell, Table

Found = Mapping[str, Any]
COARSE_MS = 0.05
"""A timer whose steps are longer than this is said to be coarse."""


def rows_of(found: Found) -> list[LatencyRow]:
    """Return the rows of a result, or of the laptop's own."""
    return [LatencyRow(**row) for row in found["rows"]]


def stated(found: Found) -> tuple[int, int] | None:
    """Return length and threads that a result is quoted at: 32 tokens where measured, the most threads."""
    rows = rows_of(found)
    if not rows:
        return None
    lengths = {row.length for row in rows}
    return PREFERRED_LENGTH if PREFERRED_LENGTH in lengths else min(lengths), max(row.threads for row in rows)


def compared(first: LatencyRow, row: LatencyRow) -> Speed:
    """Return how many times as fast one is, over the rounds and samples that both have."""
    rounds = min(len(first.raw_ms), len(row.raw_ms))
    samples = min(len(first.raw_ms[0]), len(row.raw_ms[0]))

    def cut(each: LatencyRow) -> LatencyRow:
        return replace(each, raw_ms=[taken[:samples] for taken in each.raw_ms[:rounds]])

    return speed(cut(first), cut(row))


def headline(found: Sequence[Found]) -> str:
    """Say in a sentence what the newest result with times found."""
    for result in reversed(found):
        first_last = ends(result)
        if first_last is not None:
            first, last = first_last
            where = f"{name_of(result['device'])}, at {last.length} tokens"
            if first is last:
                return f"{last.name} takes {form.milliseconds(last.p50_ms)} on {where}"
            return f"{last.name} is {form.times(compared(first, last).ratio)} as fast as {first.name} on {where}"
    return "No file was timed yet"


def ends(result: Found) -> tuple[LatencyRow, LatencyRow] | None:
    """Return the first file's row and the last one's where a result is quoted; None without any."""
    at = stated(result)
    rows = [row for row in rows_of(result) if (row.length, row.threads) == at]
    return (rows[0], rows[-1]) if rows else None


def cards(result: Found) -> list[Card]:
    """Return the key figures of one phone."""
    first_last = ends(result)
    if first_last is None:
        return []
    first, last = first_last
    file = next(each for each in result["files"] if each["name"] == last.name)
    ratio = compared(first, last)
    made = [Card(f"{last.name}, p50", form.milliseconds(last.p50_ms), f"{last.length} tokens, {threads(last.threads)}")]
    if first is not last:
        interval = f"{ratio.low:.2f} to {ratio.high:.2f}, of {first.name}"
        made.append(Card("speed", form.times(ratio.ratio), interval))
    made.append(Card("size", form.megabytes(file["bytes"]), "the file, as it ships"))
    if file["golden"] is not None and file["golden"]["agreement"] is not None:
        golden = file["golden"]
        made.append(
            Card(
                "same answers",
                form.percent(golden["agreement"]),
                f"as PyTorch's, of {golden['texts']} golden sentences",
            )
        )
    return made


def warnings(result: Found) -> list[str]:
    """Return what a reader has to know before the numbers."""
    context, told = result["context"], []
    if not result["complete"]:
        told.append(f"The phone left in the middle, or was stopped: {_sent_until_then(result)}.")
    for file in result["files"]:
        if file["failed"]:
            told.append(f"{file['name']} was not timed: {file['failed']}.")
    if context["hidden_seconds"]:
        told.append(f"The page was in the background for {form.duration(context['hidden_seconds'])}; measure again.")
    if not context["isolated"]:
        told.append("The page was not isolated, so it had one thread: --adb or --lan gives it all.")
    if context["timer_ms"] > COARSE_MS:
        told.append(f"The timer moves in steps of {context['timer_ms']:.2g} ms: samples are means of many calls.")
    if result["device"]["charging"] is False and (result["device"]["battery"] or 1) < 0.2:
        told.append("The battery was low, at which phones slow down.")
    return told


def _sent_until_then(result: Found) -> str:
    if result["rows"]:
        return "these are the rounds that it sent until then"
    return "no round was over, so there is no timing, but for each file that it had opened its answers"


def times_table(result: Found, laptop: Found | None) -> Table:
    """Return one phone's latencies, the laptop's beside them where they were measured."""
    rows = rows_of(result)
    here = {} if laptop is None else {(row.name, row.length): row for row in rows_of(laptop)}
    heads = ["file", "p50, ms", "p90, ms", "p99, ms", "speed", *(["laptop, ms"] if here else [])]
    several = len({row.threads for row in rows}) > 1
    made: list[list[Cell]] = []
    groups: dict[int, str] = {}
    for at in sorted({(row.threads, row.length) for row in rows}):
        own = [row for row in rows if (row.threads, row.length) == at]
        groups[len(made)] = f"{at[1]} tokens{', ' + threads(at[0]) if several else ''}"
        for row in own:
            ratio = compared(own[0], row)
            interval = "" if row is own[0] else f"{ratio.low:.2f}–{ratio.high:.2f}"
            beside = [Cell(_ms(here[row.name, row.length].p50_ms) if (row.name, row.length) in here else form.MISSING)]
            made.append(
                [
                    Cell(row.name),
                    *(Cell(_ms(value)) for value in (row.p50_ms, row.p90_ms, row.p99_ms)),
                    Cell("1" if row is own[0] else f"{ratio.ratio:.2f}x", interval),
                    *(beside if here else []),
                ]
            )
    return Table(heads, made, groups)


def files_table(result: Found) -> Table:
    """Return what each file was on the phone, besides fast."""
    made = []
    for file in result["files"]:
        golden = file["golden"]
        share = form.MISSING if golden is None else form.percent(golden["agreement"])
        off = "" if golden is None else f"off by {golden['relative_difference']:.1g} at most"
        cells = [
            Cell(_ms(file[key])) if file[key] is not None else Cell(form.MISSING) for key in ("open_ms", "first_ms")
        ]
        state = "failed" if file["failed"] else ""
        made.append([Cell(file["name"], state), Cell(form.megabytes(file["bytes"])), *cells, Cell(share, off)])
    return Table(["file", "size", "open, ms", "first call, ms", "same answers"], made)


def devices_table(found: Sequence[Found]) -> Table:
    """Return all phones beside each other: each file's p50 where the result is quoted."""
    names = list(dict.fromkeys(row["name"] for result in found for row in result["rows"]))
    made = []
    for result in found:
        at = stated(result)
        mine = {row.name: row for row in rows_of(result) if (row.length, row.threads) == at}
        note = "nothing timed" if at is None else f"{at[0]} tokens, {threads(at[1])}, {result['context']['provider']}"
        note += "" if result["complete"] else ", not finished"
        times = [Cell(_ms(mine[name].p50_ms) if name in mine else form.MISSING) for name in names]
        first_last = ends(result)
        ratio = form.MISSING if first_last is None else form.times(compared(*first_last).ratio)
        made.append([Cell(name_of(result["device"]), note), *times, Cell(ratio)])
    return Table(["device", *(f"{name}, ms" for name in names), "speed, last of first"], made)


def sustained_table(result: Found) -> Table | None:
    """Return the minutes of the sustained run; None without one."""
    if not result["sustained"] or not result["sustained"]["minutes"]:
        return None
    minutes = result["sustained"]["minutes"]
    first = minutes[0]["p50_ms"]
    made = [
        [
            Cell(str(each["minute"])),
            Cell(form.count(each["calls"])),
            Cell(_ms(each["p50_ms"])),
            Cell(_ms(each["p90_ms"])),
            Cell(f"{each['p50_ms'] / first:.2f}x" if first else form.MISSING),
        ]
        for each in minutes
    ]
    return Table(["minute", "calls", "p50, ms", "p90, ms", "of the first"], made)


def facts(result: Found) -> list[tuple[str, str]]:
    """Return what the browser says of the phone, and what the page had."""
    device, context = result["device"], result["context"]
    battery = form.MISSING if device["battery"] is None else form.percent(device["battery"])
    charging = {True: ", charging", False: ", not charging", None: ""}[device["charging"]]
    memory = form.MISSING if device["memory_gb"] is None else f"{device['memory_gb']:g} GB or more"
    return [
        ("model", device["model"] or "not told by the browser"),
        ("system", device["platform"] or form.MISSING),
        ("browser", device["browser"] or form.MISSING),
        ("cores", str(device["cores"] or form.MISSING)),
        ("memory", memory),
        ("GPU", device["gpu"] or form.MISSING),
        ("battery", f"{battery}{charging}"),
        ("runtime", f"onnxruntime-web {context['runtime']}, {context['provider']}"),
        ("secure, isolated", f"{form.plain(context['secure'])}, {form.plain(context['isolated'])}"),
        ("timer's step", f"{context['timer_ms']:.2g} ms"),
        ("took", form.duration(result["seconds"])),
        ("received", result["received"]),
    ]


def threads(number: int) -> str:
    """Say a number of threads."""
    return f"{number} thread{'s' if number > 1 else ''}"


def _ms(value: float) -> str:
    return form.milliseconds(value).removesuffix(" ms")
