"""Positions by document, holder, bloc, speaker and time: counts, and shares that can be trusted.

Shares are corrected for the errors of the classifier (see `stance.analysis.quantification`) and have 95 % intervals: a
bootstrap over documents, in each draw of which the classifier's errors are drawn anew, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stance.actors import months_of
from stance.analysis.holding import pairs_of
from stance.analysis.quantification import Errors, corrected
from stance.errors import DataError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model
from stance.text.tables import missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HOLDER_KEYS", "NOBODY", "aggregate"]

Floats = NDArray[np.float64]
HOLDER_KEYS = {"holder": "holder", "actor": "holder_actor", "bloc": "bloc"}
_TIMES = {"year": 4, "month": 7}
_FEWEST_DOCUMENTS, _FEWEST_DRAWS = 5, 10
_EDGE = 0.005
NOBODY = "(none)"


_GATED = -1


@dataclass(frozen=True)
class _Unit:
    """What is counted: a sentence, or what one holder holds in it; of a sentence that a gate held back no label."""

    key: tuple[str, ...]
    cluster: str
    label: int
    asked: bool = False  # whether there may have been a gate


def aggregate(
    predictions: pd.DataFrame | Iterable[Mapping[str, Any]],
    by: Sequence[str] = ("document",),
    model: StanceModel | str | Path = DEFAULT_MODEL,
    *,
    floor: int = 20,
    draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Add up positions.

    Parameters
    ----------
    predictions
        Rows as `stance.analyze` or ``stance predict`` give them; rows without a label are left out. Sentences that a
        gate held back count as ``none``. Of rows with a column ``gated`` the classifier's errors are those on sentences
        that the model's own gate lets through.
    by
        Columns: ``holder``, ``actor`` (for whom the holder speaks), ``bloc``, ``year`` and ``month`` (out of a column
        ``date`` or ``year``), or any of the predictions' own, such as ``document`` and ``speaker``.
    model
        The model that made the predictions; its errors, out of fold, are corrected for.
    floor
        With fewer sentences there are counts, and no shares.
    draws
        Of the bootstrap.
    seed
        Of the bootstrap; the same rows and seed give the same numbers.

    Returns
    -------
    pandas.DataFrame
        One row for each group, sorted: its key, ``n`` (sentences), ``n_documents``; for each position
        ``n_<position>`` and ``said_<position>`` (number and share of the sentences that are said to reflect it),
        ``share_<position>`` (the corrected share), its ``_low`` and ``_high``; with two positions ``net`` (the first's
        share less the second's, -1 to 1), ``net_low``, ``net_high``; ``note``, why something is left out. By holder,
        actor or bloc, what is counted are the sentences in which somebody holds a position, so that shares are among
        those with one: false alarms are taken off, as many in a hundred as among all sentences given; errors about who
        holds a position are not corrected.

    Raises
    ------
    DataError
        If there is no such column, or the model has recorded no errors.

    Examples
    --------
    >>> rows = [{"document": "a", "label": label} for label in ["engage", "none"] * 20]
    >>> frame = aggregate(rows, ["document"], "fast")
    >>> frame[["document", "n", "n_engage", "said_engage"]].values.tolist()
    [['a', 40, 20, 0.5]]
    """
    import pandas as pd

    model = model if isinstance(model, StanceModel) else load_model(model)
    if not model.about.get("confusion"):
        raise DataError(f"model {model.name!r} has recorded no errors out of fold; train it anew to correct sums")
    by = (by,) if isinstance(by, str) else tuple(by)
    if not by or len(set(by)) < len(by):
        raise DataError("name each column to add up by once, such as document, speaker, year, holder or bloc")
    if draws < _FEWEST_DRAWS:
        raise DataError(f"draws is {draws}; a bootstrap needs at least {_FEWEST_DRAWS}")
    of_holders = any(key in HOLDER_KEYS for key in by)
    errors = Errors.of(model.about["confusion"])
    rows: Any = predictions.to_dict("records") if hasattr(predictions, "to_dict") else predictions
    said: dict[str, Floats] = {}
    groups: dict[tuple[str, ...], list[_Unit]] = {}
    for unit in _units(rows, by, model, errors.labels, said, of_holders=of_holders):
        groups.setdefault(unit.key, []).append(unit)
    if any(unit.asked for units in groups.values() for unit in units) and "relevant" in model.about["confusion"]:
        errors = Errors.of(model.about["confusion"]["relevant"])
    at = [i for i, label in enumerate(errors.labels) if model.codebook.positions_of(label)]
    if of_holders and not groups and any(counts[at].any() for counts in said.values()):
        raise DataError("no row names a holder; predict with a model that knows holders")
    sums = _Sums(model, errors, floor, draws, seed, whole="document" not in by, of_holders=of_holders, said=said)
    if clash := set(by) & set(sums.columns):
        raise DataError(f"column {min(clash)!r} has the name of a result; rename it to add up by it")
    found = [dict(zip(by, key, strict=True)) | sums.of(groups[key]) for key in sorted(groups)]
    return pd.DataFrame(found, columns=[*by, *sums.columns])


