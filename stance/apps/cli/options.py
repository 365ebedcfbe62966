"""Options that several commands share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from stance.corpus.files import Corpus

__all__ = ["column_options", "corpus_of", "corpus_options", "format_option", "model_option", "progress_bar"]

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
        default="fast",
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

label_options = _all(
    click.option("--label-column", default="", metavar="NAME", help="Column with the label.  [default: label]"),
    click.option("--annotator", default="", metavar="NAME", help="Whose labels to take, where there are several."),
    click.option(
        "--codebook",
        type=click.Path(path_type=Path),
        help="Codebook; for the corpus's own labels see --none-label.",
    ),
    click.option("--none-label", default="", metavar="NAME", help="Without a codebook: the label of no position."),
)

corpus_options = _all(column_options, label_options)

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    help="Of the output.  [default: table on a terminal, else jsonl]",
)


def corpus_of(sources: tuple[str, ...], options: dict[str, Any]) -> Corpus:
    """Read the corpus that the shared options describe; say on standard error how many rows have no label."""
    from stance.corpus.files import CorpusColumns, read_corpus

    columns = CorpusColumns(
        text=options["text_column"],
        label=options["label_column"],
        document=options["document_column"],
        target=options["target_column"],
        context=options["context_column"],
    )
    corpus = read_corpus(sources, columns=columns, encoding=options["encoding"], annotator=options["annotator"])
    if corpus.skipped:
        reasons = ", ".join(f"{n} row{'s' * (n != 1)}: {reason}" for reason, n in sorted(corpus.skipped.items()))
        click.echo(f"stance: left out {reasons}", err=True)
    return corpus


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
