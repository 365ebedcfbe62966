"""Annotated corpora: reading, writing, and what follows from documents."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stance.corpus.exports import Skipped, plain_record
from stance.errors import DataError
from stance.text.tables import (
    DEFAULT_ENCODING,
    TABLE_SUFFIXES,
    files_of,
    missing,
    read_records,
    unused_name,
    written_whole,
)

__all__ = ["Corpus", "CorpusColumns", "read_corpus", "write_corpus"]


@dataclass(frozen=True)
class Corpus:
    """Labelled sentences, in the order of the files.

    Attributes
    ----------
    documents, texts, labels
        For each sentence its document, itself, its label.
    contexts
        The sentence before it in its document, labelled or not, or an empty string. Where a document has several
        targets, it is the sentence before among those of the same target or of none.
    targets
        What the stance is about; empty strings where the corpus has one target.
    where
        The file and row that each sentence comes from, such as ``W1.jsonl:12``; the file by its name, or below a
        folder that was read by the way from there, such as ``2016/W1.jsonl:12``.
    columns
        All other columns (genre, year, speaker, holder, split, ...), by name, each as long as `texts`.
    skipped
        Why rows of the files are not here, and how many for each reason: no label, rejected by the annotator, ...
    """

    documents: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    contexts: tuple[str, ...]
    targets: tuple[str, ...]
    where: tuple[str, ...]
    columns: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def target_names(self) -> tuple[str, ...]:
        """The targets, sorted."""
        return tuple(sorted(set(self.targets)))

    @property
    def sides(self) -> tuple[str, ...]:
        """The column ``split`` (train, test) in lower case without blanks; empty strings where it says nothing."""
        split = self.columns.get("split", (None,) * len(self))
        return tuple("" if missing(side) else str(side).strip().lower() for side in split)

    @property
    def groups(self) -> tuple[str, ...]:
        """What stays together in folds: the column ``group``, and where it says nothing the document.

        A sentence that was made from one of another document names that document there.
        """
        group = self.columns.get("group", (None,) * len(self))
        return tuple(d if missing(g) else str(g) for g, d in zip(group, self.documents, strict=True))

    @property
    def fingerprint(self) -> str:
        """Sha256 of documents, contexts, texts, labels and targets, in order."""
        digest = hashlib.sha256()
        for row in zip(self.documents, self.targets, self.contexts, self.texts, self.labels, strict=True):
            digest.update(json.dumps(row, ensure_ascii=False).encode())
        return digest.hexdigest()

    def take(self, rows: Sequence[int]) -> Corpus:
        """Return the corpus of some rows; their contexts stay what they were."""

        def of(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in rows)

        return Corpus(
            documents=of(self.documents),
            texts=of(self.texts),
            labels=of(self.labels),
            contexts=of(self.contexts),
            targets=of(self.targets),
            where=of(self.where),
            columns={name: of(values) for name, values in self.columns.items()},
            skipped=self.skipped,
        )

    def only(self, column: str, value: str) -> Corpus:
        """Return the rows whose column has a value; for ``split``, whatever its case and the blanks around it.

        Raises
        ------
        DataError
            If there is no such column, or no such row.
        """
        if column not in self.columns:
            raise DataError(f"the corpus has no column {column!r}; it has {', '.join(self.columns) or 'no others'}")
        values = self.sides if column == "split" else tuple(map(str, self.columns[column]))
        sought = value.strip().lower() if column == "split" else value
        rows = [i for i, found in enumerate(values) if found == sought]
        if not rows:
            found = ", ".join(sorted(set(values) - {""})) or "none"
            raise DataError(f"no row of the corpus has {column} = {value!r}; found are {found}")
        return self.take(rows)


@dataclass(frozen=True, slots=True)
class CorpusColumns:
    """The names of the columns of an annotated corpus; empty means the usual name, if it is there.

    Attributes
    ----------
    text, label
        By default ``text`` and ``label``.
    document
        By default ``document``; if there is none, each row is a document of its own, and so is a row without one.
    target, context
        What the stance is about, and the sentence before; by default none.
    """

    text: str = ""
    label: str = ""
    document: str = ""
    target: str = ""
    context: str = ""


def read_corpus(
    sources: str | Path | Sequence[str | Path],
    *,
    columns: CorpusColumns | None = None,
    encoding: str = DEFAULT_ENCODING,
    annotator: str = "",
    lenient: bool = False,
) -> Corpus:
    """Read an annotated corpus of csv, tsv, jsonl, json or parquet files, or folders of them.

    Exports of doccano, Label Studio, Prodigy and Argilla are recognised; see `stance.corpus.exports`. Rows without a
    label are left out and counted in `Corpus.skipped`.

    Parameters
    ----------
    sources
        Files and folders.
    columns
        Names of columns.
    encoding
        Of text formats; UTF-8 with or without a byte order mark by default.
    annotator
        Whose labels to take, where an export has several annotators; by default the majority's.
    lenient
        Whether to keep labelled rows without a text, with an empty one, for `stance.corpus.checks` to find.

    Raises
    ------
    DataError
        If a file cannot be read, an export is malformed, a column is missing, a labelled row has no text, or no row
        has a label.

    Examples
    --------
    >>> from stance.shipped import shipped
    >>> corpus = read_corpus(shipped("data", "corpus"))
    >>> sorted(set(corpus.labels))
    ['both', 'engage', 'none', 'terrorist']
    """
    columns = columns or CorpusColumns()
    paths = [sources] if isinstance(sources, (str, Path)) else sources
    skipped: Counter[str] = Counter()
    rows: list[_Row] = []
    stems: set[str] = set()
    for path, name in _files(paths):
        stem = unused_name(path.stem, stems)
        for where, record in read_records(path, TABLE_SUFFIXES[path.suffix.lower()], encoding=encoding):
            why = "no label"
            try:
                plain = plain_record(record, label=columns.label, annotator=annotator)
            except Skipped as reason:
                why = str(reason)
                plain = {**reason.record, (columns.label or "label"): None}
            except DataError as error:
                raise DataError(f"{where}: {error}") from error
            rows.append(_row(name, stem, where, plain, columns, lenient=lenient))
            skipped[why] += not rows[-1].label
    skipped = +skipped
    if not any(row.label for row in rows):
        reasons = ", ".join(f"{n} rows: {why}" for why, n in skipped.items()) or "no rows"
        raise DataError(
            f"{', '.join(map(str, paths))}: nothing labelled ({reasons}); give rows a label, "
            "or say which column holds it with --label-column"
        )
    return _corpus(rows, dict(skipped))


def _files(sources: Iterable[str | Path]) -> Iterator[tuple[Path, str]]:
    """Yield files with their names: their own, or below a folder the way from there."""
    for source in map(Path, sources):
        for file in files_of(source, TABLE_SUFFIXES):
            if file.suffix.lower() not in TABLE_SUFFIXES:
                known = ", ".join(TABLE_SUFFIXES)
                raise DataError(f"{source}: unknown kind of corpus file {source.suffix!r}; known are {known}")
            yield file, file.name if file == source else file.relative_to(source).as_posix()


@dataclass(frozen=True, slots=True)
class _Row:
    """A row; without a label it is only what the next one follows on."""

    document: str
    text: str
    label: str
    context: str | None
    target: str
    where: str
    rest: dict[str, Any]


def _row(name: str, stem: str, where: str, record: Mapping[str, Any], columns: CorpusColumns, *, lenient: bool) -> _Row:
    rest = dict(record)

    def take(asked: str, usual: str, *, needed: bool) -> Any:
        column = asked or usual
        if column in rest:
            return rest.pop(column)
        if asked or needed:
            raise DataError(
                f"{where}: no column {column!r}; there are {', '.join(map(str, record))}; name it with --{usual}-column"
            )
        return None

    text = take(columns.text, "text", needed=True)
    label = take(columns.label, "label", needed=True)
    document = take(columns.document, "document", needed=False)
    target = take(columns.target, "target", needed=True) if columns.target else ""
    context = take(columns.context, "context", needed=True) if columns.context else None
    number = where.rsplit(":", 1)[-1]
    return _Row(
        document=f"{stem}:{number}" if missing(document) else str(document),
        text=_text(text, where, needed=not missing(label) and not lenient),
        label="" if missing(label) else str(label).strip(),
        context=("" if missing(context) else str(context)) if columns.context else None,
        target="" if missing(target) else str(target),
        where=f"{name}:{number}",
        rest=rest,
    )


def _text(text: Any, where: str, *, needed: bool) -> str:
    if isinstance(text, str) and text.strip():
        return text
    if not needed:
        return ""
    what = "nothing" if missing(text) else f"{text!r:.40}, which is no text"
    raise DataError(f"{where}: the text of a labelled row holds {what}; give it a text, or take out its label")


def _corpus(rows: list[_Row], skipped: Mapping[str, int]) -> Corpus:
    contexts = tuple(context for row, context in zip(rows, _contexts(rows), strict=True) if row.label)
    rows = [row for row in rows if row.label]
    names = dict.fromkeys(name for row in rows for name in row.rest)
    return Corpus(
        documents=tuple(row.document for row in rows),
        texts=tuple(row.text for row in rows),
        labels=tuple(row.label for row in rows),
        contexts=contexts,
        targets=tuple(row.target for row in rows),
        where=tuple(row.where for row in rows),
        columns={name: tuple(row.rest.get(name) for row in rows) for name in names},
        skipped=skipped,
    )


def _contexts(rows: Sequence[_Row]) -> list[str]:
    """Return for each row what its file names as its context, or else the text before it in its document."""
    followed = _texts_before((row.document, row.target, row.text) for row in rows)
    return [before if row.context is None else row.context for row, before in zip(rows, followed, strict=True)]


def _texts_before(rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Yield for each document, target and text the text before: in the document, for the same target or for none.

    A document may have each of its sentences once for each target; what is for no target stands before all.
    """
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for i, (document, target, text) in enumerate(rows):
        yield max(last.get((document, target), (-1, "")), last.get((document, ""), (-1, "")))[1]
        if text:
            last[document, target] = i, text


def write_corpus(corpus: Corpus, path: str | Path) -> None:
    """Write a corpus as jsonl: document, text, label, target if there are any, then the other columns.

    Contexts are written as ``context`` if they do not follow from the order of the rows. `read_corpus` reads targets
    and contexts back if it is told so. The file is written whole or not at all.

    Raises
    ------
    DataError
        If another column bears the name of one of these, or the file cannot be written.
    """
    path = Path(path)
    own = _own_columns(corpus)
    if clash := own.keys() & corpus.columns.keys():
        raise DataError(f"{path}: the corpus has another column {min(clash)!r}; rename it in the file it comes from")
    columns = own | dict(corpus.columns)
    with written_whole(path) as made, made.open("w", encoding="utf-8") as file:
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _own_columns(corpus: Corpus) -> dict[str, tuple[Any, ...]]:
    columns: dict[str, tuple[Any, ...]] = {
        "document": corpus.documents,
        "text": corpus.texts,
        "label": corpus.labels,
    }
    if any(corpus.targets):
        columns["target"] = corpus.targets
    followed = _texts_before(zip(corpus.documents, corpus.targets, corpus.texts, strict=True))
    return columns if tuple(followed) == corpus.contexts else columns | {"context": corpus.contexts}