def _units(
    rows: Iterable[Mapping[str, Any]],
    by: Sequence[str],
    model: StanceModel,
    labels: Sequence[str],
    said: dict[str, Floats],
    *,
    of_holders: bool,
) -> Iterator[_Unit]:
    """Yield what is counted; in `said` count the labels of all sentences of each document, last those held back."""
    book, index = model.codebook, {label: i for i, label in enumerate(labels)}
    for number, row in enumerate(rows, 1):
        if "label" not in row:
            raise DataError(f"row {number}: no column 'label'; these are no predictions of stance")
        if missing(row["label"]):
            continue
        positions = [p for p in book.position_names if p in book.positions_of(str(row["label"]))]
        if (label := book.label_of(positions)) not in index:
            raise DataError(f"row {number}: label {label!r} is none that model {model.name!r} was measured on")
        cluster = str(number if missing(row.get("document")) else row["document"])
        place, asked = _GATED if _is_true(row.get("gated")) else index[label], "gated" in row
        said.setdefault(cluster, np.zeros(len(labels) + 1))[place] += 1
        if not of_holders:
            yield _Unit(tuple(_value(row, key, number) for key in by), cluster, place, asked)
            continue
        if positions and "holder" not in row:
            raise DataError(f"row {number}: no column 'holder'; predict with a model that knows holders")
        for pair in pairs_of(row, positions):
            values = (pair[HOLDER_KEYS[k]] or NOBODY if k in HOLDER_KEYS else _value(row, k, number) for k in by)
            yield _Unit(tuple(values), cluster, index[book.label_of(pair["positions"])], asked)


def _is_true(cell: Any) -> bool:
    """Return whether a cell says yes, as a value or as text of a csv file."""
    return str(cell).strip().lower() == "true"


def _value(row: Mapping[str, Any], key: str, number: int) -> str:
    """Return a row's value of a key; a month or year out of its date."""
    if key in _TIMES:
        names = [name for name in ("date", key, "year") if name in row]
        if not names or (key == "month" and names == ["year"]):
            raise DataError(f"row {number}: no column 'date' to add up by {key}; there are {', '.join(map(str, row))}")
        months = next((m for name in names if (m := months_of(row[name]))), [])
        return months[0][: _TIMES[key]] if months and (key == "year" or len(months) == 1) else NOBODY
    if key not in row:
        raise DataError(f"row {number}: no column {key!r} to add up by; there are {', '.join(map(str, row))}")
    return NOBODY if missing(row[key]) else str(row[key])


