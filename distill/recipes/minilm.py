"""MiniLM: the last layer's attention and how its values relate.

Paper: Wang et al. 2020, "MiniLM: deep self-attention distillation", arXiv:2002.10957:
L = L_AT + L_VR, L_AT = 1 / (A |x|) sum KL(A_teacher || A_student) over heads and tokens of the last layers,
L_VR the same of VR = softmax(V V^T / sqrt(d)). Student and teacher have the same number of heads; depth and
width are free, without a projection.
(paper: on a corpus, 400,000 steps, then fine-tuned on the task's gold labels.)

Deviations: the student starts cut out of its teacher (paper: at random, `--initialisation random`); the first stage
runs on the task's own texts, with or without labels, where the paper has a corpus; the second has soft targets beside
the gold labels.
"""

from distill.recipes.logits import PREDICTION
from distill.recipes.schema import Recipe, Stage, TrainingSettings

MINILM = Recipe(
    name="minilm",
    paper="Wang et al. 2020, arXiv:2002.10957",
    stages=(
        Stage(
            name="attention",
            objectives={"attention_divergence": {}, "value_relation": {"relation_heads": "attention"}},
            training=TrainingSettings(epochs=2, learning_rate=2e-4),
        ),
        Stage(
            name="prediction",
            objectives=PREDICTION,
            training=TrainingSettings(epochs=2, learning_rate=1e-4),
        ),
    ),
)
