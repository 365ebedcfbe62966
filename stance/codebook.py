"""What the labels mean, as data: targets, positions, actors and dated blocs.

The classifier knows no Taliban. A codebook is a TOML file; the shipped one is ``data/codebook.toml``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stance.errors import CodebookError
from stance.shipped import shipped

__all__ = ["Actor", "Bloc", "Codebook", "Position", "Target", "codebook_of_labels", "load_codebook", "parse_codebook"]

SCHEMA = 1
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Target:
    """What the stance is about: its names, the names that are not it, and what may refer back to it."""

    name: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """One of the answers to "how is the target to be treated?"; each is a yes/no question."""

    name: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who may hold a position, with the names that stand for them."""

    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bloc:
    """A set of actors with a declared position, from month ``start`` to month ``end`` (``YYYY-MM``; empty is open)."""

    name: str
    position: str
    members: tuple[str, ...]
    start: str = ""
    end: str = ""
    source: str = ""

    def holds_at(self, date: dt.date) -> bool:
        """Return whether the bloc's entry covers a date.

        Examples
        --------
        >>> Bloc("A", "engage", ("Russia",), "2017-01", "2018-12").holds_at(dt.date(2018, 12, 31))
        True
        """
        month = f"{date:%Y-%m}"
        return (not self.start or self.start <= month) and (not self.end or month <= self.end)


@dataclass(frozen=True, slots=True)
class Codebook:
    """Targets, positions and how labels are made of them.

    Attributes
    ----------
    name
        A line that says what the codebook is about.
    positions
        At least two, or one if the labels are yes and none.
    targets
        What the stance is about; may be empty, then no mention features are used.
    exclusive
        Whether a text has exactly one label (FAVOR / AGAINST / NONE) or any set of positions.
    none_label
        The label of a text that reflects no position; empty if every text has one.
    both_label
        The label of a text that reflects two positions, if there are two and they may combine.
    """

    name: str
    positions: tuple[Position, ...]
    targets: tuple[Target, ...] = ()
    exclusive: bool = False
    none_label: str = "none"
    both_label: str = "both"
    actors: tuple[Actor, ...] = field(default=())
    blocs: tuple[Bloc, ...] = field(default=())

    @property
    def position_names(self) -> tuple[str, ...]:
        """The names of the positions, in the codebook's order."""
        return tuple(position.name for position in self.positions)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, sorted; with three or more positions that combine, only those of one position and none."""
        both = [self.label_of(self.position_names)] if not self.exclusive and len(self.positions) == 2 else []
        return tuple(sorted({*self.position_names, *filter(None, [self.none_label]), *both}))

    def label_of(self, positions: Iterable[str]) -> str:
        """Return the label of a set of positions.

        Examples
        --------
        >>> load_codebook().label_of(["terrorist", "engage"])
        'both'
        """
        chosen = set(positions)
        names = [name for name in self.position_names if name in chosen]
        if not names:
            return self.none_label
        if len(names) == 2 == len(self.positions) and self.both_label:
            return self.both_label
        return "+".join(names)

    def positions_of(self, label: str) -> frozenset[str]:
        """Return the positions that a label stands for.

        Raises
        ------
        CodebookError
            If the label is none of the codebook's.

        Examples
        --------
        >>> sorted(load_codebook().positions_of("both"))
        ['engage', 'terrorist']
        """
        if label == self.none_label:
            return frozenset()
        if label == self.both_label and not self.exclusive and len(self.positions) == 2:
            return frozenset(self.position_names)
        parts = [label] if self.exclusive or label in self.position_names else label.split("+")
        if not set(parts) <= set(self.position_names):
            raise CodebookError(f"label {label!r} is not in the codebook; its labels are {', '.join(self.labels)}")
        return frozenset(parts)

    def canonical(self, label: str) -> str:
        """Return a label as the codebook writes it.

        Examples
        --------
        >>> load_codebook().canonical("terrorist+engage")
        'both'
        """
        return self.label_of(self.positions_of(label))

    def target(self, name: str) -> Target:
        """Return the target of that name, or one that is known by its name only."""
        return next((t for t in self.targets if t.name == name), Target(name, aliases=(name,) if name else ()))

    def as_dict(self) -> dict[str, Any]:
        """Return the codebook as plain data, as `parse_codebook` reads it."""
        data = asdict(self)
        data["schema"] = SCHEMA
        for plural in ("targets", "positions", "actors", "blocs"):
            data[plural[:-1]] = data.pop(plural)
        return json.loads(json.dumps(data))  # type: ignore[no-any-return]

    @property
    def fingerprint(self) -> str:
        """Sha256 of the codebook's content, whatever the layout of its file."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def load_codebook(path: str | Path | None = None) -> Codebook:
    """Read a codebook.

    Parameters
    ----------
    path
        A TOML file; by default the shipped one.

    Raises
    ------
    CodebookError
        If the file is absent, is not TOML, or lacks or mistypes a key; the message names the key.

    Examples
    --------
    >>> load_codebook().position_names
    ('engage', 'terrorist')
    """
    path = shipped("data", "codebook.toml") if path is None else Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CodebookError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CodebookError(f"{path}: not TOML: {error}") from error
    return parse_codebook(data, str(path))


