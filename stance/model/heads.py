"""The logistic regressions of a classifier, and what is decided from their out-of-fold scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from stance.model.calibration import Calibrator, choose_offsets, choose_thresholds, log_loss
from stance.model.features import Rows
from stance.model.scorer import Prediction, Scorer

__all__ = ["Heads", "calibrated", "decided", "informative", "nested"]

Floats = NDArray[np.float64]
_CERTAIN = 5.0  # the log-odds of a head whose training texts all have the position, or none
_SMOOTHING = 0.05  # of sums of tf-idf
_DENSE_NORM = 1.0  # of the encoder's vectors beside blocks of n-grams of this norm


class Heads:
    """The logistic regressions of one scorer: one of all labels where they exclude each other, else one a position.

    Parameters
    ----------
    scorer
        What they are for.
    rows, vectors
        The n-gram features, and the encoder's vectors, shape (n, dimension); a dimension of 0 for none.
    y
        The index of each row's label.
    n_jobs
        Processes of joblib.
    """

    def __init__(self, scorer: Scorer, rows: Rows, vectors: Floats, y: NDArray[np.intp], n_jobs: int | None) -> None:
        sparse = csr_matrix((rows.data, rows.indices, rows.indptr), shape=(len(rows), rows.n_features))
        self._centre, self._scale = _spread(vectors)
        self._dense = (vectors - self._centre) * self._scale
        self._matrix = csr_matrix(hstack([sparse, csr_matrix(self._dense)])) if vectors.shape[1] else sparse
        self._n_sparse = rows.n_features
        self._rows = rows
        self._exclusive = scorer.codebook.exclusive
        truth = scorer.members[y].astype(np.intp)
        self._targets = [y] if self._exclusive else [truth[:, k] for k in range(truth.shape[1])]
        self._n_jobs = n_jobs

    def fit(
        self,
        jobs: list[tuple[float, NDArray[np.intp]]],
        progress: Callable[[int, int], None] | None,
        total: int,
        done: int = 0,
    ) -> list[tuple[Floats, Floats]]:
        """Fit for each (C, rows); return coefficients of all columns, shape (n_columns, n_scores), and intercepts."""
        made: list[tuple[Floats, Floats]] = []
        part: list[tuple[Floats, Floats]] = []
        parallel = Parallel(n_jobs=self._n_jobs, return_as="generator", max_nbytes="1M")
        tasks = (delayed(_fit_head)(self._matrix, self._n_sparse, c, at, y) for c, at in jobs for y in self._targets)
        for result in parallel(tasks):
            part.append(result)
            if len(part) == len(self._targets):
                made.append(self._stack(part))
                part = []
                if progress is not None:
                    progress(done + len(made), total)
        return made

    def scores(self, coef: Floats, intercept: Floats) -> Floats:
        """Return the scores of all rows."""
        return self._rows.dot(coef[: self._n_sparse]) + self._dense @ coef[self._n_sparse :] + intercept

    def of_raw(self, coef: Floats, intercept: Floats) -> tuple[Floats, Floats, Floats]:
        """Return coefficients of the n-grams, of the vectors as the encoder gives them, and the intercepts."""
        dense = (coef[self._n_sparse :] * self._scale).astype(np.float32).astype(np.float64)
        return coef[: self._n_sparse], dense, intercept - self._centre @ dense

    def _stack(self, fits: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        coef, intercept = np.concatenate([c for c, _ in fits]), np.concatenate([i for _, i in fits])
        if self._exclusive and len(coef) == 1:  # scikit-learn keeps one row for two classes; a softmax has two halves
            coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
        # single precision is what an artifact holds: a model gives the same numbers before and after it is saved
        return coef.T.astype(np.float32).astype(np.float64), intercept


def _spread(vectors: Floats) -> tuple[Floats, float]:
    """Return the mean of some vectors, and what makes their mean square distance from it `_DENSE_NORM` squared."""
    if not vectors.size:
        return np.zeros(vectors.shape[1]), 1.0
    centre = vectors.mean(axis=0)
    spread = float(np.sqrt(((vectors - centre) ** 2).sum(axis=1).mean()))
    return centre, _DENSE_NORM / spread if spread > 0 else 1.0


def _fit_head(
    matrix: csr_matrix, n_sparse: int, c: float, at: NDArray[np.intp], y: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Fit one logistic regression; on one thread, so that sums do not depend on the number of jobs."""
    here = y[at]
    if (here == here[0]).all():  # every text of these has the position, or none: say so and nothing else
        return np.zeros((1, matrix.shape[1])), np.array([_CERTAIN if here[0] else -_CERTAIN])
    rows = matrix[at]
    weight = np.ones(matrix.shape[1])
    weight[:n_sparse] = informative(rows[:, :n_sparse], here)
    with threadpool_limits(limits=1):
        model = LogisticRegression(C=c, max_iter=2000).fit(csr_matrix(rows.multiply(weight)), here)
    return model.coef_ * weight, model.intercept_


