"""What the frozen encoder adds on small corpora about other things: three of them, trained three ways.

Run ``python tests/benchmarks/retraining.py``. Each corpus is trained on its ``train`` rows, as `stance train` does it,
and measured on its ``test`` rows; the intervals of the differences are by paired bootstrap over documents.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stance.codebook import load_codebook  # noqa: E402
from stance.corpus.files import CorpusColumns, read_corpus  # noqa: E402
from stance.model.metrics import measure, paired_difference  # noqa: E402
from stance.model.training import split_of, train  # noqa: E402
from stance.shipped import shipped  # noqa: E402

CORPORA = {
    "congestion": ("stance", "NONE", ""),
    "nuclear": ("label", "", "nuclear.toml"),
    "income": ("stance", "NONE", ""),
}


def main() -> None:
    """Train, measure and print a table for the README."""
    folder = shipped("data", "examples", "retraining")
    head = ["corpus", "rows to learn from, to test", "`ngrams`", "`encoder`", "`both`", "`both` better by", "seconds"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for name, (label, none, book) in CORPORA.items():
        corpus = read_corpus(folder / f"{name}.jsonl", columns=CorpusColumns(label=label))
        training, held_out = split_of(corpus)
        assert held_out is not None
        said, figures, seconds = {}, [], []
        for features in ("ngrams", "encoder", "both"):
            begin = time.perf_counter()
            codebook = load_codebook(folder / book) if book else None
            model = train(corpus, codebook=codebook, none_label=none, features=features).model  # type: ignore[arg-type]
            seconds.append(f"{time.perf_counter() - begin:.0f}")
            found = model.predict(held_out.texts, held_out.contexts)
            said[features] = found.labels
            f1 = measure(model.codebook, held_out.labels, found, model.labels, held_out.documents)["macro_f1_positions"]
            figures.append(f"{f1['value']:.3f} [{f1['low']:.2f}, {f1['high']:.2f}]")
        better, _ = paired_difference(model.codebook, held_out.labels, said["both"], said["ngrams"], held_out.documents)
        gain = f"{better.value:.3f} [{better.low:.2f}, {better.high:.2f}]"
        cells = [name, f"{len(training)} / {len(held_out)}", *figures, gain, " / ".join(seconds)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
