"""Learning who holds positions from a corpus's column ``holder``, and measuring how well that is told.

A holder is counted right if sentence, position and actor are: a person in office is the state spoken for, the speaker's
own country is the speaker, and people without a name ("critics") are one actor, *unnamed*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.corpus.files import Corpus
from stance.model.attribution import Attributor, HolderWeights, Proba, chosen_of, gold_holders
from stance.model.blend import parts_of
from stance.model.candidates import CAMP, SPEAKER
from stance.model.scenes import Scene

__all__ = [
    "Examples",
    "examples_of",
    "learn",
    "learned",
    "measure_holders",
    "measured",
    "nouns_of",
    "unlearned",
]

Floats = NDArray[np.float64]
Pair = tuple[str, str]
_UNNAMED = "unnamed"
_LEAST_NOUNS, _LEAST_COUNT = 2, 3
_STRENGTH = 0.1
_SMALL = 0.05  # a smaller weight is left out
_CLAUSES = (0.0, 0.1, 0.2, 0.3, 0.5)
_FOLDS = 5
_FEWEST = 100
_NO_NOUNS = frozenset({"both", "he", "she", "they", "state", "states"})


@dataclass(frozen=True)
class Examples:
    """Sentences with positions and known holders.

    Attributes
    ----------
    rows
        Which rows of the corpus they are.
    groups
        What stays together in folds.
    scenes
        With their candidates.
    positions
        Of each sentence's label.
    truth
        For each sentence whether each candidate holds each position of the codebook, shape (candidates, positions).
    gold
        For each sentence its pairs of actor and position, whether or not a candidate is the actor.
    actors
        For each sentence the actors that each candidate is: one, or the members of a camp.
    """

    rows: list[int]
    groups: list[str]
    scenes: list[Scene]
    positions: list[list[str]]
    truth: list[NDArray[np.bool_]]
    gold: list[set[Pair]]
    actors: list[list[set[str]]]


def nouns_of(corpus: Corpus, attributor: Attributor) -> tuple[str, ...]:
    """Return the words for people without a name that hold positions at least twice."""
    book, counts = attributor.codebook, Counter[str]()
    for holder, label in zip(corpus.columns.get("holder", ()), corpus.labels, strict=False):
        for name, _ in gold_holders(str(holder or ""), book.positions_of(label)):
            kind, key = attributor.finder.key_of(name)
            counts[key] += kind == "noun"
    return tuple(sorted(w for w, n in counts.items() if n >= _LEAST_NOUNS and w.isalpha() and w not in _NO_NOUNS))


def examples_of(corpus: Corpus, attributor: Attributor) -> Examples:
    """Return the sentences of a corpus that have positions and holders."""
    holders = corpus.columns.get("holder", ("",) * len(corpus))
    speakers = corpus.columns.get("speaker", ("",) * len(corpus))
    dates = corpus.columns.get("date", corpus.columns.get("year", ("",) * len(corpus)))
    made = Examples([], [], [], [], [], [], [])
    names = attributor.codebook.position_names
    for i, label in enumerate(corpus.labels):
        positions = [p for p in names if p in attributor.codebook.positions_of(label)]
        pairs = gold_holders(str(holders[i] or ""), positions)
        if not pairs:
            continue
        speaker = str(speakers[i] or "")
        scene = attributor.scene(corpus.texts[i], corpus.contexts[i], speaker)
        who = _resolver(attributor, speaker, dates[i])
        exact = {(who(*attributor.finder.key_of(name)), position) for name, position in pairs}
        keys = [{who(m.kind, m.key) for m in c.members or [c]} for c in scene.candidates]
        made.rows.append(i)
        made.groups.append(corpus.groups[i])
        made.scenes.append(scene)
        made.positions.append(positions)
        made.truth.append(np.array([[_holds(each, p, exact) for p in names] for each in keys]))
        made.gold.append({(_actor(key), position) for key, position in exact})
        made.actors.append([{_actor(key) for key in each} for each in keys])
    return made


def _resolver(attributor: Attributor, speaker: str, date: Any) -> Callable[[str, str], str]:
    """Return who somebody is: the speaker's own actor is the speaker, a person in office the state."""
    own, roster = attributor.finder.actor_of(speaker), attributor.codebook.roster

    def who(kind: str, key: str) -> str:
        if kind == SPEAKER:
            return SPEAKER
        if kind in {"noun", "stranger"}:
            return f"{_UNNAMED} {key}"
        found = roster.speaks_for(key, date)
        return SPEAKER if own and found == own else found

    return who


