"""How good labels and probabilities are, each figure with an interval.

Intervals are percentile bootstrap intervals (Efron & Tibshirani 1993, chapter 13). Documents are drawn, not
sentences: those of one document resemble each other, and drawing them one by one gives intervals that are too
narrow (Field & Welsh 2007). Every figure is made of sums over rows, so that all draws are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.errors import DataError
from stance.model.scorer import Prediction

__all__ = ["COVERAGES", "Measured", "measure", "paired_difference"]

COVERAGES = (1.0, 0.9, 0.8, 0.5)
_DIGITS = 6  # further digits of a matrix product differ between machines
_CELLS = 1_000_000  # of the matrix of weights that are held at a time; more is slower

Strings = Sequence[str]
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure and its interval; None where it is undefined, or where one document allows no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


def measure(
    codebook: Codebook,
    truth: Strings,
    prediction: Prediction | Strings,
    labels: Strings,
    documents: Strings,
    *,
    targets: Strings | None = None,
    abstained: Sequence[bool] | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """Measure labels, probabilities and confidence against the truth.

    Parameters
    ----------
    truth, documents, targets
        For each of the n sentences its label, its document, and what the stance is about.
    prediction
        What a model says of the sentences; of labels alone only the figures of labels are measured.
    labels
        The columns of ``prediction.label_proba``: all labels that are true or said, and maybe more.
    abstained
        Whether the model refused to decide. Only the figures under ``abstention`` heed it.
    draws, seed, level
        Of the bootstrap, without intervals at 0 draws. Confidence bins and cut-offs are not drawn anew.

    Returns
    -------
    dict
        Plain data without NaN; figures with an interval are dictionaries of value, low and high. An F1 is
        undefined (None), and left out of means, if its label or position is neither true nor said: so
        ``macro_f1_labels`` is over the labels present in truth or prediction, in each draw anew. A precision
        is undefined if nothing is said, a recall and an average precision if nothing is true.
        ``macro_f1_positions`` is the mean F1 of the yes-answers; ``favg`` (Mohammad et al. 2016) is there for
        exclusive codebooks of two positions and none. Calibration is of the decided label's probability: ECE
        as in Guo et al. 2017 (its draws, and so its interval, are biased upwards: Bröcker & Smith 2007),
        Brier summed over labels, log loss in nats.

    Raises
    ------
    DataError
        If there are no rows, lengths differ, or a label has no column.

    Examples
    --------
    >>> from stance.codebook import load_codebook
    >>> proba = np.array([[0.7, 0.3], [0.4, 0.6]])
    >>> said = Prediction(["engage", "none"], proba, proba, np.array([0.7, 0.6]))
    >>> found = measure(load_codebook(), ["engage", "engage"], said, ["engage", "none"], ["a", "b"])
    >>> found["accuracy"]["value"], found["calibration"]["brier_sum_0_2"]["value"]
    (0.5, 0.45)
    """
    said = prediction.labels if isinstance(prediction, Prediction) else prediction
    sample = _Sample.of(codebook, truth, said, labels, documents, targets=targets)
    resampling = _Resampling(documents, draws, seed, level)
    blocks = sample.blocks()
    if abstained is not None:
        _require_lengths(len(truth), abstained=abstained)
        refused = np.array(abstained, dtype=bool)
        blocks |= {"decided": sample.kept(~refused), "refused": sample.kept(refused)}
    if isinstance(prediction, Prediction):
        blocks |= _probability_blocks(sample, prediction)
    sums = resampling.sums(blocks)
    found = {
        **_headline(sample, resampling, sums),
        "positions": _each(codebook.position_names, resampling, sums["positions"]),
        "labels": _each(labels, resampling, sums["labels"]),
        "confusion": sample.confusion(),
    }
    if abstained is not None:
        decided, error = _decided(resampling, sums["decided"]), _decided(resampling, sums["refused"])["error"]
        found["abstention"] = {"n": int(refused.sum()), "decided": decided, "error_had_it_decided": error}
    if isinstance(prediction, Prediction):
        for k, figures in enumerate(found["positions"].values()):
            figures["average_precision"] = _average_precision(sample, prediction, k)
        found["calibration"] = _calibration(sample, resampling, sums)
        found["risk_coverage"] = _risk_coverage(resampling, sums, _cutoffs(prediction.confidence))
    return found


def paired_difference(
    codebook: Codebook,
    truth: Strings,
    a: Strings,
    b: Strings,
    documents: Strings,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Measured, float | None]:
    """Return A's macro-F1 over positions less B's on the same rows, and the share of draws above 0.

    Each draw of documents measures both (paired bootstrap; Berg-Kirkpatrick et al. 2012). The share is None
    where there is no interval.

    Examples
    --------
    >>> from stance.codebook import load_codebook
    >>> truth = ["engage", "terrorist", "none", "both"]
    >>> paired_difference(load_codebook(), truth, truth, ["engage"] * 4, "abcd")[0].value
    0.666667
    """
    names = sorted({*truth, *a, *b})
    resampling = _Resampling(documents, draws, seed, level)
    both = {"a": a, "b": b}
    samples = {k: _Sample.of(codebook, truth, said, names, documents) for k, said in both.items()}
    sums = resampling.sums({k: sample.blocks()["positions"] for k, sample in samples.items()})
    difference = _macro_f1(sums["a"]) - _macro_f1(sums["b"])
    found = resampling.measured(difference)
    drawn = difference[1:][~np.isnan(difference[1:])]
    return found, None if found.low is None else _plain((np.round(drawn, 12) > 0).mean())


class _Resampling:
    """Sums over rows: of the data as they are, and of each draw of as many documents with replacement."""

    def __init__(self, documents: Strings, draws: int, seed: int, level: float) -> None:
        index = {name: i for i, name in enumerate(sorted(set(documents)))}  # whatever the order of rows
        self._codes = np.array([index[name] for name in documents], dtype=np.intp)
        self.n, self.n_documents = len(documents), len(index)
        self.draws, self.seed, self.level = draws, seed, level

    def settings(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("n", "n_documents", "draws", "seed", "level")}

    def sums(self, blocks: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """Return for each block of shape (n, k) its sums, shape (1 + draws, k); row 0 is the data."""
        columns = [np.bincount(self._codes, col, self.n_documents) for b in blocks.values() for col in b.T]
        per_document = np.stack(columns, axis=1)
        whole = np.concatenate([per_document.sum(axis=0)[None], *(w @ per_document for w in self._weights())])
        ends = np.cumsum([block.shape[1] for block in blocks.values()])
        return dict(zip(blocks, np.split(whole, ends[:-1], axis=1), strict=True))

    def _weights(self) -> Iterator[Floats]:
        """Yield how often each document was drawn, shape (some draws, n_documents)."""
        rng, n = np.random.default_rng(self.seed), self.n_documents
        step = max(1, _CELLS // n)
        for start in range(0, self.draws, step):
            rows = min(step, self.draws - start)
            drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
            yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)

    def measured(self, values: Floats) -> Measured:
        """Return the figure of the data (the first value) with the percentile interval of the others."""
        drawn = values[1:][~np.isnan(values[1:])]
        if np.isnan(values[0]) or self.n_documents < 2 or not len(drawn):
            return Measured(_plain(values[0]))
        low, high = np.quantile(drawn, [(1 - self.level) / 2, (1 + self.level) / 2])
        return Measured(_plain(values[0]), _plain(low), _plain(high))

    def figure(self, values: Floats) -> dict[str, float | None]:
        return asdict(self.measured(values))


@dataclass(frozen=True)
class _Sample:
    """True and said labels as indices of `names`; ``members[label, position]`` is what a label stands for."""

    names: Strings
    members: Bools
    y: Ints
    said: Ints
    has_favg: bool
    targets: dict[str, Bools]  # the rows of each, where Favg is divided by them

    @classmethod
    def of(
        cls,
        book: Codebook,
        truth: Strings,
        said: Strings,
        names: Strings,
        documents: Strings,
        *,
        targets: Strings | None = None,
    ) -> _Sample:
        if not len(truth):
            raise DataError("there are no labelled rows to measure")
        about = np.array([""] * len(truth) if targets is None else targets)
        _require_lengths(len(truth), predictions=said, documents=documents, targets=about)
        if strange := sorted({*truth, *said} - set(names)):
            raise DataError(f"label {strange[0]!r} has no column; there are columns for {', '.join(names)}")
        index = {name: i for i, name in enumerate(names)}
        y, z = (np.array([index[label] for label in found], dtype=np.intp) for found in (truth, said))
        members = np.array([[p in book.positions_of(name) for p in book.position_names] for name in names])
        has_favg = book.exclusive and bool(book.none_label) and len(book.positions) == 2
        each = np.unique(about).tolist()
        divided = {t: about == t for t in each} if has_favg and len(each) > 1 else {}
        return cls(names, members, y, z, has_favg, divided)

    @property
    def n_bins(self) -> int:
        return 15 if len(self.y) >= 300 else 10

    def blocks(self) -> dict[str, NDArray[Any]]:
        """Return what all figures of labels are made of."""
        hits, eye = self._hits(self.members), np.eye(len(self.names), dtype=bool)
        rows = np.stack([np.ones(len(self.y), dtype=bool), self.y == self.said], axis=1)
        blocks = {"rows": rows, "positions": hits, "labels": self._hits(eye)}
        return blocks | {f"target {t}": hits & about[:, None] for t, about in self.targets.items()}

    def kept(self, rows: Bools) -> NDArray[Any]:
        """Return for each row whether it is kept, whether kept and wrong, and its hits if kept."""
        counts = np.stack([rows, rows & (self.y != self.said)], axis=1)
        return np.concatenate([counts, self._hits(self.members) & rows[:, None]], axis=1)

    def _hits(self, members: Bools) -> Bools:
        true, said = members[self.y], members[self.said]
        return np.concatenate([true & said, true, said], axis=1)

    def confusion(self) -> dict[str, Any]:
        n = len(self.names)
        counts = np.bincount(self.y * n + self.said, minlength=n * n).reshape(n, n)
        return {"labels": list(self.names), "rows": "truth", "columns": "said", "counts": counts.tolist()}


def _require_lengths(n: int, **columns: Sequence[Any] | NDArray[Any]) -> None:
    for name, column in columns.items():
        if len(column) != n:
            raise DataError(f"{len(column)} {name} for {n} labelled rows; give one for each")


def _headline(sample: _Sample, resampling: _Resampling, sums: Mapping[str, Floats]) -> dict[str, Any]:
    found: dict[str, Any] = {
        **resampling.settings(),
        "macro_f1_positions": resampling.figure(_macro_f1(sums["positions"])),
        "macro_f1_labels": resampling.figure(_macro_f1(sums["labels"])),
        "accuracy": resampling.figure(sums["rows"][:, 1] / sums["rows"][:, 0]),
    }
    if sample.has_favg:  # the labels of an exclusive codebook are its positions: Favg is their macro-F1
        found["favg"] = {"pooled": found["macro_f1_positions"]}
    if sample.targets:
        each = {name: _macro_f1(sums[f"target {name}"]) for name in sample.targets}
        mean = _mean_defined(np.stack(list(each.values()), axis=1))
        found["favg"]["mean_over_targets"] = resampling.figure(mean)
        found["favg"]["per_target"] = {name: resampling.figure(values) for name, values in each.items()}
    return found


def _each(names: Strings, resampling: _Resampling, hits: Floats) -> dict[str, Any]:
    """Return the figures of each label or position."""
    both, true, said = np.split(hits, 3, axis=1)
    precision, recall, f1 = _ratio(both, said), _ratio(both, true), _ratio(2 * both, true + said)
    return {
        name: {
            "precision": _plain(precision[0, k]),
            "recall": _plain(recall[0, k]),
            "f1": resampling.figure(f1[:, k]),
            "support": int(true[0, k]),
            "said": int(said[0, k]),
        }
        for k, name in enumerate(names)
    }


def _average_precision(sample: _Sample, prediction: Prediction, k: int) -> float | None:
    """Return the mean precision at the ranks of the true rows; rows of one score share their last rank."""
    truth, score = sample.members[sample.y, k], prediction.positions[:, k]
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    gained = np.diff(hits[last], prepend=0)
    return _plain((gained * hits[last] / (last + 1)).sum() / hits[-1]) if hits[-1] else None


def _probability_blocks(sample: _Sample, prediction: Prediction) -> dict[str, NDArray[Any]]:
    y, proba, confidence = sample.y, prediction.label_proba, prediction.confidence
    brier = ((proba - np.eye(len(sample.names))[y]) ** 2).sum(axis=1)
    losses = -np.log(np.clip(proba[np.arange(len(y)), y], 1e-15, 1.0))
    inner = np.linspace(0, 1, sample.n_bins + 1)[1:-1]
    cuts = {"equal width": inner, "equal mass": np.quantile(confidence, inner)}
    blocks = {name: _binned(confidence, y == sample.said, edges) for name, edges in cuts.items()}
    blocks |= {f"label {name}": _binned(proba[:, k], y == k, inner) for k, name in enumerate(sample.names)}
    blocks |= {f"cover {c}": sample.kept(confidence >= cut) for c, cut in _cutoffs(confidence).items()}
    return blocks | {"scores": np.stack([brier, losses], axis=1)}


def _binned(confidence: Floats, right: Bools, inner: Floats) -> NDArray[Any]:
    """Return for each bin (open below, closed above) if a row is in it, its confidence, if it is right."""
    inside = np.searchsorted(inner, confidence)[:, None] == np.arange(len(inner) + 1)
    return np.concatenate([inside, inside * confidence[:, None], inside & right[:, None]], axis=1)


def _ece(bins: Floats) -> Floats:
    """Return the gaps between mean confidence and accuracy of the bins, weighted by their rows."""
    n, confidence, right = np.split(bins, 3, axis=1)
    gaps: Floats = np.abs(confidence - right).sum(axis=1) / n.sum(axis=1)
    return gaps


def _calibration(sample: _Sample, resampling: _Resampling, sums: Mapping[str, Floats]) -> dict[str, Any]:
    brier, losses = (sums["scores"] / sums["rows"][:, :1]).T
    return {
        "bins": sample.n_bins,
        "scheme": "confidence is the probability of the decided label (top-1); equal width: bins divide 0-1; "
        "equal mass: bins hold equally many rows, those of one confidence together",
        "ece_equal_width": resampling.figure(_ece(sums["equal width"])),
        "ece_equal_mass": resampling.figure(_ece(sums["equal mass"])),
        "ece_equal_width_per_label": {name: _plain(_ece(sums[f"label {name}"])[0]) for name in sample.names},
        "brier_sum_0_2": resampling.figure(brier),
        "log_loss_nats": resampling.figure(losses),
        "reliability": _reliability(*np.split(sums["equal width"][0], 3)),
    }


def _reliability(n: Floats, confidence: Floats, right: Floats) -> list[dict[str, Any]]:
    """Return a row for each bin that is not empty."""
    return [
        {"above": k / len(n), "up_to": (k + 1) / len(n), "n": int(n[k])}
        | {"confidence": _plain(confidence[k] / n[k]), "accuracy": _plain(right[k] / n[k])}
        for k in np.flatnonzero(n).tolist()
    ]


def _cutoffs(confidence: Floats) -> dict[float, float]:
    """Return for each coverage the confidence from which on rows are kept; equal ones are kept together."""
    rising, n = np.sort(confidence), len(confidence)
    return {c: float(rising[n - max(1, int(np.ceil(n * c - 1e-9)))]) for c in COVERAGES}


def _risk_coverage(
    resampling: _Resampling, sums: Mapping[str, Floats], cutoffs: Mapping[float, float]
) -> list[dict[str, Any]]:
    found = {c: _decided(resampling, sums[f"cover {c}"]) for c in cutoffs}
    return [{"coverage": c, "confidence": _plain(cutoffs[c]), **figures} for c, figures in found.items()]


def _decided(resampling: _Resampling, sums: Floats) -> dict[str, Any]:
    """Return the share of the rows that `_Sample.kept` kept, and the figures among them."""
    return {
        "share": _plain(sums[0, 0] / resampling.n),
        "error": resampling.figure(_ratio(sums[:, 1], sums[:, 0])),
        "macro_f1_positions": resampling.figure(_macro_f1(sums[:, 2:])),
    }


def _macro_f1(hits: Floats) -> Floats:
    both, true, said = np.split(hits, 3, axis=1)
    return _mean_defined(_ratio(2 * both, true + said))


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio


def _mean_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(float))


def _plain(value: float | np.floating[Any]) -> float | None:
    return None if np.isnan(value) else round(float(value), _DIGITS) + 0.0
