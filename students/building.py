"""Students made from their sizes, written to disk and read back, as ordinary Hugging Face folders."""

from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    MobileBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

from pocketbert import factorised, sharing
from pocketbert.errors import UserError
from pocketbert.ib_bert import IBBertConfig
from pocketbert.layer_sizes import read_sizes
from pocketbert.reshaping import from_pretrained, new_model
from pocketbert.weights import check_model_folder
from students.architecture import AUTO, FAMILIES, IB_BERT, MOBILEBERT, Proportions, StudentSpec

_AUTO: Any = AutoModelForSequenceClassification  # its methods are untyped
_AUTO_LANGUAGE: Any = AutoModelForMaskedLM
_CONFIGS: dict[str, type[PreTrainedConfig]] = {
    "bert": BertConfig,
    "roberta": RobertaConfig,
    "electra": ElectraConfig,
    "distilbert": DistilBertConfig,
    MOBILEBERT: MobileBertConfig,
    IB_BERT: IBBertConfig,
}
LIKE_ROBERTA = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text", "xmod"}
LIKE_ROBERTA |= {"roberta-prelayernorm", "ibert"}
"""Families whose positions begin after the padding id."""

_HEAD_DROPOUT = ("seq_classif_dropout", "classifier_dropout", "hidden_dropout_prob")


def build_student(spec: StudentSpec, teacher: PreTrainedModel) -> PreTrainedModel:
    """Return a model of the student's sizes with random weights, with a head of the teacher's kind.

    Args:
        spec: sizes and family.
        teacher: a sequence classifier or a masked language model; gives vocabulary (which may be trimmed already),
            positions, token types, labels, problem type, dropout and activation; any family.

    Raises:
        UserError: its weights are more than the machine's memory.
    """
    config = student_config(spec, teacher.config)
    auto = _AUTO_LANGUAGE if is_language_model(teacher) else _AUTO
    kind = auto._model_mapping[type(config)]
    with torch.device("meta"):
        needed = sum(parameter.nbytes for parameter in new_model(kind, config).parameters())
    available = psutil.virtual_memory().total
    if needed > available:
        raise UserError(
            f"student '{spec.name}' has {needed / 1e9:.0f} GB of weights and this machine {available / 1e9:.0f} GB of "
            "memory: make it smaller."
        )
    model = new_model(kind, config)
    model.eval()
    return model


def is_language_model(model: PreTrainedModel) -> bool:
    """Tell whether a model answers with a word for each token."""
    return model.get_output_embeddings() is not None


def student_config(spec: StudentSpec, teacher: PreTrainedConfig) -> PreTrainedConfig:
    """Return the configuration of a student for a teacher's configuration."""
    family = family_of(spec, teacher)
    common = {
        "vocab_size": min(spec.vocabulary or teacher.vocab_size, teacher.vocab_size),
        "initializer_range": getattr(teacher, "initializer_range", 0.02),
        "id2label": teacher.id2label,
        "label2id": teacher.label2id,
        "problem_type": teacher.problem_type,
    }
    common |= {
        name: getattr(teacher, name)
        for name in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
        if getattr(teacher, name, None) is not None
    }
    settings = _settings(family, spec, teacher)
    settings |= _shape(family, spec)
    if spec.has_bottleneck:
        settings |= _bottleneck_settings(spec, teacher)
        family = IB_BERT if spec.attention == "wide" else family
    return _CONFIGS[family](**common, **settings)


def proportions(config: PreTrainedConfig) -> Proportions | None:
    """Return a teacher's sizes, or None where its family has others that a student can't be cut out of."""
    if config.model_type not in FAMILIES:
        return None
    sizes = read_sizes(config, "the teacher's configuration")
    if sizes is not None:
        smallest = (min(getattr(x, name) for x in sizes.layers) for name in ("heads", "feed_forward", "head_size"))
        return Proportions(config.hidden_size, *smallest)
    feed_forward = _first(config, None, "intermediate_size", "hidden_dim")
    return Proportions(config.hidden_size, config.num_attention_heads, feed_forward)


def family_of(spec: StudentSpec, teacher: PreTrainedConfig) -> str:
    """Return the student's family: the one asked for, else the teacher's where students come in it, else bert."""
    if spec.family != AUTO:
        return spec.family
    return teacher.model_type if teacher.model_type in FAMILIES else "bert"


