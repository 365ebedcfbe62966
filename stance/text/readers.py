"""Documents out of text, html and table files, folders, UN General Debate corpora and standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from stance.errors import DataError, missing_extra
from stance.text.tables import (
    DEFAULT_ENCODING,
    TABLE_SUFFIXES,
    Seen,
    files_of,
    missing,
    open_text,
    read_records,
    unused_name,
)

__all__ = ["Columns", "Origin", "Passage", "find_origins", "passages_of", "read_documents", "read_origin"]

TEXT_SUFFIXES = {
    ".txt": "txt",
    ".text": "txt",
    ".md": "txt",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
SUFFIXES = TEXT_SUFFIXES | TABLE_SUFFIXES
_IN_FOLDERS = {suffix: kind for suffix, kind in SUFFIXES.items() if suffix != ".md"}  # README.md is no document
_UNGDC = re.compile(r"(?P<speaker>[A-Z]{2,4})_(?P<session>\d{1,3})_(?P<year>\d{4})")


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as it stands in the input: a whole file, or one row of a table.

    Attributes
    ----------
    document
        Passages with the same document are read in order, as one text.
    text
        The text; empty where a row has none.
    where
        The file, or ``file:row``.
    context
        The sentence before the text, if the input names it; None if it is to be taken from the passage before.
    target
        What the stance is about, if the input names it.
    start
        Where in the document's file the text starts, in characters; 0 for rows of tables.
    columns
        All other fields of the row, or what the file's name tells.
    whole
        Whether this is the whole document; else other passages of it may follow.
    """

    document: str
    text: str
    where: str
    context: str | None = None
    target: str = ""
    start: int = 0
    columns: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns of a table that mean something.

    Attributes
    ----------
    text
        The text; by default the column ``text``, or the only column, as the first row of each file has it.
    document, target, speaker, context, date
        Its document, what the stance is about, who speaks, the sentence before, when; empty if there is no such column.
        Speaker and date are passed on as ``speaker`` and ``date``; other columns of these names become
        ``input_speaker`` and ``input_date``.
        Without a document column each row is a document of its own, and so is a row whose document is blank.
    """

    text: str = ""
    document: str = ""
    target: str = ""
    speaker: str = ""
    context: str = ""
    date: str = ""


def read_documents(
    sources: str | Path | Sequence[str | Path],
    *,
    columns: Columns | None = None,
    encoding: str = DEFAULT_ENCODING,
    input_format: str = "",
    by_line: bool = False,
    stdin: BinaryIO | None = None,
    seen: Seen | None = None,
) -> Iterator[Passage]:
    """Yield the passages of files and folders, in the order given; files of a folder in the order of their paths.

    Parameters
    ----------
    sources
        Files, folders, or ``-`` for standard input. Folders are read through, all files of a known kind but those
        that are hidden and ``.md``, which must be named; two files of one name are two documents, the second with
        ``~2`` after its name. The names of UN General Debate files (``Session 72 - 2017/PAK_72_2017.txt``) give the
        speaker, session and year.
    columns
        For tables.
    encoding
        Of text formats.
    input_format
        ``txt``, ``html``, ``csv``, ``tsv``, ``jsonl``, ``json`` or ``parquet``, where a file's name does not tell.
    by_line
        Whether each line of a text file is a passage, instead of the whole file.
    stdin
        The binary stream that ``-`` stands for; by default the process's standard input.
    seen
        Called with the number of bytes read, as they are.

    Raises
    ------
    DataError
        If something cannot be read; the message says what, where, and what to do.

    Examples
    --------
    >>> from stance.shipped import shipped
    >>> passage = next(read_documents(shipped("data", "examples", "moscow-format.txt")))
    >>> passage.document
    'moscow-format'
    """
    for origin in find_origins(sources, input_format):
        yield from read_origin(origin, columns, encoding, by_line=by_line, stdin=stdin, seen=seen)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where passages come from.

    Attributes
    ----------
    file
        The file; None for standard input.
    kind
        One of the input formats.
    name
        What it is called in errors.
    document
        The name of its document, or of the table.
    known
        What the file's name tells.
    """

    file: Path | None
    kind: str
    name: str
    document: str
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_table(self) -> bool:
        """Whether its rows are passages."""
        return self.kind in TABLE_SUFFIXES.values()


def find_origins(sources: str | Path | Sequence[str | Path], input_format: str = "") -> Iterator[Origin]:
    """Yield the files that sources stand for; parameters, order and errors as in `read_documents`."""
    taken: set[str] = set()
    for source in [sources] if isinstance(sources, (str, Path)) else sources:
        if str(source) == "-":
            yield Origin(None, input_format or "txt", "standard input", unused_name("stdin", taken))
            continue
        path = Path(source)
        for file in files_of(path, _IN_FOLDERS):
            kind = input_format or SUFFIXES.get(file.suffix.lower(), "")
            if not kind:
                raise DataError(
                    f"{file}: unknown kind of file {file.suffix!r}; say what it is, such as --input-format txt"
                )
            document = file.relative_to(path).with_suffix("").as_posix() if file != path else file.stem
            yield Origin(file, kind, str(file), unused_name(document, taken), _from_name(file))


def _from_name(file: Path) -> dict[str, Any]:
    match = _UNGDC.fullmatch(file.stem)
    if match is None:
        return {}
    return {"speaker": match["speaker"], "session": int(match["session"]), "year": int(match["year"])}


