"""``stance plot``: draw what was predicted: positions over years, who held what when, and who moved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stance.apps.cli.options import model_option, predictions_of, sources_or_help
from stance.errors import DataError

if TYPE_CHECKING:
    from stance.codebook import Codebook
    from stance.model.artifact import StanceModel

__all__ = ["plot"]

_BY = {"time": "bloc", "heatmap": "actor", "movers": "actor"}
_PICTURES = ("png", "svg", "html")
_DATA = ("table", "csv", "jsonl")


@click.command()
@click.argument("predictions", nargs=-1, metavar="PREDICTIONS...")
@click.option(
    "--kind",
    type=click.Choice(tuple(_BY)),
    default="time",
    show_default=True,
    help="Shares over years; net position by group and year; who moved between two periods.",
)
@click.option(
    "--by",
    default="",
    metavar="COLUMN",
    help="bloc, actor, holder, speaker or another column.  [default: bloc for time, else actor]",
)
@click.option("--position", "positions", multiple=True, metavar="NAME", help="For time: draw this one only.")
@click.option("--before", type=int, metavar="YEAR", help="For movers: the second period's first.  [default: halves]")
@click.option("--floor", type=click.IntRange(1), default=20, show_default=True, help="Fewest sentences of a point.")
@model_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice((*_PICTURES, *_DATA)),
    help="Movers are data, too.  [default: the file's suffix; movers without a file: table, in a pipe jsonl]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
@click.pass_context
def plot(
    context: click.Context,
    /,
    predictions: tuple[str, ...],
    output_format: str | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Draw predictions: files that stance predict wrote (csv, tsv, jsonl, parquet), or standard input (-) as jsonl.

    Shares are corrected for the errors of the model that made the predictions (--model), and have 95 % intervals.
    Years are those of a column date or year.

    \b
    Examples:
      stance plot labelled.jsonl -o blocs.svg
      stance plot labelled.parquet --kind heatmap --by actor -o actors.html
      stance plot labelled.jsonl --kind movers --before 2021
    """
    predictions = sources_or_help(context, predictions)
    from stance.apps.cli.output import check_file, refuse_input
    from stance.model.artifact import load_model

    kind, output = options["kind"], None if output == Path("-") else output
    if options["positions"] and kind != "time":
        raise click.UsageError("--position is for --kind time")
    if options["before"] is not None and kind != "movers":
        raise click.UsageError("--before is for --kind movers")
    chosen = output_format or _format_of(output, kind)
    if chosen in _DATA and kind != "movers":
        raise click.UsageError(f"--format {chosen} is for --kind movers; html holds the numbers of the others")
    if chosen in _PICTURES and output is None:
        raise click.UsageError("a picture needs a file; name it with -o")
    if output is not None:
        check_file(output)
        refuse_input(output, predictions)
    model = load_model(options["model"], trust_pickle=options["trust_pickle"])
    rows = list(map(dict, predictions_of(predictions)))
    _draw(rows, model, chosen, output, options)


def _format_of(output: Path | None, kind: str) -> str:
    """Return the format that a file's suffix names."""
    if output is None:
        return "png" if kind != "movers" else "table" if sys.stdout.isatty() else "jsonl"
    known = {**{f".{name}": name for name in (*_PICTURES, "csv", "jsonl")}, ".htm": "html", ".txt": "table"}
    if output.suffix.lower() not in known:
        raise DataError(
            f"{output}: {output.suffix!r} names no format to draw in; name the file .png, .svg or .html, "
            "or say which one with --format"
        )
    return known[output.suffix.lower()]


def _draw(
    rows: list[dict[str, Any]], model: StanceModel, chosen: str, output: Path | None, options: dict[str, Any]
) -> None:
    from stance.analysis import charts, trends

    by, floor = options["by"] or _BY[options["kind"]], options["floor"]
    data: trends.Series | trends.Movers
    if options["kind"] == "movers":
        data = trends.movers(rows, by, model, before=options["before"], floor=floor)
        if chosen in _DATA:
            _write_data(data.rows, chosen, output, model.codebook)
            return
        figure = charts.draw_movers(data)
    elif options["kind"] == "heatmap":
        data = trends.series_of(rows, by, model, floor=floor, most=30)
        figure = charts.draw_heatmap(data)
    else:
        data = trends.series_of(rows, by, model, floor=floor)
        figure = charts.draw_time(data, options["positions"])
    assert output is not None  # or the command had refused
    charts.save(figure, output, chosen, data.rows)


def _write_data(rows: list[dict[str, Any]], chosen: str, output: Path | None, codebook: Codebook) -> None:
    from stance.apps.cli.output import write_rows
    from stance.text.tables import written_whole

    if chosen != "table":
        write_rows(rows, list(rows[0]), chosen, output, codebook=codebook)
        return
    text = _table(rows)
    if output is None:
        click.echo(text)
        return
    with written_whole(output.resolve()) as made:
        made.write_text(text + "\n", encoding="utf-8")


def _table(rows: list[dict[str, Any]]) -> str:
    """Return who moved as aligned columns; an asterisk where the interval of the change excludes 0."""
    before, after = rows[0]["before"], rows[0]["after"]
    lines: list[tuple[str, ...]] = [
        ("group", f"n {before}", f"n {after}", f"net {before}", f"net {after}", "change", "interval", "")
    ]
    for row in rows:
        name = "".join(c if c.isprintable() else " " for c in row["group"])
        bounds = "" if row["change_low"] is None else f"{row['change_low']:+.2f} to {row['change_high']:+.2f}"
        nets = (f"{row[key]:+.2f}" for key in ("net_before", "net_after", "change"))
        counts = (f"{row[key]:,}" for key in ("n_before", "n_after"))
        lines.append((name, *counts, *nets, bounds, "*" if row["excludes_0"] else ""))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    ]
    note = "interval: 95 %, as if the periods were independent samples; *: it excludes 0"
    return "\n".join([*shown, "", note])
