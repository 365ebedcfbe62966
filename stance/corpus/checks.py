"""What is wrong with a corpus, before a classifier learns it: one line a fault, with place and remedy."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.corpus.files import Corpus
from stance.corpus.language import doubt
from stance.corpus.similar import WINDOW, near_pairs
from stance.errors import CodebookError, DataError
from stance.text.mentions import actor_matcher

__all__ = ["Finding", "check_corpus", "render"]

Level = Literal["error", "warning", "note"]
Groups = dict[str, list[int]]
Meanings = Mapping[str, frozenset[str]]

_LEVELS = ("error", "warning", "note")
_SHOWN = 5  # places that a rendered line shows
_SHORT = 5  # words; shorter texts recur by chance
_FEW_DOCUMENTS, _LEAST_NONE, _MOST_SUSPICIOUS = 5, 0.3, 0.02
_SHORTCUTS, _SHORTCUT_DOCUMENTS = 20, 10
_WORD, _LETTERS = re.compile(r"\w+"), re.compile(r"[^\W\d_]{2,}")
_QUOTES = dict.fromkeys(map(ord, "\"'`´‘’‚‛“”„‟«»‹›"))


@dataclass(frozen=True)
class Finding:
    """One fault of a corpus, or a note.

    Attributes
    ----------
    level, kind
        An error makes results wrong, a warning may do so, a note informs; the kind is a word for the fault.
    message
        One line: what it is and what to do.
    where
        The rows it is about, as ``file:row``.
    """

    level: Level
    kind: str
    message: str
    where: tuple[str, ...] = ()


def check_corpus(
    corpus: Corpus, codebook: Codebook, *, out_of_fold: NDArray[np.floating[Any]] | None = None
) -> list[Finding]:
    """Look for faults in a corpus, in time and memory that grow with its words (100,000 rows: some seconds).

    Parameters
    ----------
    corpus
        Labelled sentences. The column ``split``, if any, says on which side (train, test) a row is.
    codebook
        What the labels mean; two ways to write one label (``engage+terrorist``, ``both``) are the same.
    out_of_fold
        Probabilities of the labels by models that have not seen the row's document, shape (n, n_labels),
        columns in the order of the sorted labels of the corpus, as they are written there; rows of NaN are passed
        over. Without it no label is suspected.

    Returns
    -------
    list of Finding
        Errors first, then warnings, then notes.

    Raises
    ------
    DataError
        If `out_of_fold` has another shape.

    Examples
    --------
    >>> from stance.codebook import load_codebook
    >>> corpus = Corpus(("a",), ("They must be fought.",), ("enemy",), ("",), ("",), ("W1.jsonl:1",))
    >>> check_corpus(corpus, load_codebook())[0].where
    ('W1.jsonl:1',)
    """
    if not len(corpus):
        return [Finding("error", "empty", "the corpus has no rows: add labelled sentences")]
    given, corpus = corpus, _canonical(corpus, codebook)
    sides, same, meanings = corpus.sides, _same_texts(corpus), _meanings(corpus, codebook)
    found = [
        *_rows(corpus),
        *_unknown_labels(corpus, codebook, meanings),
        *_labels(corpus, codebook, meanings),
        *_documents(corpus),
        *_leaked_documents(corpus, sides),
        *_duplicates(corpus, same, sides),
        *_near_duplicates(corpus, same, sides),
        *([] if out_of_fold is None else _suspicious(given, np.asarray(out_of_fold, dtype=np.float64))),
        *_shortcuts(corpus, codebook, meanings),
    ]
    return sorted(found, key=lambda finding: _LEVELS.index(finding.level))


def render(findings: Iterable[Finding], *, most: int = 0) -> str:
    """Return findings as plain text, one line each; of one kind at most so many, where `most` is not 0.

    Examples
    --------
    >>> print(render([Finding("error", "empty", "1 row without text: remove it", ("W1.jsonl:12",))]))
    error empty: 1 row without text: remove it (W1.jsonl:12)
    """
    lines = []
    seen: Counter[str] = Counter()
    for f in findings:
        seen[f.kind] += 1
        if most and seen[f.kind] > most:
            continue
        more = [f"and {len(f.where) - _SHOWN} more"] if len(f.where) > _SHOWN else []
        places = ", ".join([*f.where[:_SHOWN], *more])
        lines.append(f"{f.level} {f.kind}: {f.message}" + (f" ({places})" if places else ""))
    lines += [f"and {n - most} more of kind {kind!r}" for kind, n in seen.items() if most and n > most]
    return "\n".join(lines)


def _find(corpus: Corpus, rows: Iterable[int], level: Level, kind: str, message: str) -> Finding:
    return Finding(level, kind, message, tuple(corpus.where[row] for row in rows))


def _all(corpus: Corpus, rows: Sequence[int], level: Level, kind: str, message: str) -> list[Finding]:
    """Return one finding for all rows that share a fault, or none."""
    return [_find(corpus, rows, level, kind, f"{_count(len(rows), 'row')} {message}")] if rows else []


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _about(target: str) -> str:
    return f" (target {target!r})" if target else ""


def _quote(text: str) -> str:
    """Return the beginning of a text in one line, control characters escaped."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 50 else line[:49] + "…")


