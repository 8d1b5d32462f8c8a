"""One student that holds all others: trained once, and every candidate is a slice of it, scored in seconds.

Sandwich rule and in-place distillation of Yu and Huang 2019, "Universally slimmable networks", arXiv:1903.05134,
section 3: every step trains the largest student on the teacher's answers, and the smallest and some drawn at random on
the largest one's answers, their gradients added up. Deviations: the largest student is cut out of the teacher, and what
matters most in it is put first (`nas.ordering`); a depth is a choice of whole layers, spread evenly.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor
from transformers import PreTrainedModel, set_seed

from distill import losses
from distill.checkpoints import latest_checkpoint
from distill.data.encoding import MODEL_INPUTS
from distill.distiller import Distiller
from distill.objectives import Objective
from distill.preparation import Run
from distill.recipes.schema import Stage
from distill.stages import build_distiller, train
from distill.starting import start_from_teacher
from distill.trainer import DistillTrainer, seconds_trained, training_arguments
from nas.choosers import Chance
from nas.ordering import order
from nas.proxy import START_ROWS
from nas.scoring import Scale, Score, Watch
from nas.search_space import SearchSpace
from nas.slicing import Slice
from pocketbert.files import fingerprint, read_json, write_json
from students.spec import StudentSpec

TEMPERATURE = 2.0
DRAWN = 2
"""Students drawn at random in each step, beside the largest and the smallest."""

ORDERING_ROWS, START_TOKENS = 256, 32_768
WEIGHTS, FACTS = "supernet.safetensors", "supernet.json"


class Sandwich(Distiller):
    """Trains the largest student on its objectives, and slices of it on what it answers.

    Args:
        student: the largest.
        objectives: its own.
        teacher: theirs.
        draw: returns the students to train beside it in a step.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        objectives: Mapping[str, Objective],
        teacher: PreTrainedModel,
        draw: Callable[[], Sequence[StudentSpec]],
    ) -> None:
        super().__init__(student, objectives, teacher)
        self._draw = draw

    def beside(self, inputs: Mapping[str, Tensor], logits: Tensor) -> dict[str, Tensor]:
        """Return the sum over the slices of this step of how far each is from what the largest student answered."""
        target = logits.detach()
        answers = (Slice(spec, self.student).logits(dict(inputs), training=True) for spec in self._draw())
        return {"slices": torch.stack([self._compare(each, target) for each in answers]).sum()}

    def _compare(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.student.config.problem_type == "regression":
            return losses.soft_values(logits, target)
        return losses.soft_targets(logits, target, TEMPERATURE)


class Supernet(Scale):
    """Scores candidates as slices of one student, which is trained once and kept.

    Args:
        run: with its teachers ready, in the vocabulary of all candidates.
        space: of the candidates, of one family.
        rows: what the largest student learns from, with `teacher_logits`.
        stage: how it learns.
        folder: where it is kept; an interrupted training goes on from its last checkpoint.

    Attributes:
        whole: the largest student, trained.
    """

    def __init__(self, run: Run, space: SearchSpace, rows: Dataset, stage: Stage, folder: Path) -> None:
        super().__init__(run)
        self._space, self._rows, self._stage, self._folder = space, rows, stage, folder
        self.whole = self.build(space.largest())
        key = fingerprint([space.key(), stage.model_dump(mode="json"), run.inputs, run.config.seed])
        if not self._found(key):
            self._train(key)
        self.whole.eval()

    @property
    def last(self) -> int:
        """A slice is not trained."""
        return 0

    def start(self, spec: StudentSpec, model: PreTrainedModel) -> None:
        """Give a candidate its slice of the trained student."""
        model.load_state_dict(Slice(spec, self.whole).weights())

    def train(self, spec: StudentSpec, model: PreTrainedModel, watch: Watch) -> Score:
        """Return what a slice is worth as it is."""
        value = self.score(spec, model)
        watch(self.last, value.quality)
        return value

    def _found(self, key: str) -> bool:
        """Load the student that was trained with this key, if there is one."""
        try:
            if read_json(self._folder / FACTS)["key"] != key:
                return False
            load_model(self.whole, self._folder / WEIGHTS)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
            return False
        return True

    def _train(self, key: str) -> None:
        run, folder = self.run, self._folder / key
        self._start()
        objectives = build_distiller(self._stage, self.whole, run.answerer).objectives
        named: dict[str, Objective] = dict(objectives.items())  # type: ignore[arg-type]  # a ModuleDict's are Modules
        set_seed(run.config.seed)
        distiller = Sandwich(self.whole, named, run.answerer, self._draw())
        arguments = training_arguments(
            self._stage.training, folder, len(self._rows), run.config.seed, bf16=run.config.bf16
        )
        trainer = DistillTrainer(distiller, arguments, self._rows, run.collator, "supernet")
        state = train(trainer, distiller, latest_checkpoint(folder))
        (self._folder / FACTS).unlink(missing_ok=True)  # or facts of another would vouch for these weights
        save_model(self.whole, str(self._folder / WEIGHTS))
        write_json(self._folder / FACTS, {"key": key, "seconds": seconds_trained(state)})
        shutil.rmtree(folder)

    def _start(self) -> None:
        """Cut the largest student out of the teacher, and put first what matters most."""
        run = self.run
        start_from_teacher(
            self.whole, run.source, run.rows.found, run.collator,
            count=START_ROWS, tokens=START_TOKENS, seed=run.config.seed, method=run.config.initialisation,
        )  # fmt: skip
        drawn = run.rows.found.select(
            np.random.default_rng(run.config.seed).permutation(len(run.rows.found))[:ORDERING_ROWS]
        )
        inputs = drawn.select_columns([name for name in MODEL_INPUTS if name in drawn.column_names])
        order(self.whole, [run.collator(list(inputs))])

    def _draw(self) -> Callable[[], Sequence[StudentSpec]]:
        # By torch's generator, whose state a checkpoint keeps.
        chooser = Chance(lambda count: int(torch.randint(count, ())))
        smallest = self._space.smallest()
        return lambda: [smallest, *(self._space.suggest(chooser) for _ in range(DRAWN))]
