"""Whole corpora in parts: each part of the input becomes one parquet file, by itself, wherever it is computed.

A part is some files, or some sentences of tables. What it holds depends on the input alone, not on who computes it; a
finished part says of which input and settings it was made, so that an interrupted job goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from stance.analysis.familiarity import Watch
from stance.analysis.parquet import has_schema, made_by, metadata_of, schema_of, write_parquet
from stance.analysis.pipeline import Labeller, Sentence, Tally
from stance.analysis.settings import Settings
from stance.errors import DataError, StanceError
from stance.text.readers import Origin, find_origins, read_origin
from stance.text.tables import written_whole

__all__ = ["DONE", "Done", "Folder", "Part", "Survey", "compute", "parts_of"]

DONE = "_SUCCESS"
"""The file that stands in a folder of parts once all of them do, as Hadoop and Spark have it."""
_BYTES, _FILES = 2 << 20, 1000
_ROWS_THAT_TELL = 4096


@dataclass(frozen=True)
class Part:
    """A part of the input: files that are read where it is computed, or sentences.

    Attributes
    ----------
    number
        From 0, in the order of the input.
    origins, sentences
        One of them is empty.
    size
        Bytes of the input.
    digest
        Of files their documents, sizes and times of change; of sentences all that they are.
    """

    number: int
    origins: tuple[Origin, ...]
    sentences: tuple[Sentence, ...]
    size: int
    digest: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"part-{self.number:05d}.parquet"


@dataclass(frozen=True)
class Done:
    """What is known of a finished part: its number, the bytes of its input, the counts, and what looked strange."""

    number: int
    size: int
    tally: Tally
    strange: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """Of all files of a job their bytes, the columns that their names give, and the first table; others are not read.

    Standard input has no size, and is not looked at.
    """

    size: int
    known: Mapping[str, Any]
    table: Origin | None
    table_first: bool

    @classmethod
    def of(cls, sources: str | Path | Sequence[str | Path], input_format: str = "") -> Survey:
        """Look at the files; errors as in `stance.read_documents`."""
        size, known, table, table_first = 0, dict[str, Any](), None, False
        for origin in find_origins(sources, input_format):
            size += _size_and_time(origin)[0]
            known |= origin.known
            if origin.is_table and origin.file is not None and table is None:
                table, table_first = origin, not known
        return cls(size, known, table, table_first)

    def columns(self, settings: Settings) -> list[Mapping[str, Any]]:
        """Return columns as far as names of files and the first rows of the first table tell, in their order."""
        passages = [] if self.table is None else read_origin(self.table, settings.columns, settings.encoding)
        rows: list[Mapping[str, Any]] = []
        with suppress(DataError):  # it is told when the job comes to it
            rows.extend(passage.columns for passage in islice(passages, _ROWS_THAT_TELL))
        return [*rows, self.known] if self.table_first else [self.known, *rows]


def parts_of(
    sources: str | Path | Sequence[str | Path],
    settings: Settings,
    *,
    input_format: str = "",
    stdin: BinaryIO | None = None,
) -> Iterator[Part]:
    """Yield the parts of some sources, about 2 MB each; parameters and errors as in `stance.read_documents`.

    Text and web pages are left to be read where the part is computed. Tables, and files whose lines are sentences, are
    read and split here: what a sentence's number and context are may depend on rows far before it.
    """
    waiting: list[tuple[Origin, int, int]] = []
    count = 0
    labeller = settings.labeller()  # for all tables: a document may go on in the next one
    for origin in find_origins(sources, input_format):
        read_here = origin.file is None or origin.is_table or (settings.pre_split and origin.kind == "txt")
        if waiting and (read_here or len(waiting) == _FILES or sum(size for _, size, _ in waiting) >= _BYTES):
            yield _part_of_files(count, waiting)
            waiting, count = [], count + 1
        if origin.file is not None and not read_here:
            waiting.append((replace(origin, file=origin.file.absolute()), *_size_and_time(origin)))
            continue
        for part in _parts_of_rows(origin, settings, labeller, count, stdin):
            yield part
            count += 1
    if waiting or not count:  # there is a part even of nothing, to have the columns
        yield _part_of_files(count, waiting)


def _size_and_time(origin: Origin) -> tuple[int, int]:
    """Return the bytes of a file, and when it was changed, in nanoseconds."""
    try:
        found = None if origin.file is None else origin.file.stat()
    except OSError as error:
        raise DataError(f"{origin.name}: {error.strerror}") from error
    return (0, 0) if found is None else (found.st_size, found.st_mtime_ns)


def _part_of_files(number: int, files: Sequence[tuple[Origin, int, int]]) -> Part:
    known = repr([(origin.document, origin.kind, size, time) for origin, size, time in files])
    origins, size = tuple(origin for origin, _, _ in files), sum(size for _, size, _ in files)
    return Part(number, origins, (), size, hashlib.sha256(known.encode()).hexdigest())


def _parts_of_rows(
    origin: Origin, settings: Settings, labeller: Labeller, first: int, stdin: BinaryIO | None
) -> Iterator[Part]:
    seen = [0]

    def count(n: int) -> None:
        seen[0] += n

    passages = read_origin(
        origin, settings.columns, settings.encoding, by_line=settings.pre_split, stdin=stdin, seen=count
    )
    waiting: list[Sentence] = []
    number, characters, before = first, 0, 0
    for sentence in labeller.sentences(passages):
        if characters >= _BYTES:
            yield _part_of_sentences(number, waiting, seen[0] - before)
            waiting, number, characters, before = [], number + 1, 0, seen[0]
        waiting.append(sentence)
        characters += len(sentence.text) + 100  # a row has other columns, too
    if waiting:
        yield _part_of_sentences(number, waiting, seen[0] - before)


def _part_of_sentences(number: int, sentences: Sequence[Sentence], size: int) -> Part:
    digest = hashlib.sha256()
    for s in sentences:
        known = (
            s.passage.document,
            s.passage.target,
            s.passage.columns,
            s.number,
            s.start,
            s.text,
            s.context,
            s.relevant,
        )
        digest.update(repr(known).encode("utf-8", "surrogatepass"))
    return Part(number, (), tuple(sentences), size, digest.hexdigest())


# -- a folder of finished parts --------------------------------------------------------------------------------------


class Folder:
    """A folder of finished parts.

    Parameters
    ----------
    path
        The folder; it is made if it does not exist.
    settings
        Those of the job.
    resume
        Keep the parts that are there and of the same input; else the folder must be empty.

    Raises
    ------
    DataError
        If the folder holds something else, or parts of other settings.
    """

    def __init__(self, path: Path, settings: Settings, *, resume: bool = False) -> None:
        self.path, self.settings, self._digest = path, settings, settings.digest
        self._schema: Any = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            there = sorted(file.name for file in path.iterdir())
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; name a folder that can be written") from error
        parts = [name for name in there if name.startswith("part-") and name.endswith(".parquet")]
        halves = [name for name in there if name.startswith(".part-") and name.endswith(".part")]
        if others := [name for name in there if name not in {*parts, *halves, DONE}]:
            raise DataError(f"{path} holds {others[0]!r}, which is no part of a job; name another folder")
        if there and not resume:
            raise DataError(f"{path} holds parts of a job; go on with --resume, or name another folder")
        for name in parts:
            found = metadata_of(path / name)  # None of a damaged file, which is computed anew
            if found is not None and found.get("settings") != self._digest:
                what = "was made with other settings" if "settings" in found else "is no part of a job"
                raise DataError(f"{path / name} {what}; name another folder")
        self._clear(DONE)
        self._there = set(parts)

    def _clear(self, *names: str) -> None:
        """Remove files, and what is left of parts that were never finished."""
        halves = (file.name for file in self.path.glob(".part-*.part"))
        for name in (*halves, *names):
            with suppress(FileNotFoundError):
                (self.path / name).unlink()

    def finished(self, part: Part, schema: Any) -> Done | None:
        """Return what is known of a part that stands here already; None if it does not, or would be another now."""
        if part.name not in self._there:
            return None
        self._there.remove(part.name)
        about = metadata_of(self.path / part.name) or {}
        if about.get("input") != part.digest or not has_schema(self.path / part.name, schema):
            return None
        return Done(part.number, part.size, Tally(**about["sentences"]), tuple(about["strange"]))

    def schema(self, first: Part, known: Sequence[Mapping[str, Any]]) -> Any:
        """Return the schema of all parts, which the first one and `Survey.columns` tell."""
        if self._schema is None:
            labeller = self.settings.labeller()
            rows = [*known, *(s.passage.columns for s in first.sentences)]
            self._schema = schema_of([labeller.own_columns(row) for row in rows], labeller.columns)
        return self._schema

    def close(self, done: Iterable[Done]) -> Tally:
        """Write that all parts are there, and return their counts."""
        if self._there:
            raise DataError(
                f"{self.path / min(self._there)} is a part of more input than there is now; remove it, and what "
                "follows it"
            )
        self._clear()
        total, parts = Tally(), 0
        for each in done:
            total.add(each.tally)
            parts += 1
        about = {"parts": parts, "sentences": asdict(total), "settings": self._digest, **_about_model(self.settings)}
        with written_whole(self.path / DONE) as made:
            made.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return total


def compute(part: Part, settings: Settings, digest: str, folder: Path, schema: Any) -> Done:
    """Label a part and write it to the folder, whole or not at all; this is what runs in other processes.

    Parameters
    ----------
    digest
        That of the settings where the job was started: files that they name may be others here.

    Raises
    ------
    StanceError
        If something cannot be read or written, or the settings are others here.
    """
    if settings.digest != digest:
        raise StanceError("the files of actors and blocs, or the version of stance, are others here than at the start")
    labeller, watch = settings.labeller(), Watch()
    if part.origins:
        read = partial(read_origin, columns=settings.columns, encoding=settings.encoding)
        rows = labeller.rows(passage for origin in part.origins for passage in read(origin))
    else:
        rows = labeller.label(part.sentences)
    about: dict[str, Any] = {"settings": digest, "input": part.digest, **_about_model(settings)}

    def counted() -> Iterator[dict[str, Any]]:
        yield from watch.through(rows)
        about["sentences"] = asdict(labeller.tally)
        about["strange"] = watch.strangeness(labeller.model, left_out=labeller.left_out)

    with written_whole(folder / part.name) as path:
        write_parquet(counted(), path, schema, about=about)
    return Done(part.number, part.size, labeller.tally, tuple(about["strange"]))


def _about_model(settings: Settings) -> dict[str, Any]:
    return made_by(Path(settings.model).name, settings.fingerprint)
