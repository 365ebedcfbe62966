"""How the size of the corpus goes with what a classifier of n-grams makes of the held-out documents.

Run ``python tests/benchmarks/learning_curve.py OUT.svg``. Documents are drawn at random, the same ones first at each
size; the picture is the one in the datasheet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stance.codebook import load_codebook  # noqa: E402
from stance.corpus.files import read_corpus  # noqa: E402
from stance.model.classifier import StanceClassifier  # noqa: E402
from stance.model.metrics import measure  # noqa: E402
from stance.model.training import split_of  # noqa: E402
from stance.shipped import shipped  # noqa: E402

SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
WIDTH, HEIGHT, LEFT, BOTTOM = 620, 320, 60, 50
LOW, HIGH = 0.4, 0.9
Point = tuple[int, float, float, float]


def points() -> list[Point]:
    """Return for each size its sentences, and macro-F1 over positions with its interval."""
    book = load_codebook()
    training, held_out = split_of(read_corpus(shipped("data", "corpus")))
    assert held_out is not None
    documents = sorted(set(training.documents))
    order = np.random.default_rng(0).permutation(len(documents))
    found = []
    for share in SHARES:
        chosen = {documents[i] for i in order[: round(share * len(documents))]}
        part = training.take([i for i, d in enumerate(training.documents) if d in chosen])
        model = StanceClassifier(codebook=book, target=book.targets[0].name, C=(3.0,), folds=3)
        model.fit(part.texts, part.labels, contexts=part.contexts, groups=part.documents)
        said = model.scorer_.predict(held_out.texts, held_out.contexts)
        f1 = measure(book, held_out.labels, said, model.scorer_.labels, held_out.documents)["macro_f1_positions"]
        found.append((len(part), f1["value"], f1["low"], f1["high"]))
        print(f"{len(part):>7} sentences: {f1['value']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]", flush=True)
    return found


def picture(found: list[Point]) -> str:
    """Return the curve with its band as SVG; sizes on a logarithmic axis."""
    first, last = np.log(found[0][0] * 0.8), np.log(found[-1][0] * 1.15)

    def x(n: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * float((np.log(n) - first) / (last - first))

    def y(f1: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 20) * (f1 - LOW) / (HIGH - LOW)

    line = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v, _, _ in found)
    band = [f"{x(n):.1f},{y(low):.1f}" for n, _, low, _ in found]
    band += [f"{x(n):.1f},{y(high):.1f}" for n, _, _, high in reversed(found)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="Learning curve">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for tick in np.arange(LOW, HIGH + 0.01, 0.1):
        parts.append(f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    for n, *_ in found:
        parts.append(f'<text x="{x(n):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{n:,}</text>')
    parts += [
        f'<polygon points="{" ".join(band)}" fill="#0072b2" opacity="0.18"/>',
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="2"/>',
        *(f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3.5" fill="#0072b2"/>' for n, v, _, _ in found),
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">sentences to learn from</text>',
        f'<text transform="translate(16 {HEIGHT / 2 - 10}) rotate(-90)" text-anchor="middle">macro-F1</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(points()), encoding="utf-8")
