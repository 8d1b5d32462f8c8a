"""Recipes by name or from a YAML file, with any field set from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from distill.recipe_names import check_recipe
from distill.recipes import RECIPES, Recipe
from pocketbert.errors import UserError
from pocketbert.validation import validated


def load_recipe(source: str, assignments: Sequence[str] = ()) -> Recipe:
    """Return a recipe from the catalogue or from a YAML file, with `path=value` assignments applied.

    Args:
        source: a catalogue name or the path of a YAML file as written by `to_yaml`.
        assignments: such as `stages.task.training.epochs=5`; the stage may be left out where there is one
            (`training.epochs=5`), and then applies to every stage. Setting epochs takes a stage's min_steps away.

    Raises:
        UserError: unknown name, unreadable file, unknown field or a value out of range.
    """
    document = RECIPES[source].model_dump() if source in RECIPES else _read(source)
    stages = document.get("stages")
    if not isinstance(stages, list | tuple) or not all(isinstance(stage, dict) for stage in stages):
        raise UserError(f"recipe '{source}': stages must be a list of stages; `--print-recipe` writes an example.")
    for assignment in assignments:
        _assign(document, assignment)
        field, _, _ = assignment.partition("=")
        if field.endswith("training.epochs"):  # who asks for passes gets them; min_steps can be set after
            _assign(document, f"{field.removesuffix('epochs')}min_steps=0")
    return validated(Recipe, document, f"recipe '{source}'")


def to_yaml(recipe: Recipe) -> str:
    """Write a recipe as YAML that `load_recipe` reads back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def _read(source: str) -> dict[str, Any]:
    check_recipe(source)
    try:
        document = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"recipe file '{source}' can't be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe file '{source}' is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UserError(f"recipe file '{source}' holds no mapping; `--print-recipe` writes an example.")
    return document


def _assign(document: dict[str, Any], assignment: str) -> None:
    path, equals, text = assignment.partition("=")
    if not equals or not path:
        raise UserError(f"--set {assignment}: write it as field=value, such as training.epochs=5.")
    try:
        value = _number(yaml.safe_load(text))
    except yaml.YAMLError:
        raise UserError(f"--set {assignment}: '{text}' is not a value that YAML can read.") from None
    keys = path.split(".")
    if keys[0] in {"objectives", "training", "noise", "masking"}:
        for stage in document.get("stages", []):
            _put(stage, keys, value, assignment)
    elif keys[0] == "stages":
        _put(_stage(document, keys, assignment), keys[2:], value, assignment)
    else:
        _put(document, keys, value, assignment)


def _number(value: Any) -> Any:  # noqa: ANN401  (what YAML holds)
    """YAML 1.1 reads 1e-4 as text; a person means a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _stage(document: dict[str, Any], keys: list[str], assignment: str) -> dict[str, Any]:
    stages: list[dict[str, Any]] = list(document.get("stages", []))
    names = {str(stage.get("name")): stage for stage in stages}
    names |= {str(index): stage for index, stage in enumerate(stages)}
    if len(keys) < 3 or keys[1] not in names:
        raise UserError(f"--set {assignment}: write stages.NAME.field=value, with NAME one of {', '.join(names)}.")
    return names[keys[1]]


def _put(target: dict[str, Any], keys: list[str], value: Any, assignment: str) -> None:  # noqa: ANN401  (what YAML holds)
    for key in keys[:-1]:
        inner = target.setdefault(key, {})
        if inner is None:
            inner = target[key] = {}
        if not isinstance(inner, dict):
            raise UserError(f"--set {assignment}: '{key}' has no fields.")
        target = inner
    target[keys[-1]] = value
