"""From an annotated corpus to a model: one classifier for each target, and an honest account of how good it is."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import stance
from stance.codebook import Codebook, codebook_of_labels
from stance.corpus.files import Corpus
from stance.errors import DataError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model
from stance.model.attribution import HolderWeights
from stance.model.baselines import Baselines
from stance.model.classifier import FeatureChoice, StanceClassifier
from stance.model.confusion import confusion_of
from stance.model.encoder import Encoder, share_seen
from stance.model.gating import gate_facts, relevance_of
from stance.model.holders import learned
from stance.model.metrics import measure
from stance.model.scorer import Prediction
from stance.shipped import shipped

__all__ = [
    "Trained",
    "codebook_for",
    "facts_of",
    "held_out_figures",
    "out_of_fold",
    "refuse_strange",
    "refuse_too_few",
    "split_of",
    "train",
]

Progress = Callable[[int, int], None]
_FEWEST_DOCUMENTS = 2
_FIGURES = ("accuracy", "macro_f1_positions", "macro_f1_labels", "favg")  # kept of a baseline


@dataclass(frozen=True)
class Trained:
    """A model, and the fitted scikit-learn classifier of each target."""

    model: StanceModel
    classifiers: dict[str, StanceClassifier]


def train(
    corpus: Corpus,
    *,
    codebook: Codebook | None = None,
    none_label: str = "",
    features: FeatureChoice = "both",
    encoder_of: str | Path = DEFAULT_MODEL,
    name: str = "model",
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a classifier for each target of a corpus.

    Rows whose column ``split`` says ``test`` are not trained on; the model is measured on them. On the others it is
    measured by cross-validation: models, calibration and thresholds come from the other folds; the strength of
    regularisation is chosen on all folds, and the vocabulary is that of all training texts.

    Parameters
    ----------
    codebook
        Targets and positions. Without one the labels found are positions that exclude each other.
    none_label
        Without a codebook: the label of no position.
    features
        What the classifiers see: "ngrams", "encoder" (its vectors), or "both".
    encoder_of
        The model whose encoder is used, as it is.
    seed, jobs
        See `StanceClassifier`. The same corpus and seed give the same model, whatever the number of jobs.
    progress
        Called with the number of fits done and to do.

    Raises
    ------
    DataError
        If a label is not in the codebook, has too few documents, or there is but one; if some rows have a target and
        others none; if a target or a label is only among the rows held out.
    """
    book = codebook_for(corpus, codebook, none_label)
    training, held_out = split_of(corpus)
    refuse_strange(training, held_out, book)
    per_target = {
        t: training.take([i for i, x in enumerate(training.targets) if x == t]) for t in training.target_names
    }
    for target, part in per_target.items():
        refuse_too_few(part, target, book)
    encoder, facts = _encoder(features, encoder_of, training)
    classifiers, baselines, about = {}, {}, []
    for i, (target, part) in enumerate(per_target.items()):
        classifiers[target] = StanceClassifier(
            codebook=book.without_actors(), features=features, encoder=encoder, target=target, seed=seed, n_jobs=jobs
        )
        shown = _nth(progress, i, len(per_target))
        classifiers[target].fit(
            part.texts, _canonical(part, book), contexts=part.contexts, groups=part.groups, progress=shown
        )
        baselines[target] = classifiers[target].baselines_
        about.append({"target": target, **_counts(part), "chosen": classifiers[target].chosen_})
    holders, of_holders = _holders(training, held_out, book, classifiers, seed)
    model = StanceModel(name, {t: c.scorer_ for t, c in classifiers.items()}, baselines, holders=holders)
    names = {target: c.scorer_.features.target for target, c in classifiers.items()}
    gate = gate_facts(training, held_out, book, names)
    figures, confusion = _cross_validation(per_target, classifiers, book, (gate or {}).get("default", "off"))
    facts = {
        **facts_of(training, seed),
        **facts,
        "targets": about,
        "cross_validation": figures,
        "confusion": confusion,
        "gate": gate,
        "holders": of_holders,
        "held_out": held_out_figures(model, held_out),
    }
    return Trained(replace(model, about=facts), classifiers)


