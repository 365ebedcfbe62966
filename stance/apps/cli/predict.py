"""``stance predict``: label every sentence of some documents."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stance.apps.cli.options import (
    codebook_of_actors_option,
    column_options,
    format_option,
    job_options,
    model_option,
    refuse_no_date,
    sources_or_help,
)
from stance.apps.cli.progress import Progress

if TYPE_CHECKING:
    from types import FrameType

    from stance.analysis.settings import Settings

__all__ = ["predict"]

_MOMENT = 1.0  # seconds
_STOPPED = 130  # as shells have it: 128, and the number of the signal


@click.command()
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@model_option
@column_options
@click.option("--speaker-column", default="", metavar="NAME", help="Column with who speaks; becomes 'speaker'.")
@click.option("--speaker", default="", metavar="NAME", help="Who speaks, where no column tells.")
@click.option(
    "--date-column", default="", metavar="NAME", help="Column with the date; becomes 'date'.  [default: date, or year]"
)
@click.option("--date", default="", metavar="YYYY[-MM]", callback=refuse_no_date, help="When, where no column tells.")
@codebook_of_actors_option
@click.option(
    "--input-format",
    type=click.Choice(["txt", "html", "csv", "tsv", "jsonl", "json", "parquet"]),
    help="Where the name does not tell.  [default: txt for -]",
)
@click.option("--pre-split", is_flag=True, help="Each line or row is one sentence already.")
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True),
    help="Decide about this share, abstain on the rest.",
)
@click.option(
    "--max-risk",
    type=click.FloatRange(0, 1),
    help="Abstain so that at most this share of decisions is wrong.",
)
@click.option(
    "--gate",
    type=click.Choice(["named", "topic", "off"]),
    help="Classify what is near a name of the target, or a word of its topics, too, or all; the rest is none.  "
    "[default: what the model was measured to lose little by]",
)
@click.option("--relevant/--all-sentences", default=False, help="Write only sentences that the gate lets through.")
@format_option
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER/",
    help="File to write, or folder for parts in parquet.  [default: standard output]",
)
@job_options
@click.pass_context
def predict(
    context: click.Context,
    /,
    inputs: tuple[str, ...],
    output_format: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Label every sentence of text, html and table files, folders, or standard input (-).

    One row for each sentence: document, sentence, start, end, text, label, p_<position>, confidence, abstained, gated
    (held back, see --gate); whose position it is (holder, holder_actor, p_holder), which bloc that is in at the date,
    what the bloc declares, and whether the sentence agrees (bloc, bloc_position, agrees); then the input's own columns.

    \b
    Examples:
      stance predict article.txt
      stance predict speeches/ --format parquet -o labelled.parquet
      stance predict briefing.txt --speaker Pakistan --date 2018-03
      stance predict rows.csv --text-column sentence --document-column speech --pre-split
      cat article.txt | stance predict --max-risk 0.1
      stance predict speeches/ --relevant --jobs -1 -o labelled/
    """
    inputs = sources_or_help(context, inputs)
    into_parts = _wants_parts(output, output_format, options)
    from stance.analysis.settings import Settings
    from stance.text.readers import Columns

    named = ("text", "document", "target", "speaker", "context", "date")
    same = ("model", "trust_pickle", "codebook", "blocs", "speaker", "date", "pre_split", "encoding")
    settings = Settings(
        columns=Columns(*(options[f"{name}_column"] for name in named)),
        gate=options["gate"] or "",
        **{name: options[name] for name in (*same, "coverage", "max_risk", "relevant")},
    )
    input_format = options["input_format"] or ""
    if into_parts:
        _write_parts(inputs, Path(output or ""), settings, input_format, options)
    else:
        _write_stream(inputs, None if output is None else Path(output), settings, input_format, output_format)


def _wants_parts(output: str | None, output_format: str | None, options: dict[str, Any]) -> bool:
    """Return whether the output is a folder of parts; what else needs one is wrong usage."""
    is_folder = output is not None and (output.endswith("/") or Path(output).is_dir())
    for name in ("jobs", "resume", "engine", "scheduler"):
        if options[name] and not is_folder and (name, options[name]) != ("jobs", 1):
            raise click.UsageError(f"--{name} needs a folder to write parts to, such as -o labelled/")
    if options["scheduler"] and options["engine"] == "joblib":
        raise click.UsageError("--scheduler is of Dask, not of joblib; leave --engine out")
    if is_folder and output_format not in {None, "parquet"}:
        raise click.UsageError(
            f"parts are parquet; for {output_format} name a file, such as -o labelled.{output_format}"
        )
    return is_folder


def _write_stream(
    inputs: tuple[str, ...], output: Path | None, settings: Settings, input_format: str, output_format: str | None
) -> None:
    from stance.analysis.familiarity import Watch
    from stance.analysis.parquet import made_by
    from stance.apps.cli.output import refuse_input, write_rows
    from stance.text.readers import read_documents

    if output is not None:
        refuse_input(output, inputs)
    labeller, watch = settings.labeller(), Watch()
    with Progress(inputs, input_format, shown=output is not None) as progress:
        passages = read_documents(
            inputs,
            columns=settings.columns,
            encoding=settings.encoding,
            input_format=input_format,
            by_line=settings.pre_split,
            seen=progress.seen,
        )
        rows = progress.counted(watch.through(labeller.rows(passages)), labeller.tally)
        model = labeller.model
        about = made_by(model.name, model.fingerprint)
        write_rows(rows, labeller.columns, output_format, output, codebook=model.codebook, about=about)
    progress.summary(labeller.tally)
    for reason in watch.strangeness(model, left_out=labeller.left_out):
        click.echo(f"stance: {reason}", err=True)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let Ctrl-C stop a job; what threads of an engine say when their processes end is then no news."""
    stopped, tell = threading.Event(), threading.excepthook

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signal.default_int_handler(number, frame)

    def tell_unless_stopped(what: threading.ExceptHookArgs) -> None:
        if not stopped.wait(_MOMENT):  # a process may hear of it before this one does
            tell(what)

    before = signal.signal(signal.SIGINT, stop)
    threading.excepthook = tell_unless_stopped
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if not stopped.is_set():
            threading.excepthook = tell


def _write_parts(
    inputs: tuple[str, ...], output: Path, settings: Settings, input_format: str, options: dict[str, Any]
) -> None:
    from stance.apps.distributed import run

    try:
        with _stoppable(), Progress(inputs, input_format) as progress:
            tally, strange = run(
                inputs,
                output,
                settings,
                engine=options["engine"] or ("dask" if options["scheduler"] else "joblib"),
                jobs=options["jobs"],
                scheduler=options["scheduler"],
                resume=options["resume"],
                input_format=input_format,
                progress=progress.finished,
            )
    except KeyboardInterrupt:
        click.echo(f"stance: stopped; what is finished stays in {output}: go on with --resume", err=True)
        raise click.exceptions.Exit(_STOPPED) from None
    progress.summary(tally)
    for reason in strange:
        click.echo(f"stance: {reason}", err=True)