def _group(keys: Sequence[str], rows: Iterable[int] | None = None) -> Groups:
    groups: Groups = {}
    for row in range(len(keys)) if rows is None else rows:
        groups.setdefault(keys[row], []).append(row)
    return groups


def _canonical(corpus: Corpus, codebook: Codebook) -> Corpus:
    """Return the corpus with its labels as the codebook writes them; those it does not know stay."""
    names = {label: codebook.label_of(held) for label, held in _meanings(corpus, codebook).items()}
    return replace(corpus, labels=tuple(names.get(label, label) for label in corpus.labels))


def _meanings(corpus: Corpus, codebook: Codebook) -> Meanings:
    """Return the positions of each label of the corpus that the codebook knows."""
    known = {}
    for label in set(corpus.labels) - {""}:
        try:
            known[label] = codebook.positions_of(label)
        except CodebookError:
            continue
    return known


def _rows(corpus: Corpus) -> Iterator[Finding]:
    """Find rows that are empty, or may be no English prose."""
    empty = [row for row, text in enumerate(corpus.texts) if not text.strip()]
    yield from _all(corpus, empty, "error", "empty", "without text: fill or remove")
    for why, rows in sorted(_group([doubt(text) for text in corpus.texts]).items()):
        if why:
            yield from _all(corpus, rows, "warning", "language", f"{why}: read, and remove what is not English prose")


def _unknown_labels(corpus: Corpus, codebook: Codebook, meanings: Meanings) -> Iterator[Finding]:
    for label, rows in sorted(_group(corpus.labels).items()):
        if label not in meanings:
            message = f"label {label!r} is not in the codebook: use one of {', '.join(codebook.labels)}"
            yield _find(corpus, rows, "error", "label", message)


def _labels(corpus: Corpus, codebook: Codebook, meanings: Meanings) -> Iterator[Finding]:
    """Count the labels of each target; find those in few documents, and too few rows of none."""
    for target, rows in sorted(_group(corpus.targets).items()):
        having: Groups = {label: [] for label in codebook.labels}
        having |= _group(corpus.labels, rows)
        table = ", ".join(f"{label} {len(found):,}" for label, found in sorted(having.items()))
        size = f"{_count(len(rows), 'row')} in {_count(_n_documents(corpus, rows), 'document')}"
        yield Finding("note", "counts", f"{size}: {table}{_about(target)}")
        for label in sorted({*codebook.labels, *having.keys() & meanings.keys()}):
            n = _n_documents(corpus, having[label])
            if n < _FEW_DOCUMENTS:
                message = f"{label!r} is in {_count(n, 'document')}, too few to learn: find {_FEW_DOCUMENTS}"
                yield _find(corpus, having[label], "warning", "few-documents", message + _about(target))
        share = len(having.get(codebook.none_label, ())) / len(rows)
        if codebook.none_label and share < _LEAST_NONE:
            message = f"only {share:.0%} of rows are {codebook.none_label!r}, which trains a classifier that sees"
            message += f" positions everywhere: add such rows, up to {_LEAST_NONE:.0%}{_about(target)}"
            yield Finding("warning", "few-none", message)


def _n_documents(corpus: Corpus, rows: Iterable[int]) -> int:
    return len({corpus.documents[row] for row in rows})


def _documents(corpus: Corpus) -> list[Finding]:
    """Find rows without a document, and rows that resume a document after another one."""
    missing = [row for row, document in enumerate(corpus.documents) if not document.strip()]
    again, seen = [], set[tuple[str, str]]()
    for target, rows in _group(corpus.targets).items():
        for document, run in groupby(rows, key=corpus.documents.__getitem__):
            if document.strip() and (target, document) in seen:
                again.append(next(run))
            seen.add((target, document))
    return [
        *_all(corpus, missing, "warning", "document", "without a document: name it, or a split tears it"),
        *_all(corpus, again, "warning", "interleaved", "resume a document after another: sort by document"),
    ]


