from pathlib import Path

import pytest

from benchmarks.recorded_commands import without_root


@pytest.mark.parametrize("root", ["data", ".", "/tmp/data/"])
def test_the_folder_of_the_data_is_not_in_the_recorded_command(root):
    command = f"python -m distill.run --data {Path(root) / 'sst2'} --out runs/data"
    assert without_root(command, Path(root)) == "python -m distill.run --data DATA/sst2 --out runs/data"


@pytest.mark.parametrize("command", ["python -m distill.run", "python -m distill.run --data glue/sst2 --out runs/data"])
def test_other_data_are_left_alone(command):
    assert without_root(command, Path("/data")) == command