def out_of_fold(
    corpus: Corpus,
    codebook: Codebook,
    *,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64] | None:
    """Return out-of-fold probabilities of the labels present, sorted, shape (n, n_labels).

    Rows of a target whose labels are too few, or in too few documents, are NaN; None if all are.
    """
    labels = sorted(set(corpus.labels))
    proba = np.full((len(corpus), len(labels)), np.nan)
    for i, target in enumerate(corpus.target_names):
        rows = [j for j, t in enumerate(corpus.targets) if t == target]
        part = corpus.take(rows)
        if len(set(_canonical(part, codebook))) < 2:
            continue
        classifier = StanceClassifier(codebook=codebook, target=target, seed=seed, n_jobs=jobs)
        shown = _nth(progress, i, len(corpus.target_names))
        classifier.fit(part.texts, part.labels, contexts=part.contexts, groups=part.groups, progress=shown)
        if classifier.cross_validated_ is None:
            continue
        known = classifier.scorer_.labels
        proba[rows] = 0.0
        for column, label in enumerate(labels):  # "engage+terrorist" and "both" are one label
            if (name := codebook.canonical(label)) in known:
                proba[rows, column] = classifier.cross_validated_.label_proba[:, known.index(name)]
    return None if np.isnan(proba).all() else proba / proba.sum(axis=1, keepdims=True)


def codebook_for(corpus: Corpus, codebook: Codebook | None, none_label: str = "") -> Codebook:
    """Return the codebook, or one made of the corpus's labels; labels that are not in it raise `DataError`."""
    found = sorted(set(corpus.labels))
    if codebook is None:
        return codebook_of_labels(found, none_label)
    for label in found:
        try:
            codebook.positions_of(label)
        except ValueError as error:
            where = corpus.where[corpus.labels.index(label)]
            raise DataError(f"{where}: {error}") from error
    return codebook


def split_of(corpus: Corpus) -> tuple[Corpus, Corpus | None]:
    """Return what to train on, and what the column ``split`` holds out for testing."""
    sides = corpus.sides
    if "test" not in sides:
        return corpus, None
    held = [i for i, side in enumerate(sides) if side == "test"]
    rest = [i for i, side in enumerate(sides) if side != "test"]
    if not rest:
        raise DataError("every row's split is 'test'; there is nothing to train on")
    return corpus.take(rest), corpus.take(held)


def facts_of(training: Corpus, seed: int) -> dict[str, Any]:
    """Return what a card says of a training, before it is measured."""
    return {
        "version": stance.__version__,
        "python": platform.python_version(),
        "libraries": _versions(),
        "seed": seed,
        "corpus": {"fingerprint": training.fingerprint, **_counts(training)},
    }


def held_out_figures(
    model: StanceModel, corpus: Corpus | None, said: Prediction | None = None
) -> dict[str, Any] | None:
    """Return the figures of a model, or of what it said, on documents that are held out; None if there are none."""
    if corpus is None:
        return None
    several = corpus.targets if len(model.targets) > 1 else None
    said = model.predict(corpus.texts, corpus.contexts, several) if said is None else said
    figures = measure(
        model.codebook, _canonical(corpus, model.codebook), said, model.labels, corpus.documents, targets=several
    )
    return {"fingerprint": corpus.fingerprint, **_counts(corpus), **figures}


# -- details ---------------------------------------------------------------------------------------------------------


def _encoder(
    features: FeatureChoice, encoder_of: str | Path, training: Corpus
) -> tuple[Encoder | None, dict[str, Any]]:
    """Return the encoder of a model, and what the card says of it: whether it has seen these documents, above all."""
    if features == "ngrams":
        return None, {}
    model = load_model(encoder_of)
    if model.encoder is None:
        raise DataError(f"model {model.name!r} has no encoder; take another, or train on n-grams alone")
    learned = str(model.about.get("encoder", {}).get("learned", ""))
    about = {
        "of": model.name,
        "base": model.encoder.spec.base,
        "features": features,
        "seen": round(share_seen(training.texts, learned), 4),
        "learned": learned,
    }
    return model.encoder, {"encoder": about}


def _holders(
    training: Corpus,
    held_out: Corpus | None,
    book: Codebook,
    classifiers: dict[str, StanceClassifier],
    seed: int,
) -> tuple[HolderWeights | None, dict[str, Any]]:
    """Return what is known of holders: learned from the corpus if it names them, else taken from a shipped model."""
    found: tuple[HolderWeights | None, dict[str, Any]] = None, {}
    if book.actors and len(classifiers) == 1:
        scorer = next(iter(classifiers.values())).scorer_
        found = learned(training, book, held_out, scorer.position_proba, seed)
    if found[0] is not None or not (shipped("models") / DEFAULT_MODEL / "model.json").is_file():
        return found
    return load_model(DEFAULT_MODEL).holders, {"of": DEFAULT_MODEL}


def _canonical(corpus: Corpus, book: Codebook) -> list[str]:
    """Return the labels as the codebook writes them (``engage+terrorist`` is ``both``)."""
    return list(map(book.canonical, corpus.labels))


def _nth(progress: Progress | None, i: int, n: int) -> Progress | None:
    """Return a progress function for the i-th of n equal tasks."""
    return None if progress is None else lambda done, total: progress(i * total + done, n * total)


