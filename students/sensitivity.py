"""Which layers bear few bits: the curvature of the loss in each layer's weights.

Q-BERT (Shen et al. 2020, arXiv:1909.05840), section 3: the sensitivity of a layer is |mean| + standard deviation, over
subsets of the data, of the largest eigenvalue of the Hessian of the loss in the layer's weights.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from pocketbert.errors import UserError
from students.block_quantization import BLOCK
from students.quantized_parts import encoder_linears

ITERATIONS, TOLERANCE = 20, 1e-2
LOW, HIGH = 4, 8
Batch = Mapping[str, Tensor]
_LAYER = re.compile(r"(.*\.(?:layer|layers|albert_layer_groups)\.\d+)\.")


def layers_of(model: PreTrainedModel) -> dict[str, list[nn.Linear]]:
    """Return the encoder's linear layers by the encoder layer that they are in; others stand for themselves."""
    found: dict[str, list[nn.Linear]] = {}
    for name, linear in encoder_linears(model).items():
        match = _LAYER.match(name)
        found.setdefault(match[1] if match else name, []).append(linear)
    return found


def sensitivities(
    model: PreTrainedModel,
    subsets: Sequence[Sequence[Batch]],
    *,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> dict[str, float]:
    """Return |mean| + standard deviation of each layer's largest eigenvalue over subsets of the data.

    Args:
        model: answers with a loss; in evaluation mode while this runs, and its gradients are left alone.
        subsets: batches with `labels`; the paper takes ten subsets of a tenth of the data.
        iterations: of the power iteration, at most.
        tolerance: it ends when an eigenvalue changes by less than this share.
        seed: of the first vectors.

    Raises:
        UserError: no data, or no labels.
    """
    if not subsets or not all(subsets):
        raise UserError("no data to take the curvature of: give at least one subset with a batch")
    was_training = model.training
    model.eval()
    result = {}
    try:
        for name, linears in layers_of(model).items():
            weights = [linear.weight for linear in linears]
            found = [largest_eigenvalue(model, weights, each, iterations, tolerance, seed) for each in subsets]
            values = torch.tensor(found, dtype=torch.float64)
            result[name] = float(values.mean().abs() + values.std(correction=0))
    finally:
        model.train(was_training)
    return result


def largest_eigenvalue(
    model: PreTrainedModel,
    weights: Sequence[Tensor],
    batches: Sequence[Batch],
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> float:
    """Return the eigenvalue of largest magnitude of the mean loss's Hessian in some weights, by power iteration."""
    generator = torch.Generator().manual_seed(seed)
    vector = _normalised([torch.randn(each.shape, generator=generator).to(each) for each in weights])
    value = 0.0
    for _ in range(iterations):
        product = _hessian_product(model, weights, batches, vector)
        before, value = value, float(sum((a * b).sum() for a, b in zip(vector, product, strict=True)))
        vector = _normalised(product)
        if abs(value - before) <= tolerance * abs(value):
            break
    return value


def _hessian_product(
    model: PreTrainedModel, weights: Sequence[Tensor], batches: Sequence[Batch], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Return the Hessian of the batches' mean loss times a vector, by a backward pass through a backward pass."""
    total = [torch.zeros_like(each) for each in vector]
    for batch in batches:
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
            loss = model(**batch).loss
            if loss is None:
                raise UserError("the model gives no loss: every batch needs `labels`")
            first = torch.autograd.grad(loss, list(weights), create_graph=True)
            along = torch.stack([(a * b).sum() for a, b in zip(first, vector, strict=True)]).sum()
            for sum_, part in zip(total, torch.autograd.grad(along, list(weights)), strict=True):
                sum_.add_(part / len(batches))
    return total


def _normalised(vector: Sequence[Tensor]) -> list[Tensor]:
    norm = torch.stack([(each * each).sum() for each in vector]).sum().sqrt().clamp(min=1e-30)
    return [each / norm for each in vector]


def block_bytes(weights: int, bits: int) -> float:
    """Return the bytes of weights with a float32 scale and a zero point for every block."""
    return weights * (bits + (32 + bits) / BLOCK) / 8


def choose_bits(
    costs: Mapping[str, float],
    sizes: Mapping[str, int],
    *,
    most_bytes: float | None = None,
    most_loss: float | None = None,
) -> dict[str, int]:
    """Return 4 or 8 bits for each layer; 4 where that costs the least for the bytes that it saves.

    Args:
        costs: what 4 bits cost by layer, such as `sensitivities`.
        sizes: weights by layer.
        most_bytes: layers have 4 bits until all need no more than so many bytes;
        most_loss: or as long as the costs of those with 4 bits are no more than this.

    Raises:
        UserError: both bounds or none, layers that differ, or bytes that 4 bits everywhere need, too.
    """
    if (most_bytes is None) == (most_loss is None):
        raise UserError("choose_bits needs one bound: most_bytes or most_loss")
    if set(costs) != set(sizes):
        raise UserError(f"{min(set(costs) ^ set(sizes))} has a cost or a size alone: give both for each layer")
    chosen, spent = dict.fromkeys(sizes, HIGH), 0.0
    for name in sorted(sizes, key=lambda each: costs[each] / sizes[each]):
        if most_bytes is not None and _total(sizes, chosen) <= most_bytes:
            break
        if most_loss is not None and spent + costs[name] > most_loss:
            continue
        chosen[name], spent = LOW, spent + costs[name]
    if most_bytes is not None and (least := _total(sizes, chosen)) > most_bytes:
        raise UserError(f"the layers need {least:.0f} bytes with 4 bits each, and most_bytes is {most_bytes:.0f}")
    return chosen


def _total(sizes: Mapping[str, int], bits: Mapping[str, int]) -> float:
    return sum(block_bytes(size, bits[name]) for name, size in sizes.items())
