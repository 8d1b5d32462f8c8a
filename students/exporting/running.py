"""Run an ONNX classifier. Needs onnxruntime and NumPy alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from pocketbert.errors import UserError

Encoding = Mapping[str, Sequence[int]]
"""One tokenised text: `input_ids`, and what else the tokenizer gives, each of the same length."""


def open_session(path: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Open a file for the CPU.

    Args:
        path: the .onnx file.
        threads: threads within an operator; None leaves the choice to onnxruntime (one a core). Waiting
            threads do not spin: that would take the core from whatever else the machine does.

    Raises:
        UserError: no such file, or onnxruntime cannot load it.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: give an .onnx file in it")
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public base class
        reason = str(error).splitlines()[0]
        if "is not a registered function/op" in reason and "Tokenizer" in reason:
            raise UserError(
                f"{path} takes a text, and can't be run or measured here: give the file of that name that takes ids, "
                "in the folder above"
            ) from None
        raise UserError(f"{path} is not a model that onnxruntime can load: {reason}") from error


def run_onnx(
    path: Path, encodings: Sequence[Encoding], batch_size: int = 32, threads: int | None = None
) -> npt.NDArray[np.float32]:
    """Return the logits [texts, classes] of a file, in the order of the texts.

    Texts of similar length are batched together, so that little is padded. Int8 files quantise activations
    with one scale a batch: their logits depend slightly on what shares the batch; `batch_size=1` is what a
    device does.

    Args:
        path: the .onnx file; its inputs decide what is fed.
        encodings: the tokenised texts; `attention_mask` and `token_type_ids` default to ones and zeros.
        batch_size: texts a call.
        threads: see `open_session`.

    Raises:
        UserError: no text, an unreadable file, or an input that neither the encodings nor a default provides.
    """
    if not encodings:
        raise UserError("no text to run the model on: the list of encodings is empty")
    session = open_session(path, threads)
    check_length(session, path.name, max(len(encoding["input_ids"]) for encoding in encodings))
    pad_token = int(session.get_modelmeta().custom_metadata_map.get("pad_token_id", 0))
    order = np.argsort([len(encoding["input_ids"]) for encoding in encodings], kind="stable")
    logits: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(order), batch_size):
        chosen = [encodings[index] for index in order[start : start + batch_size]]
        feed = {x.name: padded(chosen, x.name, pad_token) for x in session.get_inputs()}
        logits.append(session.run(["logits"], feed)[0])
    sorted_logits = np.concatenate(logits)
    result = np.empty_like(sorted_logits)
    result[order] = sorted_logits
    return result


def run_each(
    path: Path, encodings: Sequence[Encoding], threads: int | None = None
) -> list[dict[str, npt.NDArray[np.float32]]]:
    """Return all outputs of a file for each text alone, by name and without the batch axis.

    Args:
        path: the .onnx file, of any task.
        encodings: see `run_onnx`.
        threads: see `open_session`.

    Raises:
        UserError: see `run_onnx`; a call fails, as with ids that another model's file lacks.
    """
    if not encodings:
        raise UserError("no text to run the model on: the list of encodings is empty")
    session = open_session(path, threads)
    check_length(session, path.name, max(len(encoding["input_ids"]) for encoding in encodings))
    names = [x.name for x in session.get_outputs()]
    feeds = [{x.name: padded([encoding], x.name) for x in session.get_inputs()} for encoding in encodings]
    try:
        answers = [session.run(None, feed) for feed in feeds]
    except Exception as error:  # onnxruntime's errors share no public base class
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path.name} can't be run on these texts: {reason}") from error
    return [{name: values[0] for name, values in zip(names, each, strict=True)} for each in answers]


def longest_of(session: onnxruntime.InferenceSession) -> int | None:
    """Return the most tokens that a file says it can read; None where it says nothing."""
    longest = session.get_modelmeta().custom_metadata_map.get("max_length")
    return None if longest is None else int(longest)


def check_length(session: onnxruntime.InferenceSession, name: str, length: int, advice: str = "truncate it") -> None:
    """Raise UserError, with advice, if a text of `length` tokens is longer than the file says it can read."""
    longest = longest_of(session)
    if longest is not None and length > longest:
        raise UserError(f"{name} reads at most {longest} tokens, and a text has {length}: {advice}")


def padded(encodings: Sequence[Encoding], name: str, pad_token: int = 0) -> npt.NDArray[np.int64]:
    """Return one input as int64 [texts, longest], padded on the right (the mask of the padding is 0)."""
    longest = max(len(encoding["input_ids"]) for encoding in encodings)
    result = np.full((len(encodings), longest), pad_token if name == "input_ids" else 0, dtype=np.int64)
    for row, encoding in zip(result, encodings, strict=True):
        row[: len(encoding["input_ids"])] = encoding[name] if name in encoding else _default(encoding, name)
    return result


def _default(encoding: Encoding, name: str) -> list[int]:
    values = {"attention_mask": 1, "token_type_ids": 0}
    if name not in values:
        raise UserError(f"the model asks for the input '{name}', and the texts have: {', '.join(encoding)}")
    return [values[name]] * len(encoding["input_ids"])
