"""Objectives: each picks tensors out of the activations, owns its projections, and returns one unweighted loss.

To add one: write a subclass with a `Settings` model and a docstring that names its paper, and put it into
`OBJECTIVES`. The conformance tests run over that dictionary.
"""

from distill.objectives.attention import AttentionMSE
from distill.objectives.base import Objective, ObjectiveSettings
from distill.objectives.hidden import EmbeddingMSE, HiddenCosine, HiddenMSE
from distill.objectives.mobilebert import AttentionTransfer, FeatureMaps
from distill.objectives.patient import PatientStates
from distill.objectives.predictions import HardLabels, SoftTargets
from distill.objectives.relations import AttentionDivergence, KeyRelation, QueryRelation, ValueRelation

OBJECTIVES: dict[str, type[Objective]] = {
    "hard_labels": HardLabels,
    "soft_targets": SoftTargets,
    "embedding_mse": EmbeddingMSE,
    "hidden_mse": HiddenMSE,
    "hidden_cosine": HiddenCosine,
    "attention_mse": AttentionMSE,
    "attention_divergence": AttentionDivergence,
    "query_relation": QueryRelation,
    "key_relation": KeyRelation,
    "value_relation": ValueRelation,
    "patient_states": PatientStates,
    "feature_maps": FeatureMaps,
    "attention_transfer": AttentionTransfer,
}

__all__ = ["OBJECTIVES", "Objective", "ObjectiveSettings"]
