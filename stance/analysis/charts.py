"""The pictures: positions over years, who held what when, and who moved; as png, svg or one page of HTML.

Numbers come from `stance.analysis.aggregate`, corrected for the classifier's errors. Drawing needs matplotlib, which is
imported when something is drawn. Colours are those of Okabe & Ito (2008), which colour-blind readers tell apart.
"""

from __future__ import annotations

import html
import io
import itertools
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stance.analysis.aggregate import HOLDER_KEYS
from stance.analysis.trends import Movers, Row, Series, has_shares
from stance.errors import DataError, missing_extra
from stance.text.tables import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

__all__ = ["PICTURES", "draw_heatmap", "draw_movers", "draw_time", "save"]

PICTURES = ("png", "svg", "html")
_MOST_ROWS = 30
# these are variables in a page, which has a light and a dark face
_INK, _MUTED, _GRID, _PAPER, _QUIET = "#1b1e24", "#646a73", "#dfe2e6", "#ffffff", "#eceef1"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", _INK, "#8c8c8c")
_MARKERS = "os^DvPX*"
_NET = ("#7f3b08", "#c9690f", "#f0a856", "#fae0bd", "#f4f4f4", "#c3dcee", "#6aaed6", "#2a7ab9", "#08457e")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CORRECTED = "shares corrected for the classifier's errors, 95 % intervals by bootstrap over documents"


