"""Options that several commands share, declared once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stance.shipped import DEFAULT_MODEL

if TYPE_CHECKING:
    from stance.codebook import Codebook
    from stance.corpus.files import Corpus

__all__ = [
    "FORMATS",
    "codebook_of_actors_option",
    "codebook_options",
    "codebook_with_blocs",
    "column_options",
    "corpus_of",
    "corpus_options",
    "format_option",
    "job_options",
    "jobs_option",
    "model_option",
    "predictions_of",
    "progress_bar",
    "refuse_no_date",
    "seed_option",
    "sources_or_help",
]

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "csv", "tsv", "jsonl", "parquet")


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


model_option = _all(
    click.option(
        "--model",
        default=DEFAULT_MODEL,
        show_default=True,
        metavar="NAME|PATH",
        help="A shipped model, or a folder.",
    ),
    click.option("--trust-pickle", is_flag=True, help="Load a .joblib file as model. A pickle can run any code."),
)

column_options = _all(
    click.option("--text-column", default="", metavar="NAME", help="Column with the text.  [default: text]"),
    click.option("--document-column", default="", metavar="NAME", help="Column that says which rows are one document."),
    click.option("--target-column", default="", metavar="NAME", help="Column with the target the text is about."),
    click.option("--context-column", default="", metavar="NAME", help="Column with the sentence before the text."),
    click.option("--encoding", default="utf-8-sig", metavar="NAME", help="Of text files.  [default: UTF-8]"),
)

codebook_of_actors_option = _all(
    click.option(
        "--codebook",
        type=click.Path(path_type=Path),
        help="Whose actors and blocs are looked for.  [default: the shipped one's]",
    ),
    click.option(
        "--blocs",
        type=click.Path(path_type=Path),
        help="A file with blocs and actors of your own, beside those of the codebook or in their place.",
    ),
)


def codebook_with_blocs(codebook: Path | None, blocs: Path | None) -> Codebook:
    """Return the codebook whose actors and blocs the options ask for."""
    from stance.codebook import load_codebook, with_blocs

    book = load_codebook(codebook)
    return book if blocs is None else with_blocs(book, blocs)


label_options = _all(
    click.option("--label-column", default="", metavar="NAME", help="Column with the label.  [default: label]"),
    click.option("--annotator", default="", metavar="NAME", help="Whose labels to take, where there are several."),
)

corpus_options = _all(column_options, label_options)

codebook_options = _all(
    click.option(
        "--codebook",
        type=click.Path(path_type=Path),
        help="Codebook; for the corpus's own labels see --none-label.",
    ),
    click.option("--none-label", default="", metavar="NAME", help="Without a codebook: the label of no position."),
)


def refuse_no_date(_: click.Context, __: click.Parameter, date: str) -> str:
    """Refuse what is no date."""
    from stance.actors import months_of

    if date and not months_of(date):
        raise click.BadParameter(f"{date!r} is no date; write 2018, 2018-03 or 2018-03-14")
    return date


def _refuse_no_jobs(_: click.Context, __: click.Parameter, jobs: int) -> int:
    if jobs == 0:
        raise click.BadParameter("0 processes do nothing; give 1 or more, or -1 for one a core")
    return jobs


jobs_option = click.option(
    "--jobs",
    type=int,
    default=-1,
    callback=_refuse_no_jobs,
    help="Processes; the result does not depend on it.  [default: one a core]",
)


job_options = _all(
    click.option(
        "--jobs",
        type=int,
        default=1,
        callback=_refuse_no_jobs,
        help="Processes, or Dask workers; -1 for one a core. The rows do not depend on it.  [default: 1]",
    ),
    click.option("--resume", is_flag=True, help="Go on with a folder of parts: what is finished is not done again."),
    click.option(
        "--engine",
        type=click.Choice(["joblib", "dask"]),
        help="What spreads the parts over processes.  [default: joblib]",
    ),
    click.option("--scheduler", default="", metavar="ADDRESS", help="Of a Dask cluster, such as tcp://10.0.0.1:8786."),
)


def seed_option(decides: str) -> Callable[[F], F]:
    """Return the option ``--seed``; its help says what the seed decides."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help=decides)


format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    help="Of the output.  [default: table on a terminal, else jsonl]",
)


def corpus_of(sources: tuple[str, ...], options: dict[str, Any], *, lenient: bool = False) -> Corpus:
    """Read the corpus that the shared options describe; say on standard error how many rows have no label.

    `lenient` keeps labelled rows without text, for a check to find.
    """
    from stance.corpus.files import CorpusColumns, read_corpus

    columns = CorpusColumns(
        text=options["text_column"],
        label=options["label_column"],
        document=options["document_column"],
        target=options["target_column"],
        context=options["context_column"],
    )
    corpus = read_corpus(
        sources,
        columns=columns,
        encoding=options["encoding"],
        annotator=options["annotator"],
        lenient=lenient,
    )
    if corpus.skipped:
        reasons = ", ".join(f"{n} row{'s' * (n != 1)}: {reason}" for reason, n in sorted(corpus.skipped.items()))
        click.echo(f"stance: left out {reasons}", err=True)
    return corpus


def predictions_of(sources: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of files that ``stance predict`` wrote; ``-`` is standard input, as jsonl."""
    import sys

    from stance.errors import DataError
    from stance.text.tables import TABLE_SUFFIXES, files_of, read_records

    for source in sources:
        if source == "-":
            yield from (record for _, record in read_records(sys.stdin.buffer, "jsonl", name="standard input"))
            continue
        if any(Path(source).glob("part-*.parquet")) and not Path(source, "_SUCCESS").exists():
            click.echo(f"stance: {source} holds parts of a job that is not finished", err=True)
        for file in files_of(Path(source), TABLE_SUFFIXES):
            if (kind := TABLE_SUFFIXES.get(file.suffix.lower())) is None:
                raise DataError(f"{file}: no predictions; give files of {', '.join(TABLE_SUFFIXES)}")
            yield from (record for _, record in read_records(file, kind))


def sources_or_help(context: click.Context, sources: tuple[str, ...]) -> tuple[str, ...]:
    """Return the sources, by default standard input; on a terminal with nothing piped print help and exit 2."""
    import sys

    if not sources and sys.stdin.isatty():
        click.echo(context.get_help(), err=True)
        context.exit(2)
    return sources or ("-",)


def progress_bar(label: str) -> tuple[Callable[[int, int], None], Callable[[], None]]:
    """Return a function to call with (done, to do) and one that ends the line; both silent unless on a terminal."""
    import sys

    shown = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        if shown:
            filled = 30 * done // max(total, 1)
            click.echo(f"\r{label} [{'#' * filled}{'-' * (30 - filled)}] {done}/{total}", nl=False, err=True)

    def end() -> None:
        if shown:
            click.echo("\r\033[K", nl=False, err=True)

    return show, end
