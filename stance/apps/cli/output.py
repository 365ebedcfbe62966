"""Rows to a terminal, a pipe or a file, in every format, as they come."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain, cycle, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from stance.analysis.parquet import refuse_new, schema_of, write_parquet
from stance.apps.cli.options import FORMATS
from stance.errors import DataError
from stance.text.tables import written_whole

if TYPE_CHECKING:
    from stance.codebook import Codebook

__all__ = ["check_file", "refuse_input", "write_rows"]

Row = Mapping[str, Any]
_COLOURS = ("cyan", "yellow", "green", "blue", "red", "bright_green")
_OF_SEVERAL = "magenta"
_ABSTAINED, _BLANK = "abstained", "(blank)"
_FIRST = 4096  # rows that tell the types of the input's own columns
_NUMBER = re.compile(r"-?[\d.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def write_rows(
    rows: Iterable[Row],
    fixed: list[str],
    output_format: str | None,
    output: Path | None,
    *,
    codebook: Codebook | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write rows to a file, or to standard output.

    Parameters
    ----------
    rows
        As the pipeline yields them.
    fixed
        The columns that every row has.
    output_format
        One of the formats; by default the file's suffix decides, else a table on a terminal and jsonl in a pipe.
    output
        A file, written beside its place and moved there when complete; by default, or if ``-``, standard output.
    codebook
        The model's; a table of sentences takes the width and the colour of labels from it. Without it the rows are no
        sentences, and a table has their columns.
    about
        What a parquet file keeps in its metadata, of rows of sentences.

    Raises
    ------
    DataError
        If the file cannot be written, its suffix names no format and none is given, or the rows do not fit the format.
    """
    output = None if output == Path("-") else output
    chosen = output_format or _format_of(output)
    if chosen == "parquet":
        if output is None:
            raise DataError("parquet is no format for a terminal or pipe; name a file with -o")
        with _replaced(output) as path:
            _write_parquet(rows, fixed, path, about, of_sentences=codebook is not None)
        return
    of_sentences = None if codebook is None else partial(_write_table, codebook=codebook)
    write = (of_sentences or _write_columns) if chosen == "table" else _WRITERS[chosen]
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # what is no character (half a surrogate pair out of JSON) becomes a question mark, in every format
            sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")
        write(rows, fixed, sys.stdout)
        sys.stdout.flush()
        return
    with _replaced(output) as path, path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        write(rows, fixed, file)


def _format_of(output: Path | None) -> str:
    """Return the format that a file's suffix names; one without a suffix, such as a named pipe, is as standard output.

    Raises
    ------
    DataError
        If the suffix names none: another program would take the file for what it is not.
    """
    if output is None:
        return "table" if sys.stdout.isatty() else "jsonl"
    suffix = output.suffix.lower()
    known = {**{f".{name}": name for name in FORMATS}, ".ndjson": "jsonl", ".tab": "tsv", "": "jsonl"}
    if suffix not in known:
        raise DataError(
            f"{output}: {suffix!r} names no format to write; name the file .csv, .tsv, .jsonl or .parquet, "
            "or say which one with --format"
        )
    return known[suffix]


def check_file(output: Path) -> None:
    """Raise `DataError` if the path can be no file to write; called before the work starts."""
    try:
        is_folder, has_folder = output.is_dir(), output.absolute().parent.is_dir()
    except OSError as error:  # such as a folder that one may not look into
        raise DataError(f"{output}: {error.strerror}; name another file") from error
    if is_folder:
        raise DataError(f"{output} is a folder; name a file")
    if not has_folder:
        raise DataError(f"{output}: there is no folder {output.parent}; make it first")


def refuse_input(output: Path, inputs: Iterable[str]) -> None:
    """Raise `DataError` if the output would replace a file that is read, by itself or as one of a folder."""
    if not output.is_file():
        return
    for source in (Path(name) for name in inputs if name != "-"):
        inside = source.is_dir() and output.resolve().is_relative_to(source.resolve())
        if inside or (source.exists() and source.samefile(output)):
            raise DataError(f"{output} is among the input, and would be replaced; name another file with -o")


@contextmanager
def _replaced(output: Path) -> Iterator[Path]:
    """Yield a path that takes the output's place if all goes well; a device or a named pipe is its own."""
    check_file(output)
    if output.exists() and not output.is_file():
        yield output
        return
    with written_whole(output.resolve()) as made:  # a link stays one
        yield made


# -- jsonl, csv, tsv -------------------------------------------------------------------------------------------------


