"""Training the sentence encoder of a model: teacher, student, ONNX, and the classifier that it is part of.

A large encoder may teach a small one (Hinton et al. 2015): several teachers are trained, each without a part of the
documents, and the small one learns what they say of documents they have not seen, and of unlabelled sentences.
The classifier adds the log-odds of the encoder's head to those of n-grams; how much of each, calibration and thresholds
come from documents that neither has seen. Needs the extra `finetune`, and hours rather than seconds.
"""

from __future__ import annotations

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
from stance.model.calibration import Abstention
from stance.model.classifier import StanceClassifier
from stance.model.encoder import Encoder
from stance.model.heads import decided, nested
from stance.model.metrics import measure
from stance.model.network import Network, Plan, Rows, export, predict_network, quantize, train_network
from stance.model.scorer import Scorer
from stance.model.training import codebook_for, facts_of, figure_lines, held_out_figures, split_of
from stance.model.weights import base_folder, network_name

__all__ = ["Recipe", "finetune", "kept_for_calibration", "render_finetuning", "sentences_for_teaching"]

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
    plan: Plan = field(default_factory=lambda: Plan(epochs=4, rate=5e-5))
    teacher_plan: Plan = field(default_factory=lambda: Plan(epochs=2, rate=3e-5))
    parts: int = 3
    calibration: float = 0.12
    teaching: float = 0.7


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

    Parameters
    ----------
    codebook, none_label
        As in `stance.model.training.train`.
    recipe
        What is trained, and how.
    unlabelled
        Sentences, and those before them, that the teachers label for the student.
    work
        The folder of checkpoints. A run that was interrupted goes on from there.
    progress
        Called with the stage, the steps done and to do, and the loss.

    Raises
    ------
    DataError
        If the corpus has several targets, or its labels do not fit the codebook.
    ArtifactError
        If weights are not genuine, checkpoints are of another training, or the 8-bit network is not like the original.
    """
    recipe = recipe or Recipe()
    book = codebook_for(corpus, codebook, none_label)
    training, held_out = split_of(corpus)
    if len(training.target_names) > 1:
        raise DataError(f"an encoder is trained for one target, and here are: {', '.join(training.target_names)}")
    target_name = training.target_names[0]
    known, kept = kept_for_calibration(training, recipe.calibration, seed)
    ngrams = StanceClassifier(codebook=book, target=target_name, seed=seed, n_jobs=jobs).fit(
        known.texts, known.labels, contexts=known.contexts, groups=known.documents
    )
    target = ngrams.scorer_.features.target
    rows = Rows(known.texts, known.contexts, _truth(known, ngrams.scorer_))
    stages = _Stages(recipe, target, work, seed, progress)
    rows = stages.taught(rows, known.documents, unlabelled)
    network = stages.trained("student" if recipe.teacher else "encoder", recipe.base, rows, recipe.plan, recipe.layers)
    encoder, agreement = _to_onnx(
        network, kept, _truth(kept, ngrams.scorer_) > 0, target, work, network_name(recipe.base)
    )
    scorer, figures = _classifier(ngrams.scorer_, network, encoder, kept, seed)
    model = StanceModel(name, {target_name: scorer}, {target_name: ngrams.baselines_})
    about = {
        **facts_of(training, seed),
        "targets": [{"target": target_name, "n": len(known), "chosen": ngrams.chosen_}],
        "encoder": {
            "recipe": asdict(recipe),
            "unlabelled": len(unlabelled[0]),
            "base": network_name(recipe.base),
            "trained_on": known.fingerprint,
            "sentences": len(known),
            "documents": len(set(known.documents)),
            "quantised": agreement,
        },
        "calibration_documents": figures,
        "cross_validation": None,
        "held_out": held_out_figures(model, held_out),
    }
    return replace(model, about=about)


def render_finetuning(model: StanceModel) -> str:
    """Return what such a training is to print: the encoder, its 8-bit form, and the figures."""
    about = model.about
    encoder, quantised = about["encoder"], about["encoder"]["quantised"]
    lines = [
        f"encoder from {encoder['base']}, trained on {encoder['sentences']} sentences of {encoder['documents']} "
        "documents",
        f"  in 8 bits {quantised['megabytes']:.1f} MB; decisions as in 32 bits: {quantised['same_decisions']:.2%}; "
        f"largest change of a probability: {quantised['largest_change_of_probability']:.4f}; "
        f"macro-F1 {quantised['macro_f1_8']:.4f}, in 32 bits {quantised['macro_f1_32']:.4f}",
    ]
    for key, title in (("calibration_documents", "kept for calibration, out of fold"), ("held_out", "held out")):
        if about[key]:
            lines += ["", f"{title} ({about[key]['n']} sentences)", *figure_lines(about[key])]
    return "\n".join(lines)


def kept_for_calibration(training: Corpus, share: float, seed: int = 0) -> tuple[Corpus, Corpus]:
    """Split by document: what encoder and n-grams learn from, and what is kept for calibration.

    Parameters
    ----------
    share
        About how many of the documents are kept.
    """
    part = _parts(training.documents, max(2, round(1 / share)), seed)
    return training.take(np.flatnonzero(part != 0).tolist()), training.take(np.flatnonzero(part == 0).tolist())


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
    target: Target
    work: Path
    seed: int
    progress: Progress | None

    def trained(self, stage: str, base: str, rows: Rows, plan: Plan, layers: int = 0) -> Network:
        plan = replace(plan, seed=self.seed)
        network = Network(base_folder(base, self.work), rows.truth.shape[1], layers)

        def show(done: int, total: int, loss: float) -> None:
            if self.progress is not None:
                self.progress(stage, done, total, loss)

        train_network(network, rows, self.target, plan, self.work / f"{stage}.pt", show)
        return network

    def taught(self, rows: Rows, documents: Sequence[str], unlabelled: tuple[Sequence[str], Sequence[str]]) -> Rows:
        """Return the student's rows: the labelled ones as the teachers that did not see them say, then the others."""
        if not self.recipe.teacher:
            return rows
        part = _parts(documents, self.recipe.parts, self.seed)
        said = np.empty_like(rows.truth)
        others = np.zeros((len(unlabelled[0]), rows.truth.shape[1]))
        for k in range(self.recipe.parts):
            seen, unseen = np.flatnonzero(part != k).tolist(), np.flatnonzero(part == k).tolist()
            answers = self.work / f"teacher-{k}.npz"
            if not answers.exists():
                teacher = self.trained(f"teacher-{k}", self.recipe.teacher, _take(rows, seen), self.recipe.teacher_plan)
                of_unseen, of_others = (
                    predict_network(teacher, texts, contexts, self.target)
                    for texts, contexts in (
                        ([rows.texts[i] for i in unseen], [rows.contexts[i] for i in unseen]),
                        unlabelled,
                    )
                )
                np.savez(answers, unseen=of_unseen, others=of_others)
            with np.load(answers, allow_pickle=False) as found:
                said[unseen] = _sigmoid(found["unseen"])
                others += found["others"] / self.recipe.parts
        share = self.recipe.teaching
        truth = np.concatenate([share * said + (1 - share) * rows.truth, _sigmoid(others)])
        return Rows([*rows.texts, *unlabelled[0]], [*rows.contexts, *unlabelled[1]], truth)


