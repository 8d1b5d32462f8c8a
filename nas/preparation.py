"""What all trials of a search share: data, teacher, its answers, the space, and a file to measure beside."""

from dataclasses import dataclass, replace

from filelock import FileLock
from rich.console import Console

from distill import pipeline, preparation
from distill.config import claim_folder
from distill.preparation import Run
from nas.footprint import MEGABYTE, Reference, export_as_trained
from nas.goals import Goals
from nas.latency_model import LatencyModel
from nas.proxy import Proxy
from nas.scorers import longer, scorer_of
from nas.search_space import SearchSpace, student
from nas.settings import Request
from nas.spaces import assignments, parse_space
from nas.supernet import Supernet
from pocketbert.errors import DoesNotFit, UserError
from pocketbert.files import read_json, write_json
from students.architecture import VOCABULARY
from students.building import build_student, family_of, proportions
from students.spec import StudentSpec, parse_student
from students.vocabulary import check_size, smallest_vocabulary

PREPARED, LOCK = "search", ".preparing"
REFERENCE = "reference-int8.onnx"


@dataclass(frozen=True)
class Question:
    """What a search is about, known before any long work.

    Attributes:
        run: loaded and checked, its teachers not ready yet; its student is the hand-made one.
        space: of the students.
        reference: the hand-made student's file, measured.
        device: predicts latencies of a device that is not here.
        goals: with the limits that hold.
    """

    run: Run
    space: SearchSpace
    reference: Reference
    device: LatencyModel | None
    goals: Goals

    def parse(self, student: str) -> StudentSpec:
        """Return what a student's text stands for, of the family that the teacher gives it."""
        return _parse(student, self.run)

    @property
    def reference_ms(self) -> float:
        """The hand-made student's latency, on the device that the search is about."""
        if self.device is None:
            return self.reference.latency_ms
        return self.device.predict(self.parse(self.run.config.student))


def understand(request: Request) -> Question:
    """Load data, teacher and space, and measure the hand-made student's file.

    Raises:
        UserError: bad input.
    """
    run = preparation.prepare(request.config, request.out / PREPARED)
    space = _space(request, run)
    device = None if request.device is None else LatencyModel.load(request.device, request.setting)
    request.out.mkdir(parents=True, exist_ok=True)
    with FileLock(request.out / LOCK):
        reference = _reference(request, run)
    if request.proxy.strategy == "supernet":
        space.largest()  # or it is refused
    if device is not None:
        for family in space.families:
            device.predict(student(family.family, next(family.points())))  # or it is refused
    question = Question(run, space, reference, device, request.goals)
    if request.goals.limits_costs or request.goals.min_retention is not None:
        return question
    limits = {"max_latency_ms": round(question.reference_ms, 3)}
    if "size" in request.goals.objectives:
        limits["max_size_mb"] = round(reference.path.stat().st_size / MEGABYTE, 3)
    return replace(question, goals=request.goals.model_copy(update=limits))


def ready(request: Request, question: Question, console: Console) -> Proxy | Supernet:
    """Make the teachers ready and let them answer, or wait for another worker of the folder, and find what it made.

    Raises:
        UserError: the folder holds another search's, or the teacher is no better than chance.
    """
    run = question.run
    run.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(request.out / LOCK):
        claim_folder(run.folder, request.config, run.inputs)
        for note in pipeline.ready_teachers(run):
            console.print(note)
        for text in preparation.warnings(run):
            console.print(f"warning: {text}")
        return scorer_of(request, run, question.space)


def ready_for_longer(request: Request, question: Question, steps: int) -> Proxy:
    """Return what distils the best of a search for longer; see `ready`."""
    with FileLock(request.out / LOCK):
        return longer(question.run, steps)


def _space(request: Request, run: Run) -> SearchSpace:
    config = run.teacher.model.config
    sizes = proportions(config)
    if sizes is None:
        raise UserError(
            f"teacher {run.teacher.name}: a search needs a teacher of the families bert, roberta, electra or "
            f"distilbert, whose sizes bound its students, and this one is {config.model_type}."
        )
    tokenizer, family = run.teacher.tokenizer, config.model_type
    asked = VOCABULARY in request.space_document | assignments(request.space_texts)
    pieces = _vocabularies(run, request, asked=asked)
    space = parse_space(request.space_texts, request.space_document, sizes, config.num_hidden_layers, family, pieces)
    for size in space.choices_of(VOCABULARY):
        check_size(tokenizer, int(size))
    return space


def _vocabularies(run: Run, request: Request, *, asked: bool) -> tuple[int, ...]:
    """Return sizes of vocabularies to choose from: all pieces alone, where none of the goals is about the file."""
    tokenizer = run.teacher.tokenizer
    try:
        least = smallest_vocabulary(tokenizer)
    except DoesNotFit:
        if asked:
            raise
        return ()
    whole = len(tokenizer)
    # Slices of a supernet share one table.
    varied = request.goals.weighs_tables and request.proxy.strategy == "proxy"
    sizes = [whole // part for part in (8, 4, 2)] if varied else []
    return (*(size for size in sizes if size >= least), whole)


def _parse(student: str, run: Run) -> StudentSpec:
    config = run.teacher.model.config
    spec = parse_student(student, proportions(config))
    return replace(spec, family=family_of(spec, config))


def _reference(request: Request, run: Run) -> Reference:
    """Return the hand-made student's file with its latency, measured once and kept."""
    path, facts = request.out / REFERENCE, request.out / "reference.json"
    key = {"student": request.config.student, **vars(request.setting)}
    if path.exists() and facts.exists():
        kept = read_json(facts)
        if kept["of"] == key:
            return Reference(path, kept["latency_ms"])
    export_as_trained(build_student(_parse(request.config.student, run), run.teacher.model), path)
    reference = Reference.measured(path, request.setting)
    write_json(facts, {"of": key, "latency_ms": reference.latency_ms})
    return reference