def _write_jsonl(rows: Iterable[Row], _: list[str], file: IO[str]) -> None:
    for row in rows:
        file.write(_json(row) + "\n")


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # JSON has no NaN and no infinity
        return json.dumps(_finite(value), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_csv(rows: Iterable[Row], fixed: list[str], file: IO[str], delimiter: str = ",") -> None:
    writer: Any = None
    names: list[str] = []
    for row in rows:
        if writer is None:
            names = list(dict.fromkeys([*fixed, *row]))
            writer = csv.writer(_UnixLines(file), delimiter=delimiter)
            writer.writerow(names)
        refuse_new(row, names)
        writer.writerow([_cell(row.get(name)) for name in names])
    if writer is None:
        csv.writer(_UnixLines(file), delimiter=delimiter).writerow(fixed)


class _UnixLines:
    """A file whose rows end in a line feed.

    Before Python 3.13 `csv.writer` quotes only those of carriage return and line feed that end its rows; a cell with
    the other one would not be read back. So rows end in both there, and lose the first here.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _write_tsv(rows: Iterable[Row], fixed: list[str], file: IO[str]) -> None:
    _write_csv(rows, fixed, file, "\t")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return _json(value) if isinstance(value, (list, dict)) else value


def _write_parquet(
    rows: Iterable[Row], fixed: list[str], path: Path, about: Mapping[str, Any] | None, *, of_sentences: bool
) -> None:
    """Write rows; types are those of the pipeline, and of the first rows, or where they are no sentences of all."""
    source = iter(rows)
    first = list(islice(source, _FIRST) if of_sentences else source)
    write_parquet(chain(first, source), path, schema_of(first, fixed, sentences=of_sentences), about=about)


# -- table -----------------------------------------------------------------------------------------------------------


def _write_table(rows: Iterable[Row], _: list[str], file: IO[str], *, codebook: Codebook) -> None:
    """Write for a reader: each sentence with its label and how sure that is, documents under their names."""
    colour = file.isatty() and not os.environ.get("NO_COLOR")
    layout = _Layout(codebook)
    counts: Counter[str] = Counter()
    document = None
    for row in rows:
        if row["document"] != document:
            document = row["document"]
            click.echo(
                ("" if not counts else "\n") + click.style(_printable(str(document)), bold=True),
                file=file,
                color=colour,
            )
        counts[_shown(row)] += 1
        for line in layout.lines_of(row):
            click.echo(line, file=file, color=colour)
    total = ", ".join(f"{n} {label}" for label, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    click.echo(
        f"\n{counts.total()} sentence{'s' * (counts.total() != 1)}: {total}" if counts else "nothing to label",
        file=file,
        color=colour,
    )


def _write_columns(rows: Iterable[Row], fixed: list[str], file: IO[str]) -> None:
    """Write rows in columns, numbers to the right."""
    table = [[_plain(row.get(name)) for name in fixed] for row in rows]
    widths = [max([len(name), *(len(line[k]) for line in table)]) for k, name in enumerate(fixed)]
    right = [all(_NUMBER.fullmatch(line[k]) for line in table) for k in range(len(fixed))]
    for line in [fixed, *table]:
        cells = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True))
        click.echo("  ".join(cells).rstrip(), file=file)


def _plain(value: Any) -> str:
    return "" if value is None or value != value else _printable(str(_cell(value)))


def _shown(row: Row) -> str:
    if row["label"] is None:
        return _BLANK
    return _ABSTAINED if row["abstained"] else _printable(row["label"])


class _Layout:
    """Columns and colours of a table of a codebook's labels."""

    def __init__(self, codebook: Codebook) -> None:
        self._width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        self._label_width = max(len(_printable(label)) for label in (*codebook.labels, _ABSTAINED, _BLANK))
        self._colours = dict(zip(codebook.position_names, cycle(_COLOURS), strict=False))
        self._none = codebook.none_label

    def lines_of(self, row: Row) -> Iterator[str]:
        """Yield the lines of a sentence; a label wider than its column (of several positions) pushes the text on."""
        label = f"{_shown(row):<{self._label_width}}"
        confidence = f"{'' if row['confidence'] is None else format(row['confidence'], '.2f'):>4}"
        quiet = row["label"] is None or row["abstained"] or row["label"] == self._none
        style: dict[str, Any] = {"fg": self._colours.get(row["label"], _OF_SEVERAL), "bold": True}
        head = f"  {click.style(label, **({'dim': True} if quiet else style))} {click.style(confidence, dim=True)}  "
        start, indent = len(label) + len(confidence) + 5, " " * (self._label_width + 9)
        text = _printable(row["text"]) + (f"  [{_printable(row['holder'])}]" if row.get("holder") else "")
        lines = textwrap.wrap(text, max(self._width, start + 20), initial_indent=" " * start, subsequent_indent=indent)
        for number, line in enumerate(lines or [" " * start]):
            at = start if number == 0 else len(indent)
            yield (head if number == 0 else indent) + click.style(line[at:], dim=quiet or None)


def _printable(text: str) -> str:
    """Return a text on one line, without what would command the terminal."""
    return " ".join(_CONTROL.sub(" ", text).split())


_WRITERS: dict[str, Callable[[Iterable[Row], list[str], IO[str]], None]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "tsv": _write_tsv,
}
