"""How a classifier errs, out of fold: what sums of its labels are corrected by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["confusion_of"]

_DRAWS = 200


def confusion_of(
    truth: Sequence[str],
    said: Sequence[str],
    labels: Sequence[str],
    documents: Sequence[str],
    *,
    draws: int = _DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Count how often each label was said for each, with bootstrap draws of the counts.

    Parameters
    ----------
    truth, said
        Labels; what was said must not come from a model that was trained on the sentence.
    labels
        In the order of rows and columns.
    documents
        Resampled whole, as sentences of one document err alike.

    Returns
    -------
    dict
        ``labels``; ``counts``, shape (n, n) with rows of truth and columns of what was said; ``draws``, shape
        (draws, n * n).

    Examples
    --------
    >>> confusion_of(["a", "b", "b"], ["a", "a", "b"], ["a", "b"], ["1", "2", "3"], draws=2)["counts"]
    [[1, 0], [1, 1]]
    """
    index = {label: i for i, label in enumerate(labels)}
    n = len(labels)
    place = {document: i for i, document in enumerate(dict.fromkeys(documents))}
    per = np.zeros((len(place), n * n), dtype=np.int64)
    cells = [index[t] * n + index[s] for t, s in zip(truth, said, strict=True)]
    np.add.at(per, ([place[document] for document in documents], cells), 1)
    rng = np.random.default_rng(seed)
    chosen = rng.multinomial(len(per), np.full(len(per), 1 / max(len(per), 1)), size=draws)
    return {
        "labels": list(labels),
        "counts": per.sum(axis=0).reshape(n, n).tolist(),
        "draws": (chosen @ per).tolist(),
    }
