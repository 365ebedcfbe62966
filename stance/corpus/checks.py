"""What is wrong with a corpus, before a classifier learns it: each fault in one line, with place and remedy."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.corpus.files import Corpus
from stance.errors import CodebookError, DataError
from stance.text.mentions import actor_matcher

__all__ = ["Finding", "check_corpus", "render"]

Level = Literal["error", "warning", "note"]
Groups = dict[str, list[int]]
Meanings = Mapping[str, frozenset[str]]
Ints = NDArray[np.int64]

_LEVELS = ("error", "warning", "note")
_SHOWN = 5  # places that a rendered line shows
_SHORT = 5  # words; shorter texts recur by chance
_FEW_DOCUMENTS, _LEAST_NONE, _MOST_SUSPICIOUS = 5, 0.3, 0.02
_WINDOW = 24  # texts of one bucket that a text is compared with
_SHORTCUTS, _SHORTCUT_DOCUMENTS = 20, 10
_WORD, _LETTERS = re.compile(r"\w+"), re.compile(r"[^\W\d_]{2,}")
_NOT_LATIN = re.compile(r"[^A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ]+")
_QUOTES = dict.fromkeys(map(ord, "\"'`´‘’‚‛“”„‟«»‹›"))
# Frequent in English and rare in other languages: hence neither "a" nor "die" nor "no".
_FUNCTION_WORDS = frozenset(
    """the and of to in that is for with on are by be this from which have has had been were their they them there
    it its our your his her she who what when while would should could must may can shall not but if than then
    because between against about into through after before any other some such only more these those at""".split()
)


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
    """Look for faults in a corpus, in time and memory linear in its words (100,000 rows take some seconds).

    Parameters
    ----------
    corpus
        Labelled sentences. The column ``split``, if there is one, says on which side (train, test) a row is.
    codebook
        What the labels mean.
    out_of_fold
        Probabilities of the labels by models that have not seen the row's document, shape (n, n_labels), columns
        in the order of the sorted labels of the corpus; rows of NaN are passed over. Without it labels are not
        questioned.

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
    sides = ["" if side is None else str(side) for side in corpus.columns.get("split", [""] * len(corpus))]
    same, meanings = _same_texts(corpus), _meanings(corpus, codebook)
    found = [
        *_rows(corpus),
        *_unknown_labels(corpus, codebook, meanings),
        *_labels(corpus, codebook, meanings),
        *_documents(corpus, sides),
        *_duplicates(corpus, same, sides),
        *_near_duplicates(corpus, same, sides),
        *([] if out_of_fold is None else _suspicious(corpus, np.asarray(out_of_fold, dtype=np.float64))),
        *_shortcuts(corpus, codebook, meanings),
    ]
    return sorted(found, key=lambda finding: _LEVELS.index(finding.level))


def render(findings: Iterable[Finding]) -> str:
    """Return findings as plain text, one line each.

    Examples
    --------
    >>> print(render([Finding("error", "empty", "1 row without text: remove it", ("W1.jsonl:12",))]))
    error empty: 1 row without text: remove it (W1.jsonl:12)
    """
    lines = []
    for f in findings:
        more = [f"and {len(f.where) - _SHOWN} more"] if len(f.where) > _SHOWN else []
        places = ", ".join([*f.where[:_SHOWN], *more])
        lines.append(f"{f.level} {f.kind}: {f.message}" + (f" ({places})" if places else ""))
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


def _group(keys: Sequence[str], rows: Iterable[int]) -> Groups:
    groups: Groups = {}
    for row in rows:
        groups.setdefault(keys[row], []).append(row)
    return groups


def _meanings(corpus: Corpus, codebook: Codebook) -> Meanings:
    """Return the positions of each label of the corpus that the codebook knows."""
    known = {}
    for label in set(corpus.labels) - {""}:
        try:
            known[label] = codebook.positions_of(label)
        except CodebookError:
            continue
    return known


