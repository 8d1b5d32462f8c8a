"""`trim`: the vocabulary becomes the pieces that the task's text uses, `trim:8000` the 8,000 used most.

The model is as it was, or gets used to the new pieces: `trim:8000:steps=500`.
"""

from dataclasses import replace

from distill.compression.plan import NOT_AT_ALL, Step
from distill.compression.recovery import recover, recovery_recipe
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, named
from distill.data.tasks import TEXT, TEXT_PAIR
from distill.preparation import Run, longest_input
from distill.reading import read
from distill.vocabulary import training_counts
from pocketbert.errors import UserError
from students.trimming import changes, trim_model
from students.vocabulary import check_size, smallest_vocabulary


def check(step: Step, run: Run) -> None:
    """Raise UserError for a tokenizer that can't be trimmed, or a size that it can't have."""
    size, tokenizer = _size(step), run.reading.tokenizer
    with named(step):
        if size is None:
            smallest_vocabulary(tokenizer)
        else:
            check_size(tokenizer, size)


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Rewrite tokenizer and embeddings together."""
    data, longest = bench.run.data, min(bench.run.config.max_length, longest_input(state.model))
    counts = training_counts(data, state.reading.tokenizer, longest)
    trimmed = trim_model(state.model, state.reading.tokenizer, counts, _size(step))
    texts = [
        text
        for column in (TEXT, TEXT_PAIR)
        if column in data.evaluation.column_names
        for text in data.evaluation[column][:]
    ]
    lost = changes(state.reading.tokenizer, trimmed, texts)
    note = f"{trimmed.note}; of the evaluation text {100 * lost.tokens:.1f} % of the tokens are read as smaller ones"
    reading = read(data, trimmed.tokenizer, longest)
    state, how = replace(state, model=trimmed.model, reading=reading, own_tokens=True), bench.recovery(step)
    if how.by != NOT_AT_ALL:
        recipe = recovery_recipe(bench.run, how)
        recover(bench.run, state, recipe, how, bench.seed, bench.folder / "training", bench.title(step))
    return Applied(state, note)


def _size(step: Step) -> int | None:
    if not step.settings:
        return None
    if not (step.settings.isascii() and step.settings.isdigit() and int(step.settings)):
        raise UserError(f"compression step '{step.text}': write trim, or trim:8000 for so many pieces.")
    return int(step.settings)
