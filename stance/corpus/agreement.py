"""How far two passes of annotation agree, with intervals that know that sentences come in documents.

All measures of two passes are functions of their confusion matrix, so that the bootstrap needs one matrix for
each document and one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.errors import DataError

__all__ = [
    "Agreement",
    "Estimate",
    "LabelAgreement",
    "agreement",
    "cohen_kappa",
    "krippendorff_alpha",
    "percent_agreement",
    "specific_agreement",
]

Floats = NDArray[np.float64]
Labels = Sequence[str | None]
_CELLS = 4_000_000  # bootstrap weights held at a time: 32 MB


@dataclass(frozen=True)
class Estimate:
    """A measure and its bootstrap interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Return plain data, None for what is not defined: JSON has no NaN."""
        parts = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if np.isnan(part) else part for name, part in parts.items()}


@dataclass(frozen=True)
class LabelAgreement:
    """How often each pass gives a label, and the label's specific agreement."""

    first: int
    second: int
    specific: Estimate


@dataclass(frozen=True)
class Agreement:
    """How far two passes agree.

    Attributes
    ----------
    n, n_documents
        Sentences with a label in both passes, and their documents.
    percent
        Share of sentences with the same label, 0 to 1.
    kappa, alpha
        Cohen's kappa; Krippendorff's alpha for nominal data.
    macro_f1
        Mean over the labels of the F1 of one pass against the other; it is the same both ways.
    labels
        By label, sorted.
    level, draws, seed
        Of the intervals.
    """

    n: int
    n_documents: int
    percent: Estimate
    kappa: Estimate
    alpha: Estimate
    macro_f1: Estimate
    labels: dict[str, LabelAgreement]
    level: float
    draws: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Return the measures as plain data, fit for JSON."""
        measures = {name: getattr(self, name).as_dict() for name in ("percent", "kappa", "alpha", "macro_f1")}
        labels = {
            name: {"first": label.first, "second": label.second, "specific": label.specific.as_dict()}
            for name, label in self.labels.items()
        }
        bootstrap = {"level": self.level, "draws": self.draws, "seed": self.seed}
        return {
            "n": self.n,
            "n_documents": self.n_documents,
            **measures,
            "labels": labels,
            "interval": bootstrap,
        }


def percent_agreement(first: Labels, second: Labels) -> float:
    """Return the share of sentences with the same label in both passes, 0 to 1.

    Sentences that lack a label (None) in either pass are left out, here and in all measures of two passes.

    Raises
    ------
    DataError
        If the passes differ in length, or no sentence has a label in both.

    Examples
    --------
    >>> percent_agreement(["engage", "none", "none", "none"], ["engage", "none", "none", "engage"])
    0.75
    """
    return float(_percent(_confusion(first, second)[1]))


def cohen_kappa(first: Labels, second: Labels) -> float:
    """Return Cohen's kappa (Cohen 1960) of two passes; NaN if both give one and the same label throughout.

    Raises
    ------
    DataError
        If the passes differ in length, or no sentence has a label in both.

    Examples
    --------
    >>> cohen_kappa(["engage", "none", "none", "none"], ["engage", "none", "none", "engage"])
    0.5
    """
    return float(_kappa(_confusion(first, second)[1]))


def krippendorff_alpha(coders: Sequence[Labels]) -> float:
    """Return Krippendorff's alpha for nominal data (Krippendorff 2011) of two or more coders.

    Parameters
    ----------
    coders
        For each coder the labels of all sentences, None where the coder gave none. Sentences with fewer than
        two labels do not count.

    Returns
    -------
    float
        At most 1; NaN if one label only is in use.

    Raises
    ------
    DataError
        If there are fewer than two coders, they differ in length, or no sentence has two labels.

    Examples
    --------
    >>> first, second = ["engage", "none", "none", None], ["engage", "none", "engage", "none"]
    >>> round(krippendorff_alpha([first, second, [None, "none", "none", "none"]]), 3)
    0.571
    """
    if len(coders) < 2:
        raise DataError("agreement needs the labels of two coders or more")
    if len({len(coder) for coder in coders}) > 1:
        raise DataError(f"the coders' lists differ in length: {', '.join(str(len(coder)) for coder in coders)}")
    names = sorted({label for coder in coders for label in coder if label is not None})
    index: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(coders[0]), len(names)))
    for coder in coders:
        rows = [i for i, label in enumerate(coder) if label is not None]
        counts[rows, [index[coder[i]] for i in rows]] += 1
    m = counts.sum(axis=1)
    counts, m = counts[m >= 2], m[m >= 2]
    if not len(m):
        raise DataError("no sentence has the labels of two coders; agreement needs double coding")
    # Each of a sentence's m(m - 1) ordered pairs weighs 1/(m - 1): in all it weighs as much as it has labels.
    observed = ((m**2 - (counts**2).sum(axis=1)) / (m - 1)).sum()
    return float(_alpha_of(observed, counts.sum(axis=0)))


def specific_agreement(first: Labels, second: Labels) -> dict[str, float]:
    """Return the positive specific agreement of each label: 2a / (2a + b + c) (Fleiss 1981).

    Of the sentences that either pass gives the label, counted once for each pass, the share on which both
    agree. It is the F1 of either pass against the other.

    Raises
    ------
    DataError
        If the passes differ in length, or no sentence has a label in both.

    Examples
    --------
    >>> specific_agreement(["engage", "none", "none", "none"], ["engage", "none", "none", "engage"])
    {'engage': 0.6666666666666666, 'none': 0.8}
    """
    names, confusion = _confusion(first, second)
    return dict(zip(names, _specific(confusion).tolist(), strict=True))


def agreement(
    first: Labels,
    second: Labels,
    documents: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Agreement:
    """Return how far two passes agree, with percentile bootstrap intervals (Efron & Tibshirani 1993).

    Documents are drawn, not sentences: sentences of one document are not independent, and an interval that
    takes them for it is too narrow. Draws for which a measure is not defined are left out of its interval. A
    single document gives no interval (NaN). Time is linear in sentences and in draws x documents.

    Parameters
    ----------
    first, second
        The labels of the same sentences in both passes; sentences that lack one (None) are left out.
    documents
        The document of each sentence.
    draws, seed, level
        Number of bootstrap draws, the seed of the random numbers, and the share of draws in the interval.

    Raises
    ------
    DataError
        If the lists differ in length, or no sentence has a label in both passes.
    ValueError
        If `draws` is not positive or `level` is not between 0 and 1.

    Examples
    --------
    >>> found = agreement(["engage", "none", "none"] * 3, ["engage", "none", "engage"] * 3, list("aaabbbccc"))
    >>> found.n, found.n_documents, round(found.percent.value, 3), found.labels["none"].second
    (9, 3, 0.667, 3)
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws must be 1 or more and level between 0 and 1, not {draws} and {level}")
    if len(documents) != len(first):
        raise DataError(f"{len(first)} labels but {len(documents)} documents: give one for each sentence")
    names, pairs, rows = _pairs(first, second)
    by_document = _by_document(pairs, [documents[i] for i in rows], len(names))
    whole, drawn = by_document.sum(axis=0), _draw(by_document, draws, seed)
    counts = zip(names, whole.sum(axis=1), whole.sum(axis=0), _specific(whole), _specific(drawn).T, strict=True)
    return Agreement(
        n=len(rows),
        n_documents=len(by_document),
        percent=_estimate(_percent(whole), _percent(drawn), level),
        kappa=_estimate(_kappa(whole), _kappa(drawn), level),
        alpha=_estimate(_alpha(whole), _alpha(drawn), level),
        macro_f1=_estimate(_macro_f1(whole), _macro_f1(drawn), level),
        labels={n: LabelAgreement(int(a), int(b), _estimate(s, d, level)) for n, a, b, s, d in counts},
        level=level,
        draws=draws,
        seed=seed,
    )


