"""Who may hold the position that a sentence reflects: actors named in it or before it, pronouns' owners, the speaker.

A pronoun stands for whoever of its kind was named last; "the former", "the latter", "one side", "the other" stand for
the groups that the sentence before lists.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stance.actors import Roster
from stance.text.mentions import Matcher, Mention

__all__ = ["CAMP", "SPEAKER", "Candidate", "Finder", "Place", "Words"]

SPEAKER, CAMP = "speaker", "camp"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TOKEN = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")
_TITLES = _words(
    "mr mrs ms dr president minister secretary ambassador senator congressman congresswoman representative general "
    "colonel major brigadier admiral marshal professor prof sir lord baroness dame chancellor premier mullah "
    "maulana mawlawi envoy spokesman spokeswoman commander deputy"
)
_OFFICIAL = _words(
    "government governments administration state official officials minister ministers ministry president "
    "presidents presidency prime foreign defence defense interior national security adviser advisers envoy envoys "
    "ambassador ambassadors diplomat diplomats negotiator negotiators army armies military general generals troops "
    "forces leader leaders leadership spokesman spokeswoman spokesperson delegation delegations mission embassy "
    "authorities side policy special deputy chief head of the s secretary cabinet capital commander commanders "
    "intelligence agency agencies service services office and for in affairs representative senior former vice "
    "council command"
)
_IN_LISTS = _words(
    "and or as well together along plus with to some a lesser extent in part also the even its ally more less & , ;"
)
_OWNERS = {
    **dict.fromkeys(_words("he she his her him"), frozenset({"person", "stranger"})),
    **dict.fromkeys(_words("they their them"), frozenset({"noun", "organisation", "bloc", "group", "armed"})),
    **dict.fromkeys(_words("it its"), frozenset({"state", "organisation", "bloc"})),
}
_FIRST_PERSON = _words("i we our us my ours mine me ourselves myself")
_TAKEN_UP = re.compile(
    r"\b(?:(?P<first>the former|(?:the|those|these) first)|(?P<last>the latter|(?:the|those|these) last)|"
    r"(?P<second>the second)|(?P<third>the third)|(?P<one>one)|(?P<other>the others?|the opposite|another))\b",
    re.IGNORECASE,
)
_NO_GROUPS = _words(
    "time times hand decade decades year years week weeks day days month months place round half century instance "
    "stage step anniversary session phase war attack meeting visit thing word victim"
)
_STOP = frozenset({"of", "the", "s", "and", "for", "in"})
_PREPOSITIONS = _words("of in for from at on who that with behind around")
_PLACE = {"in", "over", "on", "inside", "about"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sentence speaks of a candidate: words `start` to `end`; `via` is name, pronoun or anaphor."""

    start: int
    end: int
    via: str


@dataclass(slots=True)
class Candidate:
    """Somebody who may hold a position.

    Attributes
    ----------
    name
        An actor's, a bloc's, ``speaker``, or of others the words of the text.
    key
        By what two mentions are the same: the name of an actor or bloc, or the last word in lower case.
    kind
        ``speaker``, an actor's kind, ``bloc``, ``noun`` (people without a name), ``stranger`` (a name not known), or
        ``camp``: a group that the sentence before lists and this one takes up ("the former").
    here, before
        Where the sentence, and the one before, speak of it.
    members
        Of a camp.
    """

    name: str
    key: str
    kind: str
    here: list[Place] = field(default_factory=list)
    before: list[Place] = field(default_factory=list)
    members: list[Candidate] = field(default_factory=list)


