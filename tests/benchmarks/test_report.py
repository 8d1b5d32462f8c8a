import copy
import re
from html.parser import HTMLParser

import pytest

from benchmarks.report import FILE_NAME, render, write_report
from pocketbert.errors import UserError
from tests.benchmarks.sample_run import classification_run, regression_run

VOID = {"meta", "br", "link", "img", "hr", "input"}
RUNS = {"classification": classification_run, "regression": regression_run, "empty": dict}


class Page(HTMLParser):
    """Collects tags, ids and the text a reader sees; fails on a tag that does not close the last one opened."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.ids, self.addresses, self.texts = [], set(), [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href", "action", "srcset"}:
                self.addresses.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).replace("\u00a0", " ").split())


@pytest.fixture(scope="module", params=RUNS)
def html(request):
    return render(RUNS[request.param]())


@pytest.fixture(scope="module")
def full():
    return render(classification_run())


def test_tags_are_balanced_and_ids_unique(html):
    page = Page(html)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)


def test_the_page_stands_alone(html):
    page = Page(html)
    assert all(address.startswith("#") for address in page.addresses)
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\((?!#)|@import", html)


def test_a_full_page_has_every_section(full):
    text = Page(full).text
    for said in (
        "minilm → tiny on sst2",
        "keeps 97.2 % of the teacher at 5.1x the speed and 1/9 of the size",
        "Better than the same student trained without the teacher",
        "the machine was busy",
        "[85.4, 89.8]",
        "Over seeds",
        "0.600 ms",
        "1 thread, batch 1, 12 rounds",
        "312->384 projection",
        "hidden states · layers",
        "positive, 97.1 % sure right",
        "evaluation rows 872",
        "label column: label",
        "--control --seeds 3 --out runs/sst2-tiny",
        "temperature: 2.0",
        "2.13.0+cpu",
        "25 min 12 s",
    ):
        assert said in text, said


def test_text_of_the_data_is_escaped(full):
    assert "<script" not in full
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in full
    assert "<b>bamboo</b>" not in render(regression_run())


def test_every_string_of_the_record_is_escaped():
    hostile = "<img src=x onerror=alert(1)>&\"'"

    def poison(value):
        if isinstance(value, dict):
            return {key: poison(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poison(item) for item in value]
        return value + hostile if isinstance(value, str) else value

    # Names by which blocks are found stay as they are.
    run = classification_run()
    poisoned = poison(copy.deepcopy(run))
    for item, known in zip(poisoned["artefacts"], run["artefacts"], strict=True):
        item["name"] = known["name"]
    poisoned["latency"] = run["latency"]
    page = Page(render(poisoned))
    assert "img" not in page.tags
    assert page.open == []


def test_long_texts_are_clipped(full):
    text = Page(full).text
    assert text.count("unflinchingly bleak and desperate") == 8


@pytest.mark.parametrize("block", sorted(regression_run()))
@pytest.mark.parametrize("gone", ["missing", "null"])
def test_any_block_may_be_missing_or_null(block, gone):
    run = regression_run()
    if gone == "missing":
        del run[block]
    elif block != "schema":
        run[block] = None
    assert Page(render(run)).open == []


def test_every_number_may_be_null():
    def without_numbers(value):
        if isinstance(value, dict):
            return {key: without_numbers(item) for key, item in value.items()}
        if isinstance(value, list):
            return [without_numbers(item) for item in value]
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) else value

    run = without_numbers(classification_run()) | {"schema": 1}
    page = Page(render(run))
    assert "nothing was measured" in page.text
    assert not re.search(r"\bNone\b|\bnan\b", page.text)


def test_numbers_that_are_not_finite_are_not_shown():
    run = classification_run()
    run["quality"]["student_int8_onnx"]["kl"] = float("nan")
    run["seeds"][0]["history"][3]["loss"] = float("inf")
    text = Page(render(run)).text
    assert not re.search(r"\b(nan|inf)\b", text, flags=re.IGNORECASE)


def test_a_command_with_bytes_that_are_not_text_is_written(tmp_path):
    run = regression_run() | {"command": "python -m distill.run --data caf\udce9"}
    assert "caf?" in write_report(run, tmp_path).read_text(encoding="utf-8")


def test_the_file_is_written_into_a_new_folder_and_over_an_old_one(tmp_path):
    folder = tmp_path / "runs" / "first"
    write_report(regression_run(), folder)
    path = write_report(classification_run(), folder)
    assert path == folder / FILE_NAME
    assert "minilm → tiny on sst2" in path.read_text(encoding="utf-8")
    assert [item.name for item in folder.iterdir()] == [FILE_NAME]


def test_another_schema_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="schema 2"):
        write_report({"schema": 2}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_record_is_not_changed():
    run = regression_run()
    before = copy.deepcopy(run)
    render(run)
    assert run == before
