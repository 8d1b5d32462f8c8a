"""What PyTorch answers, under the names that the files' outputs have."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from students.exporting.blocks import input_names
from students.exporting.tasks import Task


@torch.inference_mode()
def torch_answers(
    model: PreTrainedModel, task: Task, feed: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return a model's answers to a batch.

    Args:
        model: on any device; it answers in evaluation mode, and has its own again afterwards.
        task: its own.
        feed: [batch, sequence] by input name; what the model does not ask for is left out.
    """
    asked = input_names(model)
    was_training = model.training
    model.eval()
    output = model(**{name: torch.from_numpy(ids).to(model.device) for name, ids in feed.items() if name in asked})
    model.train(was_training)
    if task.name == "embedding":
        mask = torch.from_numpy(feed["attention_mask"])[..., None].float()
        return {"embeddings": np.asarray((output.last_hidden_state.float().cpu() * mask).sum(1) / mask.sum(1))}
    return {name: np.asarray(output[name].float().cpu()) for name in task.outputs}