class _Sums:
    """Counts, shares and intervals of a group.

    Of holders the shares are those among sentences with a position. From what is said, the part that is expected to be
    false alarms is taken first: as large a part as among all sentences, of which `said` counts the labels.
    """

    def __init__(
        self,
        model: StanceModel,
        errors: Errors,
        floor: int,
        draws: int,
        seed: int,
        *,
        whole: bool,
        of_holders: bool,
        said: Mapping[str, Floats],
    ) -> None:
        self._floor, self._seed = floor, seed
        self._whole = whole  # documents are drawn, not their sentences
        self._names = model.codebook.position_names
        held = np.array([bool(model.codebook.positions_of(label)) for label in errors.labels])
        self._kept = np.flatnonzero(held if of_holders else np.ones_like(held))
        labels = [errors.labels[i] for i in self._kept]
        self._errors = errors.among(labels) if of_holders else errors
        self._place = {document: i for i, document in enumerate(said)}
        counts = np.array(list(said.values())).reshape(len(said), len(held) + 1)[:, :_GATED]
        rng = np.random.default_rng(seed)
        even = np.full(len(said), 1 / max(len(said), 1))
        # how often each document is drawn: at most 255 times, which has a chance of nought
        self._weights = np.stack([rng.multinomial(len(said), even).astype(np.uint8) for _ in range(draws)])
        self._rates = self._errors.draws[which := rng.integers(len(errors.draws), size=draws)]
        self._true, self._true_drawn = np.ones(len(labels)), np.ones((draws, len(labels)))
        if of_holders:
            drawn = np.stack([weights @ counts for weights in self._weights])
            self._true = errors.true_share(counts.sum(axis=0), held, errors.rates)[self._kept]
            self._true_drawn = errors.true_share(drawn, held, errors.draws[which])[:, self._kept]
        gate = model.about.get("gate") or {}
        of_gated = gate.get(gate.get("default", ""), {}).get("gated", {})  # what a gate may hold back for all we know
        self._missed = np.array([of_gated.get(p, 0.0) for p in self._names])
        self._members = np.array(
            [[p in model.codebook.positions_of(label) for p in self._names] for label in labels], dtype=float
        )

    @property
    def columns(self) -> list[str]:
        """The columns of a group, but for its key."""
        parts = ("n_{}", "said_{}", "share_{}", "share_{}_low", "share_{}_high")
        net = ["net", "net_low", "net_high"] if len(self._names) == 2 else []
        return ["n", "n_documents", *(part.format(p) for p in self._names for part in parts), *net, "note"]

    def of(self, units: Sequence[_Unit]) -> dict[str, Any]:
        """Return the columns of a group."""
        clusters = {name: i for i, name in enumerate(dict.fromkeys(unit.cluster for unit in units))}
        column = {label: k for k, label in enumerate(self._kept.tolist())} | {_GATED: len(self._kept)}
        counts = np.zeros((len(clusters) if self._whole else len(units), len(column)))
        for i, unit in enumerate(units):
            counts[clusters[unit.cluster] if self._whole else i, column[unit.label]] += 1
        total = counts.sum(axis=0)
        said = total[:_GATED] @ self._members
        row: dict[str, Any] = dict.fromkeys(self.columns)
        row |= {"n": len(units), "n_documents": len(clusters), "note": ""}
        for position, number in zip(self._names, said, strict=True):
            row |= {f"n_{position}": int(number), f"said_{position}": round(float(number) / len(units), 4)}
        if len(units) < self._floor:
            row["note"] = f"fewer than {self._floor} sentences: no share"
            return row | {f"said_{p}": None for p in self._names}
        shares = self._shares(total, self._true, self._errors.rates)
        bounds = self._bounds(counts, shares, [self._place[name] for name in clusters])
        if bounds is None:
            row["note"] = f"fewer than {_FEWEST_DOCUMENTS} documents: no interval"
        for k, position in enumerate(self._names):
            row[f"share_{position}"] = round(float(shares[k]), 4)
            if bounds is not None:
                row |= dict(zip((f"share_{position}_low", f"share_{position}_high"), bounds[k], strict=True))
        if len(self._names) == 2:
            row["net"] = round(float(shares[-1]), 4)
            if bounds is not None:
                row["net_low"], row["net_high"] = bounds[-1]
        return row

    def _shares(self, counts: Floats, true: Floats, rates: Floats) -> Floats:
        """Return the corrected shares of positions, and of two the first less the second.

        Parameters
        ----------
        counts
            Of labels, and last of the sentences that a gate held back: they are ``none``, and dilute.
        true, rates
            How many of each label are no false alarms; the errors.
        """
        asked, gated = counts[..., :_GATED] * true, counts[..., _GATED:]
        n = asked.sum(axis=-1, keepdims=True)
        shares = np.where(n > 0, corrected(asked, rates), np.where(gated > 0, 0.0, np.nan)) @ self._members
        shares = shares * np.divide(n, n + gated, out=np.ones_like(n), where=gated > 0)
        if len(self._names) == 2:
            shares = np.concatenate([shares, shares[..., :1] - shares[..., 1:2]], axis=-1)
        return np.asarray(shares)

    def _bounds(self, counts: Floats, shares: Floats, places: Sequence[int]) -> list[tuple[float, float]] | None:
        """Return 95 % intervals of the shares; None of few documents.

        Percentiles of the draws, drawn away from the estimate as Student's distribution is wider than the normal one:
        percentiles alone are too narrow where documents are few (Hesterberg 2015).
        """
        from scipy.special import stdtrit

        n = len(counts)
        if n < (_FEWEST_DOCUMENTS if self._whole else 2):
            return None
        if self._whole:
            drawn = self._weights[:, places] @ counts
        else:  # the sentences of a document are drawn
            rng = np.random.default_rng(self._seed)
            drawn = rng.multinomial(n, np.full(n, 1 / n), size=len(self._weights)) @ counts
        found = self._shares(drawn, self._true_drawn, self._rates)
        asked = 1 - counts[:, _GATED].sum() / counts.sum()
        wider = float(stdtrit(n - 1, 0.975)) / 1.96 * math.sqrt(n / (n - 1))
        low, high = shares + (np.nanpercentile(found, [2.5, 97.5], axis=0) - shares) * wider
        k = len(self._names)
        unseen = 0.025 ** (1 / n)  # a share of 1 in all documents is compatible with this one (Clopper & Pearson 1934)
        low[:k] = np.where(shares[:k] > 1 - _EDGE, np.minimum(low[:k], unseen), low[:k])
        high[:k] = np.where(shares[:k] < _EDGE, np.maximum(high[:k], asked * (1 - unseen)), high[:k])
        if len(shares) > k and abs(shares[k]) > 1 - _EDGE:
            low[k], high[k] = min(low[k], low[0] - high[1]), max(high[k], high[0] - low[1])
        least = np.array([0.0] * k + [-1.0] * (len(shares) - k))
        missed = (1 - asked) * self._missed
        high[:k] += missed
        if len(shares) > k:
            low[k], high[k] = low[k] - missed[1], high[k] + missed[0]
        low, high = np.maximum(np.minimum(low, shares), least), np.minimum(np.maximum(high, shares), 1.0)
        return [(round(float(a), 4), round(float(b), 4)) for a, b in zip(low, high, strict=True)]
