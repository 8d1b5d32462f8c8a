"""Models of other shapes than transformers builds from a configuration: built, and read back from a folder."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from students import factorised, sharing


def reshape(model: PreTrainedModel) -> PreTrainedModel:
    """Give a new model the shape that fields of its configuration ask for, in place; what is new is at random."""
    factorised.shape_table(model)
    sharing.share_layers(model)
    return model


def is_reshaped(config: PreTrainedConfig) -> bool:
    """Tell whether a configuration asks for a shape of ours."""
    return any(getattr(config, field, None) is not None for field in (factorised.FIELD, sharing.FIELD))


def from_folder(auto: Any, folder: Path, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:  # noqa: ANN401  (untyped classes)
    """Return what `auto.from_pretrained` returns, for a model of such a shape, too.

    Args:
        auto: one of transformers' Auto classes.
        folder: with config.json and weights in safetensors.
        options: of `from_pretrained`.

    Returns:
        The model, and what could not be loaded: `missing_keys`.
    """
    config = AutoConfig.from_pretrained(folder)
    if not is_reshaped(config):
        model, info = auto.from_pretrained(folder, output_loading_info=True, **options)
        return model, info
    reshaped = reshape(auto.from_config(config))
    return reshaped, {"missing_keys": _read(reshaped, folder)}


def _read(model: PreTrainedModel, folder: Path) -> list[str]:
    """Read a folder's weights; return the names of those that it lacks under any name."""
    state = {name: weight for file in sorted(folder.glob("*.safetensors")) for name, weight in load_file(file).items()}
    prefix = f"{model.base_model_prefix}."
    if model.base_model is model:
        state = {name.removeprefix(prefix): weight for name, weight in state.items()}
    model.load_state_dict(state, strict=False)
    weights = dict(model.named_parameters(remove_duplicate=False))
    read = {id(weight) for name, weight in weights.items() if name in state}
    return [name for name, weight in weights.items() if id(weight) not in read]
