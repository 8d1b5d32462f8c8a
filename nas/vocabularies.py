"""A run as students of one vocabulary or another read it."""

from dataclasses import replace
from functools import cached_property

from distill.preparation import Run, longest_input
from distill.reading import read
from distill.vocabulary import Counts, training_counts
from students.vocabulary import reading, trim


class Vocabularies:
    """Gives a run other vocabularies, each once: the parts of the teacher's that `distill.run` would keep.

    Args:
        run: with its teachers ready.
    """

    def __init__(self, run: Run) -> None:
        self._runs = {vocabulary_of(run): run}
        self._run = run

    @cached_property
    def _counts(self) -> Counts:
        teacher = self._run.teacher
        longest = min(self._run.config.max_length, longest_input(teacher.model))
        return training_counts(self._run.data, teacher.tokenizer, longest)

    def of(self, size: int) -> Run:
        """Return the run whose student reads so many pieces of the teacher's vocabulary; 0: all."""
        size = size or len(self._run.teacher.tokenizer)
        if size not in self._runs:
            self._runs[size] = self._made(size)
        return self._runs[size]

    def _made(self, size: int) -> Run:
        run, teacher = self._run, self._run.teacher
        if size == len(teacher.tokenizer):
            return replace(run, reading=run.readings[0], source=teacher.model, answerer=teacher.model, trimmed=None)
        trimmed = trim(teacher.tokenizer, self._counts, size)
        source = reading(teacher.model, trimmed.kept)
        rows = read(run.data, trimmed.tokenizer, min(run.config.max_length, longest_input(source)))
        return replace(run, reading=rows, source=source, answerer=source, trimmed=trimmed)


def vocabulary_of(run: Run) -> int:
    """Return the number of pieces that a run's student reads."""
    return len(run.teacher.tokenizer) if run.trimmed is None else len(run.trimmed.kept)
