"""Saving and loading models: a folder of data, no code, verified before it is used.

``model.json`` says what the model is and holds the sha256 of every other file; the arrays of each target's classifier
are one ``.npz``, read by `stance.model.stored`; the encoder, if there is one, is ``encoder.onnx`` with its
``tokenizer.json``; ``README.md`` is the card. A cascade names two other models, and is nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stance.codebook import Codebook, load_codebook, parse_codebook
from stance.errors import ArtifactError, CodebookError, DataError
from stance.model.attribution import Attributor, HolderWeights
from stance.model.baselines import Baselines
from stance.model.cascade import Cascade, cascade_of
from stance.model.encoder import Encoder, EncoderSpec, sha256_of
from stance.model.gating import check_facts
from stance.model.pickled import read_pickle
from stance.model.scorer import Prediction, Scorer, as_column, as_texts
from stance.model.stored import LARGEST, read_holders, read_scorer
from stance.shipped import DEFAULT_MODEL, shipped

__all__ = ["DEFAULT_MODEL", "StanceModel", "couple", "is_cascade", "load_model", "shipped_models"]

SCHEMA = 1
_MAX_JSON = 64 * 2**20
_NAME = re.compile(r"\w[\w.-]{0,99}")
NETWORK, TOKENIZER, HOLDERS = "encoder.onnx", "tokenizer.json", "holders.json.gz"
FILES = re.compile(r"model\.json|README\.md|classifier-\d+\.npz|encoder\.onnx|tokenizer\.json|holders\.json\.gz")


@dataclass(frozen=True)
class StanceModel:
    """A model as it is saved: a classifier for each target, and what is known about them.

    Attributes
    ----------
    name
        The name of a shipped model, or the folder's.
    scorers
        For each target's name its classifier; a model of one target that the data did not name has the key ``""``.
    baselines
        For each target the majority label and the keywords of the training data.
    about
        What the card says: training data, seed, versions, metrics.
    fingerprint
        Sha256 of ``model.json``, which holds those of the other files; empty until the model is saved.
    holders
        What has been learned about who holds positions; None if nothing.
    """

    name: str
    scorers: Mapping[str, Scorer]
    baselines: Mapping[str, Baselines]
    about: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    holders: HolderWeights | None = None

    @property
    def codebook(self) -> Codebook:
        """The codebook, the same for all targets."""
        return next(iter(self.scorers.values())).codebook

    @property
    def encoder(self) -> Encoder | None:
        """The sentence encoder, the same for all targets; None if n-grams are all."""
        return next(iter(self.scorers.values())).encoder

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets."""
        return tuple(self.scorers)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of all targets, sorted."""
        return tuple(sorted({label for scorer in self.scorers.values() for label in scorer.labels}))

    def predict(
        self,
        texts: Sequence[str],
        contexts: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
    ) -> Prediction:
        """Return labels and probabilities of some sentences.

        Parameters
        ----------
        texts, contexts
            Sentences, and for each the sentence before it (empty where there is none).
        targets
            The target that each sentence is about; needed if the model has several.

        Raises
        ------
        DataError
            If a target is none of the model's.

        Examples
        --------
        >>> load_model().predict(["We must negotiate with the Taliban."]).labels
        ['engage']
        """
        texts = as_texts(texts)
        n = len(texts)
        contexts = None if contexts is None else as_texts(as_column(contexts, n, "contexts"), "contexts")
        targets = None if targets is None else as_column(targets, n, "targets")
        if targets is not None:
            self.check_targets(targets)
        if targets is None or len(self.scorers) == 1:
            return self._only().predict(texts, contexts)
        k = len(self.codebook.positions)
        labels = [""] * len(texts)
        positions, confidence = np.zeros((len(texts), k)), np.zeros(len(texts))
        label_proba = np.zeros((len(texts), len(self.labels)))
        encoded = 0
        for name in sorted(set(targets)):
            at = [i for i, target in enumerate(targets) if target == name]
            scorer = self.scorers[name]
            said = scorer.predict([texts[i] for i in at], None if contexts is None else [contexts[i] for i in at])
            positions[at], confidence[at] = said.positions, said.confidence
            encoded += said.encoded
            label_proba[np.ix_(at, [self.labels.index(label) for label in scorer.labels])] = said.label_proba
            for i, label in zip(at, said.labels, strict=True):
                labels[i] = label
        return Prediction(labels, positions, label_proba, confidence, encoded)

    def attributor(self, codebook: Codebook | None = None) -> Attributor | None:
        """Return what says who holds the positions of sentences; None if the model has learned nothing about it.

        Parameters
        ----------
        codebook
            Whose actors and blocs are looked for; by default the shipped one's.
        """
        if self.holders is None:
            return None
        known = load_codebook() if codebook is None else codebook
        book = replace(self.codebook, actors=known.actors, blocs=known.blocs)
        several = len(self.scorers) > 1  # of which one a sentence is about is not told there
        return Attributor(book, self.holders, None if several else self._only().position_proba)

    def check_targets(self, targets: Sequence[str]) -> None:
        """Raise `DataError` for the first target that the model does not know; one without a name fits any."""
        known = {*self.scorers, *([""] if len(self.scorers) == 1 else [])}
        for i, target in enumerate(targets):
            if target not in known and "" not in self.scorers:
                raise DataError(
                    f"row {i}: target {target!r} is unknown to model {self.name!r}; it knows {', '.join(self.targets)}"
                )

    def least_confidence(
        self, target: str = "", *, coverage: float | None = None, max_risk: float | None = None
    ) -> float:
        """Return the confidence below which to abstain; see `Abstention.least_confidence`.

        Raises
        ------
        DataError
            If a share is not between 0 and 1.
        """
        for name, share in (("coverage", coverage), ("max_risk", max_risk)):
            if share is not None and not 0 <= share <= 1:
                raise DataError(f"{name} is {share:g}; give a share between 0 and 1, such as 0.8")
        scorer = self._only() if len(self.scorers) == 1 else self.scorers[target]
        return scorer.abstention.least_confidence(coverage=coverage, max_risk=max_risk)

    def _only(self) -> Scorer:
        if len(self.scorers) > 1:
            raise DataError(
                f"model {self.name!r} has {len(self.scorers)} targets; say which one each text is about: "
                f"{', '.join(self.targets)}"
            )
        return next(iter(self.scorers.values()))


def shipped_models() -> tuple[str, ...]:
    """Return the names of the shipped models."""
    return tuple(sorted(p.parent.name for p in shipped("models").glob("*/model.json")))


# -- loading ---------------------------------------------------------------------------------------------------------


def load_model(name_or_path: str | Path = DEFAULT_MODEL, *, trust_pickle: bool = False) -> StanceModel:
    """Load a shipped model by its name, or a saved one by its folder.

    Nothing in the folder can run code: it holds JSON, text, numbers and perhaps a network of ONNX Runtime's own
    operators, and every file is compared with its sha256.

    Parameters
    ----------
    trust_pickle
        Load a ``.joblib`` file of fitted classifiers, too. Such a file can run any code when it is loaded.

    Raises
    ------
    ArtifactError
        If there is no such model, or it is damaged or not what it says.

    Examples
    --------
    >>> load_model("fast").codebook.position_names
    ('engage', 'terrorist')
    """
    if trust_pickle and Path(name_or_path).is_file():
        return _of_classifiers(Path(name_or_path))
    folder = _folder(name_or_path)
    data = _read_json(folder)
    try:
        return _model(folder, data)
    except CodebookError as error:
        raise ArtifactError(str(error)) from error
    except ArtifactError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        why = f"key {error} is missing" if isinstance(error, KeyError) else error
        raise ArtifactError(f"{folder / 'model.json'}: not a model of this schema: {why}") from error


def _model(folder: Path, data: dict[str, Any]) -> StanceModel:
    """Return the model; what does not fit raises one of the errors that `load_model` explains."""
    book = parse_codebook(data["codebook"], f"{folder / 'model.json'}: codebook")
    if book.fingerprint != data["codebook_fingerprint"]:
        raise ArtifactError(f"{folder / 'model.json'}: the codebook is not the one the model was trained with")
    for file, sha256 in data["files"].items():
        _verified(folder, file, sha256)
    encoder = None
    if "encoder" in data:
        network, tokenizer = (_verified(folder, file, data["files"][file]) for file in (NETWORK, TOKENIZER))
        sha256 = data["files"][NETWORK], data["files"][TOKENIZER]
        encoder = Encoder(EncoderSpec.from_dict(data["encoder"]), network, tokenizer, sha256)
    if _names_others(data):
        return _cascade(folder, data)
    scorers, baselines = {}, {}
    for settings in data["targets"]:
        target = settings["target"]
        if not isinstance(target, str) or target in scorers:
            raise ValueError(f"target {target!r} is no text, or stands there twice")
        scorers[target] = read_scorer(_verified(folder, settings["file"], settings["sha256"]), settings, book, encoder)
        baselines[target] = Baselines.from_dict(settings["baselines"])
        if not set(baselines[target].keywords) == set(baselines[target].least) == set(book.position_names):
            raise ValueError("baselines must name each position")
    if not scorers or not isinstance(data["about"], dict):
        raise ValueError("it has no classifier" if not scorers else "'about' is no table")
    check_facts(data["about"].get("gate"), book)
    holders = read_holders(_verified(folder, HOLDERS, data["files"][HOLDERS])) if HOLDERS in data["files"] else None
    return StanceModel(folder.name, scorers, baselines, data["about"], sha256_of(folder / "model.json"), holders)


def _names_others(data: Mapping[str, Any]) -> bool:
    """Return whether it is a cascade that a ``model.json`` describes."""
    about = data.get("about")
    cascade = about.get("cascade") if isinstance(about, dict) else None
    return "targets" not in data and isinstance(cascade, dict) and "first" in cascade


def _cascade(folder: Path, data: dict[str, Any]) -> StanceModel:
    """Return the cascade of two models that stand beside the folder, or are shipped; they must be the ones it is of."""
    found = data["about"]["cascade"]
    models = []
    for name in (found["first"], found["then"]):
        part = _place_of(name, folder)
        if _names_others(_read_json(part)):
            raise ValueError(f"{part} is a cascade itself")
        model = load_model(part)
        if model.fingerprint != found["fingerprints"][name]:
            raise ArtifactError(
                f"{folder}: model {name} is not the one that this cascade was made of; make it anew with stance cascade"
            )
        models.append(model)
    made = couple(models[0], models[1], folder.name)
    return replace(made, about={**made.about, **data["about"]}, fingerprint=sha256_of(folder / "model.json"))


def _place_of(name: Any, folder: Path) -> Path:
    """Return the folder of a cascade's model: beside the cascade's own, or that of the shipped one of that name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"a cascade is of models by their names, and {name!r} is none")
    beside = folder.absolute().parent / name
    if (beside / "model.json").is_file():
        return beside
    if name in shipped_models():
        return shipped("models", name)
    raise ArtifactError(f"{folder} is a cascade with {name!r}, which must stand beside it, in {beside.parent}")