def refuse_strange(training: Corpus, held_out: Corpus | None, book: Codebook) -> None:
    """Raise `DataError` for rows without a target where others have one, and for what is held out but not learned."""
    learned = {*_canonical(training, book), *(() if book.exclusive else book.labels)}
    for where, label in zip(held_out.where, _canonical(held_out, book), strict=True) if held_out else ():
        if label not in learned:
            raise DataError(f"{where}: label {label!r} is held out for testing, and no row to train on has it")
    for part in filter(None, (training, held_out)):
        for where, target in zip(part.where, part.targets, strict=True):
            if target not in training.targets:
                raise DataError(f"{where}: target {target!r} is held out for testing, and no row to train on has it")
            if not target and len(training.target_names) > 1:
                raise DataError(f"{where}: no target, where other rows have one; give it one, or leave the row out")


def refuse_too_few(corpus: Corpus, target: str, book: Codebook) -> None:
    """Raise `DataError` if there is but one label, or one is in too few documents to learn and to measure it."""
    of = f" for target {target!r}" if target else ""
    labels = _canonical(corpus, book)
    if len(set(labels)) < 2:
        raise DataError(
            f"one label only{of}: all {len(labels)} rows are {labels[0]!r}; a classifier needs at least two"
        )
    for label in sorted(set(labels)):
        documents = {d for d, found in zip(corpus.documents, labels, strict=True) if found == label}
        if len(documents) < _FEWEST_DOCUMENTS:
            raise DataError(
                f"label {label!r}{of} is in {len(documents)} document; at least {_FEWEST_DOCUMENTS} are needed to "
                "learn and to measure it; add documents, merge it with another label, or leave it out"
            )


def _counts(corpus: Corpus) -> dict[str, Any]:
    return {
        "n": len(corpus),
        "n_documents": len(set(corpus.documents)),
        "labels": dict(sorted(Counter(corpus.labels).items())),
    }


def _versions() -> dict[str, str]:
    import scipy
    import sklearn

    return {"numpy": np.__version__, "scikit-learn": sklearn.__version__, "scipy": scipy.__version__}


def _cross_validation(
    parts: dict[str, Corpus], classifiers: dict[str, StanceClassifier], book: Codebook, gate: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Measure out of fold, all targets together, beside the baselines learned on the same folds; and count errors."""
    if any(c.cross_validated_ is None for c in classifiers.values()):
        return None, None
    labels = tuple(sorted({label for c in classifiers.values() for label in c.scorer_.labels}))
    truth: list[str] = []
    documents: list[str] = []
    targets: list[str] = []
    keywords: list[str] = []
    majority: list[str] = []
    relevant: list[bool] = []
    for target, part in parts.items():
        said = _canonical(part, book)
        truth += said
        documents += part.documents
        targets += part.targets
        names = {target: classifiers[target].scorer_.features.target}
        relevant += [] if gate == "off" else relevance_of(part, names, gate)
        baselines = _baselines_out_of_fold(part, said, classifiers[target].fold_of_, book)
        majority += baselines[0]
        keywords += baselines[1]
    merged = _merged([(c.scorer_.labels, c.cross_validated_) for c in classifiers.values()], labels)
    several = targets if len(parts) > 1 else None
    confusion = confusion_of(truth, merged.labels, labels, documents, relevant or None)
    return {
        **measure(book, truth, merged, labels, documents, targets=several),
        "baselines": {
            name: _headline(measure(book, truth, guess, labels, documents, targets=several))
            for name, guess in (("majority", majority), ("keywords", keywords))
        },
    }, confusion


def _merged(parts: Sequence[tuple[tuple[str, ...], Any]], labels: tuple[str, ...]) -> Prediction:
    """Put the predictions of several targets one after the other, over all their labels."""
    proba = []
    for own, said in parts:
        wide = np.zeros((len(said.labels), len(labels)))
        wide[:, [labels.index(label) for label in own]] = said.label_proba
        proba.append(wide)
    return Prediction(
        [label for _, said in parts for label in said.labels],
        np.concatenate([said.positions for _, said in parts]),
        np.concatenate(proba),
        np.concatenate([said.confidence for _, said in parts]),
    )


def _baselines_out_of_fold(
    corpus: Corpus, labels: list[str], fold_of: Any, book: Codebook
) -> tuple[list[str], list[str]]:
    majority, keywords = [""] * len(labels), [""] * len(labels)
    for fold in np.unique(fold_of):
        seen, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        fitted = Baselines.fit([corpus.texts[i] for i in seen], [labels[i] for i in seen], book)
        guesses = fitted.predict_keywords([corpus.texts[i] for i in held], book)
        for i, guess in zip(held, guesses, strict=True):
            majority[i], keywords[i] = fitted.majority, guess
    return majority, keywords


def _headline(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in _FIGURES if name in found}