def _holds(keys: set[str], position: str, exact: set[Pair]) -> bool:
    """Return whether most of some keys hold a position."""
    return sum((key, position) in exact for key in keys) * 2 > len(keys)


def _actor(key: str) -> str:
    return _UNNAMED if key.startswith(f"{_UNNAMED} ") else key


def unlearned(codebook: Codebook, corpus: Corpus) -> Attributor:
    """Return an attributor that knows which candidates there are, and nothing of who holds what."""
    nouns = nouns_of(corpus, Attributor(codebook, HolderWeights({})))
    return Attributor(codebook, HolderWeights({}, nouns))


def learned(
    training: Corpus, codebook: Codebook, held_out: Corpus | None, proba: Proba, seed: int = 0
) -> tuple[HolderWeights | None, dict[str, Any]]:
    """Learn holders from a corpus, and measure that on documents that are held out.

    Parameters
    ----------
    proba
        The classifier; see `Attributor`.

    Returns
    -------
    tuple
        The weights and what a card says of them; None and nothing if fewer than 100 sentences have holders.
    """
    attributor = unlearned(codebook, training)
    examples = examples_of(training, attributor)
    if len(examples.rows) < _FEWEST or len(set(examples.groups)) < _FOLDS:
        return None, {}
    weights = learn(examples, Attributor(codebook, attributor.weights, proba), seed)
    facts = {"n": len(examples.rows), "threshold": weights.threshold, "clauses": weights.clauses}
    return weights, facts | {"held_out": measured(Attributor(codebook, weights, proba), held_out)}


def measured(attributor: Attributor, corpus: Corpus | None) -> dict[str, Any] | None:
    """Return how well an attributor tells the holders of a corpus; None if there are none."""
    examples = examples_of(corpus, attributor) if corpus is not None else None
    if examples is None or not examples.rows or corpus is None:
        return None
    return measure_holders(examples, attributor, corpus.documents)


# -- learning --------------------------------------------------------------------------------------------------------


def learn(examples: Examples, attributor: Attributor, seed: int = 0) -> HolderWeights:
    """Fit the weights of features; choose the threshold, and how much clauses count, out of fold."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    names = attributor.codebook.position_names
    flat = [
        (k, c, names.index(position), scene.features(candidate, position, len(positions)))
        for k, (scene, positions) in enumerate(zip(examples.scenes, examples.positions, strict=True))
        for c, candidate in enumerate(scene.candidates)
        for position in positions
    ]
    truth = np.array([examples.truth[k][c, p] for k, c, p, _ in flat])
    vectorizer = CountVectorizer(analyzer=sorted, binary=True, min_df=_LEAST_COUNT)
    matrix = vectorizer.fit_transform([features for *_, features in flat])
    part = parts_of(examples.groups, _FOLDS, seed)
    fold = np.array([part[k] for k, *_ in flat])
    out = [np.full((len(scene.candidates), len(names)), -np.inf) for scene in examples.scenes]
    for f in range(_FOLDS):
        model = LogisticRegression(C=_STRENGTH, max_iter=2000).fit(matrix[fold != f], truth[fold != f])
        for at, value in zip(np.flatnonzero(fold == f), model.decision_function(matrix[fold == f]), strict=True):
            k, c, p, _ = flat[at]
            out[k][c, p] = value
    model = LogisticRegression(C=_STRENGTH, max_iter=2000).fit(matrix, truth)
    found = zip(vectorizer.get_feature_names_out(), model.coef_[0].round(4).tolist(), strict=True)
    words = {"": round(float(model.intercept_[0]), 4), **{str(name): w for name, w in found if abs(w) >= _SMALL}}
    return _decided(examples, replace(attributor.weights, words=words), attributor, out)


def _decided(examples: Examples, weights: HolderWeights, attributor: Attributor, odds: list[Floats]) -> HolderWeights:
    """Choose for micro-F1 how much clauses count, and the threshold; of thresholds nearly as good the median."""
    clauses, names = attributor.of_clauses(examples.scenes, examples.positions), attributor.codebook.position_names
    grid, best = np.arange(0.3, 0.81, 0.02), (-1.0, weights)
    for much in _CLAUSES:
        mixed = [a + much * b for a, b in zip(odds, clauses, strict=True)]
        scores = np.array([_micro_f1(examples.gold, _said(examples, mixed, names, float(t))) for t in grid])
        near = float(np.median(grid[scores >= scores.max() - 0.001]))
        if scores.max() > best[0]:
            best = (float(scores.max()), replace(weights, clauses=much, threshold=round(near, 2)))
    return best[1]


def _said(examples: Examples, odds: Sequence[Floats], names: Sequence[str], threshold: float) -> list[set[Pair]]:
    """Return the pairs of actor and position that log-odds and a threshold say."""
    return [
        {
            (actor, position)
            for position, chosen in zip(positions, chosen_of(scene, positions, names, table, threshold), strict=True)
            for k in chosen
            for actor in actors[k]
        }
        for scene, positions, actors, table in zip(
            examples.scenes, examples.positions, examples.actors, odds, strict=True
        )
    ]


# -- measuring -------------------------------------------------------------------------------------------------------


def measure_holders(
    examples: Examples, attributor: Attributor, documents: Sequence[str], *, draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Measure micro-F1 over (sentence, actor, position), given the right label, with intervals by document.

    Beside it stand two baselines: always the speaker, and the actor who is named nearest to the target.
    """
    odds = attributor.log_odds(examples.scenes, examples.positions)
    said = {
        "holders": _said(examples, odds, attributor.codebook.position_names, attributor.weights.threshold),
        "always speaker": [{(SPEAKER, p) for p in positions} for positions in examples.positions],
        "nearest actor": [_nearest(examples, k) for k in range(len(examples.rows))],
    }
    of = [documents[row] for row in examples.rows]
    return {
        "n": len(examples.rows),
        "n_documents": len(set(of)),
        "reachable": _share_reachable(examples),
        **{name: _with_interval(examples.gold, pairs, of, draws, seed) for name, pairs in said.items()},
    }


