"""``stance cascade``: put a quick model before a slow one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stance.apps.cli.options import corpus_of, corpus_options

__all__ = ["cascade"]


@click.command()
@click.argument("first", metavar="QUICK")
@click.argument("then", metavar="SLOW")
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the cascade.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@corpus_options
def cascade(first: str, then: str, corpora: tuple[str, ...], output: Path, **options: Any) -> None:
    """Make a model that asks SLOW, one of stance finetune, only where QUICK is not sure.

    The result names both, and must stand beside them, unless they are shipped ones. It is measured on the rows of the
    corpus whose column 'split' says 'test'.

    \b
    Examples:
      stance cascade fast accurate data/corpus -o models/mine
    """
    from dataclasses import replace

    from stance.model.artifact import couple, load_model
    from stance.model.card import render_card
    from stance.model.cascade import MOST_LOST
    from stance.model.saving import check_writable, save_model
    from stance.model.training import held_out_figures

    check_writable(output, force=options["force"])
    slow = load_model(then)
    model = couple(load_model(first), slow, output.name)
    corpus = corpus_of(corpora, options)
    if "test" not in corpus.sides:
        raise click.UsageError("no row's split is 'test': a cascade is measured on rows that no model was trained on")
    held_out = corpus.only("split", "test")
    said = model.predict(held_out.texts, held_out.contexts, held_out.targets)
    figures = {**(held_out_figures(model, held_out, said) or {})}
    alone = (held_out_figures(slow, held_out) or {})["macro_f1_positions"]["value"]
    figures["encoded"] = round(said.encoded / len(held_out), 4)
    lost = alone - figures["macro_f1_positions"]["value"]
    saved = save_model(replace(model, about={**model.about, "held_out": figures}), output, force=options["force"])
    click.echo(render_card(saved))
    click.echo(f"macro-F1 over positions is {lost:.4f} below that of {then} alone, at {figures['encoded']:.1%} encoded")
    if lost > MOST_LOST:
        click.echo(f"stance: that is more than {MOST_LOST}: the band was measured with other n-grams", err=True)
    click.echo(f"saved to {output}")
