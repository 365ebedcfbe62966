"""The same path on many processes and machines: by joblib, Dask or Spark, which see to the spreading.

A job is a folder of parts (`stance.analysis.parts`), which `run` has computed in this process, by joblib's processes,
or by Dask's workers. `label_partition` is the same for frames: from a partition of texts to a partition of sentences,
for ``dask.dataframe.map_partitions``; `label_partitions` is its form for Spark's ``mapInPandas``.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stance.analysis.parquet import as_text
from stance.analysis.parts import Done, Folder, Part, Survey, compute, parts_of
from stance.analysis.pipeline import Labeller, Tally, framed
from stance.analysis.settings import Settings
from stance.errors import DataError, StanceError, missing_extra
from stance.text.readers import Passage, passages_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENGINES", "Settings", "label_partition", "label_partitions", "meta_of", "run", "spark_schema"]

ENGINES = ("joblib", "dask")
_AHEAD = 4  # parts that wait for each worker
_RETRIES = 3
_ROWS = 4096  # of a frame that is made
_ENOUGH = 5  # sentences of a part that can tell whether the text is strange
_PATIENCE = 60  # seconds for a worker to come

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
        What decides the rows; two jobs must not share a folder.
    engine, jobs
        ``joblib`` with so many processes (-1 for one a core), or ``dask`` with so many workers of its own; a script
        that starts these needs ``if __name__ == "__main__":``.
    scheduler
        The address of a Dask scheduler whose workers are taken instead; they must see the same files and folders.
    resume
        Keep the parts that are finished already.
    progress
        Called with each part that is finished, in whatever order.

    Returns
    -------
    tuple
        How many sentences there are, held back and encoded; and why labels may mean little, if all parts look strange.

    Raises
    ------
    StanceError
        If something cannot be read or written, or a worker died; the parts that are finished stay.
    """
    jobs, threads = _processes(engine, jobs, scheduler)
    _refuse_output(output, sources)
    settings = replace(settings.absolute(), fingerprint=settings.labeller().model.fingerprint)
    known = Survey.of(sources, input_format).columns(settings)
    folder = Folder(output, settings, resume=resume)
    done: list[Done] = []
    broken: list[Exception] = []

    def tell(each: Done) -> None:
        done.append(each)
        if progress is not None:
            progress(each)

    def missing_parts() -> Iterator[Part]:
        """Yield what is to be computed; an engine may ask for it in a thread, where an error would be lost for good."""
        try:
            for part in parts_of(sources, settings, input_format=input_format, stdin=stdin):
                if (finished := folder.finished(part, folder.schema(part, known))) is None:
                    yield part
                else:
                    tell(finished)
        except Exception as error:  # of any kind: it is raised below
            broken.append(error)

    parts = missing_parts()
    if (first := next(parts, None)) is not None:
        there = replace(settings, threads=threads)
        schema = folder.schema(first, known)
        work = partial(compute, settings=there, digest=settings.digest, folder=output.resolve(), schema=schema)
        for each in _engine(engine, jobs, scheduler)(work, chain([first], parts)):
            tell(each)
    if broken:
        raise broken[0]
    told = [each for each in sorted(done, key=lambda each: each.number) if each.tally.sentences >= _ENOUGH]
    strange = [each.strange for each in told or done]
    return folder.close(done), list(strange[0]) if all(strange) else []