def couple(first: StanceModel, then: StanceModel, name: str) -> StanceModel:
    """Return the cascade of two saved models: the slow one answers only where the quick one is not sure.

    Raises
    ------
    ArtifactError
        If a model is not saved, they are of different labels, or the slow one knows no band; `stance.model.finetune`
        measures it.

    Examples
    --------
    >>> couple(load_model("fast"), load_model("accurate"), "both").predict(["It rained."]).encoded
    0
    """
    known = then.about.get("cascade")
    if first.name == then.name:
        raise ArtifactError(f"no cascade of two models of the name {first.name!r}; give their folders different names")
    if known is None or not all(model.fingerprint and not is_cascade(model) for model in (first, then)):
        raise ArtifactError(
            f"no cascade of {first.name} and {then.name}: give a saved model, and one of stance finetune"
        )
    try:
        scorers = cascade_of(first.scorers, then.scorers, known["band"])
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"no cascade of {first.name} and {then.name}: {error}") from error
    names = {"first": first.name, "then": then.name, "fingerprints": {m.name: m.fingerprint for m in (first, then)}}
    about = {**then.about, "cascade": {**known, **names}}
    return StanceModel(name, scorers, then.baselines, about, holders=then.holders)


def is_cascade(model: StanceModel) -> bool:
    """Return whether a model is a cascade."""
    return any(isinstance(scorer, Cascade) for scorer in model.scorers.values())