def _pairs(first: Labels, second: Labels) -> tuple[list[str], NDArray[np.intp], list[int]]:
    """Return the labels in use; the two labels of each sentence that has both, shape (n, 2); its row."""
    if len(first) != len(second):
        raise DataError(f"the two passes differ in length: {len(first)} and {len(second)} labels")
    rows = enumerate(zip(first, second, strict=True))
    both = [(a, b, i) for i, (a, b) in rows if a is not None and b is not None]
    if not both:
        raise DataError("no sentence has a label in both passes; agreement needs double coding")
    names = sorted({label for a, b, _ in both for label in (a, b)})
    index = {name: i for i, name in enumerate(names)}
    return names, np.array([(index[a], index[b]) for a, b, _ in both]), [i for _, _, i in both]


def _confusion(first: Labels, second: Labels) -> tuple[list[str], Floats]:
    """Return the labels in use and their confusion matrix; rows are the first pass."""
    names, pairs, _ = _pairs(first, second)
    return names, _by_document(pairs, [""] * len(pairs), len(names))[0]


def _by_document(pairs: NDArray[np.intp], documents: Sequence[str], k: int) -> Floats:
    """Return the confusion matrix of each document, shape (n_documents, k, k)."""
    numbers: dict[str, int] = {}
    rows = np.array([numbers.setdefault(document, len(numbers)) for document in documents])
    cells = (rows * k + pairs[:, 0]) * k + pairs[:, 1]
    return np.bincount(cells, minlength=len(numbers) * k * k).reshape(-1, k, k).astype(np.float64)


