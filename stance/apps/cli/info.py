"""``stance info``: what a model is, and what is installed."""

from __future__ import annotations

import json

import click

from stance.apps.cli.options import model_option

__all__ = ["info"]


@click.command()
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print everything that model.json knows.")
@click.option(
    "--features",
    "n_features",
    type=click.IntRange(0),
    default=0,
    help="List the heaviest features of each score.",
)
def info(model: str, trust_pickle: bool, as_json: bool, n_features: int) -> None:
    """Show a model's card: training data, metrics, thresholds, limits.

    \b
    Examples:
      stance info
      stance info --model models/mine --features 20
    """
    from stance.model.artifact import load_model
    from stance.model.card import render_card

    loaded = load_model(model, trust_pickle=trust_pickle)
    if as_json:
        click.echo(
            json.dumps(
                {"name": loaded.name, "fingerprint": loaded.fingerprint, **loaded.about},
                indent=1,
                ensure_ascii=False,
            )
        )
        return
    click.echo(render_card(loaded))
    for target, scorer in loaded.scorers.items() if n_features else ():
        for name, column in zip(scorer.scores, scorer.coef.T, strict=True):
            names = scorer.features.names
            order = (-column).argsort(kind="stable")[:n_features]
            title = f"{target}: {name}" if target else name
            click.echo(f"heaviest features of {title}: " + ", ".join(f"{names[i]!r} {column[i]:+.2f}" for i in order))
