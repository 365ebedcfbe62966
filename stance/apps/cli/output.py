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
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click

from stance.errors import DataError, missing_extra

__all__ = ["check_file", "write_rows"]

Row = Mapping[str, Any]
_COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red")
_PART = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def write_rows(rows: Iterable[Row], fixed: list[str], output_format: str | None, output: Path | None) -> None:
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
    """
    output = None if output == Path("-") else output
    chosen = output_format or _format_of(output)
    if chosen == "parquet":
        if output is None:
            raise DataError("parquet is no format for a terminal or pipe; name a file with -o")
        with _replaced(output) as path:
            _write_parquet(rows, fixed, path)
        return
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # what is no character (half a surrogate pair out of JSON) becomes a question mark, in every format
            sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")
        _WRITERS[chosen](rows, fixed, sys.stdout)
        sys.stdout.flush()
        return
    with _replaced(output) as path, path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        _WRITERS[chosen](rows, fixed, file)


def _format_of(output: Path | None) -> str:
    if output is not None:
        suffix = output.suffix.lstrip(".").lower()
        return suffix if suffix in {*_WRITERS, "parquet"} else "jsonl"
    return "table" if sys.stdout.isatty() else "jsonl"


def check_file(output: Path) -> None:
    """Raise `DataError` if the path can be no file to write; called before the work starts."""
    if output.is_dir():
        raise DataError(f"{output} is a folder; name a file")
    if not output.absolute().parent.is_dir():
        raise DataError(f"{output}: there is no folder {output.parent}; make it first")


@contextmanager
def _replaced(output: Path) -> Iterator[Path]:
    """Yield a temporary path that takes the output's place if all goes well, and goes away if not."""
    check_file(output)
    if output.exists() and not output.is_file():  # a device or a named pipe is written to, never replaced
        yield output
        return
    output = output.resolve()
    made = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        made.touch()
    except OSError as error:
        raise DataError(f"{output}: cannot be written: {error.strerror}") from error
    try:
        yield made
        made.replace(output)
    finally:
        made.unlink(missing_ok=True)


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
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow(names)
        _refuse_new(row, names)
        writer.writerow([_cell(row.get(name)) for name in names])
    if writer is None:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerow(fixed)


def _write_tsv(rows: Iterable[Row], fixed: list[str], file: IO[str]) -> None:
    _write_csv(rows, fixed, file, "\t")


def _refuse_new(row: Row, names: Iterable[str]) -> None:
    if strangers := [name for name in row if name not in names]:
        raise DataError(
            f"document {row['document']!r} has a column {strangers[0]!r} that the first row lacks; "
            "write jsonl, or read the files one by one"
        )


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return _json(value) if isinstance(value, (list, dict)) else value


# -- parquet ---------------------------------------------------------------------------------------------------------


def _write_parquet(rows: Iterable[Row], fixed: list[str], path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("writing parquet", "parquet") from error
    types = {"document": pa.string(), "text": pa.string(), "label": pa.string(), "abstained": pa.bool_()}
    types |= {"sentence": pa.int64(), "start": pa.int64(), "end": pa.int64()}
    source = iter(rows)
    part = list(islice(source, _PART))
    names = list(dict.fromkeys([*fixed, *(name for row in part for name in row)]))
    schema = pa.schema(
        [(name, types.get(name) or (pa.float64() if name in fixed else _type(pa, part, name))) for name in names]
    )
    with pq.ParquetWriter(path, schema) as writer:
        while part:
            for row in part:
                _refuse_new(row, names)
            columns = [_column(pa, part, field) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            part = list(islice(source, _PART))


def _type(pa: Any, rows: list[Row], name: str) -> Any:
    """Return the type of a column of the user's by its first rows; text where they do not tell."""
    try:
        found = pa.array([row.get(name) for row in rows]).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def _column(pa: Any, rows: list[Row], field: Any) -> Any:
    values = [row.get(field.name) for row in rows]
    if pa.types.is_string(field.type):
        values = [None if v is None else _encodable(v if isinstance(v, str) else str(_cell(v))) for v in values]
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(
            f"column {field.name!r} is {field.type} in the first rows and not later: {error}; write jsonl"
        ) from error


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


# -- table -----------------------------------------------------------------------------------------------------------


def _write_table(rows: Iterable[Row], fixed: list[str], file: IO[str]) -> None:
    """Write for a reader: each sentence with its label and how sure that is, documents under their names."""
    colour = file.isatty() and not os.environ.get("NO_COLOR")
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    positions = [name.removeprefix("p_") for name in fixed if name.startswith("p_")]
    colours = dict(zip(positions, _COLOURS, strict=False))
    label_width = max(map(len, [*positions, "none", "both"]))
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
        for line in _lines_of(row, width, label_width, colours):
            click.echo(line, file=file, color=colour)
    total = ", ".join(f"{n} {label}" for label, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    click.echo(
        f"\n{counts.total()} sentence{'s' * (counts.total() != 1)}: {total}" if counts else "nothing to label",
        file=file,
        color=colour,
    )


def _shown(row: Row) -> str:
    if row["label"] is None:
        return "(blank)"
    return "abstained" if row["abstained"] else str(row["label"])


def _lines_of(row: Row, width: int, label_width: int, colours: Mapping[str, str]) -> Iterator[str]:
    label = _shown(row)
    confidence = "" if row["confidence"] is None else f"{row['confidence']:.2f}"
    quiet = {label, *label.split("+")}.isdisjoint({*colours, "both"})
    style: dict[str, Any] = {"dim": True} if quiet else {"fg": colours.get(label, "magenta"), "bold": True}
    head = f"{click.style(f'{label:<{label_width}}', **style)} {click.style(f'{confidence:>4}', dim=True)}"
    lines = textwrap.wrap(_printable(row["text"]), max(width - label_width - 9, 20)) or [""]
    for number, line in enumerate(lines):
        yield ("  " + head + "  " if number == 0 else " " * (label_width + 9)) + click.style(line, dim=quiet or None)


def _printable(text: str) -> str:
    """Return a text on one line, without what would command the terminal."""
    return " ".join(_CONTROL.sub(" ", text).split())


_WRITERS: dict[str, Callable[[Iterable[Row], list[str], IO[str]], None]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "tsv": _write_tsv,
    "table": _write_table,
}
