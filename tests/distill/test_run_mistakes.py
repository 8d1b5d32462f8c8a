"""What the whole command says of mistakes and of a full disk."""

import errno

import pytest

from distill import run
from tests.distill.command import run_command

BAD_INPUT = {
    "teacher": (["--teacher", "minilmm"], "did you mean minilm"),
    "student": (["--student", "tinny"], "did you mean tiny"),
    "recipe": (["--recipe", "distilbrt"], "did you mean distilbert"),
    "heads": (["--student", "layers=2,hidden=16,heads=3"], "heads"),
    "data": (["--data", "nowhere.tsv"], "nowhere.tsv"),
    "column": (["--label-column", "gold"], "gold"),
    "metric": (["--metric", "acuracy"], "did you mean accuracy"),
    "misfit": (["--metric", "spearman"], "spearman"),
    "field": (["--set", "training.epoch=1"], "training.epoch"),
    "hub": (["--teacher", "bert-large"], "--teacher minilm"),
    "weights": (["--teacher-weight", "2", "--teacher-weight", "1"], "error: --teacher-weight is given 2 times"),
    "weight": (["--teacher-weight", "0"], "error: --teacher-weight 0.0: "),
    "seeds": (["--seeds", "0"], "seeds"),
    "start": (["--initialisation", "cutt"], "cut"),
    "misfit start": (["--initialisation", "copy"], "copied"),
    "negative seed": (["--seed", "-1"], "seed"),
    "no rounds": (["--rounds", "0"], "--rounds 0"),
    "no threads": (["--threads", "-3"], "--threads -3"),
    "many threads": (["--threads", "100000"], "this machine has"),
    "no UTF-8": (["--out", "runs/a\udcff"], "UTF-8"),
    "no length": (["--latency-length", "0"], "--latency-length 0"),
    "negative drop": (["--max-drop", "-1"], "--max-drop"),
    "yaml": (["--set", "training.epochs=[1"], "YAML"),
    "no finetuning": (["--no-finetune"], "--no-finetune"),
    "empty student": (["--student", ""], "student"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2(files, tmp_path, case):
    options, message = BAD_INPUT[case]
    result = run_command(files, tmp_path / "run", *options)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 59015872 vs 59015764"), True),
        (RuntimeError("basic_ios::clear: iostream error"), True),
        (
            RuntimeError("PytorchStreamReader failed reading zip archive: [enforce fail at inline_container.cc:200]"),
            False,
        ),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_a_full_disk_is_known_by_all_its_words(error, full):
    assert run._disk_full(error) is full
