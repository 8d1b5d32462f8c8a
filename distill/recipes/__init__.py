"""The recipes, one file a paper. To add one: write the file, add its line here and its name to `recipe_names`."""

from distill.recipes.distilbert import DISTILBERT
from distill.recipes.logits import LOGITS
from distill.recipes.minilm import MINILM
from distill.recipes.minilmv2 import MINILMV2
from distill.recipes.mobilebert import AUXILIARY, JOINT, PROGRESSIVE
from distill.recipes.patient import PATIENT
from distill.recipes.schema import Recipe, Stage, TrainingSettings
from distill.recipes.tinybert import TINYBERT, TINYBERT_GENERAL

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        LOGITS,
        DISTILBERT,
        TINYBERT,
        TINYBERT_GENERAL,
        MINILM,
        MINILMV2,
        PATIENT,
        PROGRESSIVE,
        JOINT,
        AUXILIARY,
    )
}

__all__ = ["RECIPES", "Recipe", "Stage", "TrainingSettings"]