def read_origin(
    origin: Origin,
    columns: Columns | None = None,
    encoding: str = DEFAULT_ENCODING,
    *,
    by_line: bool = False,
    stdin: BinaryIO | None = None,
    seen: Seen | None = None,
) -> Iterator[Passage]:
    """Yield the passages of one file or of standard input; parameters and errors as in `read_documents`."""
    columns, kind = columns or Columns(), origin.kind
    source = origin.file or stdin or sys.stdin.buffer
    if kind == "txt" and by_line:
        yield from _lines(source, encoding, origin, seen)
    elif kind in {"txt", "html"}:
        with open_text(source, encoding, origin.name, seen) as file:
            text = _no_binary(file.read(), origin.name)
        text = _article(text, origin.name) if kind == "html" else text
        yield Passage(origin.document, text, origin.name, columns=origin.known, whole=True)
    elif origin.is_table:
        for where, record in read_records(source, kind, encoding=encoding, name=origin.name, seen=seen):
            columns = columns if columns.text else replace(columns, text=_text_column(record, where))
            own = f"{origin.document}:{where.rsplit(':', 1)[-1]}"
            yield _passage(where, own, record, columns, origin.known)
    else:
        raise DataError(
            f"{origin.name}: unknown input format {kind!r}; known are {', '.join(sorted(set(SUFFIXES.values())))}"
        )


def _lines(source: Path | BinaryIO, encoding: str, origin: Origin, seen: Seen | None) -> Iterator[Passage]:
    start = 0
    with open_text(source, encoding, origin.name, seen) as lines:
        for number, line in enumerate(lines, 1):
            text = _no_binary(line, origin.name).rstrip("\r\n")
            yield Passage(origin.document, text, f"{origin.name}:{number}", start=start, columns=origin.known)
            start += len(line)


def _no_binary(text: str, name: str) -> str:
    if "\0" in text:
        raise DataError(
            f"{name}: it holds a null byte, as files that are no text do; if it is text, say --encoding utf-16-le"
        )
    return text


def _passage(where: str, own: str, record: Mapping[str, Any], columns: Columns, known: Mapping[str, Any]) -> Passage:
    """Return the passage of a row whose text column is named; ``own`` is its document if the row names none."""
    for column in filter(
        None, (columns.text, columns.document, columns.target, columns.speaker, columns.context, columns.date)
    ):
        if column not in record:
            raise DataError(
                f"{where}: no column {column!r}; there are {', '.join(map(str, record))}; "
                "say which you mean, such as with --text-column"
            )
    rest = {**known, **record}
    for used in {columns.text, columns.document} - {""}:
        del rest[used]
    for name, column in (("speaker", columns.speaker), ("date", columns.date)):
        if column and column in rest:
            value = rest.pop(column)
            if name in rest and name in record:
                rest[unused_name(f"input_{name}", {*map(str, record)})] = rest[name]
            rest[name] = value
    document = record[columns.document] if columns.document else None
    return Passage(
        document=own if missing(document) else str(document),
        text=_string(record[columns.text], columns.text, where),
        where=where,
        context=_string(record[columns.context], columns.context, where) if columns.context else None,
        target=_string(record[columns.target], columns.target, where) if columns.target else "",
        columns=rest,
        whole=missing(document),
    )


def _text_column(record: Mapping[str, Any], where: str) -> str:
    if "text" in record:
        return "text"
    if len(record) == 1:
        return str(next(iter(record)))
    raise DataError(
        f"{where}: no column 'text'; there are {', '.join(map(str, record)) or 'none'}; "
        "say which holds the text with --text-column"
    )


def _string(value: Any, column: str, where: str) -> str:
    """Return a cell as text; missing is empty."""
    if value is None or value != value:  # NaN
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: column {column!r} holds {value!r:.40}, not text; put it in quotation marks")
    return value


def _article(html: str, name: str) -> str:
    """Return the article of a web page, its title first, a paragraph a line."""
    try:
        from trafilatura import bare_extraction
    except ImportError as error:
        raise missing_extra("reading html", "html") from error
    found = bare_extraction(html, include_comments=False, include_tables=False, with_metadata=True, favor_recall=True)
    body = getattr(found, "text", None) or ""
    if not body.strip():
        raise DataError(f"{name}: no article found in this page; save its text to a .txt file")
    title = (getattr(found, "title", None) or "").strip()
    return body if not title or body.lstrip().startswith(title) else f"{title}\n{body}"


def passages_of(texts: Iterable[str | Mapping[str, Any]], columns: Columns | None = None) -> Iterator[Passage]:
    """Yield passages of texts, or of records, that are in memory; without a document column they are numbered from 0.

    With one, a record whose document is blank is a document of its own, called ``record 3``.

    Raises
    ------
    DataError
        If an item is neither.
    """
    columns = columns or Columns()
    for i, item in enumerate(texts):
        if isinstance(item, str):
            yield Passage(str(i), item, f"text {i}", whole=True)
        elif isinstance(item, Mapping):
            columns = columns if columns.text else replace(columns, text=_text_column(item, f"record {i}"))
            own = f"record {i}" if columns.document else str(i)
            yield _passage(f"record {i}", own, item, columns, {})
        else:
            raise DataError(f"item {i} is a {type(item).__name__}; give texts, or records with a text")
