"""MiniLMv2: relations among queries, keys and values of one teacher layer.

Paper: Wang et al. 2021, "MiniLMv2: multi-head self-attention relation distillation", arXiv:2012.15828:
the heads' vectors are put side by side and cut into A_r relation heads, R_i = softmax(A_i A_i^T / sqrt(d_r)) for
queries, keys and values, L = sum over the three of a_i / (A_r |x|) sum KL(R_teacher || R_student). Head counts may
differ. (paper: weights of one third, 48 relation heads for teachers of base size; the last layer of a teacher of
base size, layer 21 of BERT-large and 19 of RoBERTa-large, counted from 1: `layer`, which counts from 0, is 20 and 18.)

Deviations: the start and the stages as in `minilm`; as many relation heads up to 48 as divide both widths.
"""

from distill.recipes.logits import PREDICTION
from distill.recipes.schema import Recipe, Stage, TrainingSettings

THIRD = {"weight": 1 / 3}

MINILMV2 = Recipe(
    name="minilmv2",
    paper="Wang et al. 2021, arXiv:2012.15828",
    stages=(
        Stage(
            name="relations",
            objectives={"query_relation": THIRD, "key_relation": THIRD, "value_relation": THIRD},
            training=TrainingSettings(epochs=2, learning_rate=2e-4),
        ),
        Stage(
            name="prediction",
            objectives=PREDICTION,
            training=TrainingSettings(epochs=2, learning_rate=1e-4),
        ),
    ),
)
