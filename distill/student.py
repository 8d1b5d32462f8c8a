"""The student of a run: a new one of some sizes, or one that lies in a folder."""

import copy
from dataclasses import dataclass, replace

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distill.config import RunConfig
from distill.data.tasks import TaskData
from distill.given import load_given
from distill.units import standardise
from distill.vocabulary import trimmed_for
from students.building import build_student, proportions, usable_positions
from students.initialization import Initialisation, check_method
from students.spec import StudentSpec, parse_student_or_folder
from students.vocabulary import Trimmed, reading
from teachers.loading import Teacher


@dataclass(frozen=True)
class Student:
    """What a run is to train.

    Attributes:
        model: with random weights, or the folder's.
        tokenizer: its own.
        name: what to call it.
        given: its start, where its weights are a folder's.
        source: what it is cut out of: the teacher, in the student's vocabulary where that is trimmed.
        trimmed: its vocabulary, where that is a part of the teacher's.
        notes: a line on that.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    given: Initialisation | None
    source: PreTrainedModel
    trimmed: Trimmed | None = None
    notes: tuple[str, ...] = ()


def find_student(config: RunConfig, teacher: Teacher, data: TaskData) -> Student:
    """Build the student that a run asks for, or load it.

    Args:
        config: of the run.
        teacher: the first; gives everything that the sizes don't say.
        data: whose text decides on a trimmed vocabulary.

    Raises:
        UserError: there is no such student, or it can't be started from this teacher.
    """
    if config.is_teacher:
        return Student(copy.deepcopy(teacher.model), teacher.tokenizer, teacher.name, None, teacher.model)
    parsed = parse_student_or_folder(config.student, proportions(teacher.model.config))
    if isinstance(parsed, StudentSpec):
        return _new(parsed, config, teacher, data)
    task = data.task
    student, start = load_given(config.student, task.kind, task.labels, config.initialisation)
    if student.ready:
        standardise(student.model, task)
    return Student(student.model, student.tokenizer, parsed.name, start, teacher.model)


def _new(spec: StudentSpec, config: RunConfig, teacher: Teacher, data: TaskData) -> Student:
    if spec.vocabulary in (0, len(teacher.tokenizer)):
        # All pieces: with the teacher's table, which may have more rows than there are pieces.
        model = build_student(replace(spec, vocabulary=0), teacher.model)
        check_method(model, teacher.model, config.initialisation)
        return Student(model, teacher.tokenizer, spec.name, None, teacher.model)
    longest = min(config.max_length, usable_positions(teacher.model.config))
    trimmed, note = trimmed_for(data, teacher.tokenizer, spec.vocabulary, longest)
    source = reading(teacher.model, trimmed.kept)
    model = build_student(spec, source)
    check_method(model, source, config.initialisation)
    return Student(model, trimmed.tokenizer, spec.name, None, source, trimmed, (note,))
