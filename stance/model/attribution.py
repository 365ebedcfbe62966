"""Whose position a sentence reflects: a ranker over candidates, trained on the corpus's holders.

Each pair of a candidate and a position of the sentence's label gets a probability by logistic regression over features
that can be read: what words stand around the candidate, whether it comes first, in quotation marks, after "according
to" or "by", how far from the target, by name or by pronoun. Where a sentence reflects two positions, the classifier is
asked which of them the words about each candidate reflect. The likeliest candidate holds the position, and so do others
above a threshold. Nothing in it knows a target. The task is that of finding opinion holders (Kim & Hovy 2006).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stance.actors import SEPARATOR
from stance.codebook import Codebook
from stance.model.candidates import CAMP, Finder
from stance.model.scenes import Scene
from stance.text.mentions import actor_matcher, target_matcher
from stance.text.sentences import unwrap

__all__ = ["Attributor", "Holder", "HolderWeights", "Proba", "chosen_of", "gold_holders", "holder_of"]

Floats = NDArray[np.float64]
Proba = Callable[[Sequence[str], Sequence[str]], Floats]
_LEAST = 0.01  # probabilities nearer to 0 and 1 tell nothing more


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a position, and how probable that is; `kind` is speaker, an actor's, bloc, noun or stranger."""

    name: str
    position: str
    probability: float
    kind: str


@dataclass(frozen=True)
class HolderWeights:
    """What attribution has learned.

    Attributes
    ----------
    words
        The weight of each feature; of the empty one the intercept.
    nouns
        Words for people without a name that may hold positions.
    threshold
        The probability from which on a second candidate holds the position, too.
    clauses
        How much it counts what the classifier says of the words about a candidate.
    """

    words: Mapping[str, float]
    nouns: tuple[str, ...] = ()
    threshold: float = 0.5
    clauses: float = 0.0


class Attributor:
    """Says who holds the positions of sentences.

    Parameters
    ----------
    codebook
        Its actors are looked for; its targets tell how far from them a candidate stands.
    weights
        What was learned.
    proba
        The classifier: from sentences and those before them to the probabilities of the codebook's positions, shape
        (n, n_positions). Without it the words about a candidate are not asked for.
    """

    def __init__(self, codebook: Codebook, weights: HolderWeights, proba: Proba | None = None) -> None:
        self.codebook, self.weights, self._proba = codebook, weights, proba
        self._matchers = [target_matcher(target) for target in codebook.targets]

    @cached_property
    def finder(self) -> Finder:
        """What finds candidates; made when first needed: the matcher of all actors takes a third of a second."""
        return Finder(actor_matcher(self.codebook), self.codebook.roster, self.weights.nouns)

    def attribute(
        self,
        texts: Sequence[str],
        contexts: Sequence[str],
        labels: Sequence[str],
        speakers: Sequence[str] | None = None,
    ) -> list[list[Holder]]:
        """Return the holders of each sentence: for each position of its label the likeliest first, at least one.

        Parameters
        ----------
        texts, contexts
            Sentences, and the ones before them.
        labels
            What they reflect; ``none`` and empty labels have no holder.
        speakers
            Who says them, where that is known; else empty.

        Examples
        --------
        >>> from stance.model.artifact import load_model
        >>> attributor = load_model("fast").attributor()
        >>> found = attributor.attribute(["Moscow wants them at the table."], [""], ["engage"])[0]
        >>> [(holder.name, holder.position) for holder in found]
        [('Russia', 'engage')]
        """
        speakers = [""] * len(texts) if speakers is None else speakers
        asked = [i for i, label in enumerate(labels) if label and self._positions_of(label)]
        scenes = [self.scene(texts[i], contexts[i], speakers[i]) for i in asked]
        wanted = [self._positions_of(labels[i]) for i in asked]
        found: list[list[Holder]] = [[] for _ in texts]
        for i, scene, positions, table in zip(asked, scenes, wanted, self.log_odds(scenes, wanted), strict=True):
            found[i] = self._holders(scene, positions, table)
        return found

    def scene(self, text: str, context: str, speaker: str) -> Scene:
        """Return a sentence with its candidates."""
        return Scene(self.finder, self._matchers, unwrap(text), unwrap(context), speaker)

    def log_odds(self, scenes: Sequence[Scene], positions: Sequence[Sequence[str]]) -> list[Floats]:
        """Return for each sentence the log-odds that each candidate holds each position, shape (candidates, positions).

        Columns are the codebook's positions; those that are not asked for are -inf.
        """
        words = [self._of_words(scene, wanted) for scene, wanted in zip(scenes, positions, strict=True)]
        if not self.weights.clauses:
            return words
        clauses = self.of_clauses(scenes, positions)
        return [a + self.weights.clauses * b for a, b in zip(words, clauses, strict=True)]

    def of_clauses(self, scenes: Sequence[Scene], positions: Sequence[Sequence[str]]) -> list[Floats]:
        """Return by how much the words about each candidate reflect each position more than the others do.

        In log-odds, shape (candidates, positions); 0 for sentences with one position, and for candidates not in them.
        """
        names = self.codebook.position_names
        made = [np.zeros((len(scene.candidates), len(names))) for scene in scenes]
        asked = [
            (k, c, clause)
            for k, (scene, wanted) in enumerate(zip(scenes, positions, strict=True))
            if len(wanted) > 1
            for c, candidate in enumerate(scene.candidates)
            if (clause := scene.clause_of(candidate))
        ]
        if self._proba is None or not asked:
            return made
        said = self._proba([clause for *_, clause in asked], [scenes[k].context.text for k, *_ in asked])
        odds = np.log(np.clip(said, _LEAST, 1 - _LEAST) / (1 - np.clip(said, _LEAST, 1 - _LEAST)))
        for (k, c, _), each in zip(asked, odds, strict=True):
            made[k][c] = each - each.mean()
        return made

    def _of_words(self, scene: Scene, wanted: Sequence[str]) -> Floats:
        weights, names = self.weights.words, self.codebook.position_names
        made = np.full((len(scene.candidates), len(names)), -np.inf)
        for k, candidate in enumerate(scene.candidates):
            for position in wanted:
                features = scene.features(candidate, position, len(wanted))
                total = weights.get("", 0.0) + math.fsum([w for name in features if (w := weights.get(name))])
                made[k, names.index(position)] = total
        return made

    def _holders(self, scene: Scene, positions: Sequence[str], odds: Floats) -> list[Holder]:
        """Return who holds what; of a camp its members."""
        names = self.codebook.position_names
        best: dict[tuple[str, str], Holder] = {}
        for position, chosen in zip(
            positions, chosen_of(scene, positions, names, odds, self.weights.threshold), strict=True
        ):
            for k in chosen:
                candidate, value = scene.candidates[k], float(odds[k, names.index(position)])
                probability = round(1 / (1 + math.exp(-max(-30.0, min(30.0, value)))), 6)
                for who in candidate.members or [candidate]:
                    holder = Holder(who.name, position, probability, who.kind)
                    best.setdefault((who.key, position), holder)
        return list(best.values())

    def _positions_of(self, label: str) -> list[str]:
        held = self.codebook.positions_of(label)
        return [p for p in self.codebook.position_names if p in held]


