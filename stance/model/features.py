"""From sentences to numbers: word and character n-grams, mentions of the target, and the sentence before.

One implementation serves training and prediction. It needs numpy only, and a sentence gets the same numbers whatever
else is in the batch. Words and character n-grams are weighted as scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``
does (Salton & Buckley 1988); a test compares the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Target
from stance.text.mentions import target_matcher
from stance.text.sentences import unwrap

__all__ = ["BLOCKS", "FeatureSpec", "Features", "Rows"]

BLOCKS = ("word", "char", "near", "about", "before", "mention")
_MENTIONS = ("named", "named before", "not named", "look-alike", "referred to", "referred to, named before")
_WORD = re.compile(r"\w+(?:['’]\w+)*|[?!]")
_TARGET, _LOOKALIKE = "targetname", "lookalikename"
_CACHED_WORDS = 200_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What is counted, and how much a block of features weighs.

    Attributes
    ----------
    words, chars
        Shortest and longest n-gram; character n-grams stay within words.
    min_df
        In how many training sentences a feature must occur.
    near
        How many words to each side of the target's name are features of their own.
    weights
        The Euclidean norm that each block of `BLOCKS` is scaled to, in that order; 0 leaves a block out.
    """

    words: tuple[int, int] = (1, 2)
    chars: tuple[int, int] = (2, 5)
    min_df: int = 2
    near: int = 5
    weights: tuple[float, ...] = (1.0, 1.0, 0.5, 1.0, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix, row by row: `indices` and `data` of row ``i`` stand at ``indptr[i]:indptr[i + 1]``."""

    indptr: Ints
    indices: Ints
    data: Floats
    n_features: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def dot(self, coef: Floats) -> Floats:
        """Return the product with a matrix of shape (n_features, n_heads); a row's result depends on that row alone."""
        row = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        out = np.empty((len(self), coef.shape[1]))
        for head in range(coef.shape[1]):
            out[:, head] = np.bincount(row, self.data * coef[self.indices, head], minlength=len(self))
        return out


@dataclass(slots=True)
class _Reading:
    """What one sentence says, before it becomes numbers."""

    words: list[str]
    pieces: list[str]
    named: bool
    lookalike: bool
    refers: bool


@dataclass
class Features:
    """A vectorizer of sentences in their context.

    Parameters
    ----------
    spec
        What is counted.
    target
        Whose names become one marker word, and give the mention features; none of these without aliases.
    terms
        For each block of `BLOCKS`, its features in order; set by `fit`.
    idf
        Inverse document frequency of each feature, all blocks in one array.
    """

    spec: FeatureSpec = field(default_factory=FeatureSpec)
    target: Target = field(default_factory=lambda: Target(""))
    terms: tuple[tuple[str, ...], ...] = ()
    idf: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        self._matcher = target_matcher(self.target) if self.target.aliases else None
        weights = dict(zip(BLOCKS, self.spec.weights, strict=True))
        if self._matcher is None:
            weights |= {"near": 0.0, "about": 0.0, "mention": 0.0}
        self._weights = weights
        self._used = [block for block in BLOCKS if weights[block]]
        if self.terms:
            self._index()

    # -- learning ----------------------------------------------------------------------------------------------------

    def fit(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Features:
        """Learn the features and their document frequencies.

        Parameters
        ----------
        texts, contexts
            Sentences, and for each the sentence before it (empty where there is none).
        """
        counts: dict[str, Counter[str]] = {block: Counter() for block in BLOCKS}
        for reading, before in self._read(texts, contexts):
            for block in self._used:
                counts[block].update(set(self._strings(block, reading, before)))
        self.terms = tuple(self._chosen(block, counts[block]) for block in BLOCKS)
        df = np.array([counts[b][t] for b, terms in zip(BLOCKS, self.terms, strict=True) for t in terms], dtype=float)
        self.idf = (np.log((1 + len(texts)) / (1 + df)) + 1).astype(np.float32).astype(np.float64)
        self._index()
        self.idf[self._offsets[BLOCKS.index("mention")] :] = 1.0
        return self

    def _chosen(self, block: str, counts: Counter[str]) -> tuple[str, ...]:
        if block == "mention":
            return _MENTIONS if block in self._used else ()
        return tuple(sorted(term for term, n in counts.items() if n >= self.spec.min_df))

    def _index(self) -> None:
        sizes = [len(terms) for terms in self.terms]
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])
        self._ids: dict[str, dict[str, int]] = {
            block: dict(zip(terms, range(int(start), int(start) + len(terms)), strict=True))
            for block, terms, start in zip(BLOCKS, self.terms, self._offsets[:-1], strict=True)
        }
        self._block_of = np.repeat(np.arange(len(BLOCKS)), sizes)
        self._chars: dict[str, list[int]] = {}

    @property
    def vocabulary(self) -> Collection[str]:
        """The words, and groups of words, that are features."""
        return self._ids["word"].keys()

    @property
    def names(self) -> list[str]:
        """The features in order, each as ``block:term``."""
        return [f"{block}:{term}" for block, terms in zip(BLOCKS, self.terms, strict=True) for term in terms]

    # -- numbers -----------------------------------------------------------------------------------------------------

    def transform(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Rows:
        """Return the rows of some sentences; parameters as in `fit`."""
        ids: list[int] = []
        ends = [0]
        for reading, before in self._read(texts, contexts):
            for block in self._used:
                if block == "char":
                    self._add_chars(reading.pieces, ids)
                else:
                    known = self._ids[block].get
                    ids.extend(i for s in self._strings(block, reading, before) if (i := known(s)) is not None)
            ends.append(len(ids))
        return self._weigh(np.array(ids, dtype=np.int64), np.array(ends, dtype=np.int64))

    def known_words(self, texts: Sequence[str]) -> tuple[int, int]:
        """Return how many of the words of some texts are features, and how many words there are."""
        words = [word for reading, _ in self._read(texts, None) for word in reading.words]
        return sum(word in self._ids["word"] for word in words), len(words)

    def _add_chars(self, pieces: Iterable[str], ids: list[int]) -> None:
        cache, known = self._chars, self._ids["char"].get
        for piece in pieces:
            found = cache.get(piece)
            if found is None:
                if len(cache) >= _CACHED_WORDS:
                    cache.clear()
                found = [i for gram in _char_ngrams(piece, *self.spec.chars) if (i := known(gram)) is not None]
                cache[piece] = found
            ids += found

    def _weigh(self, ids: Ints, ends: Ints) -> Rows:
        n_rows, n_features, n_blocks = len(ends) - 1, len(self.idf), len(BLOCKS)
        keys, counts = np.unique(np.repeat(np.arange(n_rows), np.diff(ends)) * n_features + ids, return_counts=True)
        row, indices = np.divmod(keys, max(n_features, 1))
        data = (1 + np.log(counts)) * self.idf[indices]
        group = row * n_blocks + self._block_of[indices]
        norm = np.sqrt(np.bincount(group, data**2, minlength=n_rows * n_blocks))
        data *= np.array(list(self._weights.values()))[self._block_of[indices]] / norm[group]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
        return Rows(indptr, indices, data, n_features)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, texts: Sequence[str], contexts: Sequence[str] | None) -> Iterator[tuple[_Reading, _Reading]]:
        last: dict[str, _Reading] = {}
        for text, context in zip(texts, contexts if contexts is not None else [""] * len(texts), strict=True):
            before = last.get(context) or self._reading(context)
            reading = self._reading(text)
            last = {text: reading, context: before}
            yield reading, before

    def _reading(self, text: str) -> _Reading:
        kinds = set()
        if self._matcher is not None:
            made, at = [], 0
            for mention in self._matcher.find(text):
                kinds.add(mention.kind)
                if mention.kind != "reference":
                    marker = _TARGET if mention.kind == "target" else _LOOKALIKE
                    made += [text[at : mention.start], marker]
                    at = mention.end
            text = "".join([*made, text[at:]])
        text = unwrap(text).lower().replace("’", "'").replace("“", '"').replace("”", '"')
        return _Reading(
            _WORD.findall(text), text.split(), "target" in kinds, "lookalike" in kinds, "reference" in kinds
        )

    def _strings(self, block: str, reading: _Reading, before: _Reading) -> Iterable[str]:
        return _STRINGS[block](self.spec, reading, before)


