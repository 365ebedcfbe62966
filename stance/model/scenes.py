"""A sentence with its candidates for holder, and the features by which they are told apart."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from stance.model.candidates import SPEAKER, Candidate, Finder, Words
from stance.text.mentions import Matcher

__all__ = ["Scene"]

_NEAR = 3


class Scene:
    """A sentence with its candidates, from which features are drawn."""

    def __init__(self, finder: Finder, matchers: Sequence[Matcher], text: str, context: str, speaker: str) -> None:
        self.text, self.context = Words(text), Words(context)
        self.candidates = finder.find(self.text, self.context, speaker)
        self.speaker_kind = "none" if not speaker else "actor" if finder.actor_of(speaker) else "writer"
        self._targets = [
            self.text.range_of(m.start, m.end)[0]
            for matcher in matchers
            for m in matcher.find(text)
            if m.kind in {"target", "reference"}
        ]
        self._quoted = _quoted(self.text)
        self._order = {id(c): n for n, c in enumerate(sorted(self._present(), key=lambda c: c.here[0].start))}
        starts = sorted({p.start for c in self._present() for p in c.here if p.via != "pronoun"})
        self._starts = [0, *starts, len(self.text)]

    def _present(self) -> list[Candidate]:
        return [c for c in self.candidates if c.here and c.kind != SPEAKER]

    def features(self, candidate: Candidate, position: str, n_positions: int) -> set[str]:
        """Return the names of the features of a candidate for a position."""
        kind = candidate.kind
        found = {f"kind={kind}", f"kind={kind} others={min(len(self._order), 3)}"}
        if kind == SPEAKER:
            found |= set(self._of_speaker(candidate))
        elif candidate.here:
            found |= set(self._of_place(candidate))
        else:
            found |= set(self._of_context(candidate))
        if n_positions > 1:
            found |= {f"{position}: {name}" for name in self._of_clause(candidate)}
        return found

    def clause_of(self, candidate: Candidate) -> str:
        """Return the words from a candidate to the next one; empty if it is not in the sentence."""
        if not candidate.here:
            return ""
        start = candidate.here[0].start
        at = bisect_right(self._starts, start)
        until = self._starts[at] if at < len(self._starts) else len(self.text)
        return self.text.text[self.text.spans[start][0] : self.text.spans[until - 1][1]]

    def _of_speaker(self, candidate: Candidate) -> Iterator[str]:
        others = min(len(self._order), 3)
        yield f"speaker is {self.speaker_kind}"
        yield f"speaker is {self.speaker_kind} others={others}"
        if candidate.here:
            yield "speaker speaks of itself"
            yield f"speaker first={candidate.here[0].start < 4}"
            if any(p.via == "name" for p in candidate.here):
                yield "speaker by name"
        if any(self._quoted[p.start] for p in candidate.here):
            yield "speaker in quotes"
        if any(self._quoted):
            yield "speaker and quotes"
        for word in set(self.text.low):
            yield f"speaker: {word}"
        for one, two in zip(self.text.low[:3], self.text.low[1:4], strict=False):
            yield f"speaker begins: {one} {two}"

    def _of_place(self, candidate: Candidate) -> Iterator[str]:
        kind = candidate.kind
        order, last = self._order[id(candidate)], len(self._order) - 1
        yield f"order={min(order, 4)}"
        yield f"order={min(order, 2)} of {min(last, 3)}"
        yield f"order={min(order, 2)} speaker={self.speaker_kind}"
        if order == last and last:
            yield "last"
        if len(candidate.here) > 1:
            yield "named again"
        if candidate.before:
            yield "named before"
        for place in candidate.here[:3]:
            near = self._near(place.start, place.end)
            yield f"via={place.via} kind={kind}"
            yield f"starts={_bucket(place.start)}"
            yield f"target {self._to_target(place.start)}"
            yield f"quoted={self._quoted[place.start]}"
            yield from near
            if place.via != "name":
                yield from (f"{place.via} {name}" for name in near)

    def _of_context(self, candidate: Candidate) -> Iterator[str]:
        yield f"only before kind={candidate.kind} others={min(len(self._order), 2)}"
        yield f"only before speaker={self.speaker_kind}"
        yield f"only before begins={self.text.low[0] if self.text.low else ''}"
        place = candidate.before[0] if candidate.before else None
        if place is not None:
            yield f"before starts={_bucket(place.start)}"
            for i in range(place.end, min(place.end + 2, len(self.context))):
                yield f"before after{i - place.end}={self.context.low[i]}"
            if place.start:
                yield f"before w-1={self.context.low[place.start - 1]}"
        for word in set(self.text.low) & {"he", "she", "they", "it", "his", "her", "their", "its"}:
            yield f"only before pronoun {word}"

    def _near(self, start: int, end: int) -> list[str]:
        """Return the words around, one by one on both sides, and those that follow in any order."""
        low = self.text.low
        found = [f"w+{i - end + 1}={low[i]}" for i in range(end, min(end + _NEAR, len(low)))]
        found += [f"w-{start - i}={low[i]}" for i in range(max(start - _NEAR, 0), start)]
        found += [f"after {low[i]}" for i in range(end, min(end + 8, len(low)))]
        found += [f"ahead {low[i]}" for i in range(max(start - 6, 0), start)]
        if end < len(low) and start > 0:
            found.append(f"between {low[start - 1]} {low[end]}")
        return found

    def _of_clause(self, candidate: Candidate) -> Iterator[str]:
        """Yield the words between a candidate and the next one, and those from the one before."""
        for place in candidate.here[:3]:
            at = bisect_right(self._starts, place.start)
            until = self._starts[at] if at < len(self._starts) else len(self.text)
            since = max(self._starts[bisect_left(self._starts, place.start) - 1], 0)
            for word in set(self.text.low[place.end : until]):
                yield f"clause {word}"
            for word in set(self.text.low[since : place.start]):
                yield f"clause before {word}"
            yield f"place {_bucket(place.start)} {place.via}"
        if not candidate.here:
            yield f"elsewhere {candidate.kind}"

    def distance_to_target(self, start: int) -> int:
        """Return how many words a place is from the target's nearest name; from the start if it is not named."""
        return min((abs(at - start) for at in self._targets), default=start)

    def _to_target(self, start: int) -> str:
        if not self._targets:
            return "absent"
        nearest = min(self._targets, key=lambda at: abs(at - start))
        return f"{'after' if nearest > start else 'before'} {_bucket(abs(nearest - start))}"


def _bucket(distance: int) -> str:
    return next((f"<{limit}" for limit in (1, 2, 4, 8, 16, 32) if distance < limit), "far")


def _quoted(text: Words) -> list[bool]:
    """Return of each word whether it stands in quotation marks."""
    inside, found = False, []
    for word in text.words:
        if word in {"“", "«"} or (word == '"' and not inside):
            inside = True
        elif word in {"”", "»", '"'}:
            inside = False
        found.append(inside)
    return found or [False]
