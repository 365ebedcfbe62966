"""Positions over years, and who moved between two periods: the numbers behind the pictures.

They come from `stance.analysis.aggregate`, corrected for the classifier's errors.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.actors import months_of
from stance.analysis.aggregate import NOBODY, aggregate
from stance.errors import DataError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model
from stance.text.tables import missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Movers", "Row", "Series", "has_shares", "movers", "series", "series_of"]

Row = dict[str, Any]
_PERIOD = "(period)"
_MOST = 8


@dataclass(frozen=True)
class Series:
    """Groups over years.

    Attributes
    ----------
    by
        What the groups are, a key of `aggregate`.
    positions
        Of the codebook.
    cells
        For each group, those with most sentences first, its years and what `aggregate` says of them; a year with fewer
        sentences than the floor has no shares, and a year without any is not there.
    others
        Groups that are left out because there are too many.
    below, small
        Points, of all groups, that have fewer sentences than the floor; groups that have no others.
    floor, n, n_documents
        Fewest sentences of a point; sentences and documents of the points with shares.
    """

    by: str
    positions: tuple[str, ...]
    cells: dict[str, dict[int, Row]]
    others: tuple[str, ...]
    below: int
    small: int
    floor: int
    n: int
    n_documents: int

    @property
    def years(self) -> list[int]:
        """From the first to the last, with those in between of which nothing is known."""
        known = [year for rows in self.cells.values() for year in rows]
        return list(range(min(known), max(known) + 1))

    @property
    def rows(self) -> list[Row]:
        """The numbers, one row for each group and year."""
        return [
            {"group": name, "year": year} | {k: v for k, v in rows[year].items() if k not in (self.by, "year")}
            for name, rows in self.cells.items()
            for year in sorted(rows)
        ]


@dataclass(frozen=True)
class Movers:
    """Who moved how far between two periods; `rows` has a row for each group, the one that moved most first.

    A row's columns are ``group``, ``before`` and ``after`` (the periods), ``n_before``, ``n_after``, ``net_before``,
    ``net_after``, ``change``, ``change_low``, ``change_high`` and ``excludes_0`` (whether that interval excludes 0);
    of few documents there is no interval. `below` groups had fewer sentences than the floor in one of the periods.
    """

    by: str
    positions: tuple[str, ...]
    rows: list[Row]
    below: int
    floor: int
    n: int
    n_documents: int


def series(
    frame: pd.DataFrame,
    by: str,
    documents: Iterable[tuple[str, str, str]] = (),
    *,
    floor: int = 20,
    most: int = _MOST,
) -> Series:
    """Arrange what `aggregate` found by a key and ``year``.

    Parameters
    ----------
    frame
        Of ``aggregate(..., [by, "year"])``; rows without a group or a year are left out.
    by
        The key.
    documents
        (group, year, document) of the sentences, to count documents by.
    floor
        The frame's.
    most
        Groups with most sentences to keep.

    Raises
    ------
    DataError
        If no group has enough sentences in any year.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"bloc": ["A", "A"], "year": ["2001", "2003"], "n": [30, 3], "share_engage": [0.5, None]})
    >>> found = series(frame.assign(said_engage=0.5), "bloc")
    >>> found.years, found.n, found.below
    ([2001, 2002, 2003], 30, 1)
    """
    cells: dict[str, dict[int, Row]] = {}
    for row in frame.to_dict("records"):
        if NOBODY not in (row[by], row["year"]):
            cells.setdefault(row[by], {})[int(row["year"])] = {
                str(k): None if missing(v) else v for k, v in row.items()
            }
    if not cells:
        raise DataError(_nobody(by))
    sizes = {name: sum(row["n"] for row in rows.values()) for name, rows in cells.items()}
    shown = [name for name in sorted(sizes, key=lambda n: (-sizes[n], n)) if any(map(has_shares, cells[name].values()))]
    if not shown:
        most_n, name, year = max((row["n"], name, year) for name, rows in cells.items() for year, row in rows.items())
        raise DataError(_too_few(by, floor, f"{name!r} in {year}", most_n))
    below = sum(not has_shares(row) for rows in cells.values() for row in rows.values())
    kept = {name: cells[name] for name in shown[:most]}
    points = {(name, year): row["n"] for name, rows in kept.items() for year, row in rows.items() if has_shares(row)}
    found = {d for name, year, d in documents if year != NOBODY and (name, int(year)) in points}
    positions = tuple(str(c).removeprefix("said_") for c in frame.columns if str(c).startswith("said_"))
    left = (tuple(shown[most:]), below, len(cells) - len(shown))
    return Series(by, positions, kept, *left, floor, sum(points.values()), len(found))


def series_of(
    predictions: pd.DataFrame | Iterable[Mapping[str, Any]],
    by: str = "bloc",
    model: StanceModel | str | Path = DEFAULT_MODEL,
    *,
    floor: int = 20,
    most: int = _MOST,
) -> Series:
    """Add up predictions by a key and year; parameters are those of `aggregate` and `series`.

    Raises
    ------
    DataError
        If there is no such column, no date, or no group with enough sentences.
    """
    model = model if isinstance(model, StanceModel) else load_model(model)
    rows = _dated(predictions, by)
    frame = aggregate(rows, [by, "year"], model, floor=floor)
    return series(frame, by, _documents(rows, by, "year", model), floor=floor, most=most)


def movers(
    predictions: pd.DataFrame | Iterable[Mapping[str, Any]],
    by: str = "actor",
    model: StanceModel | str | Path = DEFAULT_MODEL,
    *,
    before: int | None = None,
    floor: int = 20,
) -> Movers:
    """Compare the net position of groups, the first position's share less the second's, in two periods.

    The interval of a change is made of those of the two nets, as if the periods were independent samples: the distances
    of the estimates from their bounds, added in quadrature (Newcombe 1998; Zou & Donner 2008). The classifier's errors,
    however, are common to both periods, so that it is as a rule somewhat too wide.

    Parameters
    ----------
    predictions, by, model, floor
        As for `aggregate`; the floor holds in each period.
    before
        First year of the second period; by default the years are halved.

    Raises
    ------
    DataError
        If there are not two periods, not two positions, or no group with enough sentences in both.
    """
    model = model if isinstance(model, StanceModel) else load_model(model)
    rows = _dated(predictions, by)
    years = [_year(row) for row in rows]
    first, last = min(years), max(years)
    before = first + (last - first + 2) // 2 if before is None else before
    if not first < before <= last:
        raise DataError(f"there are no two periods to compare: years {first} to {last}, parted before {before}")
    periods = tuple(f"{a}-{b}" if a < b else str(a) for a, b in ((first, before - 1), (before, last)))
    rows = [row | {_PERIOD: periods[year >= before]} for row, year in zip(rows, years, strict=True)]
    frame = aggregate(rows, [by, _PERIOD], model, floor=floor)
    if "net" not in frame.columns:
        raise DataError("who moved is told by the net of two positions, and this model has another number of them")
    halves: dict[str, dict[str, Row]] = {}
    for row in frame[frame[by] != NOBODY].to_dict("records"):
        halves.setdefault(row[by], {})[row[_PERIOD]] = {str(k): None if missing(v) else v for k, v in row.items()}
    if not halves:
        raise DataError(_nobody(by))
    pairs = {name: (half.get(periods[0], {}), half.get(periods[1], {})) for name, half in halves.items()}
    found = [_moved(name, periods, *pair) for name, pair in pairs.items() if all(map(has_shares, pair))]
    if not found:
        least, name = max((min(half.get("n", 0) for half in pair), name) for name, pair in pairs.items())
        raise DataError(_too_few(by, floor, f"{name!r} in the smaller of both periods", least))
    found.sort(key=lambda row: (-abs(row["change"]), row["group"]))
    names = {row["group"] for row in found}
    documents = {document for name, _, document in _documents(rows, by, _PERIOD, model) if name in names}
    n = sum(row["n_before"] + row["n_after"] for row in found)
    positions = tuple(c.removeprefix("said_") for c in frame.columns if c.startswith("said_"))
    return Movers(by, positions, found, len(pairs) - len(found), floor, n, len(documents))


def _moved(name: str, periods: Sequence[str], before: Row, after: Row) -> Row:
    change = after["net"] - before["net"]
    row = {"group": name, "before": periods[0], "after": periods[1], "n_before": before["n"], "n_after": after["n"]}
    row |= {"net_before": before["net"], "net_after": after["net"], "change": round(change, 4)}
    row |= dict.fromkeys(("change_low", "change_high", "excludes_0"))
    if before["net_low"] is None or after["net_low"] is None:
        return row
    down = math.hypot(max(after["net"] - after["net_low"], 0), max(before["net_high"] - before["net"], 0))
    up = math.hypot(max(after["net_high"] - after["net"], 0), max(before["net"] - before["net_low"], 0))
    low, high = round(change - down, 4), round(change + up, 4)
    return row | {"change_low": low, "change_high": high, "excludes_0": low > 0 or high < 0}


def has_shares(row: Mapping[str, Any]) -> bool:
    """Return whether a row of `aggregate` has shares; it has none below the floor.

    Examples
    --------
    >>> has_shares({"n": 3, "share_engage": None})
    False
    """
    return any(value is not None for key, value in row.items() if key.startswith("share_"))


def _dated(predictions: pd.DataFrame | Iterable[Mapping[str, Any]], by: str) -> list[Row]:
    """Return the rows that have a year."""
    if by in ("year", "month", "date", "document"):
        raise DataError(f"{by!r} is nothing to follow over years; name bloc, actor, holder, speaker or another column")
    rows: Any = predictions.to_dict("records") if hasattr(predictions, "to_dict") else predictions
    rows = [dict(row) for row in rows if not missing(row.get("label", ""))]
    if not rows:
        raise DataError("nothing to draw: there are no rows; give what stance predict wrote")
    if dated := [row for row in rows if _year(row)]:
        return dated
    if there := next((name for name in ("date", "year") if any(name in row for row in rows)), ""):
        value = next((row[there] for row in rows if not missing(row.get(there))), "")
        raise DataError(f"column {there!r} holds no date ({value!r}); write 2018, 2018-03 or 2018-03-14")
    raise DataError(
        "nothing to draw over years: no column 'year' or 'date' in the predictions; predict files named as those of "
        "the UN General Debate Corpus (UNGDC), or a table with a column year or date"
    )


def _year(row: Mapping[str, Any]) -> int:
    """Return a row's year, found as `aggregate` finds it; 0 if it has none."""
    months = next((m for name in ("date", "year") if (m := months_of(row.get(name)))), [])
    return int(months[0][:4]) if months else 0


def _documents(rows: Sequence[Row], by: str, time: str, model: StanceModel) -> list[tuple[str, str, str]]:
    """Return of which group and time the documents are; without a column each row is one, as for `aggregate`."""
    numbered = [{"document": number} | row for number, row in enumerate(rows)]
    frame = aggregate(numbered, [by, time, "document"], model, floor=sys.maxsize)
    return list(frame[[by, time, "document"]].itertuples(index=False, name=None))


def _nobody(by: str) -> str:
    return f"nothing to draw: no labelled sentence with a date has a {by}; add up by another column, such as speaker"


def _too_few(by: str, floor: int, largest: str, n: int) -> str:
    return f"nothing to draw: no {by} has {floor} sentences (most: {largest}, {n}); lower the floor, or add text"
