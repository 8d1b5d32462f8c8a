"""Soft targets mixed with gold labels: the default.

Paper: Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network", arXiv:1503.02531:
L = a T^2 CE(softmax(v/T), softmax(z/T)) + (1 - a) CE(y, softmax(z)).

Deviations: divergence instead of cross entropy (differs by a constant); rows without a label have the first
term alone. From the second pass over the rows on, half of them are changed and labelled by the teacher
(`distill.noise`; not in the paper). The paper gives the hard term "a considerably lower weight".
"""

from distill.noise import Noise
from distill.recipes.schema import Recipe, Stage, TrainingSettings

PREDICTION = {"soft_targets": {"weight": 1.0, "temperature": 2.0}, "hard_labels": {"weight": 0.5}}

LOGITS = Recipe(
    name="logits",
    paper="Hinton et al. 2015, arXiv:1503.02531",
    stages=(
        Stage(
            name="task",
            objectives=PREDICTION,
            noise=Noise(),
            training=TrainingSettings(epochs=3, min_steps=600, learning_rate=1e-4),
        ),
    ),
)
