"""Every command and every piece of Python in the README runs, and what it says it prints is what is printed."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
COMMANDS = [block for language, block in BLOCKS if language == "sh" and "venv" not in block]
INSTALLS = [block for language, block in BLOCKS if language == "sh" and "venv" in block]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder that looks like the checkout, in which commands may write, with `stance` on the path."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "data", folder / "data")
    (folder / "bin").mkdir()
    script = folder / "bin" / "stance"
    script.write_text(f"#!{sys.executable}\nfrom stance.apps.cli import main\nmain()\n")
    script.chmod(0o755)
    return folder


def test_commands_run(checkout):
    environment = {**os.environ, "PATH": f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    assert len(COMMANDS) >= 4
    for block in COMMANDS:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=checkout, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert done.stdout or done.stderr or "-o" in block


def test_python_runs(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    examples = [block for language, block in BLOCKS if language == "python"]
    assert examples
    names: dict = {}
    for i, block in enumerate(examples):
        test = doctest.DocTestParser().get_doctest(block, names, f"README block {i}", "README.md", 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        runner.run(test, clear_globs=False)
        names = test.globs
        assert runner.summarize(verbose=False).failed == 0


def test_install_commands_are_single_lines_and_name_files_that_exist():
    assert len(INSTALLS) == 2
    for block in INSTALLS:
        assert len(block.strip().splitlines()) == 1
        for name in re.findall(r"(data/\S+)", block):
            assert (ROOT / name).exists()


def test_pictures_and_files_named_in_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / name).exists(), name