def _processes(engine: str, jobs: int, scheduler: str) -> tuple[int, int]:
    """Return how many processes there are to be, and how many threads the encoder of each."""
    from joblib import cpu_count

    if engine not in ENGINES:
        raise DataError(f"engine is {engine!r}; it must be one of {', '.join(ENGINES)}")
    cores = cpu_count()
    jobs = jobs if jobs > 0 else max(1, cores + 1 + jobs)
    return jobs, 0 if jobs == 1 or scheduler else max(1, cores // jobs)


def _refuse_output(output: Path, sources: str | Path | Sequence[str | Path]) -> None:
    """Raise `DataError` if the folder of parts would be read itself."""
    for source in [sources] if isinstance(sources, (str, Path)) else sources:
        if str(source) != "-" and output.resolve().is_relative_to(Path(source).resolve()):
            raise DataError(f"{output} is among the input; name a folder outside of {source}")


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
            return client.submit(_answered, work, part, pure=False, retries=_RETRIES)

        started = [future for _ in range(most) if (future := submitted()) is not None]
        waiting = as_completed(started)
        for future in waiting:
            try:
                answer = future.result()
            except KilledWorker as error:
                raise StanceError(
                    "workers died over one part again and again, perhaps for want of memory; the finished parts stay: "
                    "go on with --resume"
                ) from error
            if isinstance(answer, StanceError):
                raise answer
            yield answer
            if (more := submitted()) is not None:
                waiting.add(more)


def _answered(work: Work, part: Part) -> Done | StanceError:
    """Return an error that the user can mend as an answer: Dask would log it, and try again."""
    try:
        return work(part)
    except StanceError as error:
        return error


@contextmanager
def _client(jobs: int, scheduler: str) -> Iterator[Any]:
    """Yield a client of a scheduler, or of workers of one thread each that are started here."""
    try:
        import dask
        from distributed import Client, LocalCluster, WorkerPlugin
    except ImportError as error:
        raise missing_extra("the engine dask", "dask") from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise DataError(f"{scheduler}: no Dask scheduler answers there: {error}") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_PATIENCE)
            except TimeoutError as error:
                raise DataError(f"{scheduler}: this Dask scheduler has no workers; start some") from error
            yield client
        return

    class Deaf(WorkerPlugin):  # type: ignore[misc]  # distributed is untyped
        """Keeps workers from hearing Ctrl-C, which is for this process: it ends them."""

        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),  # it looks at each worker every 10 ms
        LocalCluster(n_workers=jobs, threads_per_worker=1, **quiet) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Deaf())
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
        As `stance.analyze`; columns and types depend on those of the frame, not on its rows, which may be none. What
        is neither text, number, time nor boolean becomes text.

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
    found = list(label_partitions([frame], settings))
    return found[0] if len(found) == 1 else _concatenated(found)


def label_partitions(frames: Iterable[pd.DataFrame], settings: Settings) -> Iterator[pd.DataFrame]:
    """Label a partition that comes in several frames: the function for Spark's ``mapInPandas``.

    A document may go on in the next frame. Parameters and errors as in `label_partition`; frames come out of another
    size than they went in, at least one if one went in.
    """
    if not settings.columns.document:
        raise DataError("name the column that tells documents apart: settings.columns.document")
    labeller, source = settings.labeller(), iter(frames)
    if (first := next(source, None)) is None:
        return
    own = _own_types(first, settings, labeller)
    records = (record for frame in chain([first], source) for record in _records(frame))
    rows = labeller.rows(_named(passages_of(records, settings.columns)))
    count = 0
    while (part := list(islice(rows, _ROWS))) or not count:
        made = framed(part, labeller.model, [*labeller.columns, *own])
        for name, kind in own.items():
            made[name] = made[name].map(as_text, na_action="ignore") if kind.kind == "O" else made[name]
        yield made.astype(own)
        count += 1


def _named(passages: Iterable[Passage]) -> Iterator[Passage]:
    for passage in passages:
        if passage.whole:
            raise DataError(f"{passage.where}: no document; each row of a partition must name its own")
        yield passage


def _own_types(frame: pd.DataFrame, settings: Settings, labeller: Labeller) -> dict[str, Any]:
    """Return the input's columns as they are called in the output, with their types."""
    import pandas as pd

    [blank] = passages_of([{str(name): str(name) for name in frame.columns}], settings.columns)
    types, text = {str(name): kind for name, kind in frame.dtypes.items()}, pd.Series([""]).dtype
    given = labeller.holding.given(blank.columns)  # speaker and date of the settings are in no frame
    was = {name: name if name not in blank.columns else str(value) for name, value in given.items()}
    return {name: types.get(old, text) for name, old in labeller.own_columns(was).items()}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


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
