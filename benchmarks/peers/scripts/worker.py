"""One model in one runtime, which does over a pipe what it is told; needs that runtime and NumPy alone.

A line of JSON on standard input is answered by a line of JSON on standard output, and by nothing until it is done:

    {"do": "open", "runtime": R, "path": P, "threads": 1, "texts": [...], "shortest": 0.002, "warm_up": 3}
                                              -> {"versions": {...}, "calls": {"16": 4, ...}}
    {"do": "sample", "length": 16, "count": 5} -> {"seconds": [...]}
    {"do": "answer", "texts": [...]}           -> {"logits": [[...], ...]}

A text is a mapping of input names to lists of ids; those of "open" are what is timed, one for each length. What goes
wrong is {"error": "one line"}. The end of the input is the end of the worker.
"""

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

Feed = dict[str, npt.NDArray[np.int64]]
Call = Callable[[], Any]
"""Runs a prepared text once and returns its logits [1, classes]."""

Opened = tuple[dict[str, str], Callable[[Feed], Call]]
"""Versions, and what makes a text ready to be run."""


def open_onnxruntime(path: Path, threads: int) -> Opened:
    """Open an ONNX file with onnxruntime's default optimizations."""
    import onnxruntime  # noqa: PLC0415  (only the runtime asked for need be there)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.inter_op_num_threads, options.intra_op_num_threads = 1, threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]

    def prepare(feed: Feed) -> Call:
        known = {name: feed[name] for name in names}
        return lambda: session.run(None, known)[0]

    return {"onnxruntime": onnxruntime.__version__}, prepare


def open_torch(path: Path, threads: int, *, compiled: bool = False) -> Opened:
    """Open a Hugging Face folder with PyTorch; compiled, each length is a static shape of its own."""
    import torch  # noqa: PLC0415  (only the runtime asked for need be there)
    import transformers  # noqa: PLC0415  (the same)

    torch.set_num_threads(threads)
    auto: Any = transformers.AutoModelForSequenceClassification
    model = auto.from_pretrained(path, use_safetensors=True, local_files_only=True, dtype=torch.float32).eval()
    run = torch.compile(model, dynamic=False) if compiled else model

    def prepare(feed: Feed) -> Call:
        tensors = {name: torch.from_numpy(ids) for name, ids in feed.items()}

        @torch.inference_mode()
        def call() -> Any:  # noqa: ANN401  (PyTorch is no part of this file's types)
            return run(**tensors).logits

        return call

    return {"torch": torch.__version__, "transformers": transformers.__version__}, prepare


def open_openvino(path: Path, threads: int, *, static: bool = False, exact: bool = False) -> Opened:
    """Open OpenVINO's .xml.

    Args:
        path: the file.
        threads: of one stream.
        static: compile every shape for itself.
        exact: compute in float32 what is not in int8, where processors with bfloat16 take that by default; fp32 files
            are always run so.
    """
    import openvino  # noqa: PLC0415  (only the runtime asked for need be there)

    core = openvino.Core()
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    if exact or "fp32" in path.name:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    dynamic = core.compile_model(path, "CPU", settings)
    names = [x.get_any_name() for x in dynamic.inputs]

    @functools.cache
    def compiled(shape: tuple[int, ...]) -> Any:  # noqa: ANN401  (OpenVINO is no part of this file's types)
        model = core.read_model(path)
        model.reshape({name: list(shape) for name in names})
        return core.compile_model(model, "CPU", settings)

    def prepare(feed: Feed) -> Call:
        known = {name: feed[name] for name in names}
        request = (compiled(known[names[0]].shape) if static else dynamic).create_infer_request()
        return lambda: request.infer(known, share_inputs=True, share_outputs=True)[0]

    precision = dynamic.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return {"openvino": openvino.__version__.partition("-")[0], "what is not int8 in": precision}, prepare


RUNTIMES: dict[str, Callable[[Path, int], Opened]] = {
    "onnxruntime": open_onnxruntime,
    "torch": open_torch,
    "torch.compile": lambda path, threads: open_torch(path, threads, compiled=True),
    "openvino": open_openvino,
    "openvino static": lambda path, threads: open_openvino(path, threads, static=True),
    "openvino static exact": lambda path, threads: open_openvino(path, threads, static=True, exact=True),
}
STATIC = ("torch.compile", "openvino static", "openvino static exact")
"""They run only texts of the lengths that they were opened with: others are padded."""


class Worker:
    """Does what the lines say."""

    def do(self, line: str) -> dict[str, Any]:
        """Obey one line and return the answer to it."""
        order = json.loads(line)
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "open": self.open,
            "sample": self.sample,
            "answer": self.answer,
        }
        return actions[order.pop("do")](**order)

    def open(
        self, runtime: str, path: str, threads: int, texts: list[dict[str, list[int]]], shortest: float, warm_up: int
    ) -> dict[str, Any]:
        """Open the model and run every text until it is warm."""
        versions, self._prepare = RUNTIMES[runtime](Path(path), threads)
        feeds = [_feed(text) for text in texts]
        self._lengths = sorted(ids["input_ids"].shape[1] for ids in feeds) if runtime in STATIC else []
        self._ready = {ids["input_ids"].shape[1]: self._prepare(ids) for ids in feeds}
        self._calls = {}
        for length, call in self._ready.items():
            times = [_seconds(call, 1) for _ in range(warm_up)]
            self._calls[length] = max(1, round(0.5 + shortest / min(times)))
        return {"versions": versions, "calls": self._calls}

    def sample(self, length: int, count: int) -> dict[str, Any]:
        """Time a text: the mean of its calls, some times over, after once that does not count."""
        call, calls = self._ready[length], self._calls[length]
        return {"seconds": [_seconds(call, calls) for _ in range(count + 1)][1:]}

    def answer(self, texts: list[dict[str, list[int]]]) -> dict[str, Any]:
        """Run texts alone, one after the other."""
        logits = []
        for text in texts:
            longest = len(text["input_ids"])
            padded = min((length for length in self._lengths if length >= longest), default=longest)
            logits.append(np.asarray(self._prepare(_feed(text, padded))())[0].tolist())
        return {"logits": logits}


def _feed(text: dict[str, list[int]], length: int = 0) -> Feed:
    missing = max(0, length - len(text["input_ids"]))
    return {name: np.array([ids + [0] * missing], np.int64) for name, ids in text.items()}


def _seconds(call: Call, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def main(lines: TextIO, answers: TextIO) -> None:
    """Obey line after line."""
    worker = Worker()
    for line in lines:
        try:
            answer = worker.do(line)
        except Exception as error:  # whatever a runtime raises is told, and is the other side's to judge
            reason = (str(error).strip() or "no reason given").splitlines()[0]
            answer = {"error": f"{type(error).__name__}: {reason}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Libraries print, too: what they write goes to standard error.
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(sys.stdin, pipe)