def _leaked_documents(corpus: Corpus, sides: Sequence[str]) -> Iterator[Finding]:
    for document, rows in _group(corpus.documents).items():
        if document.strip() and _torn(rows, sides):
            message = f"document {document!r} is on both sides of the split: keep it on one"
            yield _find(corpus, rows, "error", "leak", message)


def _torn(rows: Iterable[int], sides: Sequence[str]) -> bool:
    return len({sides[row] for row in rows} - {""}) > 1


def _same_texts(corpus: Corpus) -> Groups:
    """Return the rows of each text of five words or more, whatever its case, blanks and quotation marks."""
    keys = [" ".join(text.translate(_QUOTES).casefold().split()) for text in corpus.texts]
    return _group(keys, (row for row, key in enumerate(keys) if len(_WORD.findall(key)) >= _SHORT))


def _duplicates(corpus: Corpus, same: Groups, sides: Sequence[str]) -> Iterator[Finding]:
    for rows in (rows for rows in same.values() if len(rows) > 1):
        text, torn = _quote(corpus.texts[rows[0]]), _torn(rows, sides)
        if torn:
            yield _find(corpus, rows, "error", "leak", f"{text} is on both sides of the split: keep it on one")
        for target, found in _group(corpus.targets, rows).items():
            labels = sorted({corpus.labels[row] for row in found})
            if len(labels) > 1:
                message = f"{text} is labelled {' and '.join(labels)}: decide for one{_about(target)}"
                yield _find(corpus, found, "error", "conflict", message)
            elif len(found) > 1 and not torn:
                message = f"{text} is there {len(found)} times: keep one{_about(target)}"
                yield _find(corpus, found, "warning", "duplicate", message)


def _near_duplicates(corpus: Corpus, same: Groups, sides: Sequence[str]) -> Iterator[Finding]:
    """Find clusters of texts that are nearly the same, each of them near to some other of its cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups, n = list(same.values()), len(same)
    if n < 2:
        return
    a, b, capped = near_pairs(list(same))
    if capped:
        message = f"{_count(capped, 'phrase')} in more than {WINDOW + 1} texts, which were not all compared:"
        yield Finding("note", "capped", f"{message} some near-duplicates may be missing")
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(n, n))
    cluster = connected_components(graph, directed=False)[1].tolist()
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    torn = {cluster[i] for i, j in pairs if _torn(groups[i] + groups[j], sides)}
    members = defaultdict[int, list[int]](list)
    for text in np.unique(np.concatenate([a, b])).tolist():
        members[cluster[text]] += groups[text]
    for number, rows in members.items():
        message = f"{_count(len(rows), 'row')} nearly the same, such as {_quote(corpus.texts[rows[0]])}"
        if number in torn:
            message += ", on both sides of the split: keep them on one"
            yield _find(corpus, sorted(rows), "error", "leak", message)
        else:
            yield _find(corpus, sorted(rows), "warning", "near-duplicate", f"{message}: keep one")


def _suspicious(corpus: Corpus, proba: NDArray[np.float64]) -> Iterator[Finding]:
    """Find labels that models out of fold doubt, by confident learning (Northcutt, Jiang & Chuang 2021).

    The threshold of a label is its mean probability on the rows that have it. A row is suspicious if its label is
    below its threshold and another, more probable one is not. Of these the worst come first, and no more than 2 % of
    all rows.
    """
    names = sorted(set(corpus.labels))
    if proba.shape != (len(corpus), len(names)):
        raise DataError(f"out_of_fold has shape {proba.shape}; rows and labels are {(len(corpus), len(names))}")
    own = np.searchsorted(names, corpus.labels)
    known = np.isfinite(proba).all(axis=1)
    given = proba[np.arange(len(corpus)), own]
    having = [given[known & (own == k)] for k in range(len(names))]
    threshold = np.array([found.mean() if len(found) else np.inf for found in having])
    others = np.where((np.arange(len(names)) == own[:, None]) | ~(proba >= threshold), -1.0, proba)
    other, best = others.argmax(axis=1), others.max(axis=1)
    doubted = np.flatnonzero(known & (given < threshold[own]) & (best > given))
    most = math.ceil(_MOST_SUSPICIOUS * len(corpus))
    for row in doubted[np.argsort(given[doubted], kind="stable")][:most].tolist():
        message = f"labelled {names[own[row]]!r} (probability {given[row]:.2f}), but models out of fold find"
        message += f" {names[other[row]]!r} more likely ({best[row]:.2f}): read it again"
        yield _find(corpus, [row], "warning", "suspicious", message)


@dataclass(frozen=True)
class _Use:
    """How a word goes with a position: the share of its sentences that reflect it, and of all n sentences."""

    word: str
    position: str
    share: float
    base: float
    sentences: int
    documents: int
    n: int

    @property
    def excess(self) -> float:
        return self.share - self.base

    def predicts(self) -> bool:
        """Return whether the word is a shortcut; Wilson's bound (1927) takes a document for one case."""
        z2, n, p = 1.96**2, self.documents, self.share
        low = (p + z2 / (2 * n) - math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))) / (1 + z2 / n)
        return p >= 0.85 and low > 0.7 and p >= 1.5 * self.base

    def differs(self) -> bool:
        """Return whether the share is 25 points off, p < 0.001 by chi-square; a document is one case."""
        spread = self.base * (1 - self.base) * (1 - self.sentences / self.n)
        return abs(self.excess) > 0.25 and self.documents * self.excess**2 > 10.83 * spread

    def __str__(self) -> str:
        used = f"{self.share:.0%} of its {self.sentences:,} sentences in {self.documents:,} documents"
        remedy = f"add sentences with it that {'do not' if self.excess > 0 else 'do'}"
        return f"{self.word!r}: {used} reflect {self.position!r}, {self.base:.0%} of all: {remedy}"


