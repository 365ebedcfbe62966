"""Two classifiers one after the other: a quick one for all sentences, a slow one for those it is not sure of.

A cascade after Viola & Jones (2001); the band of probabilities in which the quick one counts as unsure is the one that
asks the slow one least often while macro-F1 over positions stays where it was, out of fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.model.scorer import Prediction, Scorer

__all__ = ["MOST_LOST", "Cascade", "cascade_of", "choose_band"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MOST_LOST = 0.005
"""By how much macro-F1 may drop."""
_LOWS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2)
_HIGHS = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)


@dataclass(frozen=True)
class Cascade(Scorer):
    """A classifier that answers only where another one is not sure.

    Attributes
    ----------
    first
        The quick classifier, asked about every sentence. All other attributes are those of the slow one.
    band
        The lowest and the highest probability of a position at which the quick one is not sure.
    """

    first: Scorer = field(kw_only=True)
    band: tuple[float, float] = field(kw_only=True)

    def predict(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Prediction:
        """Return labels and probabilities of some sentences; parameters as in `Scorer.predict`."""
        said = self.first.predict(texts, contexts)
        at = np.flatnonzero(unsure(said.positions, self.band)).tolist()
        if not at:
            return said
        then = super().predict([texts[i] for i in at], None if contexts is None else [contexts[i] for i in at])
        labels = list(said.labels)
        for i, label in zip(at, then.labels, strict=True):
            labels[i] = label
        said.positions[at], said.label_proba[at] = then.positions, then.label_proba
        said.confidence[at] = then.confidence
        return replace(said, labels=labels, encoded=len(at))


def cascade_of(first: Mapping[str, Scorer], then: Mapping[str, Scorer], band: Sequence[float]) -> dict[str, Cascade]:
    """Return for each target the cascade of two classifiers.

    Raises
    ------
    ValueError
        If they are of different targets or labels, or the band is none.
    """
    low, high = map(float, band)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"a cascade's band is two probabilities, and not {low:g} to {high:g}")
    if set(first) != set(then) or any(_says(first[t]) != _says(then[t]) for t in then):
        raise ValueError("a cascade's models must have the same targets, positions and labels")
    own = [field.name for field in fields(Scorer)]
    return {
        target: Cascade(**{name: getattr(scorer, name) for name in own}, first=first[target], band=(low, high))
        for target, scorer in then.items()
    }


def _says(scorer: Scorer) -> tuple[object, ...]:
    """Return all that an answer depends on: labels and what they stand for, positions and their order."""
    book = scorer.codebook
    return scorer.labels, [book.positions_of(label) for label in scorer.labels], book.position_names, book.exclusive


def unsure(positions: Floats, band: tuple[float, float]) -> Bools:
    """Return which sentences have a position whose probability is in the band.

    Examples
    --------
    >>> unsure(np.array([[0.01, 0.99], [0.01, 0.5]]), (0.1, 0.9)).tolist()
    [False, True]
    """
    return np.asarray(((positions >= band[0]) & (positions <= band[1])).any(axis=1))


def choose_band(
    first: Prediction, then: Prediction, truth: Sequence[str], book: Codebook, most_lost: float = MOST_LOST
) -> dict[str, Any]:
    """Choose the band that asks the slow classifier about the fewest sentences.

    Parameters
    ----------
    first, then
        What both say of some sentences that neither has seen.
    truth
        Their labels.
    most_lost
        By how much macro-F1 over positions may drop below that of the slow one alone.

    Returns
    -------
    dict
        ``band``; ``share`` of the sentences inside it; ``macro_f1``, that of the slow one alone, and ``lost``.
    """
    wanted, quick, slow = (_members(labels, book) for labels in (truth, first.labels, then.labels))
    alone = _macro_f1(wanted, slow)
    best: dict[str, Any] = {"band": [0.0, 1.0], "share": 1.0, "macro_f1": round(alone, 4), "lost": 0.0}
    for low in _LOWS:
        for high in _HIGHS:
            asked = unsure(first.positions, (low, high))
            lost = alone - _macro_f1(wanted, np.where(asked[:, None], slow, quick))
            if lost <= most_lost and asked.mean() < best["share"]:
                best |= {"band": [low, high], "share": round(float(asked.mean()), 4), "lost": round(float(lost), 4)}
    return best


def _members(labels: Sequence[str], book: Codebook) -> Bools:
    return np.array([[p in book.positions_of(label) for p in book.position_names] for label in labels], dtype=bool)


def _macro_f1(truth: Bools, said: Bools) -> float:
    hits, total = (truth & said).sum(axis=0), truth.sum(axis=0) + said.sum(axis=0)
    return float(np.mean(2 * hits / np.maximum(total, 1)))
