"""Whose positions they are: the columns holder, actor and bloc of each sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stance.actors import SEPARATOR as BETWEEN_NAMES
from stance.actors import months_of
from stance.model.attribution import Attributor, Holder, holder_of
from stance.model.candidates import SPEAKER
from stance.text.tables import missing

__all__ = ["COLUMNS", "SEPARATOR", "Holding", "pairs_of"]

COLUMNS = ("holder", "holder_actor", "p_holder", "bloc", "bloc_position", "agrees")
SEPARATOR = f"{BETWEEN_NAMES} "
_DATES = ("date", "year")


@dataclass(frozen=True)
class Holding:
    """Fills the columns of holders.

    Attributes
    ----------
    attributor
        Says who holds what; None if the model does not know.
    speaker, date
        Who speaks and when, where the input's own columns ``speaker`` and ``date`` or ``year`` do not tell.
    """

    attributor: Attributor | None
    speaker: str = ""
    date: str = ""

    def given(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return the input's own columns, with speaker and date where these are given for all."""
        said = {"speaker": self._speaker(columns)} if self.speaker else {}
        if self.date and not any(name in columns for name in _DATES):
            said["date"] = self.date
        return {**columns, **said}

    def columns(
        self,
        texts: Sequence[str],
        contexts: Sequence[str],
        labels: Sequence[str],
        given: Sequence[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Return the columns of some sentences.

        Parameters
        ----------
        texts, contexts, labels
            Sentences, those before them, and what they reflect.
        given
            The input's own columns.

        Returns
        -------
        list of dict
            Of a sentence with one holder its name, for whom it speaks, the bloc that is in and what that bloc declares
            at the date, and whether the sentence agrees (``yes`` or ``no``); empty where that is not known. Several
            holders are written ``Russia:engage; India:terrorist``, and the other columns in the same order;
            ``p_holder`` is the probability of the least probable of them. No columns where there is no holder.
        """
        if self.attributor is None:
            return [{} for _ in texts]
        speakers = [self._speaker(columns) for columns in given]
        found = self.attributor.attribute(texts, contexts, labels, speakers)
        return [
            self._written(holders, speaker, self._date(columns)) if holders else {}
            for holders, speaker, columns in zip(found, speakers, given, strict=True)
        ]

    def _speaker(self, columns: Mapping[str, Any]) -> str:
        speaker = columns.get("speaker")
        return speaker if isinstance(speaker, str) and speaker.strip() else self.speaker

    def _date(self, columns: Mapping[str, Any]) -> Any:
        return next((columns[name] for name in _DATES if months_of(columns.get(name))), self.date)

    def _written(self, holders: Sequence[Holder], speaker: str, date: Any) -> dict[str, Any]:
        rows = [self._of(holder, speaker, date) for holder in holders]
        several = len(holders) > 1
        names = [f"{h.name}:{h.position}" if several else h.name for h in holders]
        joined = (SEPARATOR.join(column) for column in zip(*rows, strict=True))
        actor, bloc, declared, agrees = joined
        return {
            "holder": SEPARATOR.join(names),
            "holder_actor": actor,
            "p_holder": min(h.probability for h in holders),
            "bloc": bloc,
            "bloc_position": declared,
            "agrees": agrees,
        }

    def _of(self, holder: Holder, speaker: str, date: Any) -> tuple[str, str, str, str]:
        """Return of a holder its actor, bloc, the bloc's position, and whether the sentence agrees with that."""
        assert self.attributor is not None  # or there would be no holder
        roster, named = self.attributor.codebook.roster, holder.name
        if holder.kind == SPEAKER:
            named = self.attributor.finder.actor_of(speaker)
        elif holder.kind in {"noun", "stranger"}:
            named = ""
        bloc = roster.bloc_of(named, date) if named else None
        actor = "" if holder.kind == "bloc" or not named else roster.speaks_for(named, date)
        if bloc is None:
            return actor, "", "", ""
        return actor, bloc.name, bloc.position, "yes" if bloc.position == holder.position else "no"


def pairs_of(row: Mapping[str, Any], positions: Sequence[str]) -> list[dict[str, Any]]:
    """Return who holds what in a row of predictions: holder, holder_actor, bloc, and the positions held.

    Parameters
    ----------
    row
        With the columns of `Holding.columns`.
    positions
        Those of the row's label; a holder that is written without one holds them all.

    Examples
    --------
    >>> row = {"holder": "Russia:engage; India:terrorist", "holder_actor": "Russia; India", "bloc": "A; B"}
    >>> [(pair["holder"], pair["bloc"], pair["positions"]) for pair in pairs_of(row, ["engage", "terrorist"])]
    [('Russia', 'A', ['engage']), ('India', 'B', ['terrorist'])]
    """
    written = row.get("holder")
    if not isinstance(written, str) or not written.strip():
        return []
    parts = written.split(SEPARATOR)
    given = {name: "" if missing(row.get(name)) else str(row[name]) for name in ("holder_actor", "bloc")}
    beside = {name: text.split(SEPARATOR) for name, text in given.items()}
    found: dict[str, dict[str, Any]] = {}
    for i, part in enumerate(parts):
        name, held = holder_of(part, positions)
        pair = found.setdefault(name, {"holder": name, "positions": []})
        pair["positions"] += [p for p in held if p not in pair["positions"]]
        for column, values in beside.items():
            pair[column] = values[i] if i < len(values) else ""
    return list(found.values())
