"""The recipes' names, for the command line before it imports what is slow."""

from pathlib import Path

from pocketbert.errors import unknown

RECIPE_NAMES = (
    "logits", "distilbert", "tinybert", "tinybert-general", "minilm", "minilmv2", "patient",
    "mobilebert", "mobilebert-joint", "mobilebert-auxiliary",
)  # fmt: skip


def check_recipe(source: str) -> None:
    """Check that a text is a recipe's name or may be a file's.

    Raises:
        UserError: it is neither.
    """
    path = Path(source)
    if source not in RECIPE_NAMES and not path.suffix and not path.is_file():
        raise unknown("recipe", source, RECIPE_NAMES, "A YAML file works too; --print-recipe writes one to start from.")
