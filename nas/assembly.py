"""Joins the rooms for `nas.search`: prepare, search, finish the best, report."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import datasets
import optuna
from filelock import FileLock
from optuna.storages import BaseStorage
from rich.console import Console
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from distill.config import check_folder
from nas.cost_models import CostModels
from nas.expected import Expected
from nas.finalists import Finalist, finalists, in_order
from nas.finishing import Finished, finish, footprints, ranked, warnings
from nas.footprint import Footprint, measured_footprint
from nas.front import Candidate, by_quality, candidates, chosen, reference_point, stopped_early
from nas.incumbent import incumbent
from nas.ladder import begin, ladder
from nas.latency_model import products
from nas.limits import check_possible, told_limits, why_none
from nas.objective import Objective
from nas.preparation import PREPARED, Question, ready, ready_for_longer, understand
from nas.progress import progress
from nas.report import write_report
from nas.sampling import EXPECTED, RANDOM
from nas.scoring import Scale, Scorer
from nas.settings import FINALIST_TIMES, Request, study_settings
from nas.storage import answering, open_storage, without_password
from nas.study import agreed, agreed_reference, is_over, looked_at, open_study, search
from pocketbert.errors import UserError
from pocketbert.files import write_json
from students.architecture import VOCABULARY
from students.building import proportions, usable_positions
from students.spec import StudentSpec

DATABASE, BEST = "study.db", "best.json"
FINALISTS_LOCK = ".finalists"
NEARLY = 0.95
"""Of the limit on latency, which multiply-adds tell roughly."""


def carry_out(request: Request, console: Console) -> Path:
    """Search, finish the best, and write the report; return its path.

    Raises:
        UserError: bad input, before any long work.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    check_folder(request.out / PREPARED, request.config)
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {request.out} can't be made ({error.strerror}): give another.") from None
    place = request.storage or str(request.out / DATABASE)
    storage = open_storage(place)
    with answering(place):
        return _carry_out(request, storage, place, console)


def _carry_out(request: Request, storage: BaseStorage, place: str, console: Console) -> Path:
    question = understand(request)
    check_possible(question, request.setting)
    studies = {method: _open(request, question, storage, method) for method in _methods(request)}
    study = studies[request.method]
    question = replace(question, goals=agreed(study, question.goals))
    if question.device is None:
        milliseconds = agreed_reference(study, request.config.student, question.reference.latency_ms)
        question = replace(question, reference=replace(question.reference, latency_ms=milliseconds))
    _announce(request, question, study, without_password(place), console)
    scorer = ready(request, question, console)
    for method, each in studies.items():
        _search(request, question, scorer, each, method)
    found = candidates(study, question.goals, scorer.noise)
    if not found:
        raise UserError(why_none(study, question))
    looked = _longer(request, question, study, found, scorer)
    found = in_order(found, looked)
    finished = _finish(request, question, chosen(found, request.finish, max(1, len(looked))), console)
    _write_best(request, question, scorer, found, finished)
    report = write_report(request, question, scorer, studies, found, looked, finished)
    console.print(f"report: {report}")
    return report


def _longer(
    request: Request, question: Question, study: optuna.Study, found: Sequence[Candidate], scorer: Scorer
) -> list[Finalist]:
    """Look longer at the best, where one is to be finished for its quality; other workers of the folder wait."""
    if not (request.finish and by_quality(question.goals)):
        return []
    steps = _longer_steps(request)
    with FileLock(request.out / FINALISTS_LOCK):
        own = _incumbent(request, question, study, scorer) if request.finalists > 1 else None
        return finalists(
            study, found, request.finalists, scorer.noise, steps,
            lambda: ready_for_longer(request, question, steps), question.parse, stopped_early(study), own,
        )  # fmt: skip


def _incumbent(request: Request, question: Question, study: optuna.Study, scorer: Scorer) -> Candidate | None:
    """Return the hand-made student, where it is not ruled out; slices of a supernet are no measure of it."""
    if not _asks_incumbent(request):
        return None
    spec = question.parse(request.config.student)
    weigh = _weigh(request, question)
    return incumbent(study, spec, scorer, question.goals, weigh, question.reference_ms)


def _asks_incumbent(request: Request) -> bool:
    return not (request.space_texts or request.space_document or request.proxy.strategy == "supernet")


def _longer_steps(request: Request) -> int:
    return FINALIST_TIMES * request.proxy.steps


def _finish(request: Request, question: Question, best: Sequence[Candidate], console: Console) -> list[Finished]:
    """Finish the best, and the hand-made student where it is asked for; the best that keeps the limits comes first."""
    texts: list[tuple[str, Candidate | None]] = [(each.student, each) for each in best]
    hand_made = question.parse(request.config.student)
    if texts and request.compare and all(question.parse(text) != hand_made for text, _ in texts):
        texts.append((request.config.student, None))

    def costs(students: Sequence[str], files: Sequence[Path]) -> Sequence[Footprint]:
        device = question.device
        predicted = None if device is None else [device.predict(question.parse(student)) for student in students]
        memory = question.goals.needs_memory
        return footprints(files, question.reference, request.setting, memory=memory, predicted_ms=predicted)

    finished = finish(texts, request.finishing, request.out, costs, console)
    made = ranked(finished, question.goals)
    for warning in warnings(made, question.goals):
        console.print(f"warning: {warning}")
    return made


