"""The folder that a run leaves can be shipped as it is."""

import pytest

from distill.shipping import title
from pocketbert.files import read_json
from students.exporting.golden import Golden, check
from tests.distill.command import run_command

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize(("data", "labels"), [("labels", ["0", "1"]), ("values", [])])
def test_the_students_files_say_what_its_golden_rows_expect(files, tmp_path, data, labels):
    result = run_command(files, tmp_path / "run", "--set", "training.epochs=1", data=data)
    assert result.returncode == 0, result.stdout + result.stderr
    folder = tmp_path / "run" / "student"
    golden = Golden.read(folder / "golden.json")
    assert check(golden, folder / "model-fp32.onnx").relative_difference < 1e-4
    assert 2 <= len(golden.texts) <= 16
    sizes = [len("".join(text)) for text in golden.texts]
    assert sizes == sorted(sizes)
    assert read_json(folder / "labels.json") == golden.labels == labels
    assert all(isinstance(text, str) == (data == "labels") for text in golden.texts), "the values are of pairs"
    page = (folder / "README.md").read_text()
    assert "model-int8.onnx" in page and str(tmp_path) not in page
    beside = tmp_path / "run" / "teacher-onnx"
    of_teacher = Golden.read(beside / "golden.json")
    assert of_teacher.texts == golden.texts and of_teacher.expected != golden.expected
    assert check(of_teacher, beside / "model-fp32.onnx").relative_difference < 1e-4
    for place, found in ((folder, golden), (beside, of_teacher)):
        assert set(found.made) == {path.name for path in place.glob("*.onnx")}, "each file as it was where it was made"


def test_a_students_heading_has_no_place_of_this_machine(tmp_path):
    assert title("tiny,layers=3", "sst2") == "tiny,layers=3 for sst2"
    assert title(str(tmp_path / "mine"), "sst2") == "mine for sst2"
