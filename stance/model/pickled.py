"""Fitted classifiers as a pickle, for who wants scikit-learn's objects; loading one can run any code."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.errors import ArtifactError
from stance.text.tables import written_whole

if TYPE_CHECKING:
    from stance.model.classifier import StanceClassifier

__all__ = ["read_pickle", "save_pickle"]

_UNREADABLE = (pickle.UnpicklingError, zlib.error, LookupError, ValueError, EOFError, ImportError, AttributeError)


def save_pickle(classifiers: Mapping[str, StanceClassifier], path: Path) -> None:
    """Write fitted classifiers, a dictionary by target, with joblib."""
    import joblib

    with written_whole(path) as made:
        joblib.dump(dict(classifiers), made, compress=3)


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the fitted classifiers of `save_pickle`; only for files that are trusted.

    Raises
    ------
    ArtifactError
        If the file holds anything else.
    """
    import joblib

    what = "no fitted StanceClassifier by target, as 'stance train --joblib' writes it"
    try:
        classifiers = joblib.load(path)
    except _UNREADABLE as error:
        raise ArtifactError(f"{path}: it holds {what}: {error}") from error
    if not isinstance(classifiers, dict) or not classifiers:
        raise ArtifactError(f"{path}: it holds {what}")
    if not all(hasattr(c, "scorer_") and hasattr(c, "baselines_") for c in classifiers.values()):
        raise ArtifactError(f"{path}: it holds {what}")
    return classifiers
