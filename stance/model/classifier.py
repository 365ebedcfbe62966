"""`StanceClassifier`: a scikit-learn classifier over texts, one yes/no head per position or one softmax over labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from stance.codebook import Codebook, Target, codebook_of_labels
from stance.errors import DataError
from stance.model.baselines import Baselines
from stance.model.calibration import Abstention, Calibrator
from stance.model.encoder import Encoder
from stance.model.features import BLOCKS, Features, FeatureSpec
from stance.model.heads import Heads, calibrated, decided, nested
from stance.model.scorer import Prediction, Scorer, as_column, as_texts

__all__ = ["FeatureChoice", "StanceClassifier"]

FeatureChoice = Literal["ngrams", "encoder", "both"]
Floats = NDArray[np.float64]
_C_WITHOUT_FOLDS = 3.0
_FEW_TEXTS = 50  # below this every feature counts
_TINY = 1e-15


class StanceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Classify sentences by the position on a target that they reflect.

    Word and character n-grams, mentions of the target and the sentence before feed logistic regressions: one for each
    position if the codebook's labels combine, one multinomial model if they exclude each other. Strength of
    regularisation, calibration and thresholds come from cross-validation in which a document is never on both sides.

    Parameters
    ----------
    codebook : Codebook, optional
        Targets and positions. Without one the labels found are positions that exclude each other.
    features : {"ngrams", "encoder", "both"}, default="ngrams"
        What the logistic regressions see: n-grams, the vectors of a frozen sentence encoder, or both.
    encoder : Encoder, optional
        The encoder, if `features` needs one: that of a model, ``load_model("accurate").encoder``.
    none_label : str, default=""
        Without a codebook: which of the labels stands for no position.
    target : str, default=""
        The name of the codebook's target that the texts are about; by default its only one.
    words, chars : tuple of (int, int)
        Shortest and longest n-gram.
    min_df : int, default=2
        In how many texts a feature must occur.
    C : sequence of float, default=(1, 3, 10, 30)
        Inverse strengths of regularisation to choose from, by out-of-fold log loss after calibration.
    tune_thresholds : bool, default=True
        Decide by thresholds that give the best macro-F1 out of fold; else by probabilities alone.
    folds : int, default=5
        Folds of the cross-validation; fewer where a label has fewer documents.
    seed : int, default=0
        Decides which document is in which fold.
    n_jobs : int, optional
        Processes of joblib; the result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        Labels, sorted.
    scorer_ : Scorer
        The fitted classifier as data; saving writes this and nothing else.
    baselines_ : Baselines
        The most frequent label, and keywords: what the classifier must beat.
    cross_validated_ : Prediction or None
        Predictions for the training texts by models that had not seen their documents, with calibration and thresholds
        from the other folds' scores. `C` is chosen on all folds, and the vocabulary on all texts. None if a label has
        too few documents for two folds.
    fold_of_ : ndarray of shape (n_samples,) or None
        The fold in which each text was held out.
    chosen_ : dict
        The chosen `C`, the number of folds, and the out-of-fold log loss of each candidate.

    Examples
    --------
    >>> texts = ["Talk to them.", "Fight them.", "It rained."] * 4
    >>> model = StanceClassifier(none_label="none").fit(texts, ["engage", "terrorist", "none"] * 4)
    >>> model.predict(["We must fight."]).tolist()
    ['terrorist']
    """

    def __init__(
        self,
        *,
        codebook: Codebook | None = None,
        features: FeatureChoice = "ngrams",
        encoder: Encoder | None = None,
        none_label: str = "",
        target: str = "",
        words: tuple[int, int] = (1, 2),
        chars: tuple[int, int] = (2, 5),
        min_df: int = 2,
        C: Sequence[float] = (1.0, 3.0, 10.0, 30.0),
        tune_thresholds: bool = True,
        folds: int = 5,
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.codebook = codebook
        self.features = features
        self.encoder = encoder
        self.none_label = none_label
        self.target = target
        self.words = words
        self.chars = chars
        self.min_df = min_df
        self.C = C
        self.tune_thresholds = tune_thresholds
        self.folds = folds
        self.seed = seed
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    # -- fitting -----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Sequence[str],
        y: Sequence[str],
        *,
        contexts: Sequence[str] | None = None,
        groups: Sequence[Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> StanceClassifier:
        """Fit the classifier.

        Parameters
        ----------
        X : sequence of str, length n
            Texts.
        y : sequence of str, length n
            Their labels.
        contexts : sequence of str, optional
            The sentence before each text, empty where there is none.
        groups : sequence, optional
            The document of each text; a document is never split between folds. By default each text is its own.
        progress : callable, optional
            Called with the number of fits done and to do.

        Raises
        ------
        DataError
            If texts are no strings, a label is not in the codebook, there is but one label, or `features` needs an
            encoder and there is none.
        """
        self._refuse_features()
        texts = self._texts(X)
        labels = _labels(y, len(texts))
        contexts = None if contexts is None else as_column(contexts, len(texts), "contexts")
        groups = list(range(len(texts))) if groups is None else as_column(groups, len(texts), "groups")
        if self.codebook is not None:  # "engage+terrorist" is "both"
            labels = np.array([self.codebook.canonical(str(label)) for label in labels])
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"one class only: every label is {str(self.classes_[0])!r}; a classifier needs at least two"
            )
        names = tuple(map(str, self.classes_))
        book = codebook_of_labels(names, self.none_label) if self.codebook is None else self.codebook
        spec = FeatureSpec(
            words=(self.words[0], self.words[1]),
            chars=(self.chars[0], self.chars[1]),
            min_df=self.min_df if len(texts) > _FEW_TEXTS else 1,
            weights=(0.0,) * len(BLOCKS) if self.features == "encoder" else FeatureSpec().weights,
        )
        features = Features(spec, self._target(book)).fit(texts, contexts)
        rows = features.transform(texts, contexts)
        encoder = None if self.features == "ngrams" else self.encoder
        vectors = np.empty((len(texts), 0)) if encoder is None else encoder.embed(texts, contexts, features.target)
        said = names if book.exclusive else tuple(sorted({*names, *book.labels}))
        k = len(said) if book.exclusive else len(book.positions)
        unfitted = Scorer(
            book,
            said,
            features,
            np.empty((0, k)),
            np.empty(k),
            Calibrator((1.0,) * k, (0.0,) * k),
            (0.0 if book.exclusive else 0.5,) * k,
            encoder=encoder,
        )
        self.classes_ = np.array(said) if not book.exclusive else self.classes_
        self.chosen_: dict[str, Any] = {"C": _C_WITHOUT_FOLDS, "folds": 0, "log_loss": {}}
        self.cross_validated_: Prediction | None = None
        self.fold_of_: NDArray[np.intp] | None = None
        at = np.array([said.index(name) for name in names])[codes]
        self.baselines_ = Baselines.fit(texts, [names[code] for code in codes], book)
        heads = Heads(unfitted, rows, vectors, at, self.n_jobs)
        self.scorer_ = self._fit_heads(unfitted, heads, at, groups, progress)
        return self

    def _fit_heads(
        self,
        scorer: Scorer,
        heads: Heads,
        y: NDArray[np.intp],
        groups: Sequence[Any],
        progress: Callable[[int, int], None] | None,
    ) -> Scorer:
        """Choose `C` out of fold, calibrate and set thresholds there, and fit the final heads on everything."""
        folds = self._folds(y, scorer.members[y], groups)
        grid = sorted({float(c) for c in self.C}) if folds else [_C_WITHOUT_FOLDS]
        jobs = [(c, train) for c in grid for train, _ in folds]
        everything = np.arange(len(y))
        fitted = heads.fit([*jobs, *((c, everything) for c in grid[:1] if not folds)], progress, len(jobs) + 1)
        if not folds:
            coef, dense, intercept = heads.of_raw(*fitted[0])
            return replace(scorer, coef=coef, dense=dense, intercept=intercept)
        scores = {}
        for i, c in enumerate(grid):
            scores[c] = np.empty((len(y), len(scorer.scores)))
            for (_, test), (coef, intercept) in zip(folds, fitted[i * len(folds) :], strict=False):
                scores[c][test] = heads.scores(coef, intercept)[test]
        losses = {c: calibrated(scorer, s, y)[1] for c, s in scores.items()}
        best = min(grid, key=lambda c: (round(losses[c], 6), c))
        self.chosen_ = {
            "C": best,
            "folds": len(folds),
            "log_loss": {f"{c:g}": round(v, 6) for c, v in losses.items()},
        }
        self.cross_validated_ = nested(scorer, scores[best], y, folds, tune=self.tune_thresholds)
        self.fold_of_ = np.empty(len(y), dtype=np.intp)
        for i, (_, test) in enumerate(folds):
            self.fold_of_[test] = i
        coef, dense, intercept = heads.of_raw(*heads.fit([(best, everything)], progress, len(jobs) + 1, len(jobs))[0])
        right = np.array(self.cross_validated_.labels) == np.array(scorer.labels)[y]
        abstention = Abstention.fit(self.cross_validated_.confidence, right)
        made = decided(scorer, scores[best], y, tune=self.tune_thresholds)
        return replace(made, coef=coef, dense=dense, intercept=intercept, abstention=abstention)

    def _folds(
        self, y: NDArray[np.intp], truth: NDArray[np.bool_], groups: Sequence[Any]
    ) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Return grouped, stratified folds; none where a head would see one answer only on some training side."""
        codes = np.unique(np.array(groups, dtype=str), return_inverse=True)[1]
        answers = np.concatenate([truth, ~truth], axis=1)
        documents = [len(np.unique(codes[column])) for column in answers.T if column.any()]
        n = min(self.folds, *documents)
        if n < 2:
            return []
        splitter = StratifiedGroupKFold(n_splits=n, shuffle=True, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a label in fewer documents than folds is well
            found = list(splitter.split(np.zeros(len(y)), y, codes))
        seen = answers.any(axis=0)
        return found if all((answers[train].any(axis=0) == seen).all() for train, _ in found) else []

    # -- predicting --------------------------------------------------------------------------------------------------

    def predict(self, X: Sequence[str], contexts: Sequence[str] | None = None) -> NDArray[Any]:
        """Return the label of each text; parameters as in `fit`."""
        said = self._predict(X, contexts).labels
        index = {str(label): i for i, label in enumerate(self.classes_)}
        return self.classes_[[index[label] for label in said]] if said else self.classes_[:0]

    def predict_proba(self, X: Sequence[str], contexts: Sequence[str] | None = None) -> Floats:
        """Return calibrated probabilities of the labels, shape (n, n_labels), columns as in `classes_`."""
        return self._predict(X, contexts).label_proba

    def decision_function(self, X: Sequence[str], contexts: Sequence[str] | None = None) -> Floats:
        """Return how decided each answer is.

        Returns
        -------
        ndarray
            Where labels combine, log-odds of each position above its threshold, shape (n, n_positions): above 0 is yes.
            Where they exclude each other, the log-probabilities of the labels plus their offsets, shape (n, n_labels):
            the largest is predicted; of two labels their difference, shape (n,).
        """
        said = self._predict(X, contexts)
        thresholds = np.array(self.scorer_.thresholds)
        if not self.scorer_.codebook.exclusive:
            return np.subtract(_log_odds(said.positions), _log_odds(thresholds))
        scores: Floats = np.log(np.clip(said.label_proba, _TINY, 1.0)) + thresholds
        return np.subtract(scores[:, 1], scores[:, 0]) if scores.shape[1] == 2 else scores

    def _predict(self, X: Sequence[str], contexts: Sequence[str] | None) -> Prediction:
        check_is_fitted(self)
        texts = self._texts(X)
        return self.scorer_.predict(texts, None if contexts is None else as_column(contexts, len(texts), "contexts"))

    # -- input -------------------------------------------------------------------------------------------------------

    def _texts(self, X: Any) -> list[str]:
        """Return the texts of the input; the one place where input becomes texts."""
        return as_texts(X, "X")

    def _refuse_features(self) -> None:
        known = ("ngrams", "encoder", "both")
        if self.features not in known:
            raise DataError(f"features is {self.features!r}; it must be one of {', '.join(known)}")
        if self.features != "ngrams" and self.encoder is None:
            raise DataError(f"features={self.features!r} needs an encoder: encoder=load_model('accurate').encoder")

    def _target(self, book: Codebook) -> Target:
        if self.target:
            return book.target(self.target)
        return book.targets[0] if len(book.targets) == 1 else Target("")


def _labels(y: Any, n: int) -> NDArray[Any]:
    if y is None or isinstance(y, str):
        raise DataError(
            "this classifier requires y to be passed, but the target y is None; give one label for each text"
        )
    labels = np.asarray(y)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError("Input y contains NaN or infinity, which is no label")
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn("A column-vector y was passed when a 1d array was expected", DataConversionWarning, stacklevel=3)
        labels = labels.ravel()
    if labels.ndim != 1:
        raise DataError(f"y has shape {labels.shape}; give one label for each text")
    check_classification_targets(labels)
    if len(labels) != n:
        raise DataError(f"{n} texts but {len(labels)} labels")
    if n == 0:
        raise DataError("0 sample(s): there is nothing to learn from")
    return labels


def _log_odds(p: Floats) -> Floats:
    clipped = np.clip(p, _TINY, 1 - _TINY)
    return np.subtract(np.log(clipped), np.log1p(-clipped))