# -- details ---------------------------------------------------------------------------------------------------------


def _parts(documents: Sequence[str], n: int, seed: int) -> NDArray[np.intp]:
    """Return for each row the part that its document is in; parts are equal in documents, give or take one."""
    names, codes = np.unique(np.array(documents, dtype=str), return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % n)[codes]


def _take(rows: Rows, at: Sequence[int]) -> Rows:
    return Rows([rows.texts[i] for i in at], [rows.contexts[i] for i in at], rows.truth[list(at)])


def _truth(corpus: Corpus, scorer: Scorer) -> Floats:
    """Return which scores each row's label is made of, shape (n, n_scores)."""
    index = {label: i for i, label in enumerate(scorer.labels)}
    return scorer.members[[index[scorer.codebook.canonical(label)] for label in corpus.labels]].astype(float)


def _sigmoid(scores: Floats) -> Floats:
    return 1 / (1 + np.exp(-scores))


def _to_onnx(
    network: Network, kept: Corpus, truth: NDArray[np.bool_], target: Target, work: Path, base: str
) -> tuple[Encoder, dict[str, float]]:
    """Export and quantise; refuse a network whose decisions on the kept documents are not those of the original."""
    full, small, tokenizer = work / "encoder-fp32.onnx", work / "encoder.onnx", work / "tokenizer.json"
    export(network, full)
    quantize(full, small)
    shutil.copyfile(network.tokenizer_file, tokenizer)
    encoder = Encoder(network.spec(base), small, tokenizer)
    original = Encoder(network.spec(base), full, tokenizer)
    coef, intercept = network.head_of_vectors()
    ours, theirs = (e.embed(kept.texts, kept.contexts, target) @ coef + intercept for e in (encoder, original))
    found = {
        "same_decisions": float(((ours > 0) == (theirs > 0)).mean()),
        "largest_change_of_probability": float(np.abs(_sigmoid(ours) - _sigmoid(theirs)).max()),
        "macro_f1_8": _macro_f1(ours > 0, truth),
        "macro_f1_32": _macro_f1(theirs > 0, truth),
        "megabytes": small.stat().st_size / 1e6,
    }
    lost = max(1 - found["same_decisions"], found["macro_f1_32"] - found["macro_f1_8"])
    if lost > _LARGEST_CHANGE:
        raise ArtifactError(
            f"in 8 bits the encoder is not what it is in 32: {found['same_decisions']:.1%} of decisions on {len(kept)} "
            f"sentences are the same, macro-F1 {found['macro_f1_8']:.3f} for {found['macro_f1_32']:.3f}"
        )
    return encoder, found


