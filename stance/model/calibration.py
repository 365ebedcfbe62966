"""Probabilities that mean what they say, thresholds, and abstention.

All of it is fitted on out-of-fold scores of sentences whose documents the scoring model has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Abstention", "Calibrator", "choose_offsets", "choose_thresholds", "log_loss"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrator:
    """From the scores of positions to the probabilities of labels.

    A label is a set of positions. Its log-probability is, up to a constant, the sum of the calibrated scores of its
    positions, plus `together` if it has two or more: a log-linear model of label sets (a conditional random field on a
    clique of yes/no variables; Ghamrawi & McCallum 2005). With one position to a label and equal slopes it is
    temperature scaling (Guo et al. 2017); with a single position it is Platt's sigmoid (Platt 1999).

    Attributes
    ----------
    slope, offset
        One for each score: ``slope * score + offset`` is its calibrated log-odds.
    together
        Added to labels of two or more positions.
    """

    slope: tuple[float, ...]
    offset: tuple[float, ...]
    together: float = 0.0

    def label_proba(self, scores: Floats, members: Bools) -> Floats:
        """Return the probabilities of labels.

        Parameters
        ----------
        scores
            Shape (n, n_scores).
        members
            Shape (n_labels, n_scores): which scores a label is made of.

        Returns
        -------
        ndarray of shape (n, n_labels)
            Rows sum to 1.
        """
        calibrated = scores * np.array(self.slope) + np.array(self.offset)
        logits = np.where(members.sum(axis=1) > 1, self.together, 0.0)[None, :].repeat(len(scores), axis=0)
        for k in range(members.shape[1]):  # summed one by one: a matrix product may depend on the size of the batch
            logits += calibrated[:, k : k + 1] * members[:, k]
        logits -= logits.max(axis=1, keepdims=True)
        odds: Floats = np.exp(logits)
        odds /= odds.sum(axis=1, keepdims=True)
        return odds

    @classmethod
    def fit(cls, scores: Floats, y: NDArray[np.intp], members: Bools, *, exclusive: bool) -> Calibrator:
        """Fit by maximum likelihood; the problem is convex.

        Parameters
        ----------
        scores
            Out-of-fold scores, shape (n, n_scores).
        y
            The index of each row's label, a row of `members`.
        exclusive
            Fit one common slope (a temperature) and nothing else.
        """
        from scipy.optimize import minimize
        from threadpoolctl import threadpool_limits

        k = scores.shape[1]

        def unpack(theta: Floats) -> Calibrator:
            if exclusive:
                return cls((float(theta[0]),) * k, (0.0,) * k)
            return cls(tuple(map(float, theta[:k])), tuple(map(float, theta[k : 2 * k])), float(theta[2 * k]))

        several = bool((members.sum(axis=1) > 1).any())
        start = np.ones(1) if exclusive else np.concatenate([np.ones(k), np.zeros(k + 1)])
        low = np.concatenate([np.full(1 if exclusive else k, 1e-3), np.full(0 if exclusive else k + 1, -10.0)])
        high = np.full(len(start), 20.0)
        if not exclusive and not several:
            low[-1] = high[-1] = 0.0
        with threadpool_limits(limits=1):  # the problem is tiny, and its result shall not depend on threads
            best = minimize(
                lambda theta: log_loss(unpack(theta).label_proba(scores, members), y),
                start,
                method="L-BFGS-B",
                bounds=list(zip(low, high, strict=True)),
            )
        return unpack(np.round(best.x, 6))

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as plain data."""
        return {"slope": list(self.slope), "offset": list(self.offset), "together": self.together}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibrator:
        """Return the calibrator of `as_dict`."""
        return cls(tuple(map(float, data["slope"])), tuple(map(float, data["offset"])), float(data["together"]))


def log_loss(proba: Floats, y: NDArray[np.intp]) -> float:
    """Return the mean negative log-probability (nats) of the true labels.

    Examples
    --------
    >>> round(log_loss(np.array([[0.5, 0.5]]), np.array([1])), 4)
    0.6931
    """
    return float(-np.log(np.clip(proba[np.arange(len(y)), y], 1e-15, 1.0)).mean())


def choose_thresholds(proba: Floats, truth: Bools) -> tuple[float, ...]:
    """Return for each position the probability from which on saying yes gives the best F1.

    The mean of the positions' F1 is best where each is. Of all thresholds within 0.005 of the best F1 the middle one is
    taken: the best itself is mostly chance.

    Parameters
    ----------
    proba, truth
        Out-of-fold probabilities and the truth, both of shape (n, n_positions).
    """
    return tuple(_best_threshold(proba[:, k], truth[:, k]) for k in range(proba.shape[1]))


