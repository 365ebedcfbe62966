"""A classifier of n-grams and encoder: how much of each, calibration and thresholds, from documents new to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from stance.codebook import Codebook
from stance.corpus.files import Corpus
from stance.errors import DataError
from stance.model.calibration import Abstention
from stance.model.cascade import choose_band
from stance.model.confusion import confusion_of
from stance.model.encoder import Encoder
from stance.model.gating import relevance_of
from stance.model.heads import decided, nested
from stance.model.metrics import measure
from stance.model.scorer import Scorer

__all__ = ["blended", "folds_of", "part_of", "parts_of", "truth_of"]

Floats = NDArray[np.float64]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
_FOLDS = 5


def part_of(groups: Sequence[str], n: int, seed: int) -> dict[str, int]:
    """Return the part of each group; parts are equal in groups, give or take one."""
    names = sorted(set(groups))
    return dict(zip(names, (np.random.default_rng(seed).permutation(len(names)) % n).tolist(), strict=True))


def parts_of(groups: Sequence[str], n: int, seed: int) -> NDArray[np.intp]:
    """Return for each row the part that its group is in."""
    part = part_of(groups, n, seed)
    return np.array([part[group] for group in groups], dtype=np.intp)


def truth_of(corpus: Corpus, scorer: Scorer) -> Floats:
    """Return which scores each row's label is made of, shape (n, n_scores)."""
    index = {label: i for i, label in enumerate(scorer.labels)}
    return scorer.members[[index[scorer.codebook.canonical(label)] for label in corpus.labels]].astype(float)


def folds_of(kept: Corpus, book: Codebook, seed: int) -> Folds:
    """Return the folds on which the kept documents weigh n-grams and encoder; each needs both answers of each score."""
    part = parts_of(kept.documents, _FOLDS, seed)
    folds = [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(_FOLDS)]
    names = book.labels if book.exclusive else book.position_names
    for name in names:
        has = np.array(
            [name == book.canonical(t) if book.exclusive else name in book.positions_of(t) for t in kept.labels]
        )
        if any(has[train].all() or not has[train].any() for train, _ in folds):
            raise DataError(
                f"of the {len(set(kept.documents))} documents kept for calibration too few have {name!r}; add "
                "documents, or use 'stance train', which needs fewer"
            )
    return folds


def blended(
    ngrams: Scorer,
    encoder: Encoder,
    head: tuple[Floats, Floats],
    theirs: Floats,
    *,
    kept: Corpus,
    folds: Folds,
    gate: Mapping[str, Any] | None,
) -> tuple[Scorer, dict[str, Any]]:
    """Return the classifier of n-grams and encoder, and what the kept documents tell of it, out of fold.

    Told are its figures, how it erred, and when the n-grams alone would do in its place.

    The score of a position is a weighted sum of the log-odds of n-grams and encoder; the weights are a logistic
    regression of the two (stacking; Wolpert 1992).

    Parameters
    ----------
    ngrams
        The classifier of n-grams.
    encoder, head
        The encoder, and coefficients and intercepts of the positions on its vectors.
    theirs
        The log-odds that these give the kept sentences.
    kept, folds
        Documents that neither has seen, and their folds.
    gate
        What is known of the model's gate (`stance.model.gating`).
    """
    own = ngrams.decision_function(kept.texts, kept.contexts)
    truth = truth_of(kept, ngrams)
    y = np.array([ngrams.labels.index(ngrams.codebook.canonical(label)) for label in kept.labels])

    def mixed(at: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        with threadpool_limits(limits=1):
            weights = [
                LogisticRegression(C=10.0).fit(np.stack([own[at, j], theirs[at, j]], axis=1), truth[at, j])
                for j in range(truth.shape[1])
            ]
        return (*np.stack([w.coef_[0] for w in weights]).T, np.array([w.intercept_[0] for w in weights]))

    scores = np.empty_like(own)
    for train, test in folds:
        a, b, c = mixed(train)
        scores[test] = own[test] * a + theirs[test] * b + c
    said = nested(ngrams, scores, y, folds, tune=True)
    a, b, c = mixed(np.arange(len(y)))
    scorer = decided(ngrams, scores, y, tune=True)
    right = np.array(said.labels) == np.array(ngrams.labels)[y]
    scorer = replace(
        scorer,
        coef=(ngrams.coef * a).astype(np.float32).astype(float),
        dense=(head[0] * b).astype(np.float32).astype(float),
        intercept=ngrams.intercept * a + head[1] * b + c,
        encoder=encoder,
        abstention=Abstention.fit(said.confidence, right),
    )
    canonical = list(map(ngrams.codebook.canonical, kept.labels))
    figures = measure(ngrams.codebook, canonical, said, ngrams.labels, kept.documents)
    names, opens = {kept.targets[0]: ngrams.features.target}, (gate or {}).get("default", "off")
    relevant = None if opens == "off" else relevance_of(kept, names, opens)
    facts = {
        "calibration_documents": {**figures, "weight_of_ngrams": a.tolist(), "weight_of_encoder": b.tolist()},
        "confusion": confusion_of(canonical, said.labels, ngrams.labels, kept.documents, relevant),
        "cascade": choose_band(ngrams.decide(own), said, canonical, ngrams.codebook),
    }
    return scorer, facts
