"""``stance check``: look for faults in an annotated corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stance.apps.cli.options import (
    codebook_options,
    corpus_of,
    corpus_options,
    jobs_option,
    progress_bar,
    seed_option,
)

if TYPE_CHECKING:
    from stance.codebook import Codebook
    from stance.corpus.files import Corpus

__all__ = ["check"]


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@corpus_options
@codebook_options
@click.option("--suspicious/--no-suspicious", default=True, help="Train out of fold to find labels that look wrong.")
@click.option("--all", "show_all", is_flag=True, help="Print every finding, not only twenty of a kind.")
@seed_option("Decides which document is in which fold.")
@jobs_option
@click.pass_context
def check(context: click.Context, /, corpora: tuple[str, ...], **options: Any) -> None:
    """Look for duplicates, conflicting or suspicious labels, leaks across the split, shortcut words; exit 3 on errors.

    \b
    Examples:
      stance check data/corpus --codebook data/codebook.toml
      stance check export.jsonl --label-column label --no-suspicious
    """
    from stance.apps.cli.train import codebook_of
    from stance.corpus.checks import check_corpus, render
    from stance.model.training import codebook_for, out_of_fold

    book = codebook_of(options)
    corpus = corpus_of(corpora, options, lenient=True)
    found_book = book or codebook_for(corpus, None, options["none_label"])
    probabilities = None
    if options["suspicious"] and (faults := _unlearnable(corpus, found_book)):
        click.echo(f"stance: no label was checked by training, for {faults}; mend these first", err=True)
    elif options["suspicious"]:
        show, end = progress_bar("checking labels")
        try:
            probabilities = out_of_fold(corpus, found_book, seed=options["seed"], jobs=options["jobs"], progress=show)
        finally:
            end()
    findings = check_corpus(corpus, found_book, out_of_fold=probabilities)
    click.echo(render(findings, most=0 if options["show_all"] else 20) or "nothing to report")
    if any(finding.level == "error" for finding in findings):
        context.exit(3)


def _unlearnable(corpus: Corpus, codebook: Codebook) -> str:
    """Return what keeps a classifier from learning the corpus, or an empty string."""
    strange = sum(not _known(label, codebook) for label in corpus.labels)
    empty = sum(not text.strip() for text in corpus.texts)
    faults = [(strange, "have a label outside the codebook"), (empty, "have no text")]
    return " and ".join(f"{n} of {len(corpus)} rows {what}" for n, what in faults if n)


def _known(label: str, codebook: Codebook) -> bool:
    from stance.errors import CodebookError

    try:
        codebook.positions_of(label)
    except CodebookError:
        return False
    return True
