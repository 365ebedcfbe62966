"""``stance evaluate``: measure a model on an annotated corpus."""

from __future__ import annotations

import json
from typing import Any

import click

from stance.apps.cli.options import corpus_of, corpus_options, model_option

__all__ = ["evaluate"]


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@model_option
@corpus_options
@click.option("--split", default="", metavar="NAME", help="Only rows whose column 'split' says so, such as test.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--min-macro-f1", type=click.FloatRange(0, 1), help="Exit 3 if the macro-F1 over positions is lower.")
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True, help="Of the bootstrap.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.pass_context
def evaluate(context: click.Context, /, corpora: tuple[str, ...], **options: Any) -> None:
    """Measure a model on a corpus: F1, confusion, calibration, risk, baselines, with intervals by document.

    \b
    Examples:
      stance evaluate data/corpus --split test
      stance evaluate labelled.csv --model models/mine --json
    """
    from stance.analysis.evaluation import evaluate as evaluate_model
    from stance.model.artifact import load_model

    model = load_model(options["model"], trust_pickle=options["trust_pickle"])
    corpus = corpus_of(corpora, options)
    if options["split"]:
        corpus = corpus.only("split", options["split"])
    found = evaluate_model(corpus, model, draws=options["draws"], seed=options["seed"])
    click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) if options["as_json"] else found.render())
    macro_f1 = found.overall["macro_f1_positions"]["value"]
    if options["min_macro_f1"] is not None and (macro_f1 is None or macro_f1 < options["min_macro_f1"]):
        click.echo(f"stance: macro-F1 over positions is {macro_f1}, below {options['min_macro_f1']}", err=True)
        context.exit(3)
