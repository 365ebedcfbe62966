"""``stance blocs``: who stands where, and since when."""

from __future__ import annotations

from pathlib import Path

import click

from stance.apps.cli.options import codebook_of_actors_option, codebook_with_blocs, format_option, refuse_no_date

__all__ = ["blocs"]

_COLUMNS = ["bloc", "position", "start", "end", "members", "source"]


@click.command()
@click.option("--date", default="", metavar="YYYY[-MM]", callback=refuse_no_date, help="Only those of then.")
@click.option("--actor", default="", metavar="NAME", help="Only those with this actor; an alias or a code will do.")
@codebook_of_actors_option
@format_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
def blocs(
    date: str, actor: str, codebook: Path | None, blocs: Path | None, output_format: str | None, output: Path | None
) -> None:
    """List the blocs: their position, months, members, and the facts behind each entry.

    \b
    Examples:
      stance blocs --date 2018
      stance blocs --actor India
      stance blocs --blocs my-blocs.toml --format csv
    """
    from stance.actors import months_of
    from stance.apps.cli.output import write_rows
    from stance.errors import DataError

    book = codebook_with_blocs(codebook, blocs)
    months = months_of(date)
    who = book.roster.find(actor) if actor else ""
    if actor and not who:
        raise DataError(f"{actor!r} is no actor of the codebook, and no alias or code of one")
    rows = [
        {
            "bloc": bloc.name,
            "position": bloc.position,
            "start": bloc.period.start,
            "end": bloc.period.end,
            "members": "; ".join(bloc.members),
            "source": " ".join(bloc.source.split()),
        }
        for bloc in sorted(book.blocs, key=lambda bloc: (bloc.period.start, bloc.name))
        if (not months or bloc.period.share_of(months) > 0)
        and (not who or who in bloc.members or book.roster.speaks_for(who, date) in bloc.members)
    ]
    write_rows(rows, _COLUMNS, output_format, output)