def _of_classifiers(path: Path) -> StanceModel:
    classifiers = read_pickle(path)
    scorers = {target: classifier.scorer_ for target, classifier in classifiers.items()}
    baselines = {target: classifier.baselines_ for target, classifier in classifiers.items()}
    return StanceModel(path.stem, scorers, baselines, {"pickle": path.name}, sha256_of(path))


def _folder(name_or_path: str | Path) -> Path:
    path, names = Path(name_or_path), shipped_models()
    if isinstance(name_or_path, str) and name_or_path in names:  # a folder of that name is ./fast, or a Path
        return shipped("models", name_or_path)
    if (path / "model.json").is_file():
        return path
    if path.is_file() and path.suffix in {".joblib", ".pkl", ".pickle"}:
        raise ArtifactError(
            f"{path} is a pickle, which can run code; to use one that you trust: "
            f"stance predict --trust-pickle --model {path}"
        )
    why = "is no model: it holds no model.json" if path.exists() else "does not exist"
    raise ArtifactError(f"{name_or_path} {why}, and is none of the shipped models: {', '.join(names)}")


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if path.stat().st_size > _MAX_JSON:
        raise ArtifactError(f"{path}: larger than {_MAX_JSON >> 20} MB; it is not read")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ArtifactError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ArtifactError(f"{path}: schema {found!r} is not known here; this version reads schema {SCHEMA}")
    return data


def _verified(folder: Path, file: str, sha256: str) -> Path:
    """Return the path of a file of the model, after comparing its sha256."""
    if not isinstance(file, str) or not FILES.fullmatch(file):
        raise ArtifactError(
            f"{folder / 'model.json'}: file name {file!r} is none of a model's, or leads out of its folder"
        )
    path = folder / file
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(f"{path}: missing, or no regular file")
    if path.stat().st_size > LARGEST:
        raise ArtifactError(f"{path}: larger than {LARGEST >> 20} MB; it is not read")
    if sha256_of(path) != sha256:
        raise ArtifactError(
            f"{path}: its sha256 is not the one in model.json; the file was changed or damaged, get it anew"
        )
    return path
