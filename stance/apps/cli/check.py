"""``stance check``: look for faults in an annotated corpus."""

from __future__ import annotations

from typing import Any

import click

from stance.apps.cli.options import corpus_of, corpus_options, progress_bar

__all__ = ["check"]


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@corpus_options
@click.option("--suspicious/--no-suspicious", default=True, help="Train out of fold to find labels that look wrong.")
@click.option("--all", "show_all", is_flag=True, help="Print every finding, not only twenty of a kind.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which document is in which fold.")
@click.option("--jobs", type=int, default=-1, help="Processes.  [default: one a core]")
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
    corpus = corpus_of(corpora, options)
    found_book = codebook_for(corpus, book, options["none_label"])
    probabilities = None
    if options["suspicious"]:
        show, end = progress_bar("checking labels")
        probabilities = out_of_fold(corpus, found_book, seed=options["seed"], jobs=options["jobs"], progress=show)
        end()
    findings = check_corpus(corpus, found_book, out_of_fold=probabilities)
    click.echo(render(findings, most=0 if options["show_all"] else 20) or "nothing to report")
    if any(finding.level == "error" for finding in findings):
        context.exit(3)
