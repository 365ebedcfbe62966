"""Rows written out: cells that come back as they were, suffixes, and tables of any codebook."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re

import pytest
from click.testing import CliRunner

from stance.apps.cli import stance as cli
from stance.apps.cli.output import write_rows
from stance.codebook import Codebook, Position
from stance.errors import DataError

CELLS = ["a\rb", "\r", "a\nb", "a\r\nb", "\r\n", 'say "no"', '"', "a,b", "a\tb", " a ", "'a'", "\\", "a\u2028b", "é"]
TWO = Codebook("two", (Position("for"), Position("against")), none_label="neither", both_label="mixed")
EIGHT = Codebook("eight", tuple(Position(f"position {n}") for n in range(8)), none_label="")
PAINTED = re.compile(r"\x1b\[(\d+)m\x1b\[1m([^\x1b]*?) *\x1b\[0m")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def rows_of(*labels, codebook=TWO, abstained=False, text="It rained."):
    """Return a row for each label, and the columns they all have."""
    row = {"document": "d", "sentence": 0, "start": 0, "end": len(text), "text": text, "label": None}
    row |= {f"p_{name}": 0.5 for name in codebook.position_names} | {
        "confidence": 0.5,
        "abstained": abstained,
        "gated": False,
    }
    return [{**row, "label": label} for label in labels], list(row)


def table(rows, codebook=TWO):
    """Return what a terminal gets of rows: the lines of sentences, and all of it."""
    with contextlib.redirect_stdout(Terminal()) as terminal:
        write_rows(rows, rows_of(codebook=codebook)[1], "table", None, codebook=codebook)
    shown = terminal.getvalue()
    return [line for line in shown.splitlines() if "rained" in line], shown


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "100")


def plain(line):
    return re.sub(r"\x1b\[\d+m", "", line)


@pytest.mark.parametrize(("kind", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_every_cell_is_read_back_as_it_was(kind, delimiter, tmp_path):
    given, output = tmp_path / "rows.jsonl", tmp_path / f"rows.{kind}"
    records = [{"text": f"It rained{cell}on.", "cell": cell, "last": ""} for cell in CELLS]
    given.write_text("".join(json.dumps(record) + "\n" for record in records))
    found = CliRunner().invoke(cli, ["predict", str(given), "--pre-split", "--format", kind])
    assert CliRunner().invoke(cli, ["predict", str(given), "--pre-split", "-o", str(output)]).exit_code == 0
    for content in (found.stdout_bytes.decode(), output.read_bytes().decode()):
        rows = list(csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True))
        assert [(row["text"], row["cell"], row["last"]) for row in rows] == [
            (record["text"], record["cell"], "") for record in records
        ]
        assert content.split("\n", 1)[0].endswith(f"{delimiter}cell{delimiter}last")  # rows end in a line feed only


@pytest.mark.parametrize("name", ["o.xlsx", "o.csv.gz", "o.json", "o.txt"])
def test_a_suffix_that_names_no_format_is_refused_unless_one_is_given(name, tmp_path):
    rows, fixed = rows_of("for")
    with pytest.raises(DataError, match=rf"{name}: '\.\w+' names no format .*--format") as error:
        write_rows(rows, fixed, None, tmp_path / name, codebook=TWO)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    write_rows(rows, fixed, "jsonl", tmp_path / name, codebook=TWO)
    assert json.loads((tmp_path / name).read_text())["label"] == "for"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("length", [250, 300])  # too long with what the name of its unfinished form adds, and by itself
def test_a_file_that_cannot_be_made_is_one_line(length, kind, tmp_path):
    rows, fixed = rows_of("for")
    output = tmp_path / f"{'o' * length}.{kind}"
    with pytest.raises(DataError, match=r"^[^\n]+: [^\n]*File name too long[^\n]*; name another file[^\n]*$"):
        write_rows(rows, fixed, None, output, codebook=TWO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "first"), [("o.TAB", "document\t"), ("o.ndjson", '{"document"'), ("o", '{"document"')]
)
def test_other_suffixes_of_a_format_and_none(name, first, tmp_path):
    rows, fixed = rows_of("for")
    write_rows(rows, fixed, None, tmp_path / name, codebook=TWO)
    assert (tmp_path / name).read_text().startswith(first)


@pytest.mark.usefixtures("wide")
def test_a_table_knows_the_labels_of_its_codebook():
    lines, shown = table(rows_of("against", "mixed", "neither", None)[0])
    assert {label for _, label in PAINTED.findall(shown)} == {"against", "mixed"}
    assert len({plain(line).index("It rained") for line in lines}) == 1
    assert "\x1b[2mneither" in shown
    assert "\x1b[2m(blank)" in shown


@pytest.mark.usefixtures("wide")
def test_an_abstained_row_is_quiet_and_keeps_to_its_column():
    (first, second), _ = table([*rows_of("for")[0], *rows_of("for", abstained=True)[0]])
    assert plain(first).index("It rained") == plain(second).index("It rained")
    assert PAINTED.findall(first + second) == [("36", "for")]
    assert plain(second).split()[:2] == ["abstained", "0.50"]


@pytest.mark.usefixtures("wide")
def test_every_one_of_many_positions_has_a_colour_that_no_combination_has():
    _, shown = table(rows_of(*EIGHT.position_names, "position 1+position 2", codebook=EIGHT)[0], EIGHT)
    colours = {label: colour for colour, label in PAINTED.findall(shown)}
    assert set(colours) == {*EIGHT.position_names, "position 1+position 2"}
    assert list(colours.values()).count(colours["position 1+position 2"]) == 1


@pytest.mark.usefixtures("wide")
def test_a_label_wider_than_its_column_pushes_its_own_text_only():
    text = "It rained and rained. " * 12
    lines, _ = table(rows_of("+".join(EIGHT.position_names[:4]), codebook=EIGHT, text=text)[0], EIGHT)
    first, *others = map(plain, lines)
    assert first.startswith("  position 0+position 1+position 2+position 3 0.50  It rained")
    assert others
    assert {len(line) - len(line.lstrip()) for line in others} == {len("position 0") + 9}
    assert max(map(len, [first, *others])) <= 100
    assert " ".join([first.split("0.50")[1].strip(), *(line.strip() for line in others)]) == text.strip()
