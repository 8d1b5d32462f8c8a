"""The page computes as the laptop does."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from benchmarks.phone.serving import PAGE
from students.exporting import golden

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

RUN = """
import {{ compared, percentile }} from "{module}";
let text = "";
for await (const part of process.stdin) text += part;
const {{ cases, values, shares }} = JSON.parse(text);
const last = (value) => (Array.isArray(value[0]) ? last(value[0]) : value.length);
const plain = (value) => ({{ data: value.flat(Infinity), width: last(value) }});
const given = (each) => Object.fromEntries(Object.entries(each).map(([name, value]) => [name, plain(value)]));
const answers = cases.map(({{ task, expected, actual }}) => compared(task, expected, actual.map(given)));
console.log(JSON.stringify({{ answers, shares: shares.map((share) => percentile(values, share)) }}));
"""


def _cases():
    draw = np.random.default_rng(0)
    shapes = {
        "classification": {"logits": (3,)},
        "token-classification": {"logits": (5, 4)},
        "question-answering": {"start_logits": (6,), "end_logits": (6,)},
        "embedding": {"embeddings": (8,)},
    }
    for task, outputs in [*shapes.items(), ("classification", {"logits": (1,)})]:
        expected = [{name: draw.normal(size=shape) for name, shape in outputs.items()} for _ in range(7)]
        actual = [
            {name: value + 0.7 * draw.normal(size=value.shape) for name, value in each.items()} for each in expected
        ]
        yield task, expected, actual


def test_answers_are_compared_and_samples_summed_up_alike():
    values, shares = np.random.default_rng(1).gamma(2.0, size=53), (0.5, 0.9, 0.99)
    cases = list(_cases())
    plain = [{"task": task, "expected": _plain(expected), "actual": _plain(actual)} for task, expected, actual in cases]
    script = RUN.format(module=(PAGE / "statistics.js").as_uri())
    asked = json.dumps({"cases": plain, "values": values.tolist(), "shares": shares})
    command = [shutil.which("node"), "--input-type=module", "-e", script]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    for (task, expected, actual), found in zip(cases, said["answers"], strict=True):
        wanted = golden.compare(task, expected, actual)
        assert found == pytest.approx(vars(wanted)), task
        if wanted.agreement is not None and task != "embedding":
            assert 0 < wanted.agreement < 1, "the case can tell"
    assert said["shares"] == pytest.approx(np.quantile(values, shares))


def _plain(answers):
    return [{name: value.tolist() for name, value in each.items()} for each in answers]
