"""Texts that are nearly the same, found without comparing each with each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

__all__ = ["WINDOW", "near_pairs"]

Ints = NDArray[np.int64]

WINDOW = 24
"""Texts of one bucket that a text is compared with."""
_WORD = re.compile(r"\w+")


def near_pairs(texts: Sequence[str]) -> tuple[Ints, Ints, int]:
    """Return pairs of texts whose sets of three-word phrases have a Jaccard similarity of 0.7 or more.

    Two such sets share one of the n - ceil(0.7 n) + 1 rarest of the n phrases of each (prefix filter;
    Chaudhuri, Ganti & Kaushik 2006). So texts are put in buckets by these phrases, and the texts of a bucket
    are compared exactly: unlike MinHash it misses nothing. But in a bucket a text is compared with no more
    than the 24 next to it in length; the third value is the number of larger buckets. N words take N log N
    steps, 120 to 300 bytes each, and at worst 24 comparisons for every third word.
    """
    text, phrase = _phrases(texts)
    n, size = len(texts), np.bincount(text, minlength=len(texts))
    start = np.cumsum(size) - size
    rare = np.arange(len(text)) - start[text] <= size[text] + -7 * size[text] // 10
    order = np.lexsort((text[rare], size[text[rare]], phrase[rare]))
    member, bucket = text[rare][order], phrase[rare][order]
    codes = []
    for step in range(1, WINDOW + 1):
        near = bucket[step:] == bucket[:-step]
        a, b = member[:-step][near], member[step:][near]
        codes.append(np.unique((a * n + b)[10 * size[a] >= 7 * size[b]]))
    a, b = np.divmod(np.unique(np.concatenate(codes)), n)
    shared = _shared(a, b, phrase, np.append(start, len(text)))
    near = 10 * shared >= 7 * (size[a] + size[b] - shared)
    return a[near], b[near], int((np.bincount(bucket) > WINDOW + 1).sum())


def _phrases(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """Return the pairs of text and phrase of three words, sorted; rarer phrases have lower numbers."""
    index: dict[str, int] = {}
    words = [[index.setdefault(word, len(index)) for word in _WORD.findall(text)] for text in texts]
    flat = np.fromiter(chain.from_iterable(words), dtype=np.uint64)
    text = np.repeat(np.arange(len(texts)), [len(found) for found in words])
    base, whole = np.uint64(len(index)), text[2:] == text[:-2]
    codes = ((flat[:-2] * base + flat[1:-1]) * base + flat[2:])[whole]  # exact up to 2.6 million words
    _, phrase, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.empty_like(counts)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    text, phrase = np.divmod(np.unique(text[2:][whole] * len(counts) + rank[phrase]), len(counts))
    return text, phrase


def _shared(a: Ints, b: Ints, phrase: Ints, start: Ints) -> Ints:
    """Count the phrases that the texts of each pair share, for some four million phrases at a time."""
    from scipy.sparse import csr_array

    sets = csr_array((np.ones(len(phrase), dtype=np.int64), phrase, start))
    step = 4_000_000 // int(np.diff(start).max()) + 1
    shared = np.empty(len(a), dtype=np.int64)
    for part in (slice(i, i + step) for i in range(0, len(a), step)):
        shared[part] = sets[a[part]].multiply(sets[b[part]]).sum(axis=1)
    return shared
