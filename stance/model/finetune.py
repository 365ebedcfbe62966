"""Training the sentence encoder of a model: teacher, student, ONNX, and the classifier that it is part of.

A large encoder may teach a small one (Hinton et al. 2015): several teachers are trained, each without a part of the
documents, and the small one learns what they say of documents they have not seen, and of unlabelled sentences.
The classifier adds the log-odds of the encoder's head to those of n-grams; how much of each, calibration and thresholds
come from documents that neither has seen. Needs the extra `finetune`, and half an hour to some hours.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook, Target
from stance.corpus.files import Corpus
from stance.errors import ArtifactError, DataError
from stance.model.artifact import StanceModel
from stance.model.blend import blended, folds_of, part_of, parts_of, truth_of
from stance.model.classifier import StanceClassifier
from stance.model.encoder import Encoder, marks_of, sha256_of
from stance.model.export import export, quantize
from stance.model.gating import gate_facts
from stance.model.holders import learned
from stance.model.network import Network, Plan, Rows, predict_network, train_network, vectors_of
from stance.model.training import (
    codebook_for,
    facts_of,
    held_out_figures,
    refuse_strange,
    refuse_too_few,
    split_of,
)
from stance.model.weights import base_folder, network_name

__all__ = ["Recipe", "finetune", "kept_for_calibration", "sentences_for_teaching"]

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int, float], None]
_LARGEST_CHANGE = 0.01  # of decisions, and of macro-F1, by quantising


@dataclass(frozen=True)
class Recipe:
    """What is trained.

    Attributes
    ----------
    base, teacher
        Short names or folders of public encoders, see `stance.model.weights`; no teacher if it is empty.
    layers
        How many layers of `base` are kept, from below; 0 keeps all.
    plan, teacher_plan
        How each is trained.
    parts
        How many teachers there are, each trained without one part of the documents.
    calibration
        The share of documents that are kept for calibration.
    teaching
        How much of the student's target comes from the teachers where there is a label.
    """

    base: str = "minilm"
    layers: int = 0
    teacher: str = ""
    plan: Plan = field(default_factory=lambda: Plan(epochs=3, rate=5e-5))
    teacher_plan: Plan = field(default_factory=lambda: Plan(epochs=2, rate=3e-5))
    parts: int = 3
    calibration: float = 0.12
    teaching: float = 0.7

    def __post_init__(self) -> None:
        if self.parts < 2 or self.layers < 0 or not 0 < self.calibration <= 0.5 or not 0 <= self.teaching <= 1:
            raise DataError(
                "a recipe needs at least 2 parts, no negative layers, calibration in (0, 0.5], teaching in [0, 1]"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, encoders by their published names."""
        named = {key: network_name(getattr(self, key)) if getattr(self, key) else "" for key in ("base", "teacher")}
        return {**asdict(self), **named}


