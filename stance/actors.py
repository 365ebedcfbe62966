"""Who may hold a position: states, organisations, groups and persons with their offices; and the blocs they make up.

Offices, membership and positions have dates. All of it is data: ``data/actors.toml`` and the blocs of
``data/codebook.toml``, or a file of the user's.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stance.errors import CodebookError
from stance.toml import Table

__all__ = [
    "KINDS",
    "Actor",
    "Bloc",
    "Office",
    "Period",
    "Roster",
    "months_of",
    "parse_actors",
    "parse_blocs",
    "plain_actor",
    "plain_bloc",
    "validate",
]

KINDS = ("state", "organisation", "group", "armed", "person", "other")
SEPARATOR = ";"
"""What parts several names in one cell; no name holds it."""
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_DATE = re.compile(r"(\d{4})(?:\.0+|-(\d{2})(?:-\d{2})?)?(?:[T ].*)?")
_ALWAYS = ("0000-00", "9999-99")


@dataclass(frozen=True, slots=True)
class Period:
    """A time from month `start` to month `end`, both included (``YYYY-MM``; empty is open)."""

    start: str = ""
    end: str = ""

    def share_of(self, months: Sequence[str]) -> float:
        """Return the share of some months that lie within.

        Examples
        --------
        >>> Period("2018-01", "2018-06").share_of(months_of("2018"))
        0.5
        """
        return sum(self.covers(month) for month in months) / len(months)

    def covers(self, month: str) -> bool:
        """Return whether a month lies within."""
        return (self.start or _ALWAYS[0]) <= month <= (self.end or _ALWAYS[1])

    def meets(self, other: Period) -> bool:
        """Return whether two periods have a month in common."""
        return max(self.start, other.start) <= min(self.end or _ALWAYS[1], other.end or _ALWAYS[1])

    def __str__(self) -> str:
        return f"{self.start or 'always'} to {self.end or 'now'}" if self.start or self.end else "always"


@dataclass(frozen=True, slots=True)
class Office:
    """For whom a person spoke, as what, and when."""

    of: str
    title: str = ""
    period: Period = field(default_factory=Period)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who may hold a position, with the names that stand for them.

    Attributes
    ----------
    kind
        ``state``, ``organisation``, ``group`` (a party, a coalition), ``armed`` (a group that fights) or ``person``;
        ``other`` bears an actor's name and is none ("Doha deal").
    code
        The three letters of ISO 3166 by which files and tables may name a state.
    offices
        Of a person.
    where
        The line that says so.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: str = "state"
    code: str = ""
    offices: tuple[Office, ...] = ()
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Bloc:
    """A set of actors with a declared position in a period; `where` is the line that says so."""

    name: str
    position: str
    members: tuple[str, ...]
    period: Period = field(default_factory=Period)
    source: str = ""
    aliases: tuple[str, ...] = ()
    where: str = field(default="", compare=False)

    def holds_at(self, date: dt.date) -> bool:
        """Return whether the bloc's entry covers a date.

        Examples
        --------
        >>> Bloc("A", "engage", ("Russia",), Period("2017-01", "2018-12")).holds_at(dt.date(2018, 12, 31))
        True
        """
        return self.period.covers(f"{date:%Y-%m}")


class Roster:
    """Finds actors by their names and codes, and says for whom they speak and in which bloc they are.

    Dates are ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``, as text or number. Where a year is all that is known, the entry
    holds that covers most of its months. Without a date nobody is in a bloc, and a person speaks for himself.
    """

    def __init__(self, actors: Iterable[Actor], blocs: Iterable[Bloc] = ()) -> None:
        self.actors = {actor.name: actor for actor in actors}
        self.blocs = tuple(blocs)
        self._by_key: dict[str, str] = {}
        for actor in self.actors.values():
            for name in (actor.name, *actor.aliases):
                self._by_key.setdefault(name.casefold(), actor.name)
        self._by_code = {actor.code: actor.name for actor in self.actors.values() if actor.code}
        self._bloc_names = {name.casefold(): bloc.name for bloc in self.blocs for name in (bloc.name, *bloc.aliases)}

    def find(self, name: Any) -> str:
        """Return the actor that a name, an alias or a code stands for; empty if nobody.

        Examples
        --------
        >>> Roster([Actor("Pakistan", ("Islamabad",), code="PAK")]).find("PAK")
        'Pakistan'
        """
        if not isinstance(name, str):
            return ""
        name = name.strip()
        return self._by_code.get(name) or self._by_key.get(name.casefold(), "")

    def speaks_for(self, name: str, date: Any = None) -> str:
        """Return the actor for whom somebody speaks at a date: a person in office for its state, others themselves."""
        actor = self.actors.get(name)
        if actor is None or actor.kind != "person":
            return name
        months = months_of(date)
        held = [(office.period.share_of(months), office.of) for office in actor.offices] if months else []
        share, of = max(held, default=(0.0, name), key=lambda pair: pair[0])
        return of if share > 0 else name

    def bloc_of(self, name: str, date: Any = None) -> Bloc | None:
        """Return the entry of the bloc that an actor belongs to at a date, or that a bloc's name means then.

        A person in office belongs where the state is that it speaks for.
        """
        months = months_of(date)
        if not months:
            return None
        who, bloc = self.speaks_for(name, date), self._bloc_names.get(name.casefold(), "")
        found = [b for b in self.blocs if who in b.members or name in b.members or (bloc and b.name == bloc)]
        best = max(found, default=None, key=lambda b: b.period.share_of(months))
        return best if best is not None and best.period.share_of(months) > 0 else None


def months_of(date: Any) -> list[str]:
    """Return the months that a date leaves possible: one, or the twelve of a year; none if it is no date.

    Examples
    --------
    >>> months_of("2018-03-14"), len(months_of(2018)), months_of("soon")
    (['2018-03'], 12, [])
    """
    if date is None or date != date:  # None, NaN, NaT
        return []
    if isinstance(date, dt.date):
        return [f"{date:%Y-%m}"]
    if isinstance(date, float) and date.is_integer():  # a column of years with gaps
        date = int(date)
    match = _DATE.fullmatch(str(date).strip())
    if not match:
        return []
    year, month = match.groups()
    if month is not None:
        return [f"{year}-{month}"] if _MONTH.fullmatch(f"{year}-{month}") else []
    return [f"{year}-{m:02}" for m in range(1, 13)]


# -- out of TOML -----------------------------------------------------------------------------------------------------


def parse_actors(top: Table) -> tuple[Actor, ...]:
    """Read the ``[[actor]]`` tables of a file."""
    return tuple(_actor(table) for table in top.tables("actor"))


def _actor(table: Table) -> Actor:
    name, aliases = table.take("name", str), table.names("aliases")
    kind, code = table.take("kind", str, "state"), table.take("code", str, "")
    if kind not in KINDS:
        raise CodebookError(f"{table.where}: 'kind' is {kind!r}, which is none of {', '.join(KINDS)}")
    offices = tuple(
        Office(office.take("of", str), office.take("title", str, ""), _period(office))
        for office in table.tables("offices")
    )
    if offices and kind != "person":
        raise CodebookError(f"{table.where}: {name!r} is a {kind}; only a person holds offices")
    if SEPARATOR in name:
        raise CodebookError(f"{table.where}: the name {name!r} must not hold {SEPARATOR!r}")
    return Actor(name, aliases, kind, code, offices, table.where)


def parse_blocs(top: Table, positions: Sequence[str]) -> tuple[Bloc, ...]:
    """Read the ``[[bloc]]`` tables of a file; positions are those of the codebook."""
    blocs = []
    for table in top.tables("bloc"):
        name, position = table.take("name", str), table.take("position", str)
        if position not in positions:
            raise CodebookError(
                f"{table.where}: bloc {name!r}: 'position' is {position!r}, which is none of {', '.join(positions)}"
            )
        if SEPARATOR in name:
            raise CodebookError(f"{table.where}: the name {name!r} must not hold {SEPARATOR!r}")
        members, source, aliases = table.names("members"), table.take("source", str, ""), table.names("aliases")
        blocs.append(Bloc(name, position, members, _period(table), source, aliases, table.where))
    return tuple(blocs)


def _period(table: Table) -> Period:
    period = Period(table.take("start", str, ""), table.take("end", str, ""))
    if bad := [d for d in (period.start, period.end) if d and not _MONTH.fullmatch(d)]:
        raise CodebookError(f"{table.where}: date {bad[0]!r} must be written YYYY-MM")
    if period.start and period.end and period.start > period.end:
        raise CodebookError(f"{table.where}: starts {period.start}, after its end {period.end}")
    return period


def plain_actor(actor: Actor) -> dict[str, Any]:
    """Return an actor as `parse_actors` reads it."""
    found: dict[str, Any] = {"name": actor.name, "aliases": list(actor.aliases)}
    found |= {} if actor.kind == "state" else {"kind": actor.kind}
    found |= {"code": actor.code} if actor.code else {}
    offices = [{"of": o.of, "title": o.title, "start": o.period.start, "end": o.period.end} for o in actor.offices]
    return found | ({"offices": offices} if offices else {})


def plain_bloc(bloc: Bloc) -> dict[str, Any]:
    """Return a bloc as `parse_blocs` reads it."""
    found: dict[str, Any] = {"name": bloc.name, "position": bloc.position, "members": list(bloc.members)}
    found |= {"start": bloc.period.start, "end": bloc.period.end, "source": bloc.source}
    return found | ({"aliases": list(bloc.aliases)} if bloc.aliases else {})


def validate(actors: Sequence[Actor], blocs: Sequence[Bloc], where: str, *, offices: bool = True) -> None:
    """Refuse what contradicts itself.

    Parameters
    ----------
    where
        What is named in errors where no line is known.
    offices
        Whether all actors are here, so that an office of a stranger is an error.

    Raises
    ------
    CodebookError
        If an actor stands there twice, or two have an alias or a code in common; if an office or a bloc names nobody
        known; if two entries of a bloc overlap, or put an actor in two blocs at once. The message names the lines.
    """
    names = {actor.name for actor in actors}
    for kind, found in (
        ("name", [(a, n) for a in actors for n in dict.fromkeys((a.name, *a.aliases))]),
        ("code", [(a, a.code) for a in actors if a.code]),
    ):
        owners: dict[str, Actor] = {}
        for actor, name in found:
            if owners.setdefault(name.casefold(), actor) is not actor:
                other = owners[name.casefold()].name
                what = "stands there twice" if other == actor.name else f"and {other!r} have the {kind} {name!r}"
                raise CodebookError(f"{actor.where or where}: actor {actor.name!r} {what}; leave out one")
    for actor in actors:
        strangers = [office.of for office in actor.offices if office.of not in names]
        if offices and strangers:
            raise CodebookError(
                f"{actor.where or where}: actor {actor.name!r} holds an office of {strangers[0]!r}, who is no [[actor]]"
            )
    for bloc in blocs:
        if strangers := [m for m in bloc.members if m not in names]:
            raise CodebookError(f"{bloc.where or where}: bloc {bloc.name!r}: member {strangers[0]!r} is no [[actor]]")
    _validate_names(blocs)
    _validate_dates(blocs)


def _validate_names(blocs: Sequence[Bloc]) -> None:
    owners: dict[str, str] = {}
    for bloc in blocs:
        for name in (bloc.name, *bloc.aliases):
            if owners.setdefault(name.casefold(), bloc.name) != bloc.name:
                other = owners[name.casefold()]
                raise CodebookError(
                    f"{bloc.where or bloc.name}: blocs {other!r} and {bloc.name!r} have the name {name!r}"
                )


def _validate_dates(blocs: Sequence[Bloc]) -> None:
    for i, one in enumerate(blocs):
        for other in blocs[i + 1 :]:
            if not one.period.meets(other.period):
                continue
            shared = sorted(set(one.members) & set(other.members))
            if one.name == other.name or shared:
                what = (
                    f"bloc {one.name!r} is there twice" if one.name == other.name else f"{shared[0]!r} is in two blocs"
                )
                raise CodebookError(
                    f"{other.where or other.name}: {what} at a time: {one.name!r} {one.period} "
                    f"({one.where or one.name}), and {other.name!r} {other.period}; let one end before the other starts"
                )
