"""Shares of labels, corrected for how the classifier errs.

Counting what a classifier says gives biased shares, the more so the rarer a label is. With the rates at which it says
each label for each, measured out of fold, the likeliest shares behind the counts are those of the adjusted count (Gart
& Buck 1966; Forman 2008) where these are shares, and else what expectation-maximisation finds (Dempster, Laird & Rubin
1977; Saerens, Latinne & Decaestecker 2002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Errors", "corrected"]

Floats = NDArray[np.float64]
_STEPS = 400
_CLOSE = 1e-7
_LEAST = 0.5  # added to each cell of a confusion, so that no rate is zero


@dataclass(frozen=True)
class Errors:
    """How a classifier errs: the rates at which it says a label (column) for a label (row).

    Attributes
    ----------
    labels
        In the order of rows and columns.
    rates
        Shape (n, n); rows add up to 1.
    draws
        The rates in bootstrap draws over the documents on which they were measured, shape (draws, n, n).
    """

    labels: tuple[str, ...]
    rates: Floats
    draws: Floats

    @classmethod
    def of(cls, confusion: Mapping[str, Any]) -> Errors:
        """Return the errors that a model has recorded; see `stance.model.confusion`."""
        labels = tuple(confusion["labels"])
        counts = np.array(confusion["counts"], dtype=float)
        draws = np.array(confusion["draws"], dtype=float).reshape(-1, len(labels), len(labels))
        return cls(labels, _rates(counts), _rates(draws))

    def true_share(self, said: Floats, held: NDArray[np.bool_], rates: Floats) -> Floats:
        """Return for each label that is said how often the true one is among some.

        Parameters
        ----------
        said
            How often each label was said of all sentences, shape (n,), or in draws (draws, n).
        held
            Which labels are asked about.
        rates
            The errors' own, or draws of them.

        Returns
        -------
        ndarray of shape (..., n)
            By Bayes' rule, with the corrected shares of all sentences.
        """
        shares = corrected(np.broadcast_to(said, (*rates.shape[:-2], said.shape[-1])), rates)
        joint = np.nan_to_num(shares)[..., :, None] * rates
        total = joint.sum(axis=-2)
        return np.asarray(np.divide(joint[..., held, :].sum(axis=-2), total, out=np.ones_like(total), where=total > 0))

    def among(self, labels: Sequence[str]) -> Errors:
        """Return the errors among some labels: of sentences that have one of them, and of which one is said."""
        at = [self.labels.index(label) for label in labels]
        index = np.ix_(at, at)
        return Errors(tuple(labels), _normalised(self.rates[index]), _normalised(self.draws[:, index[0], index[1]]))


def _rates(counts: Floats) -> Floats:
    return _normalised(counts + _LEAST / counts.shape[-1])


def _normalised(table: Floats) -> Floats:
    return np.asarray(table / table.sum(axis=-1, keepdims=True))


def corrected(counts: Floats, rates: Floats) -> Floats:
    """Return the likeliest shares of labels behind counts of what was said.

    Parameters
    ----------
    counts
        How often each label was said, shape (..., n).
    rates
        The rate at which a label (last axis) is said for another (last but one), shape (n, n) or (..., n, n).

    Returns
    -------
    ndarray of shape (..., n)
        Shares, which add up to 1; NaN where nothing was counted.

    Examples
    --------
    >>> rates = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> corrected(np.array([34.0, 66.0]), rates).round(3).tolist()
    [0.2, 0.8]
    """
    n = counts.shape[-1]
    flat = counts.reshape(-1, n)
    total = flat.sum(axis=1, keepdims=True)
    said = np.divide(flat, total, out=np.full_like(flat, np.nan), where=total > 0)
    tables = np.broadcast_to(rates, (*counts.shape[:-1], n, n)).reshape(-1, n, n)
    shares = _solved(said, tables)
    wrong = np.flatnonzero((shares < 0).any(axis=1) | ~np.isfinite(shares).all(axis=1))
    wrong = wrong[np.isfinite(said[wrong]).all(axis=1)]
    shares[wrong] = _maximised(said[wrong], tables[wrong])
    return np.asarray(shares.reshape(counts.shape))


def _solved(said: Floats, tables: Floats) -> Floats:
    """Return the adjusted counts; what cannot be solved is NaN."""
    singular = np.abs(np.linalg.det(tables)) < 1e-9
    safe = np.where(singular[:, None, None], np.eye(said.shape[1]), tables)
    shares = np.linalg.solve(np.swapaxes(safe, 1, 2), said[:, :, None])[:, :, 0]
    shares[singular] = np.nan
    return np.asarray(shares)


def _maximised(said: Floats, tables: Floats) -> Floats:
    """Return what expectation-maximisation finds, from equal shares."""
    shares = np.full_like(said, 1 / said.shape[1])
    for _ in range(_STEPS):
        expected = np.einsum("bt,bts->bs", shares, tables)
        new = shares * np.einsum("bts,bs->bt", tables, said / np.maximum(expected, 1e-300))
        done = np.abs(new - shares).max(initial=0.0) < _CLOSE
        shares = new
        if done:
            break
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
