"""Positions on the Afghan Taliban, sentence by sentence.

The public names are resolved on first use, so that importing ``stance`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "Codebook": "stance.codebook",
    "Corpus": "stance.corpus.files",
    "StanceClassifier": "stance.model.classifier",
    "StanceError": "stance.errors",
    "StanceModel": "stance.model.artifact",
    "UnfamiliarTextWarning": "stance.analysis.familiarity",
    "aggregate": "stance.analysis.aggregate",
    "analyze": "stance.analysis.pipeline",
    "evaluate": "stance.analysis.evaluation",
    "load_codebook": "stance.codebook",
    "load_model": "stance.model.artifact",
    "read_corpus": "stance.corpus.files",
    "read_documents": "stance.text.readers",
    "save_model": "stance.model.saving",
    "split_sentences": "stance.text.sentences",
    "train": "stance.model.training",
}

__all__ = ["__version__", *sorted(_HOME)]

if TYPE_CHECKING:
    from stance.analysis.aggregate import aggregate as aggregate
    from stance.analysis.evaluation import evaluate as evaluate
    from stance.analysis.familiarity import UnfamiliarTextWarning as UnfamiliarTextWarning
    from stance.analysis.pipeline import analyze as analyze
    from stance.codebook import Codebook as Codebook
    from stance.codebook import load_codebook as load_codebook
    from stance.corpus.files import Corpus as Corpus
    from stance.corpus.files import read_corpus as read_corpus
    from stance.errors import StanceError as StanceError
    from stance.model.artifact import StanceModel as StanceModel
    from stance.model.artifact import load_model as load_model
    from stance.model.classifier import StanceClassifier as StanceClassifier
    from stance.model.saving import save_model as save_model
    from stance.model.training import train as train
    from stance.text.readers import read_documents as read_documents
    from stance.text.sentences import split_sentences as split_sentences


def __getattr__(name: str) -> object:
    """Import a public name from the module that owns it (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'stance' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
