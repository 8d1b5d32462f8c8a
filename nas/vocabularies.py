"""A run as students of one vocabulary or another read it."""

from dataclasses import replace

from distill.preparation import Run, longest_input
from distill.reading import read
from distill.vocabulary import trimmed_for
from students.vocabulary import reading


def vocabulary_of(run: Run) -> int:
    """Return the number of pieces that a run's student reads."""
    return len(run.teacher.tokenizer) if run.trimmed is None else len(run.trimmed.kept)


def in_vocabulary(run: Run, size: int) -> Run:
    """Return a run whose student reads a part of the teacher's vocabulary, the part that `distill.run` would keep.

    Args:
        run: with its teachers ready.
        size: pieces; 0: all of the teacher's.
    """
    teacher = run.teacher
    size = size or len(teacher.tokenizer)
    if size == vocabulary_of(run):
        return run
    if size == len(teacher.tokenizer):
        return replace(run, reading=run.readings[0], source=teacher.model, answerer=teacher.model, trimmed=None)
    trimmed, _ = trimmed_for(run.data, teacher.tokenizer, size)
    source = reading(teacher.model, trimmed.kept)
    rows = read(run.data, trimmed.tokenizer, min(run.config.max_length, longest_input(source)))
    return replace(run, reading=rows, source=source, answerer=source, trimmed=trimmed)
