"""How many sentences a second the shipped model labels, beside scikit-learn and fastText, and how fast commands start.

Run ``python tests/benchmarks/throughput.py`` with the extra ``benchmark`` installed. Everything is measured in one run,
in one process with one thread, in rounds that take turns, and the best round counts. Seconds are the processor's, which
on an idle machine are those of the clock, and on a busy one leave out the waiting. The rivals are trained on the same
sentences as the shipped model. That one is loaded anew in each round, because it remembers the words it has seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read when numpy is imported, by stance

from stance.codebook import load_codebook  # noqa: E402
from stance.corpus.files import Corpus, read_corpus  # noqa: E402
from stance.model.artifact import load_model  # noqa: E402
from stance.model.training import split_of  # noqa: E402
from stance.shipped import shipped  # noqa: E402

SENTENCES = 40_000
ROUNDS = 5
STARTS = 7
STANCE = [sys.executable, "-c", "from stance.apps.cli import main; main()"]

Predict = Callable[[], object]


def repeated(values: Sequence[str]) -> list[str]:
    """Return the values over and over, as many as are to be labelled."""
    return (list(values) * (SENTENCES // len(values) + 1))[:SENTENCES]


def scikit_learn(training: Corpus, texts: list[str]) -> Predict:
    """Fit the bare pipeline: words 1-2, characters 2-5, one logistic regression a position."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import FeatureUnion, make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
    pipeline = make_pipeline(
        FeatureUnion([("words", words), ("chars", chars)]),
        OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000)),
    )
    book = load_codebook()
    truth = [[name in book.positions_of(label) for name in book.position_names] for label in training.labels]
    pipeline.fit(training.texts, truth)
    return lambda: pipeline.predict_proba(texts)


def fasttext(training: Corpus, texts: list[str]) -> Predict:
    """Fit fastText with words 1-2 and characters 2-5, one label a sentence."""
    import fasttext as library

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "train.txt")
        rows = zip(training.labels, training.texts, strict=True)
        file.write_text("".join(f"__label__{label} {' '.join(text.split())}\n" for label, text in rows))
        model = library.train_supervised(str(file), wordNgrams=2, minn=2, maxn=5, thread=1, verbose=0)
    lines = [" ".join(text.split()) for text in texts]
    return lambda: model.predict(lines)


def best_of_rounds(tasks: dict[str, Predict]) -> dict[str, float]:
    """Return the seconds of the best round of each task; the tasks take turns."""
    best = dict.fromkeys(tasks, float("inf"))
    for number in range(1, ROUNDS + 1):
        for name, task in tasks.items():
            print(f"\rround {number} of {ROUNDS}: {name:<40}", end="", file=sys.stderr)
            begin = time.process_time()
            task()
            best[name] = min(best[name], time.process_time() - begin)
    print("\r\033[K", end="", file=sys.stderr)
    return best


def start_up(*arguments: str) -> float:
    """Return the seconds of a whole process, best of some."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    seconds = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        subprocess.run([*STANCE, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> None:
    """Measure and print."""
    corpus = read_corpus(shipped("data", "corpus"))
    training, _ = split_of(corpus)
    texts, contexts = repeated(corpus.texts), repeated(corpus.contexts)
    print("fitting scikit-learn and fastText ...", file=sys.stderr)
    best = best_of_rounds(
        {
            "fast, text and sentence before": lambda: load_model("fast").predict(texts, contexts),
            "fast, text only": lambda: load_model("fast").predict(texts),
            "scikit-learn": scikit_learn(training, texts),
            "fastText": fasttext(training, texts),
        }
    )
    ours, *_ = best.values()
    print(f"{SENTENCES} sentences ({len(corpus)} of the corpus, repeated); one thread, best of {ROUNDS} rounds,")
    print("seconds of the processor; in the last column, how many times as fast as that row the first one is")
    print(f"{'':<36}{'sentences/s':>12}{'ratio':>12}")
    for name, seconds in best.items():
        print(f"{name:<36}{SENTENCES / seconds:>12,.0f}{seconds / ours:>11.2f}x")
    example = str(shipped("data", "examples", "moscow-format.txt"))
    print(f"\nstart to end by the clock, best of {STARTS}")
    for arguments in (["--help"], ["predict", example]):
        name = " ".join(["stance", *(Path(a).name for a in arguments)])
        print(f"{name:<36}{start_up(*arguments):>10.3f} s")


if __name__ == "__main__":
    main()