def chosen_of(
    scene: Scene, positions: Sequence[str], names: Sequence[str], odds: Floats, threshold: float
) -> list[list[int]]:
    """Return for each position which candidates hold it, the likeliest first.

    The likeliest does, and every other above the threshold. Of two camps that are set against each other one has one
    position and one the other.

    Parameters
    ----------
    scene
        With the candidates.
    positions
        Those asked for.
    names, odds
        The columns of the log-odds, and these, shape (candidates, len(names)).
    """
    cut = math.log(threshold / (1 - threshold))
    columns = [odds[:, names.index(position)] for position in positions]
    camps = [k for k, candidate in enumerate(scene.candidates) if candidate.kind == CAMP]
    first: dict[int, int] = {}
    if len(camps) == len(columns) == 2:
        one, other = camps
        straight = columns[0][one] + columns[1][other] - columns[0][other] - columns[1][one]
        first = {0: one, 1: other} if straight >= 0 else {0: other, 1: one}
    found = []
    for n, column in enumerate(columns):
        order = sorted(range(len(column)), key=lambda k: (k != first.get(n), -column[k], k))
        ruled_out = set(camps) - {first[n]} if n in first else set()
        found.append([k for rank, k in enumerate(order) if rank == 0 or (column[k] >= cut and k not in ruled_out)])
    return found


def gold_holders(holder: str, positions: Iterable[str]) -> list[tuple[str, str]]:
    """Return (holder, position) pairs of a corpus's holder column: ``Russia:engage; India:terrorist``, or ``Russia``.

    A holder without a position holds all of the label's.

    Examples
    --------
    >>> gold_holders("Russia:engage; India:terrorist", ["engage", "terrorist"])
    [('Russia', 'engage'), ('India', 'terrorist')]
    """
    parts = filter(None, map(str.strip, holder.split(SEPARATOR)))
    return [(name, p) for name, held in (holder_of(part, positions) for part in parts) for p in held]


def holder_of(part: str, positions: Iterable[str]) -> tuple[str, list[str]]:
    """Return who is meant by one part of a holder column, and the positions held: that after the colon, or all.

    Examples
    --------
    >>> holder_of("Russia:engage", ["engage", "terrorist"]), holder_of("Iran", ["engage"])
    (('Russia', ['engage']), ('Iran', ['engage']))
    """
    names = list(positions)
    name, _, position = (piece.strip() for piece in part.rpartition(":"))
    if name and position in names:
        return name, [position]
    return name if name and position == "both" else part.strip(), names
