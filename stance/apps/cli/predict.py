"""``stance predict``: label every sentence of some documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stance.apps.cli.options import (
    codebook_of_actors_option,
    codebook_with_blocs,
    column_options,
    format_option,
    model_option,
    refuse_no_date,
    sources_or_help,
)

__all__ = ["predict"]


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
@format_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@click.pass_context
def predict(
    context: click.Context,
    /,
    inputs: tuple[str, ...],
    output_format: str | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Label every sentence of text, html and table files, folders, or standard input (-).

    One row for each sentence: document, sentence, start, end, text, label, p_<position>, confidence, abstained; whose
    position it is (holder, holder_actor, p_holder), which bloc that is in at the date, what the bloc declares, and
    whether the sentence agrees (bloc, bloc_position, agrees); then the input's own columns.

    \b
    Examples:
      stance predict article.txt
      stance predict speeches/ --format parquet -o labelled.parquet
      stance predict briefing.txt --speaker Pakistan --date 2018-03
      stance predict rows.csv --text-column sentence --document-column speech --pre-split
      cat article.txt | stance predict --max-risk 0.1
    """
    inputs = sources_or_help(context, inputs)
    from stance.analysis.familiarity import strangeness, watched
    from stance.analysis.holding import Holding
    from stance.analysis.pipeline import columns_of, label_passages
    from stance.apps.cli.output import refuse_input, write_rows
    from stance.model.artifact import load_model
    from stance.text.readers import Columns, read_documents

    if output is not None:
        refuse_input(output, inputs)
    model = load_model(options["model"], trust_pickle=options["trust_pickle"])
    named = ("text", "document", "target", "speaker", "context", "date")
    columns = Columns(*(options[f"{name}_column"] for name in named))
    passages = read_documents(
        inputs,
        columns=columns,
        encoding=options["encoding"],
        input_format=options["input_format"] or "",
        by_line=options["pre_split"],
    )
    actors = codebook_with_blocs(options["codebook"], options["blocs"])
    holding = Holding(model.attributor(actors), options["speaker"], options["date"])
    rows = label_passages(
        passages,
        model,
        holding,
        pre_split=options["pre_split"],
        coverage=options["coverage"],
        max_risk=options["max_risk"],
    )
    texts: list[str] = []
    write_rows(watched(rows, texts), columns_of(model), output_format, output, codebook=model.codebook)
    for reason in strangeness(texts, model):
        click.echo(f"stance: {reason}", err=True)
