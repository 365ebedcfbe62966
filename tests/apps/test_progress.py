"""The bar stands on standard error, if that is a terminal, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import stance
from stance.model.artifact import load_model

pty = pytest.importorskip("pty")
ROOT = Path(stance.__file__).parents[1]
STANCE = [sys.executable, "-c", "from stance.apps.cli import main; main()"]


def said_on_a_terminal(*arguments, stdin=None):
    """Run stance with a terminal as its standard error; return what stands there in the end, line by line."""
    reading, writing = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    command = [*STANCE, *map(str, arguments)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=writing, env=environment, input=stdin, check=True)
    os.close(writing)
    found = b""
    try:
        while chunk := os.read(reading, 1 << 16):
            found += chunk
    except OSError:  # the other side is closed
        pass
    os.close(reading)
    return found.decode().replace("\r", "\n")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(40):
        text = "The Taliban were named. " + "It rained on the delegates. " * 12
        (tmp_path / "in" / f"{i:02}.txt").write_text(text)
    return tmp_path


@pytest.mark.parametrize("output", ["a.jsonl", "parts/"])
def test_a_bar_shows_how_much_is_done_and_how_fast_and_what_was_done_in_the_end(folder, output):
    where = f"{folder}/{output}"
    said = said_on_a_terminal("predict", folder / "in", "--model", "fast", "--gate", "named", "-o", where)
    assert "labelling" in said
    assert "100%" in said
    assert "sentences/s" in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("stance: 520 sentences in ")
    assert last.endswith("30.8% not about the target and not classified")  # 9 of 13 are near the name


def test_how_much_was_encoded_is_told(folder):
    sentences = ["Nobody knows what the Taliban want from Moscow.", "The Taliban remain a worry."]
    assert load_model("auto").predict(sentences, ["", sentences[0]]).encoded == 1
    text = folder / "in" / "40.txt"
    text.write_text(" ".join(sentences))
    said = said_on_a_terminal("predict", text, "--model", "auto", "-o", folder / "a.jsonl")
    assert said.strip().splitlines()[-1].endswith("; 50.0% encoded")


def test_without_a_terminal_nothing_is_told(folder):
    command = [*STANCE, "predict", str(folder / "in"), "--model", "fast", "-o", f"{folder}/parts/"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_there_is_no_bar_where_nobody_knows_how_much_there_is(folder):
    said = said_on_a_terminal("predict", "-", "--model", "fast", "-o", folder / "a.jsonl", stdin=b"The Taliban came.")
    assert "labelling" not in said
    assert "1 sentences in" in said