def informative(rows: csr_matrix, y: NDArray[np.intp]) -> Floats:
    """Return how much each feature tells by itself, so that the prior of its coefficient can be as wide.

    Multiplying features by their naive Bayes log-count ratios (Wang & Manning 2012) helps short texts. The square root
    of the ratio is used, with a mean square of 1: trained on speeches and measured on news, and the other way round, it
    was better than the ratio and than none. With more than two labels it is the largest ratio of any against the rest.
    """
    total = np.asarray(rows.sum(axis=0)).ravel() + 2 * _SMOOTHING
    ratios = []
    for label in np.unique(y)[1 if len(np.unique(y)) == 2 else 0 :]:
        inside = np.asarray(rows[y == label].sum(axis=0)).ravel() + _SMOOTHING
        outside = total - inside
        ratios.append(np.abs(np.log(inside / inside.sum()) - np.log(outside / outside.sum())))
    weight: Floats = np.sqrt(np.max(ratios, axis=0))
    if not weight.size:
        return weight
    spread = np.sqrt((weight**2).mean())
    return np.divide(weight, spread) if spread > 0 else np.ones_like(weight)


def calibrated(scorer: Scorer, scores: Floats, y: NDArray[np.intp]) -> tuple[Scorer, float]:
    """Return the scorer calibrated on out-of-fold scores, and its log loss there."""
    calibrator = Calibrator.fit(scores, y, scorer.members, exclusive=scorer.codebook.exclusive)
    return replace(scorer, calibrator=calibrator), log_loss(calibrator.label_proba(scores, scorer.members), y)


def decided(scorer: Scorer, scores: Floats, y: NDArray[np.intp], *, tune: bool) -> Scorer:
    """Return the scorer with calibration and thresholds from out-of-fold scores."""
    scorer, _ = calibrated(scorer, scores, y)
    first = scorer.decide(scores)
    if tune and scorer.codebook.exclusive:
        scorer = replace(scorer, thresholds=choose_offsets(first.label_proba, y))
    elif tune:
        scorer = replace(scorer, thresholds=choose_thresholds(first.positions, scorer.members[y]))
    return scorer


def nested(scorer: Scorer, scores: Floats, y: NDArray[np.intp], folds: list[Any], *, tune: bool) -> Prediction:
    """Return out-of-fold predictions whose calibration and thresholds come from the other folds, too."""
    labels = np.empty(len(y), dtype=object)
    positions, proba = (
        np.empty((len(y), len(scorer.codebook.positions))),
        np.empty((len(y), len(scorer.labels))),
    )
    confidence = np.empty(len(y))
    for train, test in folds:
        said = decided(scorer, scores[train], y[train], tune=tune).decide(scores[test])
        labels[test], positions[test], proba[test], confidence[test] = (
            said.labels,
            said.positions,
            said.label_proba,
            said.confidence,
        )
    return Prediction(labels.tolist(), positions, proba, confidence)
