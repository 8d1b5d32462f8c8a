"""Models of shapes that transformers doesn't build, read from an ordinary folder of config.json and safetensors.

Layers may differ, they may share their weights, and the word table may be made of two factors. Here a model is made
with its ordinary class, its modules get what the configuration says beside the ordinary fields, and transformers then
loads the weights into them. A folder without such fields is loaded by transformers alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from pocketbert import factorised, sharing
from pocketbert.errors import UserError
from pocketbert.folders import load_config
from pocketbert.layer_sizes import LayerSizes, Sizes, read_sizes
from pocketbert.sharing import holder_of, share_layers

_BERT = {
    "attention": "attention.self",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "feed_forward_in": "intermediate.dense",
    "feed_forward_out": "output.dense",
}
_NAMES = {
    "bert": _BERT,
    "roberta": _BERT,
    "electra": _BERT,
    "distilbert": {
        "attention": "attention",
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "feed_forward_in": "ffn.lin1",
        "feed_forward_out": "ffn.lin2",
    },
}
"""Where each family keeps what may differ between layers."""

_HEADS = {"num_attention_heads", "n_heads"}


def from_pretrained(auto: Any, folder: Path, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:  # noqa: ANN401  (transformers' classes and options are untyped)
    """Load a folder in float32 as `auto.from_pretrained` does, layers that differ included.

    Args:
        auto: one of transformers' Auto classes.
        folder: with config.json and safetensors.
        options: for transformers, such as `num_labels`.

    Returns:
        The model, and transformers' loading information.

    Raises:
        UserError: the sizes in config.json are damaged, contradict the other fields, or are not those of the weights.
    """
    options |= {"use_safetensors": True, "local_files_only": True, "dtype": torch.float32, "output_loading_info": True}
    config = load_config(folder)
    sizes = read_sizes(config, str(folder / "config.json"))
    if sizes is None and not _has_shape(config):
        return auto.from_pretrained(folder, **options)  # type: ignore[no-any-return]  # (untyped)
    if config.model_type not in _NAMES or type(config) not in auto._model_mapping:
        raise UserError(f"{folder}: a {config.model_type} model can't have such a shape: only {', '.join(_NAMES)} can.")
    original = auto._model_mapping[type(config)]
    strict = not options.pop("ignore_mismatched_sizes", False)
    model, info = _shaped(original, sizes).from_pretrained(folder, ignore_mismatched_sizes=True, **options)
    model.__class__ = original
    share_layers(model)
    _check_weights(folder, model, info, strict=strict)
    present = set(dict(model.named_parameters()))  # of shared layers the first, whose weights are the others', too
    return model, info | {"missing_keys": set(info["missing_keys"]) & present}


def new_model(kind: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    """Return a model of a class with all that its configuration asks for; its weights are at random.

    Raises:
        UserError: the configuration's sizes are damaged.
    """
    model: PreTrainedModel = _shaped(kind, read_sizes(config, "the configuration"))(config)
    model.__class__ = kind
    share_layers(model)
    return model


def _has_shape(config: PreTrainedConfig) -> bool:
    return any(getattr(config, field, None) is not None for field in (factorised.FIELD, sharing.FIELD))


def _shaped(original: Any, sizes: Sizes | None) -> Any:  # noqa: ANN401  (a class that is made here has no type of its own)
    """Return a class like `original` whose modules have their shapes from the start; layers are still apart."""

    def initialise(self: Any, config: PreTrainedConfig, *rest: Any, **named: Any) -> None:  # noqa: ANN401  (transformers')
        with nullcontext() if sizes is None else _one_head(config):
            original.__init__(self, config, *rest, **named)
        factorised.shape_table(self)
        if sizes is not None:
            reshape(self, sizes)

    return type(original.__name__, (original,), {"__init__": initialise, "__module__": original.__module__})


@contextmanager
def _one_head(config: PreTrainedConfig) -> Iterator[None]:
    """Let a configuration say one head, which divides any width."""
    heads = config.num_attention_heads
    config.num_attention_heads = 1
    try:
        yield
    finally:
        config.num_attention_heads = heads


def _check_weights(folder: Path, model: PreTrainedModel, info: Mapping[str, Any], *, strict: bool) -> None:
    """Raise UserError where the file's weights have other shapes than the sizes say; a head may, unless strict."""
    encoder = f"{model.base_model_prefix}." if model.base_model is not model else ""
    known = set(dict(model.named_parameters()))  # without those that a shared layer has beside its first
    wrong = sorted(x for x in info["mismatched_keys"] if x[0] in known and (strict or x[0].startswith(encoder)))
    if wrong:
        name, theirs, ours = wrong[0]
        raise UserError(
            f"{folder}: config.json says that {name} is {_shape(ours)}, and in the weights it is {_shape(theirs)}: "
            "take the files that were saved together."
        )


def _shape(shape: torch.Size) -> str:
    return "x".join(str(size) for size in shape)


def encoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """Return the list of a bert, roberta, electra or distilbert model's layers, live."""
    layers = holder_of(model).layer
    assert isinstance(layers, nn.ModuleList)  # noqa: S101  (as transformers makes them)
    return layers


def reshape(model: PreTrainedModel, sizes: Sizes) -> None:
    """Give a model's layers new modules of these sizes, with weights that are still to be loaded.

    Width, embeddings and depth are those of the configuration already.
    """
    names, encoder = _NAMES[model.config.model_type], model.base_model
    for layer, wanted in zip(encoder_layers(model), sizes.layers, strict=True):
        shapes = {
            **dict.fromkeys(("query", "key", "value"), (sizes.hidden, wanted.attention)),
            "output": (wanted.attention, sizes.hidden),
            "feed_forward_in": (sizes.hidden, wanted.feed_forward),
            "feed_forward_out": (wanted.feed_forward, sizes.hidden),
        }
        for name, shape in shapes.items():
            layer.set_submodule(names[name], nn.Linear(*shape))
        set_heads(layer, model.config.model_type, wanted)
    if sizes.embedding and not hasattr(encoder, "embeddings_project"):
        # transformers makes none for tables as wide as the hidden states, as cut ones may be by chance.
        encoder.embeddings_project = nn.Linear(sizes.embedding, sizes.hidden)


def set_heads(layer: nn.Module, family: str, sizes: LayerSizes) -> None:
    """Tell a layer's attention how many heads of which size it has."""
    attention: Any = layer.get_submodule(_NAMES[family]["attention"])
    for name in _HEADS & set(vars(attention)):
        setattr(attention, name, sizes.heads)
    attention.attention_head_size = sizes.head_size
    attention.scaling = sizes.head_size**-0.5
    if hasattr(attention, "all_head_size"):
        attention.all_head_size = sizes.attention
