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
    relevant: Sequence[bool] | None = None,
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
    relevant
        Which sentences a gate lets through; their errors are counted apart, too.

    Returns
    -------
    dict
        ``labels``; ``counts``, shape (n, n) with rows of truth and columns of what was said; ``draws``, shape
        (draws, n * n). With `relevant`, another such dictionary of these sentences alone under ``relevant``.

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
    found = {
        "labels": list(labels),
        "counts": per.sum(axis=0).reshape(n, n).tolist(),
        "draws": (chosen @ per).tolist(),
    }
    if relevant is not None and not all(relevant):
        at = [i for i, passed in enumerate(relevant) if passed]
        of = [[column[i] for i in at] for column in (truth, said, documents)]
        found["relevant"] = confusion_of(of[0], of[1], labels, of[2], draws=draws, seed=seed)
    return found