def _methods(request: Request) -> list[str]:
    return list(dict.fromkeys([request.method, *[RANDOM] * request.baseline]))


def _open(request: Request, question: Question, storage: BaseStorage, method: str) -> optuna.Study:
    settings = study_settings(request, method, request.goals, question.space, question.run.inputs)
    name = request.name if method == request.method else f"{request.name}-{method}"
    return open_study(storage, name, question.goals, settings)


def _announce(request: Request, question: Question, study: optuna.Study, place: str, console: Console) -> None:
    setting, goals = request.setting, question.goals
    for line in question.space.describe():
        console.print(f"space: {line}")
    console.print(f"objectives: {', '.join(goals.objectives)}; limits: {told_limits(question)}")
    where = question.device.device if question.device else "this machine"
    console.print(
        f"latency: the exported int8 file on {where}, {setting.length} tokens, batch {setting.batch}, "
        f"{setting.threads} thread(s); {request.config.student} has {question.reference_ms:.2f} ms there"
    )
    known = len(looked_at(study))
    console.print(
        f"search: {request.method}, up to {request.trials} students or {request.minutes:g} minutes, "
        f"{_how(request)}; study '{study.study_name}' in {place}"
        f"{f' has {known} already' if known else ''}"
    )


def _how(request: Request) -> str:
    proxy = request.proxy
    how = f"{proxy.steps} steps each"
    if proxy.strategy == "supernet":
        how = f"slices of one student that is trained for {proxy.supernet_steps} steps"
    if request.finish and request.finalists > 1 and by_quality(request.goals):
        beside = f" and {request.config.student}" if _asks_incumbent(request) else ""
        how += f", then the best {request.finalists}{beside} for {_longer_steps(request)} steps"
    return how


def _weigh(request: Request, question: Question) -> Callable[[StudentSpec, PreTrainedModel], Footprint]:
    """Return what weighs a student."""

    def weigh(spec: StudentSpec, model: PreTrainedModel) -> Footprint:
        device = question.device
        predicted = None if device is None else lambda: device.predict(spec)
        return measured_footprint(
            model, question.reference, request.setting, memory=question.goals.needs_memory, predicted_ms=predicted
        )

    return weigh


def _search(request: Request, question: Question, scorer: Scorer, study: optuna.Study, method: str) -> None:
    weigh = _weigh(request, question)
    objective = Objective(study, question.space, question.goals, scorer, weigh, scorer.teacher, request.proxy.share)
    if method != RANDOM:
        begin(study, question.space, _first(request, question))
    if not is_over(study, request.trials, 60 * request.minutes):
        scorer.warm([int(size) for size in question.space.choices_of(VOCABULARY)])
    total = min(request.trials, question.space.count())
    with progress(method, study, question.goals, total, request.minutes) as ended:
        search(
            study,
            objective,
            question.space,
            method,
            request.config.seed,
            trials=request.trials,
            seconds=60 * request.minutes,
            ended=ended,
            propose=_expected(request, question, scorer).choose if method == EXPECTED else None,
        )


def _expected(request: Request, question: Question, scorer: Scorer) -> Expected:
    """Return what chooses students by what is expected of them."""
    goals = question.goals
    floor = goals.least(scorer.floor, scorer.teacher)
    costs = _costs(request, question)

    def worst(study: optuna.Study) -> Sequence[float]:
        return reference_point(goals, floor, [study])

    return Expected(question.space, goals, costs, worst, floor, request.config.seed, scorer.noise)


def _costs(request: Request, question: Question) -> CostModels:
    config = question.run.teacher.model.config
    return CostModels(request.setting, config.vocab_size, usable_positions(config), question.device)


def _first(request: Request, question: Question) -> list[StudentSpec]:
    """Return what a search looks at first: designs as made by hand, up to what the limit on latency allows."""
    run, goals = question.run, question.goals
    config = run.teacher.model.config
    teacher = proportions(config)
    if teacher is None:
        return []
    most = math.inf
    if goals.max_latency_ms is not None:
        by_hand = question.parse(run.config.student)
        most = NEARLY * products(by_hand) * goals.max_latency_ms / question.reference_ms
    costs = _costs(request, question)

    def keeps(spec: StudentSpec) -> bool:
        return goals.max_size_mb is None or costs.predict(spec).size_mb <= NEARLY * goals.max_size_mb

    return ladder(question.space, teacher, config.num_hidden_layers, most, len(run.teacher.tokenizer), keeps)


def _write_best(
    request: Request, question: Question, scale: Scale, found: Sequence[Candidate], finished: Sequence[Finished]
) -> None:
    """Write the best student: of the finished ones, if there are any, else of the search."""
    named = {candidate.student: candidate for candidate in found}
    student = finished[0].student if finished else found[0].student
    known = named[student].document() if student in named else {"student": student, **asdict(finished[0].footprint)}
    document: dict[str, Any] = {
        **known,
        "finished": [each.document() for each in finished if each.student == student],
        "metric": question.run.task.metric,
        "teacher": request.config.teacher,
        "teacher_quality": scale.teacher,
        "limits": question.goals.model_dump(mode="json"),
        "latency_at": asdict(request.setting),
        "device": question.device.device if question.device else "measured here",
        "proxy": request.proxy.model_dump(mode="json"),
    }
    write_json(request.out / BEST, document)
