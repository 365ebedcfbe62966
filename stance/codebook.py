"""What the labels mean, as data: targets, positions, actors and dated blocs.

The classifier knows no Taliban. A codebook is a TOML file; the shipped one is ``data/codebook.toml``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stance.actors import Actor, Bloc, Roster, parse_actors, parse_blocs, plain_actor, plain_bloc, validate
from stance.errors import CodebookError
from stance.shipped import shipped
from stance.toml import Table, read_table

__all__ = [
    "Codebook",
    "Position",
    "Target",
    "codebook_of_labels",
    "load_codebook",
    "parse_codebook",
    "with_blocs",
]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Target:
    """What the stance is about: its names, the names that are not it, what may refer back to it, and its topics.

    Topics are words that tell that a text may be about the target though it does not name it.
    """

    name: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """One of the answers to "how is the target to be treated?"; each is a yes/no question."""

    name: str
    definition: str = ""


@dataclass(frozen=True)
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
        data = asdict(replace(self, actors=(), blocs=()))
        data["actors"], data["blocs"] = map(plain_actor, self.actors), map(plain_bloc, self.blocs)
        data["schema"] = SCHEMA
        for plural in ("targets", "positions", "actors", "blocs"):
            data[plural[:-1]] = list(data.pop(plural))
        return json.loads(json.dumps(data))  # type: ignore[no-any-return]

    @cached_property
    def roster(self) -> Roster:
        """The actors and blocs, to be found by name and date."""
        return Roster(self.actors, self.blocs)

    def without_actors(self) -> Codebook:
        """Return what a classifier is trained on: the codebook without actors and blocs, which move with time."""
        return replace(self, actors=(), blocs=())

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
    top = read_table(path)
    return _codebook(top, [read_table(path.parent / name) for name in top.names("include")])


def with_blocs(book: Codebook, path: str | Path) -> Codebook:
    """Return a codebook with the actors and blocs of a user's file beside its own, or in their place.

    Parameters
    ----------
    path
        A TOML file of ``[[bloc]]`` and ``[[actor]]`` tables. An actor takes the place of the codebook's one of that
        name. Blocs are added; with ``replace = true`` at the top they are the only ones.

    Raises
    ------
    CodebookError
        As `load_codebook`; and if an actor is in two blocs at a time, with the lines of both.
    """
    top = read_table(Path(path))
    alone = top.take("replace", bool, False)
    actors, blocs = parse_actors(top), parse_blocs(top, book.position_names)
    top.close()
    validate(actors, (), str(path), offices=False)
    known = {actor.name: actor for actor in (*book.actors, *actors)}
    found = replace(book, actors=tuple(known.values()), blocs=blocs if alone else (*book.blocs, *blocs))
    validate(found.actors, found.blocs, str(path))
    return found


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
    return _codebook(Table(data, where))


def _codebook(top: Table, included: Iterable[Table] = ()) -> Codebook:
    if (schema := top.take("schema", int, SCHEMA)) != SCHEMA:
        raise CodebookError(f"{top.where}: schema = {schema} is not known here; this version reads schema = {SCHEMA}")
    positions = tuple(Position(p.take("name", str), p.take("definition", str, "")) for p in top.tables("position"))
    names = tuple(position.name for position in positions)
    files = (top, *included)
    book = Codebook(
        name=top.take("name", str, ""),
        targets=tuple(
            Target(t.take("name", str), t.take("description", str, ""), *(t.names(k) for k in _TARGET_LISTS))
            for t in top.tables("target")
        ),
        positions=positions,
        exclusive=top.take("exclusive", bool, False),
        none_label=top.take("none_label", str, "none"),
        both_label=top.take("both_label", str, "both"),
        actors=tuple(actor for file in files for actor in parse_actors(file)),
        blocs=tuple(bloc for file in files for bloc in parse_blocs(file, names)),
    )
    for file in files:
        file.close()
    _validate(book, top.where)
    return book


_TARGET_LISTS = ("aliases", "lookalikes", "references", "topics")


def _validate(book: Codebook, where: str) -> None:
    names = book.position_names
    if not names:
        raise CodebookError(f"{where}: key 'position' is missing; write at least one [[position]] table")
    for kind, found in (
        ("position", names),
        ("target", [t.name for t in book.targets]),
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
    validate(book.actors, book.blocs, where)
