"""A fitted classifier as data: features, coefficients, calibration, thresholds. Prediction needs no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.errors import DataError
from stance.model.calibration import Abstention, Calibrator
from stance.model.encoder import Encoder
from stance.model.features import Features

__all__ = ["Prediction", "Scorer", "as_column", "as_texts"]

Floats = NDArray[np.float64]
_BATCH = 2048


@dataclass(frozen=True)
class Prediction:
    """What a scorer says of n sentences.

    Attributes
    ----------
    labels
        The decided label of each sentence.
    positions
        Probability of each position, shape (n, n_positions), in the codebook's order.
    label_proba
        Probability of each label, shape (n, n_labels), in the order of `Scorer.labels`; rows sum to 1.
    confidence
        The probability of the decided label.
    encoded
        How many of the sentences the encoder has read.
    """

    labels: list[str]
    positions: Floats
    label_proba: Floats
    confidence: Floats
    encoded: int = 0


@dataclass(frozen=True)
class Scorer:
    """One target's classifier.

    Attributes
    ----------
    labels
        All labels it can say, sorted.
    scores
        What the columns of `coef` score: the positions; with exclusive labels, the labels.
    coef, intercept
        Shapes (n_features, n_scores) and (n_scores,).
    thresholds
        With labels that combine: from which probability on a position is reflected. With exclusive labels: what is
        added to a label's log-probability before the largest is taken.
    encoder, dense
        What turns sentences into vectors, and the coefficients of these, shape (dimension, n_scores); None and empty
        if n-grams are all.
    """

    codebook: Codebook
    labels: tuple[str, ...]
    features: Features
    coef: Floats
    intercept: Floats
    calibrator: Calibrator
    thresholds: tuple[float, ...]
    abstention: Abstention = field(default_factory=Abstention)
    encoder: Encoder | None = None
    dense: Floats = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the columns of `coef`."""
        return self.labels if self.codebook.exclusive else self.codebook.position_names

    @property
    def members(self) -> NDArray[np.bool_]:
        """Which scores each label is made of, shape (n_labels, n_scores)."""
        if self.codebook.exclusive:
            return np.eye(len(self.labels), dtype=bool)
        return np.array([[s in self.codebook.positions_of(label) for s in self.scores] for label in self.labels])

    def decision_function(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Floats:
        """Return the raw scores, shape (n, n_scores), before calibration."""
        parts = [
            self._score(texts[i : i + _BATCH], None if contexts is None else contexts[i : i + _BATCH])
            for i in range(0, len(texts), _BATCH)
        ]
        return np.concatenate(parts) + self.intercept if parts else np.empty((0, len(self.scores)))

    def _score(self, texts: Sequence[str], contexts: Sequence[str] | None) -> Floats:
        scores = self.features.transform(texts, contexts).dot(self.coef)
        if self.encoder is not None:
            scores += self.encoder.embed(texts, contexts, self.features.target) @ self.dense
        return scores

    def predict(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Prediction:
        """Return labels and probabilities of some sentences.

        Parameters
        ----------
        texts, contexts
            Sentences, and for each the sentence before it (empty where there is none).
        """
        said = self.decide(self.decision_function(texts, contexts))
        return said if self.encoder is None else replace(said, encoded=len(said.labels))

    def position_proba(self, texts: Sequence[str], contexts: Sequence[str]) -> Floats:
        """Return the probability of each position, shape (n, n_positions)."""
        return self.predict(texts, contexts).positions

    def decide(self, scores: Floats) -> Prediction:
        """Return labels and probabilities of raw scores."""
        label_proba = self.calibrator.label_proba(scores, self.members)
        positions = self._positions(label_proba)
        if self.codebook.exclusive:
            chosen = (np.log(np.clip(label_proba, 1e-300, 1.0)) + np.array(self.thresholds)).argmax(axis=1)
            labels = [self.labels[i] for i in chosen]
        else:
            chosen = self._chosen(positions, label_proba)
            labels = [self.labels[i] for i in chosen]
        return Prediction(labels, positions, label_proba, label_proba[np.arange(len(labels)), chosen])

    def _positions(self, label_proba: Floats) -> Floats:
        """Sum over the labels that hold a position."""
        has = [[p in self.codebook.positions_of(label) for label in self.labels] for p in self.codebook.position_names]
        columns = [np.where(row, label_proba, 0.0).sum(axis=1) for row in has]
        summed: Floats = np.stack(columns, axis=1)
        return np.clip(summed, 0.0, 1.0, out=summed)

    def _chosen(self, positions: Floats, label_proba: Floats) -> NDArray[np.intp]:
        """Return the index of the label that the thresholds make; the likeliest where that is no known label."""
        yes = positions >= np.array(self.thresholds)
        chosen: NDArray[np.intp] = label_proba.argmax(axis=1)
        for pattern in np.unique(yes, axis=0):
            names = (name for name, on in zip(self.codebook.position_names, pattern, strict=True) if on)
            if (label := self.codebook.label_of(names)) in self.labels:
                chosen[(yes == pattern).all(axis=1)] = self.labels.index(label)
        return chosen


def as_texts(values: Any, name: str = "texts") -> list[str]:
    """Return a sequence of texts as a list.

    Raises
    ------
    DataError
        If it is a single string, a frame, or holds something that is no string; the message names the index.

    Examples
    --------
    >>> as_texts(("a", "b"))
    ['a', 'b']
    """
    if isinstance(values, (str, bytes)):
        raise DataError(f"{name} is a single string; give a sequence of texts, such as [text]")
    if getattr(values, "ndim", 1) != 1 or hasattr(values, "columns"):
        raise DataError(f"{name} has shape {values.shape}; give one column of texts, such as frame['text']")
    texts = list(values)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"{name}[{i}] is {text!r} of type {type(text).__name__}; texts must be strings")
    return texts


def as_column(values: Any, n: int, name: str) -> list[Any]:
    """Return a sequence as a list; `DataError` if it is not as long as the texts."""
    if isinstance(values, (str, bytes)):
        raise DataError(f"{name} is a single string; give one for each text")
    found = list(values)
    if len(found) != n:
        raise DataError(f"{n} texts but {len(found)} {name}")
    return found
