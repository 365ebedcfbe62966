"""Whose position a sentence reflects: a ranker over candidates, trained on the corpus's holders.

Each pair of a candidate and a position of the sentence's label gets a probability by logistic regression over features
that can be read: what words stand around the candidate, whether it comes first, in quotation marks, after "according
to" or "by", how far from the target, by name or by pronoun. Where a model has an encoder that has learned holders, what
it makes of the candidate's words is weighed against that. The likeliest candidate holds the position, and so do others
above a threshold. Nothing in it knows a target. The task is that of finding opinion holders (Kim & Hovy 2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.errors import ArtifactError
from stance.model.candidates import CAMP, SPEAKER, Finder
from stance.model.encoder import Encoder
from stance.model.scenes import Scene
from stance.text.mentions import actor_matcher, target_matcher
from stance.text.sentences import unwrap

__all__ = ["Attributor", "Holder", "HolderWeights", "chosen_of", "gold_holders"]

Floats = NDArray[np.float64]


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
    positions
        Of the codebook, in order.
    words
        The weight of each feature; of the empty one the intercept.
    nouns
        Words for people without a name that may hold positions.
    threshold
        The probability from which on a second candidate holds the position, too.
    apart
        By how much in log-odds two holders of two positions are preferred to one of both.
    coef, intercept
        Of the encoder's head, shapes (dimension, 2 n_positions) and (2 n_positions,): the first half for candidates by
        what the encoder makes of their words, the second for the speaker. Empty without an encoder.
    mix
        Shape (2, 3): how much the log-odds of words and encoder count, and an intercept; candidates, then speaker.
    about
        What was measured.
    """

    positions: tuple[str, ...]
    words: Mapping[str, float]
    nouns: tuple[str, ...] = ()
    threshold: float = 0.5
    apart: float = 0.0
    coef: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    intercept: Floats = field(default_factory=lambda: np.zeros(0))
    mix: Floats = field(default_factory=lambda: np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_encoder(self) -> bool:
        """Whether an encoder's vectors are needed."""
        return bool(self.coef.size)

    def mixed(self, scene: Scene, words: Floats, theirs: Floats) -> Floats:
        """Weigh the log-odds of words and encoder against each other, both of shape (candidates, positions)."""
        mix = self.mix[[int(candidate.kind == SPEAKER) for candidate in scene.candidates]]
        return np.asarray(mix[:, :1] * words + mix[:, 1:2] * theirs + mix[:, 2:])

    def without_encoder(self) -> HolderWeights:
        """Return what is left without an encoder."""
        return HolderWeights(self.positions, self.words, self.nouns, self.threshold, self.apart, about=self.about)


class Attributor:
    """Says who holds the positions of sentences.

    Parameters
    ----------
    codebook
        Its actors are looked for; its targets tell how far from them a candidate stands.
    weights
        What was learned.
    encoder
        Of the model whose holders these are, if the weights are for one.

    Raises
    ------
    ArtifactError
        If the weights are for an encoder and there is none, or one of another dimension.
    """

    def __init__(self, codebook: Codebook, weights: HolderWeights, encoder: Encoder | None = None) -> None:
        if weights.of_encoder and (encoder is None or encoder.spec.dimension != len(weights.coef)):
            raise ArtifactError("the weights of holders are for another encoder than the model's")
        self.codebook, self.weights, self._encoder = codebook, weights, encoder
        self.finder = Finder(actor_matcher(codebook), codebook.roster, weights.nouns)
        self._matchers = [target_matcher(target) for target in codebook.targets]

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
        words = [self.of_words(scene, wanted) for scene, wanted in zip(scenes, positions, strict=True)]
        theirs = self.of_encoder(scenes) if self.weights.of_encoder else [np.zeros_like(table) for table in words]
        return [self.weights.mixed(*each) for each in zip(scenes, words, theirs, strict=True)]

    def of_encoder(self, scenes: Sequence[Scene]) -> list[Floats]:
        """Return the encoder's log-odds, shape (candidates, positions) for each sentence.

        For a position that it has not learned they are the highest of those it has: that the candidate holds any.
        """
        if self._encoder is None:
            raise ArtifactError("there is no encoder")
        target = self.codebook.targets[0] if len(self.codebook.targets) == 1 else None
        vectors = self._encoder.embed_places(
            [s.text.text for s in scenes], [s.context.text for s in scenes], [s.spans() for s in scenes], target
        )
        n, names = len(self.weights.positions), self.codebook.position_names
        known = [self.weights.positions.index(p) if p in self.weights.positions else -1 for p in names]
        made = []
        for found in vectors:
            scores = found @ self.weights.coef + self.weights.intercept
            # the speaker comes first, and is read at the whole sentence
            own = np.concatenate([scores[:1, n:], scores[1:, :n]])
            made.append(np.stack([own[:, k] if k >= 0 else own.max(axis=1) for k in known], axis=1))
        return made

    def of_words(self, scene: Scene, wanted: Sequence[str]) -> Floats:
        """Return the log-odds by the words around, shape (candidates, positions)."""
        weights, names = self.weights.words, self.codebook.position_names
        made = np.full((len(scene.candidates), len(names)), -np.inf)
        for k, candidate in enumerate(scene.candidates):
            for position in wanted:
                features = scene.features(candidate, position, len(wanted))
                total = weights.get("", 0.0) + math.fsum(weights.get(name, 0.0) for name in features)
                made[k, names.index(position)] = total
        return made

    def _holders(self, scene: Scene, positions: Sequence[str], odds: Floats) -> list[Holder]:
        """Return who holds what; of a camp its members."""
        names = self.codebook.position_names
        best: dict[tuple[str, str], Holder] = {}
        for position, chosen in zip(positions, chosen_of(scene, positions, names, odds, self.weights), strict=True):
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
    scene: Scene,
    positions: Sequence[str],
    names: Sequence[str],
    odds: Floats,
    weights: HolderWeights,
) -> list[list[int]]:
    """Return for each position which candidates hold it, the likeliest first.

    The likeliest does, and every other above the threshold. Of a sentence with two positions the likeliest pair is
    taken, of the same candidate twice only if that is likelier by `HolderWeights.apart`; of two camps that are set
    against each other one has one position and one the other.

    Parameters
    ----------
    scene
        With the candidates.
    positions
        Those asked for.
    names, odds
        The columns of the log-odds, and these, shape (candidates, len(names)).
    """
    cut = math.log(weights.threshold / (1 - weights.threshold))
    columns = [odds[:, names.index(position)] for position in positions]
    first = _pair(scene, columns, weights.apart) if len(columns) == 2 else {}
    found = []
    for n, column in enumerate(columns):
        order = sorted(range(len(column)), key=lambda k: (k != first.get(n), -column[k], k))
        ruled_out = set(first.values()) - {first[n]} if n in first else set()
        found.append([k for rank, k in enumerate(order) if rank == 0 or (column[k] >= cut and k not in ruled_out)])
    return found


