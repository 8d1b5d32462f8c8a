"""The ranges of layers' inputs, which are kept beside a checkpoint as JSON."""

from collections.abc import Mapping
from pathlib import Path

from transformers import PreTrainedModel

from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json
from students.calibration import Calibration, trained
from students.fake_quantization.layers import QuantizedLinear

RANGES = "ranges.json"
"""The file's usual name."""

SCHEMA = 1


def ranges_of(model: PreTrainedModel) -> dict[str, float]:
    """Return the largest input of each rounding layer, by its name in the model.

    Raises:
        UserError: the model does not round, or a layer has no range yet.
    """
    layers = _layers(model)
    if lacking := [name for name, layer in layers.items() if not layer.has_range]:
        raise UserError(f"{lacking[0]} has no range yet: run a batch in training mode first")
    return {name: float(layer.largest_input) for name, layer in layers.items()}


def load_ranges(model: PreTrainedModel, ranges: Mapping[str, float]) -> None:
    """Give a model that rounds the ranges that another had; see `ranges_of`.

    Raises:
        UserError: the model does not round, or the ranges are another model's.
    """
    layers = _layers(model)
    if set(layers) != set(ranges):
        name = min(set(layers) ^ set(ranges))
        raise UserError(f"the ranges are of another model: {name} is in one of them alone")
    for name, layer in layers.items():
        layer.largest_input.fill_(ranges[name])
        layer.has_range = True


def write_ranges(model: PreTrainedModel, path: Path) -> None:
    """Write a model's ranges, and how its weights were rounded."""
    settings = next(iter(_layers(model).values())).settings
    weights = {"largest_weight": settings.largest_weight, "per_tensor": settings.per_tensor}
    write_json(path, {"schema": SCHEMA, **weights, "inputs": ranges_of(model)})


def read_ranges(path: Path) -> dict[str, float]:
    """Read the ranges that `write_ranges` wrote.

    Raises:
        UserError: the file can't be read, or holds something else.
    """
    try:
        document = read_json(path)
        if document["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {document['schema']}, and this version reads {SCHEMA}")
        return {str(name): float(most) for name, most in document["inputs"].items()}
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}): give the file that write_ranges wrote") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} holds no ranges ({error}): give the file that write_ranges wrote") from None


def read_calibration(path: Path) -> Calibration:
    """Read what `write_ranges` wrote, as the file of int8-static wants it.

    Raises:
        UserError: see `read_ranges`.
    """
    ranges, document = read_ranges(path), read_json(path)
    try:
        return trained(ranges, int(document["largest_weight"]), per_tensor=bool(document["per_tensor"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no ranges ({error}): give the file that write_ranges wrote") from None


def _layers(model: PreTrainedModel) -> dict[str, QuantizedLinear]:
    found = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    if not found:
        raise UserError(f"this {type(model).__name__} is not fake-quantised: attach it first")
    return found
