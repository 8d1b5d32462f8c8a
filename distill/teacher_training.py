"""Trains a teacher's head, or the whole teacher, before anything is distilled from it; the next run finds it again."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from distill.recipes.schema import Recipe
from distill.remaining import Work, remaining
from distill.stages import Conditions, run_recipe
from pocketbert import processes
from students.building import save_student
from teachers.finetuning import adopt, find_finetuned, mark_finetuned
from teachers.loading import Teacher


@dataclass(frozen=True)
class TeacherTraining:
    """What a teacher that is not ready goes through.

    Attributes:
        teacher: trained in place.
        done: what has been done to it afterwards, such as "teacher fine-tuned".
        recipe: gold labels alone.
        conditions: rows and the like.
        folder: its own, in the run's.
        key: stands for everything that decides the result.
        load: reads the result.
    """

    teacher: Teacher
    done: str
    recipe: Recipe
    conditions: Conditions
    folder: Path
    key: str
    load: Callable[[Path], PreTrainedModel]

    def found(self) -> Path | None:
        """Return the folder where this run, or one beside it, has the result already."""
        return find_finetuned(self.key, self.folder.parent)

    def remaining(self) -> Work:
        """Return what is left to do; nothing where it was found."""
        if self.found() is not None:
            return Work(0, 0)
        return remaining(self.recipe, self.teacher.model, None, self.conditions, [self.folder])

    def carry_out(self, before_saving: Callable[[], None] = lambda: None) -> str:
        """Find the result or train it, and load it; return a line on what was done.

        Args:
            before_saving: changes the trained model into what is kept.
        """
        found = self.found()
        note = f"{self.done} earlier, reused from {found}"
        if found is None:
            note = f"{self.done} first: {self.teacher.reason}"
            found = self._train(before_saving)
        folder = adopt(found, self.folder) if processes.is_first() else found
        self.teacher.model.load_state_dict(self.load(folder).state_dict())
        return note

    def _train(self, before_saving: Callable[[], None]) -> Path:
        model, folder = self.teacher.model, self.folder
        results = run_recipe(self.recipe, model, None, self.conditions, folder)
        before_saving()
        if processes.is_first():
            save_student(model, folder)
            self.teacher.tokenizer.save_pretrained(folder)
            mark_finetuned(folder, self.key, {"seconds": results[0].seconds, "steps": results[0].steps})
            for stage in folder.glob("[0-9][0-9]-*"):
                shutil.rmtree(stage)
        processes.wait()
        return folder