def finetune(
    corpus: Corpus,
    *,
    codebook: Codebook | None = None,
    none_label: str = "",
    recipe: Recipe | None = None,
    unlabelled: tuple[Sequence[str], Sequence[str]] = ((), ()),
    name: str = "model",
    work: Path = Path("finetune"),
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> StanceModel:
    """Train an encoder and its classifier on a corpus of one target.

    Rows whose column ``split`` says ``test`` are not trained on; the model is measured on them. Some other documents
    are kept for calibration: neither encoder nor n-grams learn from them, or from sentences made from theirs (column
    ``group``); and sentences made from another document's teach, but do not calibrate.

    Parameters
    ----------
    corpus
        Labelled sentences.
    codebook, none_label
        As in `stance.model.training.train`.
    recipe
        What is trained, and how.
    unlabelled
        Sentences, and those before them, that the teachers label for the student.
    name, work
        The model's name, before it is saved; the folder of checkpoints, from which an interrupted run goes on.
    seed, jobs
        Of everything random; processes of joblib. The same corpus, recipe and seed give one model on one machine.
    progress
        Called with the stage, the steps done and to do, and the loss.

    Returns
    -------
    StanceModel
        Not saved yet; its encoder's files are in `work`.

    Raises
    ------
    DataError
        If the corpus has several targets, its labels do not fit the codebook, or are in too few documents.
    ArtifactError
        If weights are not genuine, checkpoints are of another training, or the 8-bit network is not like the original.
    """
    recipe = recipe or Recipe()
    book = codebook_for(corpus, codebook, none_label)
    training, held_out, known, kept = _parted(corpus, book, recipe, seed)
    target_name = training.target_names[0]
    folds = folds_of(kept, book, seed)
    folders = _prepared(work, recipe)
    ngrams = StanceClassifier(codebook=book.without_actors(), target=target_name, seed=seed, n_jobs=jobs).fit(
        known.texts, known.labels, contexts=known.contexts, groups=known.groups
    )
    target = ngrams.scorer_.features.target
    rows = Rows(known.texts, known.contexts, truth_of(known, ngrams.scorer_))
    stages = _Stages(recipe, folders, target, work, seed, progress)
    rows = stages.taught(rows, known.groups, _unseen(unlabelled, kept, held_out))
    network = stages.trained("student" if recipe.teacher else "encoder", "base", rows, recipe.plan, recipe.layers)
    encoder = _to_onnx(network, work, network_name(recipe.base))
    theirs, agreement = _agreement(network, encoder, kept, truth_of(kept, ngrams.scorer_) > 0, target)
    gate = gate_facts(training, held_out, book, {target_name: target})
    head = network.head_of_vectors()
    scorer, of_kept = blended(ngrams.scorer_, encoder, head, theirs, kept=kept, folds=folds, gate=gate)
    holders, of_holders = learned(training, book, held_out, scorer.position_proba, seed)
    model = StanceModel(name, {target_name: scorer}, {target_name: ngrams.baselines_}, holders=holders)
    about = {
        **facts_of(training, seed),
        "targets": [{"target": target_name, "n": len(known), "chosen": ngrams.chosen_}],
        "encoder": _facts(recipe, folders, known, len(rows.texts) - len(known), agreement),
        **of_kept,
        "cross_validation": None,
        "gate": gate,
        "holders": of_holders,
        "held_out": held_out_figures(model, held_out),
    }
    return replace(model, about=about)


def kept_for_calibration(training: Corpus, share: float, seed: int = 0) -> tuple[Corpus, Corpus]:
    """Split by group: what encoder and n-grams learn from, and the documents that are kept for calibration.

    Parameters
    ----------
    share
        About how many of the documents are kept.
    """
    made = np.array(training.groups) != np.array(training.documents)  # from a sentence of another document
    originals = [group for group, other in zip(training.groups, made, strict=True) if not other]
    part = part_of(originals, max(2, round(1 / share)), seed)
    kept = np.array([part.get(group, 1) == 0 for group in training.groups])
    return training.take(np.flatnonzero(~kept).tolist()), training.take(np.flatnonzero(kept & ~made).tolist())


def sentences_for_teaching(
    sentences: Sequence[str], contexts: Sequence[str], most: int, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Return at most so many sentences with their contexts, chosen at random, in their order."""
    rng = np.random.default_rng(seed)
    at = sorted(rng.permutation(len(sentences))[:most].tolist())
    return [sentences[i] for i in at], [contexts[i] for i in at]


@dataclass(frozen=True)
class _Stages:
    """The trainings of one run, each with its checkpoint in the work folder."""

    recipe: Recipe
    folders: dict[str, Path]
    target: Target
    work: Path
    seed: int
    progress: Progress | None

    def trained(self, stage: str, which: str, rows: Rows, plan: Plan, layers: int = 0) -> Network:
        network = Network(self.folders[which], rows.truth.shape[1], layers)

        def show(done: int, total: int, loss: float) -> None:
            if self.progress is not None:
                self.progress(stage, done, total, loss)

        train_network(network, rows, self.target, plan, self.work / f"{stage}.pt", seed=self.seed, progress=show)
        return network

    def taught(self, rows: Rows, groups: Sequence[str], unlabelled: tuple[list[str], list[str]]) -> Rows:
        """Return the student's rows: the labelled ones as the teachers that did not see them say, then the others."""
        if not self.recipe.teacher:
            return rows
        part = parts_of(groups, self.recipe.parts, self.seed)
        said = np.empty_like(rows.truth)
        others = np.zeros((len(unlabelled[0]), rows.truth.shape[1]))
        for k in range(self.recipe.parts):
            seen, unseen = np.flatnonzero(part != k).tolist(), np.flatnonzero(part == k).tolist()
            teacher = self.trained(f"teacher-{k}", "teacher", _take(rows, seen), self.recipe.teacher_plan)
            mine = _take(rows, unseen)
            said[unseen] = _sigmoid(predict_network(teacher, mine.texts, mine.contexts, self.target))
            others += predict_network(teacher, *unlabelled, self.target) / self.recipe.parts
        share = self.recipe.teaching
        truth = np.concatenate([share * said + (1 - share) * rows.truth, _sigmoid(others)])
        return Rows([*rows.texts, *unlabelled[0]], [*rows.contexts, *unlabelled[1]], truth)


# -- details ---------------------------------------------------------------------------------------------------------


def _parted(corpus: Corpus, book: Codebook, recipe: Recipe, seed: int) -> tuple[Corpus, Corpus | None, Corpus, Corpus]:
    """Return what is not held out, what is, and of the former what is learned from, and what is kept."""
    training, held_out = split_of(corpus)
    if len(training.target_names) > 1:
        raise DataError(f"an encoder is trained for one target, and here are: {', '.join(training.target_names)}")
    known, kept = kept_for_calibration(training, recipe.calibration, seed)
    refuse_strange(training, held_out, book)
    refuse_too_few(known, training.target_names[0], book)
    return training, held_out, known, kept


def _prepared(work: Path, recipe: Recipe) -> dict[str, Path]:
    """Make the work folder, and return those of the encoders, before anything is trained."""
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{work}: no folder for checkpoints can be made there: {error.strerror}") from error
    wanted = {"base": recipe.base, **({"teacher": recipe.teacher} if recipe.teacher else {})}
    return {key: base_folder(name, work) for key, name in wanted.items()}


def _versions() -> dict[str, str]:
    return {
        name: importlib.metadata.version(name)
        for name in ("torch", "transformers", "tokenizers", "onnx", "onnxruntime")
    }


def _unseen(
    unlabelled: tuple[Sequence[str], Sequence[str]], kept: Corpus, held_out: Corpus | None
) -> tuple[list[str], list[str]]:
    """Leave out sentences of the documents that calibrate and measure."""
    known = {*kept.texts, *(held_out.texts if held_out is not None else ())}
    at = [i for i, text in enumerate(unlabelled[0]) if text not in known]
    return [unlabelled[0][i] for i in at], [unlabelled[1][i] for i in at]


def _take(rows: Rows, at: Sequence[int]) -> Rows:
    return Rows([rows.texts[i] for i in at], [rows.contexts[i] for i in at], rows.truth[list(at)])


def _sigmoid(scores: Floats) -> Floats:
    return 1 / (1 + np.exp(-scores))


def _facts(
    recipe: Recipe, folders: dict[str, Path], known: Corpus, unlabelled: int, agreement: dict[str, float]
) -> dict[str, Any]:
    """Return what the card says of the encoder."""
    return {
        "recipe": recipe.as_dict(),
        "base": network_name(recipe.base),
        "weights": {key: sha256_of(folder / "model.safetensors") for key, folder in folders.items()},
        "versions": _versions(),
        "unlabelled": unlabelled,
        "trained_on": known.fingerprint,
        "sentences": len(known),
        "documents": len(set(known.documents)),
        "quantised": agreement,
        "learned": marks_of(known.texts),
    }


def _to_onnx(network: Network, work: Path, base: str) -> Encoder:
    """Export and quantise."""
    full, small, tokenizer = work / "encoder-fp32.onnx", work / "encoder.onnx", work / "tokenizer.json"
    export(network, full)
    quantize(full, small)
    shutil.copyfile(network.tokenizer_file, tokenizer)
    return Encoder(network.spec(base), small, tokenizer)


def _agreement(
    network: Network, encoder: Encoder, kept: Corpus, truth: NDArray[np.bool_], target: Target
) -> tuple[Floats, dict[str, float]]:
    """Return log-odds on the kept documents in 8 bits, compared with the original's; refuse if decisions change."""
    coef, intercept = network.head_of_vectors()
    ours = encoder.embed(kept.texts, kept.contexts, target) @ coef + intercept
    theirs = vectors_of(network, kept.texts, kept.contexts, target) @ coef + intercept
    found = {
        "same_decisions": float(((ours > 0) == (theirs > 0)).mean()),
        "largest_change_of_probability": float(np.abs(_sigmoid(ours) - _sigmoid(theirs)).max()),
        "macro_f1_8": _macro_f1(ours > 0, truth),
        "macro_f1_32": _macro_f1(theirs > 0, truth),
        "megabytes": encoder.network.stat().st_size / 1e6,
    }
    lost = max(1 - found["same_decisions"], found["macro_f1_32"] - found["macro_f1_8"])
    if lost > _LARGEST_CHANGE:
        raise ArtifactError(
            f"in 8 bits the encoder is not what it is in 32: {found['same_decisions']:.1%} of its answers on "
            f"{len(kept)} sentences are the same, macro-F1 {found['macro_f1_8']:.3f} for {found['macro_f1_32']:.3f}; "
            "train with another seed or a lower rate"
        )
    return ours, found


def _macro_f1(said: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    both, all_ = (said & truth).sum(axis=0), said.sum(axis=0) + truth.sum(axis=0)
    return float((2 * both / np.maximum(all_, 1)).mean())