@contextmanager
def _style() -> Iterator[None]:
    """Draw in one style, whatever the user's own; also a decorator."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise missing_extra("drawing charts", "plot") from error
    style: Any = {"svg.hashsalt": "stance", "svg.fonttype": "none", "text.parse_math": False, "font.size": 9}
    style |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    style |= {"axes.edgecolor": _MUTED, "axes.spines.top": False, "axes.spines.right": False}
    style |= {"figure.constrained_layout.w_pad": 0.08, "figure.constrained_layout.h_pad": 0.06}
    style |= {"axes.grid": True, "grid.color": _GRID, "axes.axisbelow": True, "hatch.linewidth": 0.5}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        yield


def _titled(figure: Figure, title: str, caption: Sequence[str]) -> Figure:
    width = figure.get_size_inches()[0]
    text = ". ".join(part[:1].upper() + part[1:] for part in caption if part) + "."
    figure.suptitle(_CONTROL.sub(" ", title), x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.supxlabel(textwrap.fill(text, int(width * 15)), x=0.01, ha="left", fontsize=8, color=_MUTED)
    return figure


def _counts(data: Series | Movers) -> str:
    each = " (once for each holder)" if data.by in HOLDER_KEYS else ""
    return f"{data.n:,} sentences{each}, {data.n_documents:,} documents; {_CORRECTED}"


def _left_out(n: int, what: str, floor: int) -> str:
    return f"{n or 'no'} {what}{'s' * (n != 1)} left out for fewer than {floor} sentences"


def _small(data: Series) -> str:
    return f"; {data.small} of all groups never have as many, and are not drawn" if data.small else ""


def _named(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"Not drawn (fewer sentences): {', '.join(map(_short, names[:most]))}{more}" if names else ""


def _net_label(positions: Sequence[str]) -> str:
    return "net: share of {} less share of {}".format(*map(_short, positions))


def _short(name: str) -> str:
    name = " ".join(_CONTROL.sub(" ", name).split())
    return name if len(name) <= 30 else f"{name[:29].rstrip()}…"


def _year_axis(axes: Axes, years: Sequence[int], most: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(years[0] - 0.5, years[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda year, _: f"{year:.0f}"))
    axes.set_xlabel("year")


@_style()
def draw_time(data: Series, positions: Sequence[str] = ()) -> Figure:
    """Draw the share of each position over years, a line for each group and a panel for each position.

    Parameters
    ----------
    data
        Of `series_of`.
    positions
        Those to draw; by default all.

    Raises
    ------
    DataError
        If there is no such position.
    """
    from matplotlib.figure import Figure

    if strangers := [name for name in positions if name not in data.positions]:
        raise DataError(f"position {strangers[0]!r} is none of {', '.join(data.positions)}")
    shown = list(positions or data.positions)
    width = 4.9 + 0.05 * max(len(data.years) - 24, 0)
    figure = Figure(figsize=(max(width * len(shown), 6.5), 4.8), layout="constrained")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, position in zip(panels, shown, strict=True):
        _panel(panel, data, position)
    held = data.by in HOLDER_KEYS
    panels[0].set_ylabel("share of the sentences with a position" if held else "share of sentences")
    drawn = [row for rows in data.cells.values() for row in rows.values() if has_shares(row)]
    hollow = not all(_bounded(row, shown[0]) for row in drawn)
    caption = [_counts(data), _left_out(data.below, "point", data.floor) + _small(data)]
    caption += ["hollow: too few documents for an interval" if hollow else "", _named(data.others)]
    return _titled(figure, f"Positions over time, by {data.by}", caption)


def _bounded(row: Row, position: str) -> bool:
    return row.get(f"share_{position}_low") is not None


def _panel(axes: Axes, data: Series, position: str) -> None:
    from matplotlib.ticker import PercentFormatter

    ends, alpha = {}, 0.13 if len(data.cells) <= 4 else 0.07
    for k, rows in enumerate(data.cells.values()):
        colour, marker = _COLOURS[k % len(_COLOURS)], _MARKERS[k % len(_MARKERS)]
        share = {y: 100 * rows[y][f"share_{position}"] for y in sorted(rows) if has_shares(rows[y])}
        for run in _runs(share):
            axes.plot(run, [share[y] for y in run], color=colour, linewidth=1.6, gid=f"line-{position}-{k}-{run[0]}")
        for run in _runs([y for y in share if _bounded(rows[y], position)]):
            low, high = ([100 * rows[y][f"share_{position}_{end}"] for y in run] for end in ("low", "high"))
            wide = 0 if len(run) > 1 else 4  # a band of a single year has no width
            axes.fill_between(run, low, high, color=colour, alpha=alpha, linewidth=wide)
        for year, value in share.items():
            fill = colour if _bounded(rows[year], position) else _PAPER
            axes.plot(year, value, marker, color=colour, markerfacecolor=fill, markersize=5)
        ends[k] = (share[max(share)], marker, colour)
    heights = _apart([end[0] for end in ends.values()], 5.2)
    for (k, name), height in zip(enumerate(data.cells), heights, strict=True):
        at: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "clip_on": False}
        axes.plot(1.05, height, ends[k][1], color=ends[k][2], markersize=6, **at)
        axes.text(1.09, height, _short(name), va="center_baseline", fontsize=8.5, **at)
    axes.set_title(_short(position), loc="left", fontweight="bold", fontsize=10)
    axes.set_ylim(-1.5, 101.5)
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    _year_axis(axes, data.years, 6)


def _runs(years: Collection[int]) -> list[list[int]]:
    """Part years where one is missing."""
    ordered = sorted(years)
    parts = itertools.groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0])
    return [[year for _, year in part] for _, part in parts]


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Return heights from 0 to 100 in the same order, moved so that they are a gap apart."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for below, i in zip(order, order[1:], strict=False):
        placed[i] = max(placed[i], placed[below] + gap)
    ceiling = 100.0
    for i in reversed(order):
        placed[i] = ceiling = min(placed[i], ceiling)
        ceiling -= gap
    return placed


@_style()
def draw_heatmap(data: Series) -> Figure:
    """Draw the net position, the first one's share less the second's, of groups by year.

    Parameters
    ----------
    data
        Of `series_of`, with ``most=30``.

    Raises
    ------
    DataError
        If there are not two positions.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    if len(data.positions) != 2:
        raise DataError(f"net is of two positions, and here are {len(data.positions)}; draw them over time instead")
    nets = {name: [row["net"] for row in rows.values() if has_shares(row)] for name, rows in data.cells.items()}
    names = sorted(nets, key=lambda name: sum(nets[name]) / len(nets[name]))
    width = min(max(8 / len(data.years), 0.2), 0.6)
    figure = Figure(figsize=(max(3 + width * len(data.years), 6.5), 2.6 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    colours, scale = LinearSegmentedColormap.from_list("net", _NET, N=41), Normalize(-1, 1)
    for y, name in enumerate(names):
        for year, row in data.cells[name].items():
            colour = colours(scale(row["net"])) if has_shares(row) else None
            _cell(axes, (year, y), row, colour, small=width < 0.3)
    axes.grid(visible=False)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.tick_params(axis="y", length=0)
    _year_axis(axes, data.years, max(int(width * len(data.years) / 0.45), 1))
    _net_bar(figure, axes, scale, colours, data.positions)
    caption = [_counts(data), f"grey: fewer than {data.floor} sentences, with their number" + _small(data)]
    caption += ["dot: the net's interval excludes 0 (of few documents there is none)", _named(data.others)]
    return _titled(figure, f"Net position by {data.by} and year", caption)


def _cell(axes: Axes, at: tuple[int, int], row: Row, colour: Any, *, small: bool) -> None:
    from matplotlib.patches import Rectangle

    corner = (at[0] - 0.5, at[1] - 0.5)
    if colour is None:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=_QUIET, edgecolor=_PAPER, hatch="////"))
        axes.text(*at, str(row["n"]), ha="center", va="center", fontsize=5 if small else 7, color=_MUTED)
        return
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor=_PAPER))
    if row["net_low"] is not None and not row["net_low"] <= 0 <= row["net_high"]:
        axes.plot(*at, "o", color="#fefefe" if abs(row["net"]) > 0.55 else "#010101", markersize=2 if small else 2.5)