def _settings(family: str, spec: StudentSpec, teacher: PreTrainedConfig) -> dict[str, Any]:
    """Return the fields that families name differently."""
    positions = usable_positions(teacher)
    if family == "distilbert":
        return {
            "n_layers": spec.layers,
            "dim": spec.hidden,
            "n_heads": spec.heads,
            "hidden_dim": spec.feed_forward,
            "max_position_embeddings": positions,
            "dropout": _first(teacher, 0.1, "hidden_dropout_prob", "dropout"),
            "attention_dropout": _first(teacher, 0.1, "attention_probs_dropout_prob", "attention_dropout"),
            "seq_classif_dropout": _first(teacher, 0.1, *_HEAD_DROPOUT),
            "activation": _activation(teacher),
        }
    settings = {
        "num_hidden_layers": spec.layers,
        "hidden_size": spec.hidden,
        "num_attention_heads": spec.heads,
        "intermediate_size": spec.feed_forward,
        "max_position_embeddings": positions + (_padding(teacher) + 1 if family == "roberta" else 0),
        # A tokenizer that sends token types for pairs needs two rows even where the teacher ignores them.
        "type_vocab_size": getattr(teacher, "type_vocab_size", 0) or 2,
        "hidden_dropout_prob": _first(teacher, 0.1, "hidden_dropout_prob", "dropout"),
        "attention_probs_dropout_prob": _first(teacher, 0.1, "attention_probs_dropout_prob", "attention_dropout"),
        "classifier_dropout": _first(teacher, None, "classifier_dropout", "seq_classif_dropout"),
        "hidden_act": _activation(teacher),
        "layer_norm_eps": getattr(teacher, "layer_norm_eps", 1e-12),
    }
    if family == "electra":
        settings["embedding_size"] = _embedding_size(spec, teacher)
    return settings


def _shape(family: str, spec: StudentSpec) -> dict[str, Any]:
    """Return the fields of the shapes that transformers doesn't know."""
    if spec.has_bottleneck:
        return {}
    narrow = {factorised.FIELD: spec.embedding} if spec.embedding and family != "electra" else {}
    return narrow | ({sharing.FIELD: spec.group} if spec.group > 1 else {})


def _bottleneck_settings(spec: StudentSpec, teacher: PreTrainedConfig) -> dict[str, Any]:
    """Return what MobileBERT and IB-BERT have beside BERT's settings; IB-BERT has BERT's norms and activation."""
    settings = {
        "intra_bottleneck_size": spec.bottleneck,
        "embedding_size": spec.embedding,
        "num_feedforward_networks": spec.feed_forwards,
        "trigram_input": True,
        "normalization_type": "layer_norm",
    }
    if spec.family == IB_BERT:
        return settings
    return settings | {
        "use_bottleneck_attention": spec.attention == "narrow",
        "key_query_shared_bottleneck": spec.attention == "shared",
        "normalization_type": spec.normalization,
        "hidden_act": spec.activation,
        "hidden_dropout_prob": 0.0,
    }


def usable_positions(config: PreTrainedConfig) -> int:
    """Return how many tokens a model can read: the first rows of positions of roberta's kin stand for padding."""
    offset = _padding(config) + 1 if config.model_type in LIKE_ROBERTA else 0
    return int(config.max_position_embeddings) - offset


def _padding(config: PreTrainedConfig) -> int:
    return 0 if config.pad_token_id is None else int(config.pad_token_id)


def _embedding_size(spec: StudentSpec, teacher: PreTrainedConfig) -> int:
    """Return electra's embedding width: as asked for, else narrow only where the teacher's is."""
    if spec.embedding:
        return spec.embedding
    narrow = getattr(teacher, "embedding_size", teacher.hidden_size)
    return min(narrow, spec.hidden) if narrow < teacher.hidden_size else spec.hidden


def _activation(config: PreTrainedConfig) -> str:
    name: str = _first(config, "gelu", "hidden_act", "activation")
    return name


def _first(config: PreTrainedConfig, otherwise: Any, *names: str) -> Any:  # noqa: ANN401  (a field of any type)
    """Return the first of these fields that the configuration has and has set."""
    values = (getattr(config, name, None) for name in names)
    return next((value for value in values if value is not None), otherwise)


def save_student(model: PreTrainedModel, folder: Path) -> None:
    """Write a model as config.json and model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    sharing.mark(model, folder / "model.safetensors")
    # safetensors writes for its owner alone
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)


def load_language_model(folder: Path) -> PreTrainedModel:
    """Read a masked language model written by `save_student`; see `load_student` for the errors."""
    return _load(folder, _AUTO_LANGUAGE, "masked language model")


def load_student(folder: Path) -> PreTrainedModel:
    """Read a model written by `save_student`, pruned ones included, or any sequence classifier in safetensors.

    Raises:
        UserError: no such folder, no configuration, no weights, damaged ones, weights in pickle only, or sizes of a
            pruned model's layers that are not those of its weights.
    """
    return _load(folder, _AUTO, "sequence classifier")


def _load(folder: Path, auto: Any, what: str) -> PreTrainedModel:  # noqa: ANN401  (transformers' classes are untyped)
    check_model_folder(folder)
    try:
        model, info = from_pretrained(auto, folder)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder} can't be loaded as a {what} ({reason}).") from None
    if info["missing_keys"]:
        raise UserError(
            f"{folder}: its weights are incomplete (no {sorted(info['missing_keys'])[0]}): "
            f"take a {what} that was trained, or give sizes such as layers=3,hidden=384."
        )
    loaded: PreTrainedModel = model.eval()
    return loaded
