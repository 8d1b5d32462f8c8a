"""Models whose graphs are written straight from their weights, in the form that onnxruntime runs."""

from collections.abc import Callable

import onnx
from transformers import PreTrainedModel

from students.architecture import BOTTLENECKS
from students.exporting.blocks import input_names
from students.exporting.encoder import write_encoder
from students.exporting.folding import folded, has_no_norm
from students.exporting.graph import Graph
from students.exporting.heads import write_head
from students.exporting.mobilebert import write_mobilebert
from students.exporting.parts import WRITTEN
from students.exporting.precision import ACTIVATIONS, Float32, Precision
from students.exporting.tasks import task_of

LIBRARIES = ("transformers", "pocketbert")


def can_write(model: PreTrainedModel) -> bool:
    """Tell whether `write` knows the model's family, head and activation."""
    config = model.config
    if config.model_type not in (*WRITTEN, *BOTTLENECKS) or task_of(model) is None or not _is_known(model):
        return False
    kind = getattr(config, "activation", None) if config.model_type == "distilbert" else config.hidden_act
    return not getattr(config, "is_decoder", False) and kind in ACTIVATIONS


def write(model: PreTrainedModel, precision: Callable[[Graph], Precision] = Float32) -> onnx.ModelProto:
    """Return the model as an ONNX graph with dynamic batch and sequence.

    Args:
        model: a model for which `can_write` holds; its weights are read, nothing is run.
        precision: Float32 or Int8; the head stays float32 in both.

    Returns:
        A graph from int64 `input_ids`, `attention_mask` (and `token_type_ids`) [batch, sequence] to the outputs of its
        task (`students.exporting.tasks`).
    """
    task = task_of(model)
    if task is None:
        raise ValueError(f"{type(model).__name__} has no task")
    model = as_written(model)
    graph = Graph()
    encoder = write_mobilebert if model.config.model_type in BOTTLENECKS else write_encoder
    hidden = encoder(graph, precision(graph), model)
    write_head(graph, model, task, hidden)
    return graph.model(input_names(model), task.outputs)


def as_written(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model whose weights are written: a MobileBERT without its NoNorms, or else the model itself."""
    task = task_of(model)
    if task is None or task.name == "embedding" or not has_no_norm(model):  # the fold leaves states in other units
        return model
    return folded(model)


def _is_known(model: PreTrainedModel) -> bool:
    """Tell whether the class is the library's own or ours: one derived from it may compute something else."""
    return type(model).__module__.partition(".")[0] in LIBRARIES
