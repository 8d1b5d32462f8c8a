"""`python -m benchmarks.proxies`: how well a search's quick scores rank students distilled with the whole recipe.

Students are drawn at random from the space, scored by the short distillation and as slices of the supernet, and each is
distilled whole. One row a student goes to a CSV file, and the rank correlations (Spearman) with what they cost to one
beside it.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from scipy import stats

from nas.finishing import finish, footprints
from nas.footprint import Footprint
from nas.front import Candidate
from nas.preparation import ready, understand
from nas.requests import request_of
from nas.scoring import Scorer
from nas.settings import Request
from pocketbert import command
from pocketbert.files import read_json, write_csv
from pocketbert.machine import commit, processor
from students.spec import StudentSpec

STRATEGIES = ("proxy", "supernet")
console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def proxies(
    results: Annotated[Path, typer.Argument(help="CSV file to write, with -summary beside it.")],
    data: Annotated[str, typer.Option(help="As of distill.run.")] = "apidocs",
    students: Annotated[int, typer.Option(min=3, help="How many.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder of the search and the runs.")] = Path("runs/proxies"),
    settings: Annotated[list[str] | None, typer.Option("--set", help="Of the whole recipe.")] = None,
    teacher: Annotated[str, typer.Option(help="As of distill.run.")] = "minilm",
    compared_with: Annotated[str, typer.Option(help="The student that latencies are measured beside.")] = "tiny",
    proxy_steps: Annotated[int, typer.Option(help="Of the short distillation.")] = 60,
    supernet_steps: Annotated[int, typer.Option(help="Of the supernet.")] = 400,
    labelled_rows: Annotated[int | None, typer.Option(help="Use this many labels.")] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Train in bfloat16.")] = False,
    seed: Annotated[int, typer.Option(help="Of the choice and of everything.")] = 0,
) -> None:
    """Score students in both ways, distil them, and write the correlations."""
    shared = {
        "teacher": (teacher,), "data": data, "recipe": "logits", "set": tuple(settings or ()), "teacher-set": (),
        "labelled-rows": labelled_rows, "seed": seed, "rounds": 2, "latency-length": 32,
    }  # fmt: skip
    scoring = {"steps": proxy_steps, "supernet_steps": supernet_steps}
    request = request_of(
        shared, bf16=bf16, finetune=None, compared_with=compared_with, space=(), space_file=None, goals={},
        proxy=scoring, setting={}, device=None, method="random", baseline=False, trials=students, minutes=0,
        storage=None, name="proxies", out=out, finish=students, finalists=1, compare=False,
    )  # fmt: skip
    question = understand(request)
    drawn = random.Random(seed).sample(list(question.space.students()), students)  # noqa: S311  (a choice, no secret)
    rows: list[dict[str, Any]] = [{"student": spec.name} for spec in drawn]
    for strategy in STRATEGIES:
        begin = time.monotonic()
        scorer = ready(_with(request, strategy), question, console)
        scorer.warm(())
        preparing = time.monotonic() - begin
        for row, spec in zip(rows, track(drawn, f"scoring ({strategy})", console=console), strict=True):
            row.update(_scored(scorer, spec, strategy) | {f"{strategy} first s": round(preparing, 1)})

    def costs(_: Sequence[str], files: Sequence[Path]) -> Sequence[Footprint]:
        return footprints(files, question.reference, request.setting)

    texts: list[tuple[str, Candidate | None]] = [(spec.name, None) for spec in drawn]
    for row, done in zip(rows, finish(texts, request.finishing, out, costs, console), strict=True):
        record = read_json(done.folder / "run.json")
        seconds = sum(stage["seconds"] for stage in record["seeds"][0]["stages"])
        row.update({"finished": done.before_export, "finished s": round(seconds, 1)})
        row.update({"processor": processor(), "commit": commit(), "command": record["command"]})
    write_csv(results, rows)
    lines = [_summary(rows, strategy) for strategy in STRATEGIES]
    write_csv(results.with_name(f"{results.stem}-summary{results.suffix}"), lines)
    for line in lines:
        console.print("; ".join(f"{name}: {value}" for name, value in line.items()))


def _with(request: Request, strategy: str) -> Request:
    return replace(request, proxy=request.proxy.model_copy(update={"strategy": strategy}))


def _scored(scorer: Scorer, spec: StudentSpec, strategy: str) -> dict[str, Any]:
    begin = time.monotonic()
    model = scorer.build(spec)
    scorer.start(spec, model)
    score = scorer.train(spec, model, lambda *_: True)
    return {strategy: score.quality, f"{strategy} s": round(time.monotonic() - begin, 2)}


def _summary(rows: Sequence[Mapping[str, Any]], strategy: str) -> dict[str, Any]:
    finished = [row["finished"] for row in rows]
    seconds = sum(row[f"{strategy} s"] for row in rows) / len(rows)
    whole = sum(row["finished s"] for row in rows) / len(rows)
    return {
        "score": strategy,
        "students": len(rows),
        "Spearman": _correlation([row[strategy] for row in rows], finished),
        "s a student": round(seconds, 2),
        "times as fast as distilling it": round(whole / seconds, 1),
        "once, s": rows[0][f"{strategy} first s"],
    }


def _correlation(scores: Sequence[float], finished: Sequence[float]) -> float | str:
    """Return the rank correlation; "" where all of either are one value."""
    if len(set(scores)) == 1 or len(set(finished)) == 1:
        return ""
    return round(float(stats.spearmanr(scores, finished).statistic), 3)


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.proxies")
