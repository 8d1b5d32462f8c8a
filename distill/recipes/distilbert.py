"""DistilBERT's three losses, on a task.

Paper: Sanh et al. 2019, arXiv:1910.01108: soft targets at temperature 2 (weight 5), the training task's own
loss (weight 2; masked-language modelling in the paper, gold labels here), cosine of the last hidden states
(weight 1). (paper: weights from the authors' released training command; the paper itself prints none.)

Deviations: where the widths differ the cosine is taken through a learned projection.
"""

from distill.recipes.schema import Recipe, Stage, TrainingSettings

DISTILBERT = Recipe(
    name="distilbert",
    paper="Sanh et al. 2019, arXiv:1910.01108",
    stages=(
        Stage(
            name="task",
            objectives={
                "soft_targets": {"weight": 5.0, "temperature": 2.0},
                "hard_labels": {"weight": 2.0},
                "hidden_cosine": {"weight": 1.0},
            },
            training=TrainingSettings(epochs=3, learning_rate=1e-4),
        ),
    ),
)
