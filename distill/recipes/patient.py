"""Patient knowledge distillation (PKD): the first token's state of several layers, beside the predictions.

Paper: Sun et al. 2019, "Patient knowledge distillation for BERT model compression", arXiv:1908.09355:
L = (1 - a) L_CE + a L_DS + b L_PT, L_PT = sum over layers ||h_s / |h_s| - h_t / |h_t| ||^2 of the first token;
PKD-Skip takes every k-th teacher layer (`layers: uniform`), PKD-Last the last ones (`layers: last`), both without the
models' own last layers.

Deviations: the student starts cut out of its teacher (paper: its first layers, copied); T^2 on the soft targets,
which the paper leaves out; a projection where the widths differ, fitted before it is trained; L_PT is averaged over
layers and rows, so b is of another size than the paper's.
"""

from distill.recipes.schema import Recipe, Stage, TrainingSettings

PATIENT = Recipe(
    name="patient",
    paper="Sun et al. 2019, arXiv:1908.09355",
    stages=(
        Stage(
            name="task",
            objectives={
                "soft_targets": {"weight": 0.5, "temperature": 5.0},
                "hard_labels": {"weight": 0.5},
                "patient_states": {"weight": 1.0},
            },
            training=TrainingSettings(epochs=3, learning_rate=1e-4),
        ),
    ),
)
