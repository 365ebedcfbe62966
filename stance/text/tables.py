"""Records out of csv, tsv, jsonl, json and parquet files, one at a time, and errors that name the place.

Also what all that reads and writes files shares: which files of a folder are read, and writing a file whole.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from stance.errors import DataError, missing_extra

__all__ = [
    "DEFAULT_ENCODING",
    "TABLE_SUFFIXES",
    "Record",
    "Seen",
    "files_of",
    "missing",
    "open_text",
    "read_records",
    "unused_name",
    "written_whole",
]

TABLE_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
DEFAULT_ENCODING = "utf-8-sig"
_PARQUET_ROWS = 4096
_MAYBE_HALF = re.compile(r"\\u[dD][89a-fA-F]")

Record = tuple[str, Mapping[str, Any]]
"""Where a record stands (``file:row``, from 1), and its fields."""
Seen = Callable[[int], None]


def read_records(
    source: Path | BinaryIO,
    kind: str,
    *,
    encoding: str = DEFAULT_ENCODING,
    name: str = "",
    seen: Seen | None = None,
) -> Iterator[Record]:
    """Yield the records of a table.

    Parameters
    ----------
    source
        A file, or a binary stream (not for parquet).
    kind
        ``csv``, ``tsv``, ``jsonl``, ``json`` (a list of objects) or ``parquet``.
    encoding
        Of text formats; by default UTF-8 with or without a byte order mark.
    name
        What to call the source in errors; by default the file's path.
    seen
        Called with the number of bytes read, as they are.

    Raises
    ------
    DataError
        If a record cannot be read; the message says in which row and what to do.
    """
    name = name or str(source)
    if kind == "parquet":
        if not isinstance(source, Path):
            raise DataError(f"{name}: parquet cannot be read from a stream; give the file")
        yield from _parquet(source, name, seen)
        return
    with open_text(source, encoding, name, seen) as text:
        yield from _READERS[kind](text, name)


@contextmanager
def open_text(source: Path | BinaryIO, encoding: str, name: str, seen: Seen | None = None) -> Iterator[io.TextIOBase]:
    """Open a file or stream as text with its line ends kept; bytes that are no text raise `DataError`."""
    try:
        "".encode(encoding)  # unlike a look-up, this refuses codecs that are not of text, such as hex
    except (LookupError, UnicodeError) as error:  # the latter from the codec that is called undefined
        raise DataError(f"encoding {encoding!r} is unknown; try utf-8, latin-1 or cp1252") from error
    if codecs.lookup(encoding).name == "utf-8":
        encoding = DEFAULT_ENCODING  # a byte order mark is no part of the text, also where UTF-8 is asked for
    try:
        with source.open("rb") if isinstance(source, Path) else _kept_open(source) as raw:
            yield _Decoder(raw, encoding, name, seen)
    except OSError as error:
        if isinstance(error, BrokenPipeError) or not isinstance(source, Path):
            raise
        raise DataError(f"{name}: {error.strerror or error}") from error


@contextmanager
def _kept_open(stream: BinaryIO) -> Iterator[BinaryIO]:
    yield stream


class _Decoder(io.TextIOBase):
    """Lines of a binary stream, decoded strictly; errors say at which byte of the file."""

    def __init__(self, raw: BinaryIO, encoding: str, name: str, seen: Seen | None) -> None:
        self._raw, self._encoding, self._name, self._tell = raw, encoding, name, seen
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._seen = 0
        self._done = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        return "".join(self)

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        waiting: list[str] = []  # pieces of a line without its end yet, joined once: a file may be one long line
        half = ""
        while not self._done:
            chunk = self._raw.read(1 << 16)
            self._done = not chunk
            text, half = half + self._decode(chunk), ""
            if text.endswith("\r") and not self._done:  # it may be half of a line end
                text, half = text[:-1], "\r"
            cut = len(text) if self._done else max(text.rfind("\n"), text.rfind("\r")) + 1
            if cut or self._done:
                yield from io.StringIO("".join((*waiting, text[:cut])), newline="")
                waiting.clear()
            waiting.append(text[cut:])

    def _decode(self, chunk: bytes) -> str:
        self._seen += len(chunk)
        if self._tell is not None:
            self._tell(len(chunk))
        encoding = self._encoding.removesuffix("-sig")
        try:
            return self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            # what the decoder was at ends where the chunk ends; a byte order mark before it may be gone
            at = self._seen - len(error.object) + error.start
            byte = error.object[error.start : error.start + 1].hex()
            raise DataError(
                f"{self._name}: byte {at} (0x{byte}) is not {encoding}; "
                "say how the file is encoded, such as --encoding cp1252 (Windows) or latin-1"
            ) from error
        except UnicodeError as error:
            raise DataError(
                f"{self._name}: not {encoding}: {error}; say how the file is encoded, such as --encoding utf-16-le"
            ) from error


def missing(cell: Any) -> bool:
    """Return whether a cell holds nothing: None, not-a-number, or a blank string.

    Examples
    --------
    >>> missing(" "), missing(float("nan")), missing(0)
    (True, True, False)
    """
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def unused_name(name: str, taken: set[str]) -> str:
    """Return a name, numbered if it is taken, and take it: two files of one name are not one document.

    Examples
    --------
    >>> taken = {"speech"}
    >>> unused_name("speech", taken), unused_name("speech", taken)
    ('speech~2', 'speech~3')
    """
    names = chain([name], (f"{name}~{n}" for n in count(2)))
    found = next(made for made in names if made not in taken)
    taken.add(found)
    return found


def files_of(source: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files of a folder and all below it, in the order of their paths; a file is the only one of itself.

    Parameters
    ----------
    source
        A folder, or a file of whatever name.
    suffixes
        What the names of files in folders end in, in lower case. Hidden files and folders are passed over.

    Raises
    ------
    DataError
        If there is no such file or folder, a folder cannot be read, or there is no such file in it.

    Examples
    --------
    >>> from stance.shipped import shipped
    >>> [file.name for file in files_of(shipped("data", "examples", "moscow-format.txt"), {".csv"})]
    ['moscow-format.txt']
    """
    if not source.is_dir():
        if not source.exists():
            raise DataError(f"{source}: no such file or folder")
        yield source
        return
    found = False
    for file in _below(source):
        if file.suffix.lower() in suffixes:
            found = True
            yield file
    if not found:
        raise DataError(f"{source}: no file of a known kind in this folder; known are {', '.join(suffixes)}")