def codebook_of_labels(labels: Iterable[str], none_label: str = "") -> Codebook:
    """Return a codebook of labels that exclude each other, in the order given.

    Raises
    ------
    CodebookError
        If `none_label` is none of them.

    Examples
    --------
    >>> codebook_of_labels(["AGAINST", "FAVOR", "NONE"], "NONE").position_names
    ('AGAINST', 'FAVOR')
    """
    found = list(labels)
    if none_label and none_label not in found:
        raise CodebookError(f"none label {none_label!r} is none of the labels found: {', '.join(found)}")
    positions = tuple(Position(label) for label in found if label != none_label)
    return Codebook("Labels of the corpus", positions, exclusive=True, none_label=none_label, both_label="")


def parse_codebook(data: Mapping[str, Any], where: str = "codebook") -> Codebook:
    """Make a codebook of plain data; errors name the key.

    Raises
    ------
    CodebookError
        If a key is missing, unknown or of a wrong type, or names contradict each other.
    """
    top = _Table(data, where)
    if (schema := top.take("schema", int, SCHEMA)) != SCHEMA:
        raise CodebookError(f"{where}: schema = {schema} is not known here; this version reads schema = {SCHEMA}")
    book = Codebook(
        name=top.take("name", str, ""),
        targets=tuple(
            Target(t.take("name", str), t.take("description", str, ""), *(t.names(k) for k in _TARGET_LISTS))
            for t in top.tables("target")
        ),
        positions=tuple(Position(p.take("name", str), p.take("definition", str, "")) for p in top.tables("position")),
        exclusive=top.take("exclusive", bool, False),
        none_label=top.take("none_label", str, "none"),
        both_label=top.take("both_label", str, "both"),
        actors=tuple(Actor(a.take("name", str), a.names("aliases")) for a in top.tables("actor")),
        blocs=tuple(
            Bloc(
                b.take("name", str),
                b.take("position", str),
                b.names("members"),
                *(b.take(k, str, "") for k in _BLOC_TEXTS),
            )
            for b in top.tables("bloc")
        ),
    )
    top.close()
    _validate(book, where)
    return book


_TARGET_LISTS = ("aliases", "lookalikes", "references")
_BLOC_TEXTS = ("start", "end", "source")


class _Table:
    """A TOML table that knows where it is, and which of its keys were read."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self._data, self._where, self._children, self._seen = data, where, list[_Table](), set[str]()

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        self._seen.add(key)
        value = self._data.get(key, default)
        if value is None:
            raise CodebookError(f"{self._where}: key {key!r} is missing; give it a {kind.__name__}")
        if type(value) is not kind:
            raise CodebookError(f"{self._where}: {key!r} must be of type {kind.__name__}, not {type(value).__name__}")
        if kind is str and default is None and not str(value).strip():
            raise CodebookError(f"{self._where}: {key!r} is empty")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if bad := [v for v in values if not isinstance(v, str) or not v.strip()]:
            raise CodebookError(f"{self._where}: {key!r} must hold names, not {bad[0]!r}")
        return tuple(values)

    def tables(self, key: str) -> list[_Table]:
        values = self.take(key, list, [])
        if any(not isinstance(v, Mapping) for v in values):
            raise CodebookError(f"{self._where}: {key!r} must be written as [[{key}]] tables")
        made = [_Table(v, f"{self._where}: {key} {i}") for i, v in enumerate(values, 1)]
        self._children += made
        return made

    def close(self) -> None:
        """Refuse keys that nobody read: most are misspelt."""
        if unknown := sorted(set(self._data) - self._seen):
            raise CodebookError(f"{self._where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(self._seen))}")
        for child in self._children:
            child.close()


def _validate(book: Codebook, where: str) -> None:
    names = book.position_names
    if not names:
        raise CodebookError(f"{where}: key 'position' is missing; write at least one [[position]] table")
    for kind, found in (
        ("position", names),
        ("target", [t.name for t in book.targets]),
        ("actor", [a.name for a in book.actors]),
    ):
        if twice := [name for name in found if list(found).count(name) > 1]:
            raise CodebookError(f"{where}: {kind} {twice[0]!r} stands there twice")
    both = [book.both_label] if not book.exclusive and len(names) == 2 and book.both_label else []
    if clash := {book.none_label, *both} & set(names):
        raise CodebookError(f"{where}: {clash.pop()!r} is both a position and 'none_label' or 'both_label'")
    if book.none_label in both:
        raise CodebookError(f"{where}: 'none_label' and 'both_label' are both {book.none_label!r}")
    if not book.exclusive and any("+" in name for name in names):
        raise CodebookError(f"{where}: position names must not hold '+', which joins positions that combine")
    _validate_blocs(book, where)


def _validate_blocs(book: Codebook, where: str) -> None:
    names, known = book.position_names, {actor.name for actor in book.actors}
    for bloc in book.blocs:
        here = f"{where}: bloc {bloc.name!r}"
        if bloc.position not in names:
            raise CodebookError(f"{here}: 'position' is {bloc.position!r}, which is none of {', '.join(names)}")
        if strangers := [m for m in bloc.members if m not in known]:
            raise CodebookError(f"{here}: member {strangers[0]!r} is no [[actor]]")
        if bad := [d for d in (bloc.start, bloc.end) if d and not _MONTH.fullmatch(d)]:
            raise CodebookError(f"{here}: date {bad[0]!r} must be written YYYY-MM")
        if bloc.start and bloc.end and bloc.start > bloc.end:
            raise CodebookError(f"{here}: starts {bloc.start}, after its end {bloc.end}")
