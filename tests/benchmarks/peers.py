"""How well the shipped models label, beside what else one would train: one run, the same sentences to learn from.

Run ``python tests/benchmarks/peers.py [CSV]`` with the extra ``benchmark`` installed. Every rival learns from the
sentences that ``accurate`` learned from; its thresholds are those of best F1 on the documents kept for calibration
(``fast`` learned from both). All are measured on the held-out documents of the corpus, and on a file of real sentences
if one is given (columns speech, prev, text, label). Differences are by paired bootstrap over documents.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stance.codebook import load_codebook  # noqa: E402
from stance.corpus.files import Corpus, CorpusColumns, read_corpus  # noqa: E402
from stance.model.artifact import load_model  # noqa: E402
from stance.model.baselines import Baselines  # noqa: E402
from stance.model.calibration import choose_thresholds  # noqa: E402
from stance.model.finetune import Recipe, kept_for_calibration  # noqa: E402
from stance.model.metrics import paired_difference  # noqa: E402
from stance.model.training import split_of  # noqa: E402
from stance.shipped import shipped  # noqa: E402

BOOK = load_codebook()
Floats = NDArray[np.float64]
Fit = Callable[[Corpus], Callable[[Corpus], Floats]]
DRAWS = 2000


def truth_of(corpus: Corpus) -> NDArray[np.bool_]:
    return np.array([[p in BOOK.positions_of(label) for p in BOOK.position_names] for label in corpus.labels])


def fasttext(training: Corpus) -> Callable[[Corpus], Floats]:
    """Fit one fastText classifier a position; its options are the best of a small search."""
    import fasttext as ft

    def lines(texts: Sequence[str]) -> list[str]:
        return [" ".join(text.lower().split()) for text in texts]

    def fit(texts: Sequence[str], yes: NDArray[np.bool_], **options: float) -> Callable[[Sequence[str]], Floats]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(f"__label__{int(y)} {t}" for t, y in zip(lines(texts), yes, strict=True)) + "\n")
            file.flush()
            model = ft.train_supervised(file.name, thread=1, verbose=0, minCount=2, **options)

        def score(new: Sequence[str]) -> Floats:
            labels, numbers = model.predict(lines(new), k=2)
            return np.array([dict(zip(a, b, strict=True))["__label__1"] for a, b in zip(labels, numbers, strict=True)])

        return score

    grid = [
        {"wordNgrams": 2, "epoch": e, "lr": r, "dim": 50, "minn": n, "maxn": 5 if n else 0, "bucket": 200_000}
        for e in (10, 25)
        for r in (0.1, 0.25)
        for n in (0, 3)
    ]
    documents = sorted(set(training.documents))
    inner = {d for i, d in enumerate(documents) if i % 5 == 0}
    a, b = ([i for i, d in enumerate(training.documents) if (d in inner) == side] for side in (False, True))
    truth, models = truth_of(training), []
    for k in range(len(BOOK.positions)):
        scores = []
        for options in grid:
            score = fit([training.texts[i] for i in a], truth[a, k], **options)([training.texts[i] for i in b])
            scores.append(average_precision(truth[b, k], score))
        models.append(fit(training.texts, truth[:, k], **grid[int(np.argmax(scores))]))
    return lambda corpus: np.stack([model(corpus.texts) for model in models], axis=1)


def tfidf(training: Corpus) -> Callable[[Corpus], Floats]:
    """Fit words 1-2 and characters 2-5 with one logistic regression a position."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import FeatureUnion, make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
    pipeline = make_pipeline(
        FeatureUnion([("words", words), ("chars", chars)]),
        OneVsRestClassifier(LogisticRegression(C=10, max_iter=2000)),
    ).fit(training.texts, truth_of(training).astype(int))
    return lambda corpus: np.asarray(pipeline.predict_proba(corpus.texts))


def frozen_minilm(training: Corpus) -> Callable[[Corpus], Floats]:
    """Fit logistic regressions on the vectors of MiniLM as it is published."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    from stance.model.weights import base_folder

    encoder = SentenceTransformer(str(base_folder("minilm", Path())), device="cpu")

    def vectors(corpus: Corpus) -> Floats:
        return np.asarray(encoder.encode(corpus.texts, batch_size=64, show_progress_bar=False), dtype=float)

    model = OneVsRestClassifier(LogisticRegression(C=10, max_iter=2000))
    model.fit(vectors(training), truth_of(training).astype(int))
    return lambda corpus: np.asarray(model.predict_proba(vectors(corpus)))


def plain_minilm(training: Corpus) -> Callable[[Corpus], Floats]:
    """Fine-tune MiniLM on the sentences alone: no sign at the target, no sentence before."""
    from stance.codebook import Target
    from stance.model.network import Network, Plan, Rows, predict_network, train_network
    from stance.model.weights import base_folder

    network = Network(base_folder("minilm", Path()), len(BOOK.positions))
    rows = Rows(training.texts, [""] * len(training), truth_of(training).astype(float))
    with tempfile.TemporaryDirectory() as folder:
        train_network(network, rows, Target(""), Plan(epochs=3, rate=8e-5), Path(folder, "plain.pt"))
    return lambda corpus: predict_network(network, corpus.texts, [""] * len(corpus), Target(""))


def lexicon(_: Corpus) -> Callable[[Corpus], Floats]:
    """Take sentiment for stance: VADER's compound score is for engaging, its negative for treating as terrorists."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()

    def score(corpus: Corpus) -> Floats:
        compound = np.array([analyzer.polarity_scores(text)["compound"] for text in corpus.texts])
        return np.stack([compound, -compound], axis=1)

    return score