def _rows(corpus: Corpus) -> list[Finding]:
    """Find rows that are empty or not English prose, the latter by two cheap signs.

    Less than half of the characters are Latin letters (another script, figures, codes), or of six words or more
    less than 5 % are English function words. The latter is no identification of languages: short rows pass, and so
    does a language that has an "in" or "is" of its own; a headline without function words is found wrongly.
    """
    empty, strange, foreign = [], [], []
    for row, text in enumerate(corpus.texts):
        dense, words = "".join(text.split()), _WORD.findall(text.lower())
        if not dense:
            empty.append(row)
        elif len(_NOT_LATIN.sub("", dense)) < 0.5 * len(dense):
            strange.append(row)
        elif len(words) >= 6 and sum(word in _FUNCTION_WORDS for word in words) < 0.05 * len(words):
            foreign.append(row)
    prose = "remove what is not English prose"
    return [
        *_all(corpus, empty, "error", "empty", "without text: fill or remove"),
        *_all(corpus, strange, "warning", "language", f"with few Latin letters: {prose}"),
        *_all(corpus, foreign, "warning", "language", f"with hardly any English function word: {prose}"),
    ]


def _unknown_labels(corpus: Corpus, codebook: Codebook, meanings: Meanings) -> Iterator[Finding]:
    for label, rows in sorted(_group(corpus.labels, range(len(corpus))).items()):
        if label not in meanings:
            message = f"label {label!r} is not in the codebook: use one of {', '.join(codebook.labels)}"
            yield _find(corpus, rows, "error", "label", message)


def _labels(corpus: Corpus, codebook: Codebook, meanings: Meanings) -> Iterator[Finding]:
    """Count the labels of each target; find those in few documents, and too few rows of none."""
    for target, rows in sorted(_group(corpus.targets, range(len(corpus))).items()):
        having, about = {label: [] for label in codebook.labels} | _group(corpus.labels, rows), _about(target)
        table = ", ".join(f"{label} {len(found):,}" for label, found in sorted(having.items()))
        documents = _count(len({corpus.documents[row] for row in rows}), "document")
        yield Finding("note", "counts", f"{_count(len(rows), 'row')} in {documents}: {table}{about}")
        for label in sorted({*codebook.labels, *having.keys() & meanings.keys()}):
            n = len({corpus.documents[row] for row in having[label]})
            if n < _FEW_DOCUMENTS:
                message = f"{label!r} is in {_count(n, 'document')}, too few to learn: label {_FEW_DOCUMENTS} or more"
                yield _find(corpus, having[label], "warning", "few-documents", message + about)
        share = len(having.get(codebook.none_label, ())) / len(rows)
        if codebook.none_label and share < _LEAST_NONE:
            message = f"{share:.0%} of rows are {codebook.none_label!r}, which trains a classifier that sees positions"
            yield Finding(
                "warning", "few-none", f"{message} everywhere: add some, up to {_LEAST_NONE:.0%}{about}"
            )


def _documents(corpus: Corpus, sides: Sequence[str]) -> list[Finding]:
    """Find rows without a document, rows that resume a document after another, documents on two sides."""
    missing = [row for row, document in enumerate(corpus.documents) if not document.strip()]
    again, seen = [], set[tuple[str, str]]()
    for target, rows in _group(corpus.targets, range(len(corpus))).items():
        for document, run in groupby(rows, key=corpus.documents.__getitem__):
            if document.strip() and (target, document) in seen:
                again.append(next(run))
            seen.add((target, document))
    torn = [
        g for g in _group(corpus.documents, range(len(corpus))).items() if g[0].strip() and _torn(g[1], sides)
    ]
    return [
        *_all(
            corpus, missing, "warning", "document", "without a document: name it, or a split tears it apart"
        ),
        *_all(
            corpus, again, "warning", "interleaved", "resume a document after another: keep its rows together"
        ),
        *(
            _find(
                corpus,
                rows,
                "error",
                "leak",
                f"document {document!r} is on both sides of the split: choose one",
            )
            for document, rows in torn
        ),
    ]


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
            yield _find(
                corpus, rows, "error", "leak", f"{text} is on both sides of the split: keep it on one"
            )
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
    a, b, capped = _near_pairs(list(same))
    if capped:
        message = f"{_count(capped, 'phrase')} in more than {_WINDOW + 1} texts: these were not all compared"
        yield Finding("note", "capped", f"{message}, so that some near-duplicates may be missing")
    if not len(a):
        return
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
            yield _find(
                corpus, rows, "error", "leak", f"{message}, on both sides of the split: keep them on one"
            )
        else:
            yield _find(corpus, rows, "warning", "near-duplicate", f"{message}: keep one")


