import stat

import pytest

from benchmarks.phone.runtime import PINNED, WASM, WEBGPU, runtime
from pocketbert.errors import UserError
from pocketbert.files import read_json

NPM = """#!/bin/sh
echo "$@" >> "{log}"
{then}
"""
INSTALLS = "mkdir -p node_modules/onnxruntime-web/dist; cd node_modules/onnxruntime-web\n" + "\n".join(
    [f"echo {name} > dist/{name}" for name in (*WASM, *WEBGPU)]
    + ["""echo '{"name": "onnxruntime-web"}' > package.json"""]
)


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Put a program in npm's place; returns how often it was asked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def put(then):
        program, log = tmp_path / "bin" / "npm", tmp_path / "log"
        program.parent.mkdir(exist_ok=True)
        program.write_text(NPM.format(log=log, then=then))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return lambda: log.read_text().splitlines()

    return put


def test_it_is_installed_once_without_scripts(npm):
    asked, told = npm(INSTALLS), []
    first, again = runtime(told.append), runtime(told.append)
    assert first == again and len(told) == 1
    assert [line.split()[:2] for line in asked()] == [["ci", "--ignore-scripts"]]
    assert first.files["ort.wasm.min.mjs"].read_text().strip() == "ort.wasm.min.mjs"


def test_what_npm_says_is_passed_on_and_nothing_is_left(npm, tmp_path):
    npm("echo 'npm error 404 Not Found' >&2; exit 1")
    with pytest.raises(UserError, match="npm error 404"):
        runtime(lambda _: None)
    left = {path.name for path in (tmp_path / "cache" / "pocketbert").iterdir()}
    assert all(name.endswith(".lock") for name in left)
    npm(INSTALLS)
    assert runtime(lambda _: None).files


def test_without_npm_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match="npm is not on the PATH"):
        runtime(lambda _: None)


def test_a_damaged_copy_is_said(npm):
    npm(INSTALLS)
    found = runtime(lambda _: None)
    found.files["ort.wasm.min.mjs"].unlink()
    with pytest.raises(UserError, match=r"lacks ort.wasm.min.mjs: remove that folder"):
        runtime(lambda _: None)


def test_the_version_is_pinned_and_its_content_with_it():
    wanted = read_json(PINNED / "package.json")["dependencies"]["onnxruntime-web"]
    locked = read_json(PINNED / "package-lock.json")["packages"]["node_modules/onnxruntime-web"]
    assert locked["version"] == wanted
    assert locked["integrity"].startswith("sha512-")