def _below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder that are not hidden; no more than the names of one folder are held at a time."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if not e.name.startswith("."))
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from error
    for name, is_folder in found:
        path = folder / name
        if is_folder:
            yield from _below(path)
        elif not path.is_dir():  # a link to a folder is not followed
            yield path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a file to write, beside the one that is meant and put in its place at the end, or not at all.

    Raises
    ------
    DataError
        If the file cannot be written; what it held before stays. A broken pipe, of another file, is left as it is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     with written_whole(path) as made:
    ...         there = made.write_text("Talk.") and path.exists()
    ...     there, path.read_text()
    (False, 'Talk.')
    """
    made = path.parent / f".{path.name}.{uuid4().hex}.part"  # several machines may write into one folder
    try:
        yield made
        made.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        no_folder = isinstance(error, (FileNotFoundError, NotADirectoryError))
        remedy = "name a file in a folder that exists" if no_folder else "name another file, or make room for it"
        raise DataError(f"{path}: {error.strerror or error}; {remedy}") from error
    finally:
        with suppress(OSError):  # the error that is on its way says more
            made.unlink(missing_ok=True)


# -- formats ---------------------------------------------------------------------------------------------------------


def _delimited(text: io.TextIOBase, name: str, delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(iter(text), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    row = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            what = "a quotation mark is opened and not closed" if "unexpected end" in str(error) else str(error)
            raise DataError(
                f"{name}: row {row + 1} (line {reader.line_num}): {what}; "
                "double the quotation marks within a quoted field"
            ) from error
        if not fields:
            continue
        if header is None:
            header = _header(fields, name)
            continue
        row += 1
        if len(fields) != len(header):
            raise DataError(
                f"{name}: row {row} (line {reader.line_num}) has {len(fields)} fields, the header {len(header)}; "
                "quote fields that hold the delimiter"
            )
        yield f"{name}:{row}", dict(zip(header, fields, strict=True))
    if header is None:
        raise DataError(f"{name}: empty, without even a header; its first row must name the columns, such as text")


def _header(fields: Sequence[str], name: str) -> list[str]:
    """Return the names of the columns; two of the same are refused, and one that holds another delimiter."""
    names = [field.strip() for field in fields]
    if len(names) == 1 and (found := next((c for c in ";\t|" if c in names[0]), "")):
        raise DataError(
            f"{name}: the columns are separated by {found!r}, not by commas; save it with commas, or as .tsv with tabs"
        )
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(f"{name}: column {twice[0]!r} stands twice in the header; rename one")
    return names


def _jsonl(text: io.TextIOBase, name: str) -> Iterator[Record]:
    row = 0
    for number, line in enumerate(text, 1):
        if line.isspace():
            continue
        row += 1
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}: line {number}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(
                f"{name}: line {number}: a {type(record).__name__}, not an object; "
                'each line must be like {"text": ...}'
            )
        if _MAYBE_HALF.search(line):
            _refuse_half_characters(record, f"{name}: line {number}")
        yield f"{name}:{row}", record


def _json(text: io.TextIOBase, name: str) -> Iterator[Record]:
    try:
        content = text.read()
        records = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON: {error}; if each line is an object, name the file .jsonl") from error
    maybe_half = _MAYBE_HALF.search(content)
    if isinstance(records, dict):
        records = [records]
    for row, record in enumerate(records if isinstance(records, list) else [records], 1):
        if not isinstance(record, dict):
            raise DataError(
                f'{name}: item {row}: a {type(record).__name__}, not an object; each must be like {{"text": ...}}'
            )
        if maybe_half:
            _refuse_half_characters(record, f"{name}: item {row}")
        yield f"{name}:{row}", record


def _refuse_half_characters(record: Any, where: str) -> None:
    r"""Refuse one half of a character, such as ``\ud83d`` of a cut emoji: no file can hold it as text."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise DataError(f"{where}: {half} is half a character; take it out, or put \\ufffd for it") from error


_READERS: dict[str, Callable[[io.TextIOBase, str], Iterator[Record]]] = {
    "csv": partial(_delimited, delimiter=","),
    "tsv": partial(_delimited, delimiter="\t"),
    "jsonl": _jsonl,
    "json": _json,
}


def _parquet(path: Path, name: str, seen: Seen | None) -> Iterator[Record]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("reading parquet", "parquet") from error
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            _header(file.schema_arrow.names, name)
            for batch in file.iter_batches(_PARQUET_ROWS):
                for record in batch.to_pylist():
                    row += 1
                    yield f"{name}:{row}", record
                if seen is not None:
                    seen(path.stat().st_size * batch.num_rows // file.metadata.num_rows)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: row {row + 1} or after: text that is not utf-8; write the file anew") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: not a readable parquet file: {error}; write it anew") from error