def _nearest(examples: Examples, k: int) -> set[Pair]:
    scene = examples.scenes[k]
    named = [
        (scene.distance_to_target(place.start), c)
        for c, candidate in enumerate(scene.candidates)
        if candidate.kind not in {SPEAKER, CAMP, "armed", "noun", "stranger"}
        for place in candidate.here
    ]
    who = examples.actors[k][min(named)[1]] if named else {SPEAKER}
    return {(actor, p) for actor in who for p in examples.positions[k]}


def _counts(gold: Sequence[set[Pair]], said: Sequence[set[Pair]]) -> NDArray[np.int64]:
    return np.array([[len(g & s), len(g), len(s)] for g, s in zip(gold, said, strict=True)]).reshape(-1, 3)


def _micro_f1(gold: Sequence[set[Pair]], said: Sequence[set[Pair]]) -> float:
    right, wanted, given = _counts(gold, said).sum(axis=0)
    return float(2 * right / max(wanted + given, 1))


def _with_interval(
    gold: Sequence[set[Pair]], said: Sequence[set[Pair]], documents: Sequence[str], draws: int, seed: int
) -> dict[str, float]:
    """Return micro precision, recall and F1 with the 95 % interval of a bootstrap over documents."""
    counts = _counts(gold, said)
    index = {d: n for n, d in enumerate(dict.fromkeys(documents))}
    per = np.zeros((len(index), 3))
    np.add.at(per, [index[d] for d in documents], counts)
    drawn = np.random.default_rng(seed).multinomial(len(per), np.full(len(per), 1 / len(per)), size=draws) @ per
    f1 = 2 * drawn[:, 0] / np.maximum(drawn[:, 1] + drawn[:, 2], 1)
    right, wanted, given = per.sum(axis=0)
    low, high = np.percentile(f1, [2.5, 97.5])
    return {
        "precision": round(float(right / max(given, 1)), 4),
        "recall": round(float(right / max(wanted, 1)), 4),
        "f1": round(float(2 * right / max(wanted + given, 1)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def _share_reachable(examples: Examples) -> float:
    pairs = [
        any(actor in each for each in actors)
        for gold, actors in zip(examples.gold, examples.actors, strict=True)
        for actor, _ in gold
    ]
    return round(float(np.mean(pairs)), 4) if pairs else 0.0