def keywords(training: Corpus) -> Callable[[Corpus], Floats]:
    """Look for the words that go with each position most."""
    baselines = Baselines.fit(training.texts, training.labels, BOOK)

    def score(corpus: Corpus) -> Floats:
        said = baselines.predict_keywords(corpus.texts, BOOK)
        return np.array([[p in BOOK.positions_of(label) for p in BOOK.position_names] for label in said], dtype=float)

    return score


def majority(_: Corpus) -> Callable[[Corpus], Floats]:
    """Say the most frequent label, which is none."""
    return lambda corpus: np.zeros((len(corpus), len(BOOK.positions)))


FIRST = "fastText, tuned"
RIVALS: dict[str, Fit] = {
    "MiniLM, frozen, logistic regression": frozen_minilm,
    "TF-IDF, logistic regression": tfidf,
    FIRST: fasttext,
    "keywords": keywords,
    "sentiment lexicon (VADER)": lexicon,
    "most frequent label": majority,
    "MiniLM, fine-tuned on the sentence": plain_minilm,
}


def average_precision(truth: NDArray[np.bool_], scores: Floats) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))


def decided(score: Callable[[Corpus], Floats], kept: Corpus, corpora: Sequence[Corpus]) -> list[list[str]]:
    """Return labels by the thresholds of best F1 on the kept documents, of scores as ranks there."""
    scale = np.sort(score(kept), axis=0)

    def ranks(corpus: Corpus) -> Floats:
        found = score(corpus)
        columns = [np.searchsorted(scale[:, k], found[:, k], side="left") for k in range(found.shape[1])]
        return np.stack(columns, axis=1) / len(scale)  # 0 is the least score there is: no threshold lets it through

    thresholds = np.array(choose_thresholds(ranks(kept), truth_of(kept)))
    return [
        [
            BOOK.label_of(p for p, on in zip(BOOK.position_names, row, strict=True) if on)
            for row in ranks(c) >= thresholds
        ]
        for c in corpora
    ]


def cells(corpus: Corpus, said: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Return macro-F1 over positions, and by how much ours is better, with intervals."""
    nothing, _ = paired_difference(BOOK, corpus.labels, said, ["none"] * len(corpus), corpus.documents, draws=DRAWS)
    better, _ = paired_difference(BOOK, corpus.labels, ours, said, corpus.documents, draws=DRAWS)
    return [
        f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]" if found.low is not None else f"{found.value:.2f}"
        for found in (nothing, better)  # saying none always has a macro-F1 of 0
    ]


def main() -> None:
    """Train the rivals, measure all, and print a table for the README."""
    corpus = read_corpus(shipped("data", "corpus"))
    training, held_out = split_of(corpus)
    assert held_out is not None
    known, kept = kept_for_calibration(training, Recipe().calibration)
    assert load_model("accurate").about["encoder"]["trained_on"] == known.fingerprint, "train it anew"
    measured = {"held-out documents": held_out}
    if len(sys.argv) > 1:
        measured["real speeches"] = read_corpus(sys.argv[1], columns=CorpusColumns(document="speech", context="prev"))
    corpora = list(measured.values())
    # before ONNX Runtime: where that has run in a process, fastText's training ends in "Encountered NaN"
    first = decided(RIVALS[FIRST](known), kept, corpora)
    ours = [load_model("accurate").predict(c.texts, c.contexts).labels for c in corpora]
    fast = [load_model("fast").predict(c.texts, c.contexts).labels for c in corpora]
    print(f"learned from {len(known)} sentences; thresholds from {len(kept)}")
    print("| | " + " | ".join(f"{name} | `accurate` better by" for name in measured) + " |")
    print("| --- |" + " --- | --- |" * len(measured))
    report("`accurate`", ours, ours, corpora)
    report("`fast`", fast, ours, corpora)
    for name, fit in RIVALS.items():
        report(name, first if name == FIRST else decided(fit(known), kept, corpora), ours, corpora)


def report(name: str, found: list[list[str]], ours: list[list[str]], corpora: list[Corpus]) -> None:
    """Print a row of the table."""
    row = [cell for c, a, b in zip(corpora, found, ours, strict=True) for cell in cells(c, a, b)]
    print(f"| {name} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
