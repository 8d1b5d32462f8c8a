"""MobileBERT: knowledge transfer from layer to layer, then the prediction; three ways to put them together.

Paper: Sun et al. 2020, arXiv:2004.02984, sections 3.3 and 3.4. Of each layer, over its tokens, features and heads
  L_FMT = 1 / (T N) sum (H_teacher - H_student)^2   (feature maps),
  L_AT = 1 / (T A) sum KL(a_teacher || a_student)   (attention), and for the model
  L_KT = sum over layers of L_FMT + L_AT,   L_PD = a L_MLM + (1 - a) L_KD with a = 0.5.
Auxiliary: L_KT and L_PD at once. Joint: first L_KT of all layers together, then L_PD. Progressive, the paper's best:
L_KT of one layer after the other, those below learning at a tenth of the rate, then L_PD.
(paper: a teacher of the same form, IB-BERT; 240,000 steps of transfer and 500,000 of distillation on a corpus, batch
4,096, LAMB at 1.5e-3; the released commands have 2,048.)

Deviations: L_FMT is that of the authors' code, the error of normalised states with their means and variances beside
it (`objectives/mobilebert.py`); attention counts as much as
feature maps, as the equation has it (the authors' command: 1 to 100; their code has a cross entropy, padding
counted); the rate is constant over the layers (their code: three times the rate, with a warm-up and a decay for
each); on a task the gold labels stand where the masked tokens stand on a corpus; there is no next-sentence loss;
transfer is averaged over the layers; the teacher may be any BERT, through projections where the widths differ, fitted
before they are trained; a student of the teacher's form takes its embeddings and head, as in the paper, one of
another family starts cut out of it. Their code's temperature is a factor of the teacher's outputs, 1 by default; a
temperature divides both sides' here.
"""

from typing import Any

from distill.recipes.schema import Recipe, Stage, TrainingSettings

PAPER = "Sun et al. 2020, arXiv:2004.02984"
TRANSFER: dict[str, dict[str, Any]] = {"feature_maps": {}, "attention_transfer": {}}
PREDICTION: dict[str, dict[str, Any]] = {
    "soft_targets": {"weight": 0.5, "temperature": 1.0},
    "hard_labels": {"weight": 0.5},
}
_TRANSFERRING = TrainingSettings(epochs=3, learning_rate=5e-4, scheduler="constant")
_PREDICTING = TrainingSettings(epochs=2, learning_rate=2e-4)

PROGRESSIVE = Recipe(
    name="mobilebert",
    paper=PAPER,
    stages=(
        Stage(name="transfer", objectives=TRANSFER, progressive=True, training=_TRANSFERRING),
        Stage(name="prediction", objectives=PREDICTION, training=_PREDICTING),
    ),
)
JOINT = Recipe(
    name="mobilebert-joint",
    paper=PAPER,
    stages=(
        Stage(name="transfer", objectives=TRANSFER, training=_TRANSFERRING),
        Stage(name="prediction", objectives=PREDICTION, training=_PREDICTING),
    ),
)
AUXILIARY = Recipe(
    name="mobilebert-auxiliary",
    paper=PAPER,
    stages=(
        Stage(
            name="all",
            objectives=TRANSFER | PREDICTION,
            training=TrainingSettings(epochs=5, learning_rate=2e-4),
        ),
    ),
)