def _suspicious(corpus: Corpus, proba: NDArray[np.float64]) -> Iterator[Finding]:
    """Find labels that models out of fold doubt, by confident learning (Northcutt, Jiang & Chuang 2021).

    The threshold of a label is its mean probability on the rows that have it. A row is suspicious if its label is
    below its threshold and another one, more probable, is not; the worst 2 % of the rows are found, worst first.
    """
    names = sorted(set(corpus.labels))
    if proba.shape != (len(corpus), len(names)):
        raise DataError(
            f"out_of_fold has shape {proba.shape}, not {(len(corpus), len(names))}: rows x sorted labels"
        )
    rows, own = np.arange(len(corpus)), np.searchsorted(names, corpus.labels)
    known = np.isfinite(proba).all(axis=1)
    given = proba[rows, own]
    threshold = np.array(
        [given[known & (own == k)].mean() if (known & (own == k)).any() else 2.0 for k in range(len(names))]
    )
    others = np.where(np.arange(len(names)) == own[:, None], -1.0, proba)
    other, best = others.argmax(axis=1), others.max(axis=1)
    doubted = np.flatnonzero(known & (given < threshold[own]) & (best >= threshold[other]) & (best > given))
    for row in doubted[np.argsort(given[doubted], kind="stable")][
        : math.ceil(_MOST_SUSPICIOUS * len(corpus))
    ]:
        message = (
            f"labelled {names[own[row]]!r} (probability {given[row]:.2f}), but the models out of fold say"
        )
        message += f" {names[other[row]]!r} ({best[row]:.2f}): read it again"
        yield _find(corpus, [row], "warning", "suspicious", message)


@dataclass(frozen=True)
class _Use:
    """How a word goes with a position: the share of its sentences that reflect it, and of all sentences."""

    word: str
    position: str
    share: float
    base: float
    sentences: int
    documents: int

    def predicts(self) -> bool:
        """Return whether the word is a shortcut; the lower bound (Wilson 1927) takes a document for one case."""
        z2, n, p = 1.96**2, self.documents, self.share
        low = (p + z2 / (2 * n) - math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))) / (1 + z2 / n)
        return p >= 0.85 and low > 0.7 and p >= 1.5 * self.base

    def differs(self, n: int) -> bool:
        """Return whether the share is 25 points off that of all n sentences, with p < 0.001 by chi-square."""
        spread = self.base * (1 - self.base) * (1 - self.sentences / n)
        return (
            abs(self.share - self.base) > 0.25
            and self.documents * (self.share - self.base) ** 2 > 10.83 * spread
        )

    def describe(self) -> str:
        """Return what was found and what to do."""
        lack = "do not" if self.share > self.base else "do"
        shares = f"{self.share:.0%} of its {self.sentences:,} sentences reflect {self.position!r}, {self.base:.0%} of all"
        return f"{self.word!r} in {self.documents:,} documents: {shares}; add sentences with it that {lack}"


def _shortcuts(corpus: Corpus, codebook: Codebook, meanings: Meanings) -> list[Finding]:
    """Find words that alone predict a position: names of actors first, other names, then words; the worst twenty.

    A classifier learns such a word in place of the position, whatever is said of it.
    """
    aliases = {alias.lower() for actor in codebook.actors for alias in (actor.name, *actor.aliases)}
    matcher = actor_matcher(codebook)
    ranked: list[tuple[int, float, str, Finding]] = []
    labelled = [row for row, label in enumerate(corpus.labels) if label in meanings]
    for target, rows in _group(corpus.targets, labelled).items():
        words = [set(_LETTERS.findall(corpus.texts[row])) for row in rows]
        plain = {word for found in words for word in found if word.islower()}
        actors = [{mention.name for mention in matcher.find(corpus.texts[row])} for row in rows]
        others = [{word.lower() for word in found} - aliases for found in words]
        for kind, features in (("actor", actors), ("", others)):
            for use in _uses(corpus, codebook, meanings, rows, features):
                if use.predicts() or (kind and use.differs(len(rows))):
                    what = kind or ("word" if use.word in plain else "name")
                    finding = Finding("warning", "shortcut", f"{what} {use.describe()}{_about(target)}")
                    rank = ("actor", "name", "word").index(what)
                    ranked.append((rank, -abs(use.share - use.base), use.word, finding))
    return [finding for *_, finding in sorted(ranked, key=lambda entry: entry[:3])[:_SHORTCUTS]]