def _net_bar(figure: Figure, axes: Axes, scale: Any, colours: Any, positions: Sequence[str]) -> None:
    from matplotlib.cm import ScalarMappable

    mapped = ScalarMappable(scale, colours)
    bar = figure.colorbar(mapped, ax=axes, location="top", aspect=40, shrink=0.6, fraction=0.05, ticks=[-1, 0, 1])
    bar.set_label(_net_label(positions), fontsize=8)
    cast("QuadMesh", bar.solids).set_edgecolor("face")  # or what is behind shows between the colours
    bar.outline.set_visible(False)


@_style()
def draw_movers(data: Movers) -> Figure:
    """Draw for each group its net position before and after, and an arrow from the one to the other.

    Parameters
    ----------
    data
        Of `movers`; of more than thirty groups those that moved most are drawn.
    """
    from matplotlib.figure import Figure

    rows = data.rows[:_MOST_ROWS][::-1]
    figure = Figure(figsize=(9.5, 2.1 + 0.33 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for y, row in enumerate(rows):
        _arrow(axes, y, row)
    nets = [row[key] for row in rows for key in ("net_before", "net_after")]
    axes.axvline(0, color=_MUTED, linewidth=0.8, zorder=0.5)
    axes.set_xlim(min(*nets, 0) - 0.08, max(*nets, 0) + 0.08)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    names = [f"{_short(row['group'])}  ({row['n_before']:,}, {row['n_after']:,})" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(_net_label(data.positions))
    axes.text(1.01, 1.02, "change [95 % interval]", transform=axes.transAxes, fontsize=8, color=_MUTED)
    before, after = data.rows[0]["before"], data.rows[0]["after"]
    caption = [f"hollow: {before}, filled: {after}; in brackets the sentences of both", _counts(data)]
    caption += ["intervals of changes are the periods' own, in quadrature, as if these were independent samples"]
    caption += ["in colour: the interval excludes 0", _left_out(data.below, "group", data.floor)]
    caption += [_named([row["group"] for row in data.rows[_MOST_ROWS:]]).replace("fewer sentences", "moved less")]
    return _titled(figure, f"Who moved, by {data.by}: {before} to {after}", caption)


def _arrow(axes: Axes, y: int, row: Row) -> None:
    before, after = row["net_before"], row["net_after"]
    colour = (_NET[-2] if row["change"] > 0 else _NET[1]) if row["excludes_0"] else _MUTED
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "shrinkA": 4, "shrinkB": 2}
    if abs(row["change"]) >= 0.06:  # or both dots cover it
        axes.annotate("", (after, y), (before, y), arrowprops=arrow)
    axes.plot(before, y, "o", color=colour, markerfacecolor=_PAPER, markersize=6.5)
    axes.plot(after, y, "o", color=colour, markersize=6.5)
    text = f"{row['change']:+.2f}"
    if row["change_low"] is not None:
        text += f" [{row['change_low']:+.2f}, {row['change_high']:+.2f}]"
    at = axes.get_yaxis_transform()
    axes.text(1.01, y, text, transform=at, va="center", fontsize=8.5, color=_INK if row["excludes_0"] else _MUTED)


# -- files -----------------------------------------------------------------------------------------------------------

_LIGHT = {"ink": _INK, "muted": _MUTED, "grid": _GRID, "paper": _PAPER, "quiet": _QUIET}
_DARK = {"ink": "#e8eaed", "muted": "#a3a9b3", "grid": "#3a3f47", "paper": "#16181d", "quiet": "#2a2e35"}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
body {{ margin: 2rem auto; max-width: 72rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }}
h1 {{ font-size: 1.4rem; }} figure {{ margin: 0; }} figure svg {{ max-width: 100%; height: auto; }}
figcaption {{ color: var(--muted); font-size: .875rem; }}
.numbers {{ overflow-x: auto; margin-top: 2rem; }}
table {{ border-collapse: collapse; font-size: .8125rem; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-weight: 600; }}
th, td {{ padding: .2rem .6rem; border-bottom: 1px solid var(--grid); text-align: right; white-space: nowrap; }}
th:first-child {{ text-align: left; }} th[scope=row] {{ font-weight: 400; }}
</style>
</head>
<body>
<h1>{title}</h1>
<figure>
{picture}
<figcaption>{caption}</figcaption>
</figure>
<div class="numbers" role="region" aria-label="Numbers" tabindex="0">
{table}
</div>
</body>
</html>
"""


def save(figure: Figure, path: Path, output_format: str, rows: Sequence[Mapping[str, Any]] = ()) -> None:
    """Write a picture, whole or not at all; the same picture gives the same bytes.

    Parameters
    ----------
    figure
        Of the functions above.
    path
        A file.
    output_format
        ``png``, ``svg``, or ``html``: one page with the picture and its numbers, which needs nothing beside it.
    rows
        The numbers, for the page: ``data.rows``.

    Raises
    ------
    DataError
        If the file cannot be written, or there is no such format.
    """
    if output_format not in PICTURES:
        raise DataError(f"{output_format!r} is no format of pictures; take one of {', '.join(PICTURES)}")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no file; name one")
    made = _page(figure, rows).encode() if output_format == "html" else _bytes(figure, output_format)
    with written_whole(path.resolve()) as part:  # a link stays one
        part.write_bytes(made)


@_style()
def _bytes(figure: Figure, output_format: str) -> bytes:
    file = io.BytesIO()
    metadata = {"Software": None} if output_format == "png" else {"Date": None, "Creator": None}
    figure.savefig(file, format=output_format, dpi=160, metadata=metadata)
    return file.getvalue()


def _page(figure: Figure, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page; title and caption stand in it as text, and not in the picture."""
    title, caption = figure.get_suptitle(), figure.get_supxlabel()
    figure.suptitle("")
    figure.supxlabel("")
    picture = _bytes(figure, "svg").decode()
    figure.suptitle(title)
    figure.supxlabel(caption)
    picture = picture[picture.index("<svg") :]
    for name, colour in _LIGHT.items():
        picture = picture.replace(colour, f"var(--{name})")
    light, dark = ("; ".join(f"--{name}: {colour}" for name, colour in face.items()) for face in (_LIGHT, _DARK))
    title, caption = html.escape(title), html.escape(" ".join(caption.split()))
    picture = picture.replace("<svg", f'<svg role="img" aria-label="{title}; the numbers are in the table below"', 1)
    return _PAGE.format(title=title, light=light, dark=dark, picture=picture, caption=caption, table=_table(rows))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f'<th scope="col">{html.escape(name.replace("_", " "))}</th>' for name in names)
    lines = []
    for row in rows:
        first, *others = (html.escape("" if row.get(n) is None else _CONTROL.sub(" ", str(row[n]))) for n in names)
        lines.append(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>')
    table = ["<table>", "<caption>Numbers</caption>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *lines]
    return "\n".join([*table, "</tbody>", "</table>"])