def _macro_f1(said: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    both, all_ = (said & truth).sum(axis=0), said.sum(axis=0) + truth.sum(axis=0)
    return float((2 * both / np.maximum(all_, 1)).mean())


def _classifier(
    ngrams: Scorer, network: Network, encoder: Encoder, kept: Corpus, seed: int
) -> tuple[Scorer, dict[str, Any]]:
    """Return the classifier of n-grams and encoder, fitted on the kept documents, and its figures out of fold there."""
    from sklearn.linear_model import LogisticRegression

    head, bias = network.head_of_vectors()
    vectors = encoder.embed(kept.texts, kept.contexts, ngrams.features.target)
    own, theirs = ngrams.decision_function(kept.texts, kept.contexts), vectors @ head + bias
    truth = _truth(kept, ngrams)
    y = np.array([ngrams.labels.index(ngrams.codebook.canonical(label)) for label in kept.labels])
    folds = [
        (np.flatnonzero(part), np.flatnonzero(~part))
        for k in range(5)
        for part in [_parts(kept.documents, 5, seed) != k]
    ]

    def mixed(at: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        weights = [
            LogisticRegression(C=10.0).fit(np.stack([own[at, j], theirs[at, j]], axis=1), truth[at, j])
            for j in range(truth.shape[1])
        ]
        return (*np.stack([w.coef_[0] for w in weights]).T, np.array([w.intercept_[0] for w in weights]))

    scores = np.empty_like(own)
    for train, test in folds:
        a, b, c = mixed(train)
        scores[test] = own[test] * a + theirs[test] * b + c
    said = nested(ngrams, scores, y, folds, tune=True)
    a, b, c = mixed(np.arange(len(y)))
    scorer = decided(ngrams, scores, y, tune=True)
    right = np.array(said.labels) == np.array(ngrams.labels)[y]
    scorer = replace(
        scorer,
        coef=(ngrams.coef * a).astype(np.float32).astype(float),
        dense=(head * b).astype(np.float32).astype(float),
        intercept=ngrams.intercept * a + bias * b + c,
        encoder=encoder,
        abstention=Abstention.fit(said.confidence, right),
    )
    canonical = list(map(ngrams.codebook.canonical, kept.labels))
    figures = measure(ngrams.codebook, canonical, said, ngrams.labels, kept.documents)
    return scorer, {**figures, "weight_of_ngrams": a.tolist(), "weight_of_encoder": b.tolist()}