def _shortcuts(corpus: Corpus, codebook: Codebook, meanings: Meanings) -> list[Finding]:
    """Find words that alone predict a position: names of actors first, other names, then words.

    A classifier learns such a word in place of the position, whatever is said of it.
    """
    aliases = {alias.lower() for actor in codebook.actors for alias in (actor.name, *actor.aliases)}
    matcher = actor_matcher(codebook)
    ranked: list[tuple[int, float, str, Finding]] = []
    labelled = [row for row, label in enumerate(corpus.labels) if label in meanings]
    for target, rows in _group(corpus.targets, labelled).items():
        words, plain = _words([corpus.texts[row] for row in rows], aliases)
        actors = [{mention.name for mention in matcher.find(corpus.texts[row])} for row in rows]
        documents = [corpus.documents[row] or corpus.where[row] for row in rows]
        held = [meanings[corpus.labels[row]] for row in rows]
        uses = [(0, use) for use in _uses(actors, documents, held) if use.predicts() or use.differs()]
        uses += [(1 + (use.word in plain), use) for use in _uses(words, documents, held) if use.predicts()]
        strongest = {(rank, use.word): use for rank, use in sorted(uses, key=lambda pair: abs(pair[1].excess))}
        for (rank, word), use in strongest.items():
            message = f"{('actor', 'name', 'word')[rank]} {use}{_about(target)}"
            ranked.append((rank, -abs(use.excess), word, Finding("warning", "shortcut", message)))
    return [finding for *_, finding in sorted(ranked, key=lambda entry: entry[:3])[:_SHORTCUTS]]


def _words(texts: Iterable[str], aliases: set[str]) -> tuple[list[list[str]], set[str]]:
    """Return the words of each text, in lower case and without aliases, and those that are written so."""
    words, plain = list[list[str]](), set[str]()
    for text in texts:
        found = set(_LETTERS.findall(text))
        plain.update(filter(str.islower, found))
        words.append([sys.intern(word) for word in {word.lower() for word in found} - aliases])
    return words, plain


def _uses(
    features: Sequence[Collection[str]], documents: Sequence[str], held: Sequence[frozenset[str]]
) -> Iterator[_Use]:
    """Yield the use of each word in ten documents or more with each position."""
    sentences, by_document = Counter(chain.from_iterable(features)), defaultdict[str, set[str]](set)
    for document, words in zip(documents, features, strict=True):
        by_document[document].update(words)
    spread = Counter(chain.from_iterable(by_document.values()))
    for position in sorted(frozenset().union(*held)):
        has = [position in positions for positions in held]
        inside = Counter(chain.from_iterable(compress(features, has)))
        base = sum(has) / len(has)
        for word, n in spread.items():
            if n >= _SHORTCUT_DOCUMENTS:
                share = inside[word] / sentences[word]
                yield _Use(word, position, share, base, sentences[word], n, len(held))