class Words:
    """The words of a text, and which of them a stretch of characters covers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = [match.span() for match in _TOKEN.finditer(text)]
        self._starts, self._ends = [a for a, _ in self.spans], [b for _, b in self.spans]
        self.words = [text[a:b] for a, b in self.spans]
        self.low = [word.lower().replace("’", "'") for word in self.words]

    def __len__(self) -> int:
        return len(self.words)

    def range_of(self, start: int, end: int) -> tuple[int, int]:
        """Return the first word that ends after `start`, and the one after the last that starts before `end`."""
        first = bisect_right(self._ends, start)
        return first, max(bisect_left(self._starts, end), first + 1)


class Finder:
    """Finds the candidates of a sentence.

    Parameters
    ----------
    matcher
        Of the actors and blocs.
    roster
        Tells who a speaker is.
    nouns
        Words for people without a name that may hold positions ("critics", "capitals"), in lower case.
    """

    def __init__(self, matcher: Matcher, roster: Roster, nouns: Iterable[str] = ()) -> None:
        self._matcher, self._roster = matcher, roster
        self.nouns = frozenset(nouns)

    def find(self, text: Words, context: Words, speaker: str = "") -> list[Candidate]:
        """Return the candidates, the speaker first, then as they come in the context and the sentence.

        The speaker's own name stands for the speaker.
        """
        own = self.actor_of(speaker)
        first = Candidate(SPEAKER, SPEAKER, SPEAKER)
        first.here, first.before = _first_person(text), _first_person(context)
        found = {SPEAKER: first}
        surname = "" if own or not speaker[:1].isupper() else _last_word(speaker)
        found.update(dict.fromkeys(filter(None, (own, surname)), first))
        self._named(context, found, before=True)
        earlier = [c for c in found.values() if c is not first]
        self._named(text, found, before=False)
        own_kind = self._roster.actors[own].kind if own in self._roster.actors else ""
        _pronouns(text, found, earlier, own_kind)
        self._anaphors(text, context, found)
        return list({id(c): c for c in found.values()}.values())

    def actor_of(self, name: str) -> str:
        """Return the actor that a name stands for, or that is named first in it; empty if none."""
        if not name:
            return ""
        found = self._roster.find(name)
        if found and self._roster.actors[found].kind != "other":
            return found
        kind, key = self.key_of(name.split(" on behalf of ")[0])
        return "" if kind in {"bloc", "noun", "other", SPEAKER} else key

    def key_of(self, holder: str) -> tuple[str, str]:
        """Return kind and key of a holder as annotators write it: "US officials" is the United States."""
        if holder.strip().lower() == SPEAKER:
            return SPEAKER, SPEAKER
        words = Words(holder)
        mention = max(self._matcher.find(holder), key=lambda m: m.end - m.start, default=None)
        if mention is not None:
            a, b = words.range_of(mention.start, mention.end)
            if all(w in _OFFICIAL or not w[0].isalpha() for w in (*words.low[:a], *words.low[b:])):
                return mention.kind, mention.name
        until = next((i for i, w in enumerate(words.low) if i and w in _PREPOSITIONS), len(words))
        last = [w.removesuffix("'s") for w in words.low[:until] if w[0].isalpha()][-1:]
        return "noun", last[0] if last else holder.strip().lower()

    # -- details -----------------------------------------------------------------------------------------------------

    def _named(self, text: Words, found: dict[str, Candidate], *, before: bool) -> None:
        mentions = list(self._matcher.find(text.text))
        taken: set[int] = set()
        spans = []
        for mention in mentions:
            a, b = text.range_of(mention.start, mention.end)
            taken.update(range(a, b))
            if mention.kind == "other":
                continue
            noun = self._noun_after(text, b)
            if noun is None:
                spans.append((a, b, mention.name, mention.name, mention.kind))
            else:
                spans.append((a, noun + 1, " ".join(text.words[a : noun + 1]), text.low[noun], "noun"))
                taken.update(range(b, noun + 1))
        spans += self._strangers(text, taken)
        spans += self._nouns(text, taken)
        for a, b, name, key, kind in sorted(spans):
            candidate = found.setdefault(key, Candidate(name, key, kind))
            (candidate.before if before else candidate.here).append(Place(a, b, "name"))

    def _noun_after(self, text: Words, at: int) -> int | None:
        """Return where people stand that a name only describes ("Afghan women"), and not its officials."""
        for i in range(at, min(at + 2, len(text))):
            word = text.low[i]
            if word in self.nouns and word not in _OFFICIAL:
                return i
            if not word[0].isalpha() or word in _OFFICIAL:
                return None
        return None

    def _nouns(self, text: Words, taken: set[int]) -> list[tuple[int, int, str, str, str]]:
        spans = []
        for i, word in enumerate(text.low):
            if word in self.nouns and i not in taken:
                a = i
                while a > max(i - 2, 0) and a - 1 not in taken and _describes(text.words[a - 1]):
                    a -= 1
                spans.append((a, i + 1, " ".join(text.words[a : i + 1]), word, "noun"))
        return spans

    def _strangers(self, text: Words, taken: set[int]) -> list[tuple[int, int, str, str, str]]:
        spans, i, n = [], 0, len(text)
        while i < n:
            if not text.words[i][0].isupper():  # no name begins so
                i += 1
                continue
            j = i
            while j < n and j not in taken and _is_name(text, i, j):
                j += 1
            before = i - 1 - (i > 1 and text.low[i - 1] == ".")
            titled = before >= 0 and text.low[before] in _TITLES
            name = [word for word in text.words[i:j] if word != "."]
            if name and len(name) <= 3 and (titled or (len(name) == 2 and all(len(w) > 2 for w in name))):
                shown = re.sub(r"['’]s$", "", " ".join(name))
                spans.append((i, j, shown, _last_word(shown), "stranger"))
                taken.update(range(i, j))
            i = max(j, i + 1)
        return spans

    def _anaphors(self, text: Words, context: Words, found: dict[str, Candidate]) -> None:
        """Add the groups named before that the sentence takes up, each as one candidate."""
        taken_up = [match for match in _TAKEN_UP.finditer(text.text) if not _describes_other(text, match)]
        if not any(match["other"] for match in taken_up):  # "one" is a number unless there is another
            taken_up = [match for match in taken_up if not match["one"]]
        if not taken_up:
            return
        groups = self._groups(context)
        if len(groups) < 2:
            groups = self._groups(Words(text.text[: taken_up[0].start()])) or groups
        if len(groups) == 1 and len(groups[0]) == 2:
            groups = [[name] for name in groups[0]]
        if len(groups) < 2:
            return
        for match in taken_up:
            which = 0 if match["first"] or match["one"] else 2 if match["third"] else 1 if match["second"] else -1
            if which >= len(groups):
                continue
            which %= len(groups)
            members = [found[name] for name in groups[which] if name in found]
            camp = found.setdefault(f"{CAMP} {which}", Candidate(CAMP, f"{CAMP} {which}", CAMP, members=members))
            camp.here.append(Place(*text.range_of(*match.span()), "anaphor"))

    def _groups(self, text: Words) -> list[list[str]]:
        """Return the actors that stand in one list each, without places and what is not a bloc's member."""
        groups: list[list[str]] = []
        kinds: dict[str, str] = {}
        last: Mention | None = None
        for mention in self._matcher.find(text.text):
            a, _ = text.range_of(mention.start, mention.end)
            if mention.kind in {"armed", "other"} or (a > 0 and text.low[a - 1] in _PLACE):
                continue
            if last is not None and _goes_on(text.text[last.end : mention.start]):
                groups[-1].append(mention.name)
            else:
                groups.append([mention.name])
            kinds[mention.name] = mention.kind
            last = mention
        if len(groups) > 2:  # where they met is no camp
            groups = [group for group in groups if len(group) > 1 or kinds[group[0]] != "organisation"]
        return groups


