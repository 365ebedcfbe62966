"""``stance evaluate``: measure a model on an annotated corpus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from stance.apps.cli.options import corpus_of, corpus_options, model_option, seed_option
from stance.errors import DataError

if TYPE_CHECKING:
    from stance.corpus.files import Corpus
    from stance.model.artifact import StanceModel

__all__ = ["evaluate"]


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@model_option
@corpus_options
@click.option("--split", default="", metavar="NAME", help="Only rows whose column 'split' says so, such as test.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--min-macro-f1", type=click.FloatRange(0, 1), help="Exit 3 if the macro-F1 over positions is lower.")
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True, help="Of the bootstrap.")
@seed_option("Of the bootstrap.")
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
    _refuse_strange_targets(corpus, model)
    if corpus.fingerprint == model.about.get("corpus", {}).get("fingerprint"):
        click.echo("stance: these are the sentences the model was trained on; the figures say little", err=True)
    found = evaluate_model(corpus, model, draws=options["draws"], seed=options["seed"])
    click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) if options["as_json"] else found.render())
    macro_f1 = found.overall["macro_f1_positions"]["value"]
    if options["min_macro_f1"] is not None and (macro_f1 is None or macro_f1 < options["min_macro_f1"]):
        click.echo(f"stance: macro-F1 over positions is {macro_f1}, below {options['min_macro_f1']}", err=True)
        context.exit(3)


def _refuse_strange_targets(corpus: Corpus, model: StanceModel) -> None:
    """Raise `DataError` for the first row whose target the model does not know; the model itself knows no rows."""
    if "" in model.targets:  # it was trained without targets, and takes any
        return
    known = {*model.targets, *([""] if len(model.targets) == 1 else [])}
    for where, target in zip(corpus.where, corpus.targets, strict=True):
        if target not in known:
            what = f"target {target!r} is unknown to model {model.name!r}" if target else "the row has no target"
            raise DataError(
                f"{where}: {what}; the model knows {', '.join(model.targets)}; "
                "name the column that holds the target with --target-column"
            )
