"""Whole corpora in parts: each part of the input becomes one parquet file, by itself, wherever it is computed.

A part is some files, or some sentences of tables. What it holds depends on the input alone, not on who computes it; a
finished part says of which input and settings it was made, so that an interrupted job goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import stance
from stance.analysis.familiarity import Watch
from stance.analysis.holding import Holding
from stance.analysis.parquet import metadata_of, schema_of, write_parquet
from stance.analysis.pipeline import Labeller, Sentence, Tally
from stance.codebook import load_codebook, with_blocs
from stance.errors import DataError, StanceError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model
from stance.model.gating import Gating
from stance.text.readers import Columns, Origin, find_origins, read_origin
from stance.text.tables import DEFAULT_ENCODING, written_whole

__all__ = ["DONE", "Done", "Folder", "Part", "Settings", "Survey", "compute", "parts_of"]

DONE = "_SUCCESS"
"""The file that stands in a folder of parts once all of them do, as Hadoop and Spark have it."""
_BYTES, _FILES = 2 << 20, 1000
_lock = threading.Lock()
_loaded: dict[Settings, tuple[StanceModel, Holding, Gating | None]] = {}


@dataclass(frozen=True)
class Settings:
    """All that decides the rows of some passages, as data that goes to other processes and machines.

    Attributes
    ----------
    model, trust_pickle
        As in `stance.load_model`; where a part is computed, the model must be found under this name.
    fingerprint
        That of the model; another one of this name is refused. By default any will do.
    codebook, blocs
        Files of actors and blocs; by default the shipped codebook's.
    speaker, date, pre_split, coverage, max_risk, gate, relevant, columns
        As in `stance.analyze`.
    encoding
        Of text files.
    threads
        Of the encoder; by default one a core. The rows do not depend on it.

    Examples
    --------
    >>> from stance.text.readers import passages_of
    >>> settings = Settings("fast")
    >>> [row["label"] for row in settings.labeller().rows(passages_of(["Talk to the Taliban."]))]
    ['engage']
    """

    model: str | Path = DEFAULT_MODEL
    trust_pickle: bool = False
    fingerprint: str = ""
    codebook: Path | None = None
    blocs: Path | None = None
    speaker: str = ""
    date: str = ""
    pre_split: bool = False
    coverage: float | None = None
    max_risk: float | None = None
    gate: str = ""
    relevant: bool = False
    columns: Columns = field(default_factory=Columns)
    encoding: str = DEFAULT_ENCODING
    threads: int = 0

    def labeller(self) -> Labeller:
        """Return what labels passages; the model is loaded once in a process.

        Raises
        ------
        StanceError
            If the model is absent here, or is another one.
        """
        with _lock:
            if self not in _loaded:
                _loaded.clear()  # one job at a time: a worker that lives long does not collect models
                _loaded[self] = self._load()
            model, holding, gating = _loaded[self]
        rest = {name: getattr(self, name) for name in ("pre_split", "coverage", "max_risk", "relevant")}
        return Labeller(model, holding, gating, **rest)

    def _load(self) -> tuple[StanceModel, Holding, Gating | None]:
        model = load_model(self.model, trust_pickle=self.trust_pickle)
        if self.fingerprint and model.fingerprint != self.fingerprint:
            raise StanceError(
                f"model {self.model} is another one here ({model.fingerprint[:12]}, not {self.fingerprint[:12]}); "
                "install the same version everywhere, or name a folder that all can read"
            )
        if model.encoder is not None:
            model.encoder.threads = self.threads
        book = load_codebook(self.codebook)
        book = book if self.blocs is None else with_blocs(book, self.blocs)
        return model, Holding(model.attributor(book), self.speaker, self.date), Gating.of(model, self.gate)

    @property
    def digest(self) -> str:
        """Sha256 of all that decides the rows."""
        known = {k: v for k, v in asdict(self).items() if k not in {"threads", "model" if self.fingerprint else ""}}
        files = {k: _sha256(Path(v).read_bytes()) for k in ("codebook", "blocs") if (v := known[k]) is not None}
        return _sha256(json.dumps({**known, **files, "version": stance.__version__}, default=str).encode())


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
    """Of all files of a job their bytes, and the columns that their names give; standard input has no size."""

    size: int
    known: Mapping[str, Any]

    @classmethod
    def of(cls, sources: str | Path | Sequence[str | Path], input_format: str = "") -> Survey:
        """Look at the files, and read none."""
        size, known = 0, dict[str, Any]()
        for origin in find_origins(sources, input_format):
            size += 0 if origin.file is None else origin.file.stat().st_size
            known |= origin.known
        return cls(size, known)


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
    waiting: list[tuple[Origin, int]] = []
    count = 0
    for origin in find_origins(sources, input_format):
        read_here = origin.file is None or origin.is_table or (settings.pre_split and origin.kind == "txt")
        if waiting and (read_here or len(waiting) == _FILES or sum(size for _, size in waiting) >= _BYTES):
            yield _part_of_files(count, waiting)
            waiting, count = [], count + 1
        if origin.file is not None and not read_here:
            waiting.append((origin, origin.file.stat().st_size))
            continue
        for part in _parts_of_rows(origin, settings, count, stdin):
            yield part
            count += 1
    if waiting:
        yield _part_of_files(count, waiting)


def _part_of_files(number: int, files: Sequence[tuple[Origin, int]]) -> Part:
    changed = [origin.file.stat().st_mtime_ns for origin, _ in files if origin.file is not None]
    known = [(origin.document, size, time) for (origin, size), time in zip(files, changed, strict=True)]
    return Part(
        number, tuple(origin for origin, _ in files), (), sum(size for _, size in files), _sha256(repr(known).encode())
    )


def _parts_of_rows(origin: Origin, settings: Settings, first: int, stdin: BinaryIO | None) -> Iterator[Part]:
    seen = [0]

    def count(n: int) -> None:
        seen[0] += n

    passages = read_origin(
        origin, settings.columns, settings.encoding, by_line=settings.pre_split, stdin=stdin, seen=count
    )
    waiting: list[Sentence] = []
    number, characters, before = first, 0, 0
    for sentence in settings.labeller().sentences(passages):
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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
            if (found := metadata_of(path / name).get("settings")) != self._digest:
                what = "is damaged, or no part of a job" if found is None else "was made with other settings"
                raise DataError(f"{path / name} {what}; name another folder")
        for name in (*halves, DONE):
            with suppress(FileNotFoundError):
                (path / name).unlink()
        self._there = set(parts)

    def finished(self, part: Part) -> Done | None:
        """Return what is known of a part that stands here already; None if it does not, or its input has changed."""
        if part.name not in self._there:
            return None
        self._there.remove(part.name)
        about = metadata_of(self.path / part.name)
        if about.get("input") != part.digest:
            return None
        return Done(part.number, part.size, Tally(**about["sentences"]))

    def schema(self, first: Part, known: Mapping[str, Any]) -> Any:
        """Return the schema of all parts, which the first one tells, and what is known from the names of files."""
        if self._schema is None:
            labeller = self.settings.labeller()
            rows = [{**known, **s.passage.columns} for s in first.sentences] or [dict(known)]
            self._schema = schema_of([labeller.own_columns(row) for row in rows], labeller.columns)
        return self._schema

    def close(self, done: Iterable[Done]) -> Tally:
        """Write that all parts are there, and return their counts."""
        if self._there:
            raise DataError(
                f"{self.path / min(self._there)} is a part of more input than there is now; remove it, and what "
                "follows it"
            )
        total, parts = Tally(), 0
        for each in done:
            total.add(each.tally)
            parts += 1
        about = {"parts": parts, "sentences": asdict(total), "settings": self._digest, **_about_model(self.settings)}
        with written_whole(self.path / DONE) as made:
            made.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return total


def compute(part: Part, settings: Settings, folder: Path, schema: Any) -> Done:
    """Label a part and write it to the folder, whole or not at all; this is what runs in other processes.

    Raises
    ------
    StanceError
        If something cannot be read or written.
    """
    labeller, watch = settings.labeller(), Watch()
    if part.origins:
        read = partial(read_origin, columns=settings.columns, encoding=settings.encoding)
        rows = labeller.rows(passage for origin in part.origins for passage in read(origin))
    else:
        rows = labeller.label(part.sentences)
    about: dict[str, Any] = {"settings": settings.digest, "input": part.digest, **_about_model(settings)}

    def counted() -> Iterator[dict[str, Any]]:
        yield from watch.through(rows)
        about["sentences"] = asdict(labeller.tally)

    with written_whole(folder / part.name) as path:
        write_parquet(counted(), path, schema, about=about)
    return Done(
        part.number, part.size, labeller.tally, tuple(watch.strangeness(labeller.model, left_out=labeller.left_out))
    )


def _about_model(settings: Settings) -> dict[str, Any]:
    return {"version": stance.__version__, "model": str(settings.model), "model_fingerprint": settings.fingerprint}