def _pair(scene: Scene, columns: Sequence[Floats], apart: float) -> dict[int, int]:
    """Return which two candidates hold one position each; empty if one holds both."""
    camps = [k for k, candidate in enumerate(scene.candidates) if candidate.kind == CAMP]
    among = camps if len(camps) == 2 else list(range(len(scene.candidates)))
    if len(among) < 2:
        return {}
    sums = np.add.outer(columns[0][among], columns[1][among])
    same = float(sums.diagonal().max())
    np.fill_diagonal(sums, -np.inf)
    one, other = np.unravel_index(int(sums.argmax()), sums.shape)
    if len(camps) != 2 and same > sums[one, other] + apart:
        return {}
    return {0: among[int(one)], 1: among[int(other)]}


def gold_holders(holder: str, positions: Iterable[str]) -> list[tuple[str, str]]:
    """Return (holder, position) pairs of a corpus's holder column: ``Russia:engage; India:terrorist``, or ``Russia``.

    A holder without a position holds all of the label's.

    Examples
    --------
    >>> gold_holders("Russia:engage; India:terrorist", ["engage", "terrorist"])
    [('Russia', 'engage'), ('India', 'terrorist')]
    """
    names = list(positions)
    pairs = []
    for part in filter(None, map(str.strip, holder.split(";"))):
        name, _, position = part.rpartition(":")
        if name and position.strip() in names:
            pairs.append((name.strip(), position.strip()))
        else:
            pairs += [(name.strip() if position.strip() == "both" and name else part, p) for p in names]
    return pairs
