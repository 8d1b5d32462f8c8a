"""DistilBERT's three losses, on a corpus as in the paper, or on a task.

Paper: Sanh et al. 2019, arXiv:1910.01108, section 3: L = 5 L_ce + 2 L_mlm + 1 L_cos. L_ce = T^2 KL(softmax(t / T) ||
softmax(s / T)) with T = 2, L_mlm the masked tokens' cross entropy, L_cos one minus the cosine of the last hidden
states of each token. The student has every other layer of its teacher ([0, 2, 4, 7, 9, 11] of 12), no token types and
no pooler (`--student distil6`). (paper: weights and temperature from the authors' released training command; the
paper itself prints none. Corpus: 3 epochs, 5e-4, batches of 250 and more.)

Deviations: those layers are repaired for the ones left out, or cut where the widths differ (`--initialisation copy`
is the paper's start); on a corpus L_ce is taken at the masked tokens, not at all of them, which spares most of the
head's work (the authors' code has it as an option); masked tokens are drawn evenly, not by the frequency of their
words; on a task the gold labels' loss stands for L_mlm; where the widths differ the cosine goes through a projection,
fitted by least squares and then trained.
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
