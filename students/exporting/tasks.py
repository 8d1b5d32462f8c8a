"""What a model answers, and how its answer leaves the graph."""

from dataclasses import dataclass

from transformers import PreTrainedModel

Axes = tuple[str | int, ...]


@dataclass(frozen=True)
class Task:
    """What a model is for.

    Attributes:
        name: "classification" (a regression too), "token-classification", "question-answering" or "embedding".
        outputs: the axes of each output tensor, by its name.
    """

    name: str
    outputs: dict[str, Axes]

    @property
    def each_token(self) -> bool:
        """Whether every token has an answer of its own."""
        return any("sequence" in axes for axes in self.outputs.values())


def task_of(model: PreTrainedModel) -> Task | None:
    """Return what a model answers, as its class says it; None of a class that is not exported.

    A model without a head gives embeddings: the mean of the last hidden states of the tokens that are not padding.
    """
    kind, config = type(model).__name__, model.config
    classes = int(config.num_labels or 0)
    if kind.endswith("ForSequenceClassification"):
        return Task("classification", {"logits": ("batch", classes)})
    if kind.endswith("ForTokenClassification"):
        return Task("token-classification", {"logits": ("batch", "sequence", classes)})
    if kind.endswith("ForQuestionAnswering"):
        return Task("question-answering", dict.fromkeys(("start_logits", "end_logits"), ("batch", "sequence")))
    if model.base_model is model:
        return Task("embedding", {"embeddings": ("batch", config.hidden_size)})
    return None