def _uses(
    corpus: Corpus, codebook: Codebook, meanings: Meanings, rows: Sequence[int], features: Sequence[set[str]]
) -> list[_Use]:
    """Return for each word in ten documents or more its use with the position that it tells most about."""
    sentences = Counter(chain.from_iterable(features))
    by_document = defaultdict[str, set[str]](set)
    for row, words in zip(rows, features, strict=True):
        by_document[corpus.documents[row] or corpus.where[row]] |= words
    spread = Counter(chain.from_iterable(by_document.values()))
    found: dict[str, _Use] = {}
    for position in codebook.position_names:
        held = [position in meanings[corpus.labels[row]] for row in rows]
        inside = Counter(chain.from_iterable(compress(features, held)))
        base = sum(held) / len(held)
        for word in (word for word, n in spread.items() if n >= _SHORTCUT_DOCUMENTS):
            use = _Use(word, position, inside[word] / sentences[word], base, sentences[word], spread[word])
            if word not in found or abs(use.share - base) > abs(found[word].share - found[word].base):
                found[word] = use
    return list(found.values())


def _near_pairs(texts: Sequence[str]) -> tuple[Ints, Ints, int]:
    """Return pairs of texts whose sets of three-word phrases have a Jaccard similarity of 0.7 or more.

    Of two such sets of n phrases each has one of the other's n - ceil(0.7 n) + 1 rarest (prefix filter; Chaudhuri,
    Ganti & Kaushik 2006). So texts are put in buckets by these phrases, and those in one bucket are compared exactly:
    unlike MinHash it misses nothing. But a text is compared with no more than its 24 neighbours in a bucket, by
    length; the third value is the number of larger buckets. With N words it takes some N log N steps and 150 bytes
    a word, and at worst 24 comparisons for each third word.
    """
    text, phrase = _phrases(texts)
    n, size = len(texts), np.bincount(text, minlength=len(texts))
    start = np.cumsum(size) - size
    rare = np.arange(len(text)) - start[text] <= size[text] + -7 * size[text] // 10
    order = np.lexsort((text[rare], size[text[rare]], phrase[rare]))
    member, bucket = text[rare][order], phrase[rare][order]
    codes = [np.empty(0, dtype=np.int64)]
    for step in range(1, _WINDOW + 1):
        near = bucket[step:] == bucket[:-step]
        a, b = member[:-step][near], member[step:][near]
        codes.append(np.unique((a * n + b)[10 * size[a] >= 7 * size[b]]))
    a, b = np.divmod(np.unique(np.concatenate(codes)), max(n, 1))
    shared = _shared(a, b, phrase, np.append(start, len(text)))
    near = 10 * shared >= 7 * (size[a] + size[b] - shared)
    return a[near], b[near], int((np.bincount(bucket) > _WINDOW + 1).sum())


def _phrases(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """Return the pairs of text and phrase of three words, sorted; the rarer a phrase, the lower its number."""
    index: dict[str, int] = {}
    words = [[index.setdefault(word, len(index)) for word in _WORD.findall(text)] for text in texts]
    flat = np.fromiter(chain.from_iterable(words), dtype=np.uint64)
    text = np.repeat(np.arange(len(texts)), [len(found) for found in words])
    base, whole = np.uint64(len(index)), text[2:] == text[:-2]
    codes = ((flat[:-2] * base + flat[1:-1]) * base + flat[2:])[
        whole
    ]  # exact up to 2.6 million different words
    _, phrase, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.empty_like(counts)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    text, phrase = np.divmod(np.unique(text[2:][whole] * len(counts) + rank[phrase]), max(len(counts), 1))
    return text, phrase


def _shared(a: Ints, b: Ints, phrase: Ints, start: Ints) -> Ints:
    """Count the phrases that the texts of each pair share; some four million at a time."""
    from scipy.sparse import csr_array

    sets = csr_array((np.ones(len(phrase), dtype=np.int64), phrase, start))
    step = 4_000_000 // int(np.diff(start).max(initial=1)) + 1
    parts = [
        sets[a[i : i + step]].multiply(sets[b[i : i + step]]).sum(axis=1) for i in range(0, len(a), step)
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])