def _word_ngrams(words: list[str], shortest: int, longest: int) -> Iterable[str]:
    made = list(words) if shortest == 1 else []
    for n in range(max(shortest, 2), longest + 1):
        made += map(" ".join, zip(*(words[i:] for i in range(n)), strict=False))
    return made


def _char_ngrams(piece: str, shortest: int, longest: int) -> Iterator[str]:
    """Yield the n-grams of a word between blanks; one that is shorter than n counts once, as in scikit-learn."""
    padded = f" {piece} "
    for n in range(shortest, longest + 1):
        yield padded[:n]
        for start in range(1, len(padded) - n + 1):
            yield padded[start : start + n]
        if n >= len(padded):
            break


def _near(spec: FeatureSpec, reading: _Reading, _: _Reading) -> Iterator[str]:
    for at, word in enumerate(reading.words):
        if word == _TARGET:
            yield from ("<" + w for w in reading.words[max(0, at - spec.near) : at])
            yield from (">" + w for w in reading.words[at + 1 : at + 1 + spec.near])


def _mention(_: FeatureSpec, reading: _Reading, before: _Reading) -> Iterator[str]:
    yield "named" if reading.named else "named before" if before.named else "not named"
    if reading.lookalike:
        yield "look-alike"
    if reading.refers:
        yield "referred to, named before" if before.named else "referred to"


_STRINGS: dict[str, Callable[[FeatureSpec, Any, Any], Iterable[str]]] = {
    "word": lambda spec, reading, _: _word_ngrams(reading.words, *spec.words),
    "char": lambda spec, reading, _: (g for piece in reading.pieces for g in _char_ngrams(piece, *spec.chars)),
    "near": _near,
    "about": lambda _, reading, before: reading.words if reading.named or before.named else (),
    "before": lambda _, __, before: before.words,
    "mention": _mention,
}
