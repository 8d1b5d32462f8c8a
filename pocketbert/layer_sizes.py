"""The sizes of an encoder whose layers may differ, and how a configuration holds them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from transformers import PreTrainedConfig

from pocketbert.errors import UserError

FIELD = "layer_sizes"
"""Of config.json, beside transformers' own fields; only where those can't say it."""


@dataclass(frozen=True)
class LayerSizes:
    """Sizes of one encoder layer.

    Attributes:
        heads: attention heads.
        head_size: width of one head.
        feed_forward: neurons inside the feed-forward block.
    """

    heads: int
    head_size: int
    feed_forward: int

    @property
    def attention(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_size


@dataclass(frozen=True)
class Sizes:
    """Sizes of an encoder.

    Attributes:
        hidden: width of the residual stream.
        embedding: width of the lookup tables where a projection follows them (electra); 0 where none does.
        layers: first to last.
    """

    hidden: int
    embedding: int
    layers: tuple[LayerSizes, ...]

    @property
    def uniform(self) -> bool:
        """Whether all layers are alike."""
        return len(set(self.layers)) == 1

    @property
    def expressible(self) -> bool:
        """Whether the ordinary fields of a configuration can say it."""
        same_width = self.layers[0].attention == self.hidden
        return self.uniform and same_width and self.embedding != self.hidden


def write_sizes(config: PreTrainedConfig, sizes: Sizes) -> None:
    """Write an encoder's sizes to its configuration, in place.

    The ordinary fields get the sizes, of layers that differ the largest; the custom field is written only where they
    can't say all.
    """
    config.num_hidden_layers = len(sizes.layers)
    config.hidden_size = sizes.hidden
    config.num_attention_heads = max(layer.heads for layer in sizes.layers)
    setattr(config, _feed_forward(config), max(layer.feed_forward for layer in sizes.layers))
    if config.model_type == "electra":
        config.embedding_size = sizes.embedding or sizes.hidden
    if not sizes.expressible:
        setattr(config, FIELD, asdict(sizes))
    elif hasattr(config, FIELD):
        delattr(config, FIELD)


def read_sizes(config: PreTrainedConfig, where: str) -> Sizes | None:
    """Return the sizes that the custom field of a configuration holds, or None where it has none.

    Args:
        config: the configuration.
        where: what to call it in an error.

    Raises:
        UserError: they are damaged, or contradict the ordinary fields.
    """
    field = getattr(config, FIELD, None)
    if field is None:
        return None
    try:
        sizes = _parsed(field)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{where}: {FIELD} is damaged ({reason}): take the file that was saved with it.") from None
    _check_agreement(config, sizes, where)
    return sizes


def _parsed(field: object) -> Sizes:
    whole = _mapping(field, FIELD)
    layers = whole["layers"]
    if not isinstance(layers, list | tuple) or not layers:
        raise ValueError("layers is no list of layers")
    parsed = [_layer(_mapping(layer, f"layer {number}"), number) for number, layer in enumerate(layers)]
    return Sizes(_size(whole, "hidden"), _size(whole, "embedding", least=0), tuple(parsed))


def _layer(layer: Mapping[str, object], number: int) -> LayerSizes:
    place = f" of layer {number}"
    return LayerSizes(*(_size(layer, name, place) for name in ("heads", "head_size", "feed_forward")))


def _mapping(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is {value!r:.40}")
    return value


def _size(fields: Mapping[str, object], name: str, place: str = "", least: int = 1) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}{place} is {value!r:.40}, not a whole number of at least {least}")
    return value


def _check_agreement(config: PreTrainedConfig, sizes: Sizes, where: str) -> None:
    """Raise UserError where the custom field and the ordinary ones differ."""
    said = {
        "layers": (len(sizes.layers), config.num_hidden_layers),
        "hidden width": (sizes.hidden, config.hidden_size),
        "embedding width": (sizes.embedding or sizes.hidden, getattr(config, "embedding_size", sizes.hidden)),
        "most heads": (max(x.heads for x in sizes.layers), config.num_attention_heads),
        "widest feed-forward": (max(x.feed_forward for x in sizes.layers), getattr(config, _feed_forward(config))),
    }
    for name, (ours, theirs) in said.items():
        if ours != theirs:
            raise UserError(
                f"{where}: {FIELD} contradicts the other fields ({name}: {ours} and {theirs}): take the file that was "
                "saved with the weights."
            )


def _feed_forward(config: PreTrainedConfig) -> str:
    return "hidden_dim" if config.model_type == "distilbert" else "intermediate_size"
