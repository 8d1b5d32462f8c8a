"""How the last hidden states become answers; heads stay float32, since they are tiny and decide."""

from typing import Any

import numpy as np
import onnx
from torch import nn
from transformers import PreTrainedModel

from students.anatomy import HeadStep
from students.architecture import BOTTLENECKS
from students.exporting.blocks import gemm
from students.exporting.graph import Graph
from students.exporting.parts import parts_of
from students.exporting.precision import activation, weight_and_bias
from students.exporting.tasks import Task

SMALLEST = 1e-9
"""Of the tokens that a mean is over: a text of padding alone has embeddings of 0, as in PyTorch."""


def write_head(graph: Graph, model: PreTrainedModel, task: Task, x: str) -> None:
    """Write what makes a task's outputs of the last hidden states `x` [batch, sequence, hidden]."""
    whole: Any = model
    if task.name == "token-classification":
        _dense(graph, whole.classifier, x, "logits")
    elif task.name == "question-answering":
        both = _dense(graph, whole.qa_outputs, x, "answers")
        ends = graph.split_op("Split", [both, graph.integers("one_each", 1, 1)], ("start", "end"), axis=-1)
        for end in ends:
            graph.op("Squeeze", [end, graph.integers("last_axis", -1)], f"{end}_logits")
    elif task.name == "embedding":
        _mean(graph, x)
    else:
        _classification(graph, _steps(model), x)


def _classification(graph: Graph, steps: tuple[HeadStep, ...], x: str) -> None:
    """Write the head's steps on the first token's hidden state; the last step gives the logits."""
    x = graph.op("Gather", [x, graph.integer("first_token", 0)], "first", axis=1)
    *inner, last = steps
    for number, step in enumerate(inner):
        x = activation(graph, step.activation, gemm(graph, step.linear, x, f"head.{number}.dense"), f"head.{number}")
    gemm(graph, last.linear, x, "logits")


def _steps(model: PreTrainedModel) -> tuple[HeadStep, ...]:
    if model.config.model_type not in BOTTLENECKS:
        return parts_of(model).head
    whole: Any = model
    pooler = whole.base_model.pooler
    return (*([HeadStep(pooler.dense, "tanh")] if pooler.do_activate else []), HeadStep(whole.classifier, ""))


def _dense(graph: Graph, linear: nn.Linear, x: str, name: str) -> str:
    weight, bias = weight_and_bias(linear)
    product = graph.op("MatMul", [x, graph.constant(f"{name}.weight", weight)], f"{name}.product")
    return graph.op("Add", [product, graph.constant(f"{name}.bias", bias)], name)


def _mean(graph: Graph, x: str) -> str:
    """Write the mean over the tokens that are not padding, as one product of mask and states."""
    mask = graph.op("Cast", ["attention_mask"], "token_mask", to=onnx.TensorProto.FLOAT)
    axis = graph.integers("middle_axis", 1)
    total = graph.op("MatMul", [graph.op("Unsqueeze", [mask, axis], "token_row"), x], "token_sum")
    count = graph.op("ReduceSum", [mask, axis], "token_count_kept", keepdims=1)
    least = graph.op("Max", [count, graph.constant("least", np.asarray(SMALLEST, np.float32))], "token_number_kept")
    return graph.op("Div", [graph.op("Squeeze", [total, axis], "token_total"), least], "embeddings")
