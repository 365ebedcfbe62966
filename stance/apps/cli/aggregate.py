"""``stance aggregate``: positions by document, holder, bloc, speaker and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stance.apps.cli.options import format_option, model_option, predictions_of, seed_option, sources_or_help

__all__ = ["aggregate"]


@click.command()
@click.argument("predictions", nargs=-1, metavar="PREDICTIONS...")
@click.option(
    "--by",
    multiple=True,
    default=("document",),
    show_default=True,
    metavar="NAME",
    help="holder, actor, bloc, year, month, or a column such as document or speaker; several times for several.",
)
@model_option
@click.option(
    "--floor",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="With fewer sentences there is no share.",
)
@click.option("--draws", type=click.IntRange(10), default=500, show_default=True, help="Of the bootstrap.")
@seed_option("Of the bootstrap.")
@format_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@click.pass_context
def aggregate(
    context: click.Context,
    /,
    predictions: tuple[str, ...],
    by: tuple[str, ...],
    output_format: str | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Add up what stance predict wrote: counts, and shares corrected for the model's errors, with 95 % intervals.

    --model must be the one that made the predictions. said_<position> is the share of sentences that are said to
    reflect it, share_<position> what is likely behind that; net is the first position's share less the second's.

    \b
    Examples:
      stance aggregate labelled.jsonl --by speaker
      stance aggregate labelled.parquet --by bloc --by year -o blocs.csv
      stance predict speeches/ | stance aggregate --by year
    """
    predictions = sources_or_help(context, predictions)
    from stance.analysis.aggregate import aggregate as add_up
    from stance.apps.cli.output import check_file, refuse_input, write_rows
    from stance.model.artifact import load_model

    if output is not None:
        check_file(output)
        refuse_input(output, predictions)
    model = load_model(options["model"], trust_pickle=options["trust_pickle"])
    found = add_up(
        predictions_of(predictions),
        by,
        model,
        floor=options["floor"],
        draws=options["draws"],
        seed=options["seed"],
    )
    rows: Any = found.astype(object).where(found.notna(), None).to_dict("records")
    write_rows(rows, list(found.columns), output_format, output)
