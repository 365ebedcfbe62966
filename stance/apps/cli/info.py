"""``stance info``: which models there are, and what one of them is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from stance.apps.cli.options import model_option
from stance.errors import ArtifactError

if TYPE_CHECKING:
    from stance.model.artifact import StanceModel

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
@click.option("--speed", is_flag=True, help="Measure here and now how many sentences a second each model labels.")
@click.pass_context
def info(
    context: click.Context, /, model: str, trust_pickle: bool, as_json: bool, n_features: int, speed: bool
) -> None:
    """Show a model's card: training data, metrics, thresholds, limits. Without --model, list the shipped models first.

    \b
    Examples:
      stance info
      stance info --speed
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
    if speed or context.get_parameter_source("model") == click.core.ParameterSource.DEFAULT:
        click.echo(_list_of_models(speed))
    try:
        card = render_card(loaded)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArtifactError(f"{loaded.name}: model.json does not hold what a card says: {error!r}") from error
    click.echo(card)
    for target, scorer in loaded.scorers.items() if n_features else ():
        for name, column in zip(scorer.scores, scorer.coef.T, strict=True):
            names = scorer.features.names
            order = (-column).argsort(kind="stable")[:n_features]
            title = f"{target}: {name}" if target else name
            click.echo(f"heaviest features of {title}: " + ", ".join(f"{names[i]!r} {column[i]:+.2f}" for i in order))


def _list_of_models(speed: bool) -> str:
    """Return a line for each shipped model: its size, accuracy on held-out documents, and perhaps its speed."""
    from stance.model.artifact import is_cascade, load_model, shipped_models
    from stance.shipped import DEFAULT_MODEL, shipped

    lines = []
    for name in shipped_models():
        loaded = load_model(name)
        megabytes = sum(p.stat().st_size for p in shipped("models", name).iterdir()) / 1e6
        held_out = loaded.about["held_out"]
        figures = ", ".join(
            f"{title} {held_out[key]['value']:.2f}"
            for key, title in (("macro_f1_positions", "macro-F1 over positions"), ("accuracy", "accuracy"))
        )
        sees = "n-grams" if loaded.encoder is None else f"n-grams and an encoder from {loaded.encoder.spec.base}"
        if is_cascade(loaded):
            sees = "{first}, and {then} where that is not sure".format(**loaded.about["cascade"])
        fast = f"; {_sentences_a_second(loaded):,.0f} sentences/s here" if speed else ""
        default = " (default)" if name == DEFAULT_MODEL else ""
        lines.append(f"{name}{default}: {sees}; {megabytes:.1f} MB; on held-out documents {figures}{fast}")
    return "\n".join([*lines, ""])


def _sentences_a_second(model: StanceModel) -> float:
    import time

    from stance.shipped import shipped
    from stance.text.sentences import split_sentences

    text = shipped("data", "examples", "moscow-format.txt").read_text(encoding="utf-8")
    sentences = [text[start:end] for start, end in split_sentences(text)] * 4
    model.predict(sentences[:2])
    begin = time.perf_counter()
    model.predict(sentences, ["", *sentences[:-1]])
    return len(sentences) / (time.perf_counter() - begin)
