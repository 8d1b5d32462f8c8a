"""What a phone was given to do, by which what it sends is judged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.phone.candidates import Candidate
from benchmarks.phone.plan import DEFAULT_THREADS, Plan
from benchmarks.phone.schema import File, Golden, Result
from benchmarks.proof import Limits
from pocketbert.errors import UserError


@dataclass(frozen=True)
class Given:
    """What the page reads.

    Attributes:
        files: that are measured.
        plan: of the measurement.
        runtime: version of ONNX Runtime Web.
    """

    files: Sequence[Candidate]
    plan: Plan
    runtime: str

    def judged(self, result: Result) -> Result:
        """Return a result in which files that answer otherwise than they should are marked as failed.

        Args:
            result: of files that were given.

        Raises:
            UserError: it can't have come of this plan and these files.
        """
        for reason in (*self._strange_context(result), *self._strange_files(result)):
            raise UserError(reason)
        known = {each.name: each for each in self.files}
        files = [_marked(file, known[file.name].proven.limits) for file in result.files]
        result = result.model_copy(update={"files": files})
        for reason in (*self._strange_cells(result), *self._strange_end(result)):
            raise UserError(reason)
        return result

    def _strange_context(self, result: Result) -> Iterator[str]:
        context, plan = result.context, self.plan
        if result.batch != plan.batch:
            yield f"batch {result.batch} was not asked for, but {plan.batch}"
        if context.provider != plan.provider:
            yield f"{context.provider} was not asked for, but {plan.provider}"
        if context.runtime != self.runtime:
            yield f"the runtime given out is {self.runtime}, and this is of another"

    def _strange_files(self, result: Result) -> Iterator[str]:
        known = {each.name: each for each in self.files}
        for file in result.files:
            sentences, here = known[file.name].golden, known[file.name].proven.golden
            if file.golden is None:
                if sentences is not None and not file.failed:
                    yield f"{file.name!r} has golden sentences, and answers to them are missing"
            elif sentences is None or here is None:
                yield f"{file.name!r} has no golden sentences, and answers to some are told"
            elif file.golden.texts != len(sentences.texts):
                yield f"{file.name!r} has {len(sentences.texts)} golden sentences, and {file.golden.texts} are answered"
            elif (file.golden.agreement is None) != (here.agreement is None):
                yield f"{file.name!r} is of another task than its agreement tells"

    def _strange_cells(self, result: Result) -> Iterator[str]:
        plan, right = self.plan, {file.name for file in result.files if not file.failed}
        timed = [(cell.name, cell.length, cell.threads) for cell in result.cells]
        if busy := result.sustained:
            timed.append((busy.name, busy.length, busy.threads))
            if len(busy.minutes) > plan.sustained_minutes or not plan.sustained_minutes:
                yield f"minutes of a sustained run: {plan.sustained_minutes} were asked for"
        most = 1 if plan.provider == "webgpu" else max(plan.threads or (DEFAULT_THREADS,))
        for name, length, threads in timed:
            if name not in right:
                yield f"{name!r} failed or was not opened, and is timed all the same"
            if length not in plan.lengths:
                yield f"{length} tokens were not asked for"
            if threads > most:
                yield f"{threads} threads are more than was asked for: {most}"
        if more := [cell.name for cell in result.cells if len(cell.samples_ms) > plan.rounds]:
            yield f"{more[0]!r} has more rounds than the {plan.rounds} that were asked for"

    def _strange_end(self, result: Result) -> Iterator[str]:
        done = {file.name for file in result.files if file.failed} | {cell.name for cell in result.cells}
        if missing := [each.name for each in self.files if result.complete and each.name not in done]:
            yield f"{missing[0]!r} is neither timed nor failed, and the result is said to be complete"


def _marked(file: File, limits: Limits) -> File:
    """Return what is told of a file, as failed where its answers are too far off: the page's word does not do."""
    reason = None if file.failed or file.golden is None else _wrong(file.golden, limits)
    return file if reason is None else file.model_copy(update={"failed": reason})


def _wrong(golden: Golden, limits: Limits) -> str | None:
    if golden.agreement is None:
        off = golden.relative_difference
        return f"its answers are off by {off:.2g} of the largest here" if off > limits.difference else None
    same = golden.agreement
    return f"only {same:.3f} of its answers are as they should be" if same < limits.agreement else None