def _best_threshold(proba: Floats, truth: Bools) -> float:
    grid = np.linspace(0.05, 0.95, 181)
    yes = proba[None, :] >= grid[:, None]
    hits = (yes & truth).sum(axis=1)
    f1 = 2 * hits / np.maximum(yes.sum(axis=1) + truth.sum(), 1)
    return round(float(np.median(grid[f1 >= f1.max() - 0.005])), 3)


def choose_offsets(proba: Floats, y: NDArray[np.intp]) -> tuple[float, ...]:
    """Return for each label what to add to its log-probability before the largest is taken, for the best macro-F1.

    Coordinate ascent over a grid, starting from nothing added; a change must win 0.002, and no label may be lost that
    is predicted without it.

    Parameters
    ----------
    proba
        Out-of-fold probabilities of exclusive labels, shape (n, n_labels).
    y
        The true label's index.
    """
    logs = np.log(np.clip(proba, 1e-12, 1.0))
    offsets = np.zeros(proba.shape[1])
    best = _macro_f1(logs, y)
    for _ in range(3):
        before = offsets.copy()
        for label in range(len(offsets)):
            for step in np.arange(-1.0, 1.01, 0.1):
                trial = offsets.copy()
                trial[label] = round(float(step), 1)
                kept = len(np.unique((logs + trial).argmax(axis=1))) >= len(np.unique(logs.argmax(axis=1)))
                if kept and (f1 := _macro_f1(logs + trial, y)) > best + 0.002:
                    best, offsets = f1, trial
        if (before == offsets).all():
            break
    return tuple(map(float, offsets))


def _macro_f1(logs: Floats, y: NDArray[np.intp]) -> float:
    n = logs.shape[1]
    said = logs.argmax(axis=1)
    hits = np.bincount(y[said == y], minlength=n)
    return float(np.mean(2 * hits / np.maximum(np.bincount(said, minlength=n) + np.bincount(y, minlength=n), 1)))


@dataclass(frozen=True)
class Abstention:
    """How confidence went with being right, out of fold; from it follows where to abstain.

    Attributes
    ----------
    coverage, confidence, risk
        Of the most confident share `coverage` of the rows, `confidence` is the least and `risk` the share of errors.
    """

    coverage: tuple[float, ...] = ()
    confidence: tuple[float, ...] = ()
    risk: tuple[float, ...] = ()

    @classmethod
    def fit(cls, confidence: Floats, right: Bools, points: int = 100) -> Abstention:
        """Fit from out-of-fold confidences and whether the label was right."""
        order = np.argsort(-confidence, kind="stable")
        errors = np.cumsum(~right[order])
        kept = np.unique(np.ceil(len(order) * np.arange(1, points + 1) / points).astype(int))
        return cls(
            tuple((kept / len(order)).tolist()),
            tuple(confidence[order][kept - 1].tolist()),
            tuple((errors[kept - 1] / kept).tolist()),
        )

    def least_confidence(self, *, coverage: float | None = None, max_risk: float | None = None) -> float:
        """Return the confidence below which to abstain; 0 if neither is asked for, above 1 if the risk is out of reach.

        Parameters
        ----------
        coverage
            The share of rows to decide, 0 to 1.
        max_risk
            The share of errors allowed among the decided rows, 0 to 1.

        Examples
        --------
        >>> curve = Abstention((0.5, 1.0), (0.9, 0.4), (0.1, 0.3))
        >>> curve.least_confidence(coverage=0.5), curve.least_confidence(max_risk=0.05)
        (0.9, 1.01)
        """
        least = 0.0
        if coverage is not None and coverage < 1:
            least = float(np.interp(coverage, self.coverage, self.confidence)) if self.coverage else 0.0
        if max_risk is not None:
            allowed = [c for c, r in zip(self.confidence, self.risk, strict=True) if r <= max_risk]
            least = max(least, min(allowed) if allowed else 1.01)
        return least

    def as_dict(self) -> dict[str, Any]:
        """Return the curve as plain data."""
        return {"coverage": list(self.coverage), "confidence": list(self.confidence), "risk": list(self.risk)}

    @classmethod
    def from_dict(cls, data: dict[str, Sequence[float]]) -> Abstention:
        """Return the curve of `as_dict`."""
        return cls(*(tuple(map(float, data[key])) for key in ("coverage", "confidence", "risk")))
