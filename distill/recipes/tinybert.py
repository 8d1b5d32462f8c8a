"""TinyBERT: on a corpus the layers alone; on a task first the layers, then the prediction.

Paper: Jiao et al. 2020, arXiv:1909.10351. An intermediate stage over mapped layers, with weight 1 each,
  L_attn = 1 / h sum MSE(A_student, A_teacher) of the attention scores before the softmax   (equation 7),
  L_hidn = MSE(H_student W_h, H_teacher)   (8),   L_embd = MSE(E_student W_e, E_teacher)   (9),
and then the prediction, L_pred = CE(z_teacher / t, z_student / t) with t = 1   (10).
General distillation (`tinybert-general`, for `--data corpus`) is the first stage alone, of a teacher that is not
fine-tuned. (paper: 3 epochs of English Wikipedia; on a task 20 intermediate epochs of batch 32 at 5e-5, constant
learning rate, and 3 prediction epochs at 1-3e-5.)

Deviations: the student starts cut out of its teacher (paper: from general distillation, and that at random:
`--initialisation random`); each layer has a projection of its own, and the embeddings another (the paper: one for all
layers, one for the embeddings; its code: one for both), fitted by least squares before they are trained; errors are
averaged over the layers instead of summed, padding does not count, the layer map defaults to the layers that the
student was cut from ("spread"; the paper's is "uniform"), fewer epochs at a higher learning rate; in general
distillation the texts are masked, as every corpus is here, and the language head stays as it was cut out of the
teacher's. Data augmentation is `--augment 20` (their code: 10 to 30 copies by task).

Their code's own deviations, which are not followed: the prediction's cross entropy is averaged over the classes, too,
so it weighs 1/C of the equation; attention scores at or below -100, masked ones among them, count as 0 on both sides;
a regression (STS-B) learns the gold values, on texts that are not augmented, and nothing of its teacher.
"""

from typing import Any

from distill.recipes.schema import Recipe, Stage, TrainingSettings

LAYERS: dict[str, dict[str, Any]] = {"embedding_mse": {}, "hidden_mse": {}, "attention_mse": {}}

TINYBERT_GENERAL = Recipe(
    name="tinybert-general",
    paper="Jiao et al. 2020, arXiv:1909.10351",
    stages=(Stage(name="general", objectives=LAYERS, training=TrainingSettings(epochs=3, learning_rate=2e-4)),),
)
TINYBERT = Recipe(
    name="tinybert",
    paper="Jiao et al. 2020, arXiv:1909.10351",
    stages=(
        Stage(
            name="intermediate",
            objectives=LAYERS,
            training=TrainingSettings(epochs=2, learning_rate=2e-4, scheduler="constant"),
        ),
        Stage(
            name="prediction",
            objectives={"soft_targets": {"weight": 1.0, "temperature": 1.0}},
            training=TrainingSettings(epochs=2, learning_rate=1e-4),
        ),
    ),
)
