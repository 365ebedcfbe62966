"""What a classifier must beat: the most frequent label, and a short list of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stance.codebook import Codebook

__all__ = ["Baselines"]

_WORD = re.compile(r"\w\w+")
_LENGTHS = (5, 10, 20, 50)
_LEAST = (1, 2, 3)


@dataclass(frozen=True)
class Baselines:
    """The majority label and, for each position, the words that go with it most.

    Attributes
    ----------
    majority
        The most frequent label of the training data; of several the first in the alphabet.
    keywords
        For each position the words with the largest chi-square statistic among those that occur more often with the
        position than without it.
    least
        How many of its keywords a text must hold to reflect a position. Their number and this one are those that give
        the best F1 on the training data.
    """

    majority: str
    keywords: dict[str, tuple[str, ...]]
    least: dict[str, int]

    @classmethod
    def fit(cls, texts: Sequence[str], labels: Sequence[str], codebook: Codebook) -> Baselines:
        """Learn both from training data."""
        counts = Counter(labels)
        words = [set(_WORD.findall(text.lower())) for text in texts]
        df = Counter(word for found in words for word in found)
        keywords, least = {}, {}
        for position in codebook.position_names:
            having = [position in codebook.positions_of(label) for label in labels]
            inside = Counter(word for found, has in zip(words, having, strict=True) if has for word in found)
            ranked = _associated(inside, df, sum(having), len(texts))
            keywords[position], least[position] = _best_list(ranked, words, having)
        return cls(min(counts, key=lambda label: (-counts[label], label)), keywords, least)

    def predict_keywords(self, texts: Sequence[str], codebook: Codebook) -> list[str]:
        """Return the label of each text by its keywords; with exclusive labels the position with most keywords wins."""
        lists = {position: frozenset(words) for position, words in self.keywords.items()}
        said = []
        for text in texts:
            words = set(_WORD.findall(text.lower()))
            hits = {position: len(words & keys) for position, keys in lists.items()}
            found = [position for position, n in hits.items() if n >= self.least[position]]
            if codebook.exclusive and found:
                found = [max(found, key=lambda p: (hits[p], p))]
            said.append(codebook.label_of(found) or self.majority)
        return said

    def as_dict(self) -> dict[str, Any]:
        """Return both as plain data."""
        lists = {position: list(words) for position, words in self.keywords.items()}
        return {"majority": self.majority, "keywords": lists, "least": dict(self.least)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Baselines:
        """Return the baselines of `as_dict`."""
        lists = {position: tuple(map(str, words)) for position, words in data["keywords"].items()}
        return cls(str(data["majority"]), lists, {position: int(n) for position, n in data["least"].items()})


def _associated(inside: Counter[str], df: Counter[str], n_in: int, n: int) -> tuple[str, ...]:
    """Return the words with the largest chi-square of a 2x2 table, among those that are more frequent inside."""

    def chi2(word: str) -> float:
        a, b = inside[word], df[word] - inside[word]
        c, d = n_in - a, n - n_in - b
        margin = (a + b) * (c + d) * (a + c) * (b + d)
        return n * (a * d - b * c) ** 2 / margin if margin else 0.0

    better = [w for w, a in inside.items() if df[w] >= 3 and a * (n - n_in) > (df[w] - a) * n_in]
    return tuple(sorted(better, key=lambda w: (-chi2(w), w))[: max(_LENGTHS)])


def _best_list(ranked: tuple[str, ...], texts: list[set[str]], having: list[bool]) -> tuple[tuple[str, ...], int]:
    """Return how much of a ranking, and how many hits, give the best F1."""
    best, chosen = -1.0, (ranked[: _LENGTHS[0]], 1)
    for length in _LENGTHS:
        words = frozenset(ranked[:length])
        hits = [len(words & text) for text in texts]
        for least in _LEAST:
            right = sum(has for n, has in zip(hits, having, strict=True) if n >= least)
            f1 = 2 * right / max(sum(n >= least for n in hits) + sum(having), 1)
            if f1 > best:
                best, chosen = f1, (ranked[:length], least)
    return chosen