def _goes_on(gap: str) -> bool:
    """Return whether a list goes on after what stands between two names."""
    words = [match[0].lower() for match in _TOKEN.finditer(gap)]
    return all(word in _IN_LISTS or word.endswith("ly") for word in words)


def _describes_other(text: Words, match: re.Match[str]) -> bool:
    """Return whether it goes with what is no group, as in "the former president", "for the first time"."""
    _, after = text.range_of(*match.span())
    offices = frozenset() if match["one"] or match["other"] else _OFFICIAL - _STOP
    return after < len(text) and text.low[after] in offices | _NO_GROUPS


def _is_name(text: Words, start: int, at: int) -> bool:
    """Return whether a word may go on with a name: it has a capital and is no title, or is the dot of an initial."""
    if text.words[at] == ".":
        return at > start and len(text.words[at - 1]) == 1 and text.words[at - 1].isupper()
    return text.words[at][0].isupper() and text.low[at] not in _TITLES


def _first_person(text: Words) -> list[Place]:
    return [
        Place(i, i + 1, "pronoun")
        for i, (word, low) in enumerate(zip(text.words, text.low, strict=True))
        if low in _FIRST_PERSON and word != "US"
    ]


def _last_word(name: str) -> str:
    return next(iter(re.findall(r"\w+", name.lower())[-1:]), "")


def _describes(word: str) -> bool:
    return word[0].isupper() or word.lower() in {"some", "many", "certain", "several", "other", "most", "few", "these"}


def _pronouns(text: Words, found: dict[str, Candidate], earlier: Sequence[Candidate], own_kind: str) -> None:
    """Give whoever was named last, of the pronoun's kind, a place where the pronoun stands."""
    each = list({id(c): c for c in found.values()}.values())
    named = sorted(
        ((place.start, c) for c in each for place in c.here if place.via == "name"), key=lambda pair: pair[0]
    )
    before = sorted(
        ((place.start, c) for c in earlier for place in c.before if place.via == "name"), key=lambda pair: pair[0]
    )
    known, upcoming = [c for _, c in before], iter(named)
    following = next(upcoming, None)
    last: dict[str, Candidate] = {}
    for c in known:
        last[own_kind if c.kind == SPEAKER else c.kind] = c
    rank = {own_kind if c.kind == SPEAKER else c.kind: at for at, c in enumerate(known)}
    for i, word in enumerate(text.low):
        if (kinds := _OWNERS.get(word)) is None:
            continue
        while following is not None and following[0] < i:
            kind = own_kind if following[1].kind == SPEAKER else following[1].kind
            last[kind], rank[kind] = following[1], len(text) + following[0]
            following = next(upcoming, None)
        if owners := [(rank[kind], kind) for kind in kinds if kind in last]:
            last[max(owners)[1]].here.append(Place(i, i + 1, "pronoun"))