def _draw(by_document: Floats, draws: int, seed: int) -> Floats:
    """Return the confusion matrices of bootstrap samples of documents, shape (draws, k, k)."""
    n, k, _ = by_document.shape
    if n < 2:
        return np.empty((0, k, k))
    rng = np.random.default_rng(seed)
    flat, even = by_document.reshape(n, k * k), np.full(n, 1 / n)
    step = max(1, _CELLS // n)
    sizes = [min(step, draws - start) for start in range(0, draws, step)]
    return np.concatenate([rng.multinomial(n, even, size) @ flat for size in sizes]).reshape(draws, k, k)


def _estimate(value: Floats, drawn: Floats, level: float) -> Estimate:
    """Return a measure and the percentile interval of those of its draws that are defined."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high))


# The measures take confusion matrices of shape (..., k, k), and return NaN where a measure is not defined.


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio


def _percent(confusion: Floats) -> Floats:
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum(axis=(-2, -1)))


def _kappa(confusion: Floats) -> Floats:
    n = confusion.sum(axis=(-2, -1))
    same = np.trace(confusion, axis1=-2, axis2=-1) * n
    chance = (confusion.sum(axis=-1) * confusion.sum(axis=-2)).sum(axis=-1)
    return _ratio(same - chance, n**2 - chance)


def _alpha(confusion: Floats) -> Floats:
    unlike = confusion.sum(axis=(-2, -1)) - np.trace(confusion, axis1=-2, axis2=-1)
    return _alpha_of(2 * unlike, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def _alpha_of(observed: Floats, totals: Floats) -> Floats:
    """Return alpha of the weighted number of unlike pairs and of the totals of the labels, shape (..., k)."""
    n = totals.sum(axis=-1)
    return 1 - _ratio((n - 1) * observed, n**2 - (totals**2).sum(axis=-1))


def _specific(confusion: Floats) -> Floats:
    agreed = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(2 * agreed, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def _macro_f1(confusion: Floats) -> Floats:
    """Average over the labels in use; a label that a draw has lost does not count there."""
    f1 = _specific(confusion)
    return _ratio(np.nansum(f1, axis=-1), np.isfinite(f1).sum(axis=-1))
