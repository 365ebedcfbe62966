"""The same path on many processes and machines: by joblib, Dask or Spark, which see to the spreading.

A job is a folder of parts (`stance.analysis.parts`), which `run` has computed in this process, by joblib's processes,
or by Dask's workers. `label_partition` is the same for frames: from a partition of texts to a partition of sentences,
for ``dask.dataframe.map_partitions``; `label_partitions` is its form for Spark's ``mapInPandas``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stance.analysis.parts import Done, Folder, Part, Settings, Survey, compute, parts_of
from stance.analysis.pipeline import Tally, framed
from stance.errors import DataError, StanceError, missing_extra
from stance.text.readers import passages_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENGINES", "Settings", "label_partition", "label_partitions", "meta_of", "run", "spark_schema"]

ENGINES = ("joblib", "dask")
_AHEAD = 4  # parts that wait for each worker
_RETRIES = 3

Work = Callable[[Part], Done]


def run(
    sources: str | Path | Sequence[str | Path],
    output: Path,
    settings: Settings,
    *,
    engine: str = "joblib",
    jobs: int = 1,
    scheduler: str = "",
    resume: bool = False,
    input_format: str = "",
    stdin: BinaryIO | None = None,
    progress: Callable[[Done], None] | None = None,
) -> tuple[Tally, list[str]]:
    """Label a corpus into a folder of parquet parts, in the order of the input.

    Parameters
    ----------
    sources, input_format, stdin
        As in `stance.read_documents`.
    output
        The folder; a part stands in it whole or not at all, and `DONE` once all do.
    settings
        What decides the rows.
    engine, jobs
        ``joblib`` with so many processes (-1 for one a core), or ``dask`` with so many workers of its own.
    scheduler
        The address of a Dask scheduler whose workers are taken instead; they must see the same files and folders.
    resume
        Keep the parts that are finished already.
    progress
        Called with each part that is finished, in whatever order.

    Returns
    -------
    Tally
        How many sentences there are, and of these how many were held back and encoded.
    list of str
        Why labels may mean little, if all parts look strange.

    Raises
    ------
    StanceError
        If something cannot be read or written, or a worker died; the parts that are finished stay.
    """
    jobs = jobs if jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + jobs)
    settings = replace(settings, fingerprint=settings.labeller().model.fingerprint)
    known = Survey.of(sources, input_format).known
    folder = Folder(output, settings, resume=resume)
    done: list[Done] = []
    broken: list[StanceError] = []

    def tell(each: Done) -> None:
        done.append(each)
        if progress is not None:
            progress(each)

    def missing_parts() -> Iterator[Part]:
        """Yield what is to be computed; engines may ask for it in a thread, where an error would be lost."""
        try:
            for part in parts_of(sources, settings, input_format=input_format, stdin=stdin):
                folder.schema(part, known)
                if (finished := folder.finished(part)) is None:
                    yield part
                else:
                    tell(finished)
        except StanceError as error:
            broken.append(error)

    workers = jobs if engine == "joblib" else 0
    here = replace(settings, threads=max(1, (os.cpu_count() or 1) // workers) if workers > 1 else 0)
    parts = missing_parts()
    first = next(parts, None)
    if first is not None:
        schema = folder.schema(first, known)
        work = partial(compute, settings=here, folder=output.resolve(), schema=schema)
        for each in _engine(engine, jobs, scheduler)(work, _chained(first, parts)):
            tell(each)
    if broken:
        raise broken[0]
    tally = folder.close(done)
    strange = [each.strange for each in sorted(done, key=lambda each: each.number)]
    return tally, list(strange[0]) if strange and all(strange) else []


def _chained(first: Part, rest: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from rest


def _engine(engine: str, jobs: int, scheduler: str) -> Callable[[Work, Iterable[Part]], Iterator[Done]]:
    if engine == "dask" or scheduler:
        return partial(_by_dask, jobs=jobs, scheduler=scheduler)
    return _here if jobs == 1 else partial(_by_joblib, jobs=jobs)


def _here(work: Work, parts: Iterable[Part]) -> Iterator[Done]:
    return map(work, parts)


def _by_joblib(work: Work, parts: Iterable[Part], *, jobs: int) -> Iterator[Done]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=_AHEAD * jobs)
    try:
        yield from parallel(delayed(work)(part) for part in parts)
    except TerminatedWorkerError as error:
        raise StanceError(
            "a process was killed, perhaps for want of memory; the finished parts stay: go on with --resume, and fewer "
            "--jobs"
        ) from error


def _by_dask(work: Work, parts: Iterable[Part], *, jobs: int, scheduler: str) -> Iterator[Done]:
    """Keep some parts waiting for each worker; what a worker that dies was doing is done by another."""
    with _client(jobs, scheduler) as client:
        from distributed import KilledWorker, as_completed

        source = iter(parts)
        most = _AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

        def submitted() -> Any:
            if (part := next(source, None)) is None:
                return None
            return client.submit(work, part, pure=False, retries=_RETRIES)

        started = [future for _ in range(most) if (future := submitted()) is not None]
        waiting = as_completed(started)
        for future in waiting:
            try:
                yield future.result()
            except KilledWorker as error:
                raise StanceError(
                    "workers died over one part again and again, perhaps for want of memory; the finished parts stay: "
                    "go on with --resume"
                ) from error
            if (more := submitted()) is not None:
                waiting.add(more)


@contextmanager
def _client(jobs: int, scheduler: str) -> Iterator[Any]:
    """Yield a client of a scheduler, or of workers of one thread each that are started here."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise missing_extra("the engine dask", "dask") from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise DataError(f"{scheduler}: no Dask scheduler answers there: {error}") from error
        with client:
            yield client
        return
    with (
        LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


# -- frames ----------------------------------------------------------------------------------------------------------


def label_partition(frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Label the sentences of a partition.

    Parameters
    ----------
    frame
        Rows with a text; ``settings.columns.document`` must name the column that tells documents apart, and all rows of
        a document must be in one partition, in their order.
    settings
        What decides the rows.

    Returns
    -------
    pandas.DataFrame
        As `stance.analyze`; the columns depend on those of the frame, not on its rows, which may be none.

    Raises
    ------
    DataError
        If there is no such column, or none is named.

    Examples
    --------
    >>> import pandas as pd
    >>> from stance.text.readers import Columns
    >>> frame = pd.DataFrame({"id": ["a"], "text": ["Talk to the Taliban. It rained."]})
    >>> found = label_partition(frame, Settings("fast", columns=Columns(document="id")))
    >>> found[["document", "sentence", "label"]].values.tolist()
    [['a', 0, 'engage'], ['a', 1, 'none']]
    """
    if not settings.columns.document:
        raise DataError("name the column that tells documents apart: settings.columns.document")
    labeller = settings.labeller()
    rows = list(labeller.rows(passages_of(_records(frame), settings.columns)))
    blank = next(passages_of([dict.fromkeys(frame.columns, "")], settings.columns))
    own = labeller.own_columns(blank.columns)
    types = {name: frame.dtypes[name] for name in own if name in frame.columns}
    return framed(rows, labeller.model, [*labeller.columns, *own]).astype(types)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def label_partitions(frames: Iterable[pd.DataFrame], settings: Settings) -> Iterator[pd.DataFrame]:
    """Label partitions one by one: the function for Spark's ``mapInPandas``."""
    return (label_partition(frame, settings) for frame in frames)


def meta_of(frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return an empty frame with the columns of what `label_partition` returns: the ``meta`` of Dask."""
    return label_partition(frame.iloc[:0], settings)


def spark_schema(frame: pd.DataFrame, settings: Settings) -> str:
    """Return the schema of what `label_partition` returns, as Spark's ``mapInPandas`` takes it.

    Parameters
    ----------
    frame
        Some rows of the input, or none: ``spark_frame.limit(0).toPandas()``.
    """
    kinds = {"i": "bigint", "u": "bigint", "f": "double", "b": "boolean", "M": "timestamp"}
    found = meta_of(frame, settings).dtypes
    return ", ".join(f"`{name}` {kinds.get(getattr(kind, 'kind', 'O'), 'string')}" for name, kind in found.items())
