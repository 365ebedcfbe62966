"""What a relevance gate loses on a corpus, and which gate a model therefore has.

A gate (`stance.text.relevance`) calls a sentence ``none`` without asking the classifier. Training records for each gate
the share of the sentences with a position that it lets through; a model takes the first gate that keeps 99 % of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stance.codebook import Codebook, Target
from stance.corpus.files import Corpus
from stance.errors import DataError
from stance.text.relevance import GATES, REACH, Gate

if TYPE_CHECKING:
    from stance.model.artifact import StanceModel

__all__ = ["GATE_CHOICES", "LEAST_RECALL", "Gating", "check_facts", "gate_facts", "relevance_of"]

GATE_CHOICES = (*GATES, "off")
LEAST_RECALL = 0.99
_FARTHEST = 10_000
_FEWEST_POSITIONS = 300  # of fewer, a loss of 1 % may show in none (the rule of three)


@dataclass(frozen=True)
class Gating:
    """The gates of a model, and what is said of the sentences that they hold back.

    Attributes
    ----------
    gates
        For each target's name its gate.
    positions
        For each of the codebook's positions the share of the corpus's gated sentences that reflect it.
    confidence
        The share of the corpus's gated sentences that are ``none``.
    """

    gates: Mapping[str, Gate]
    positions: tuple[float, ...]
    confidence: float

    @classmethod
    def of(cls, model: StanceModel, opens: str = "") -> Gating | None:
        """Return the gates of a model; None if it has none, or none is wanted.

        Parameters
        ----------
        opens
            ``named`` (a name of the target opens the gate), ``topic`` (a word of its topics, too), or ``off``; by
            default the first that keeps 99 % of the positions of the corpus the model was trained on.

        Raises
        ------
        DataError
            If a gate is asked for that the model cannot have.

        Examples
        --------
        >>> from stance.model.artifact import load_model
        >>> sorted(Gating.of(load_model("fast")).gates)
        ['']
        """
        facts = model.about.get("gate") or {}
        chosen = opens or facts.get("default", "off")
        if chosen == "off":
            return None
        if chosen not in GATES:
            raise DataError(f"gate is {chosen!r}; it must be one of {', '.join(GATE_CHOICES)}")
        if chosen not in facts:
            raise DataError(
                f"model {model.name!r} has no gate {chosen!r}: its codebook gives the target no names, or it was saved "
                "before gates were measured; train it with a codebook that has names, or say gate off"
            )
        gates = {name: Gate(s.features.target, chosen, facts["reach"]) for name, s in model.scorers.items()}
        shares = facts[chosen]["gated"]
        return cls(gates, tuple(shares[p] for p in model.codebook.position_names), shares[model.codebook.none_label])


def check_facts(facts: Any, book: Codebook) -> None:
    """Raise `ValueError` or `TypeError` if these are not the facts of `gate_facts`; None is well."""
    if facts is None:
        return
    if facts["default"] not in GATE_CHOICES or type(facts["reach"]) is not int or not 0 <= facts["reach"] <= _FARTHEST:
        raise ValueError("gate: the default or the reach is none")
    for opens in GATES:
        shares = [facts[opens]["gated"][name] for name in (*book.position_names, book.none_label)]
        if not all(isinstance(share, float | int) and 0 <= share <= 1 for share in shares):
            raise ValueError(f"gate {opens}: shares must be between 0 and 1")


def relevance_of(corpus: Corpus, targets: Mapping[str, Target], opens: str) -> list[bool]:
    """Return which sentences of a corpus a gate lets through; its reach is counted in rows, as if none were left out.

    Parameters
    ----------
    targets
        For each of the corpus's targets its names.
    opens
        One of `stance.text.relevance.GATES`.
    """
    gates = {name: Gate(target, opens) for name, target in targets.items()}
    since: dict[tuple[str, str], int | None] = {}
    found = []
    columns = (corpus.documents, corpus.texts, corpus.contexts, corpus.targets)
    for document, text, context, target in zip(*columns, strict=True):
        before = 0 if gates[target].opens(context) else since.get((document, target))
        relevant, after = gates[target].relevant(text, [(0, len(text))], before)
        since[document, target] = after
        found += relevant
    return found


def gate_facts(
    training: Corpus, held_out: Corpus | None, book: Codebook, targets: Mapping[str, Target]
) -> dict[str, Any] | None:
    """Return what each gate loses, and which is the default; None if a target has no names.

    Parameters
    ----------
    training, held_out
        The default is chosen on the first; of the second only the recall is told.
    targets
        For each of the corpus's targets its names.

    Returns
    -------
    dict
        ``reach``, ``default``; for each gate ``recall`` (of the sentences with a position), ``passed`` (the share of
        all that it lets through), ``gated`` (of those that it does not, the share of each position and of none), and
        ``recall_held_out``.
    """
    if not book.none_label or not all(target.aliases for target in targets.values()):
        return None
    facts: dict[str, Any] = {"reach": REACH}
    for opens in GATES:
        relevant = relevance_of(training, targets, opens)
        facts[opens] = {
            "recall": _recall(training, book, relevant),
            "passed": round(sum(relevant) / len(relevant), 4),
            "gated": _shares_of_gated(training, book, relevant),
        }
        if held_out is not None:
            facts[opens]["recall_held_out"] = _recall(held_out, book, relevance_of(held_out, targets, opens))
    enough = sum(bool(book.positions_of(label)) for label in training.labels) >= _FEWEST_POSITIONS
    kept = (opens for opens in GATES if enough and facts[opens]["recall"] >= LEAST_RECALL)
    return {**facts, "default": next(kept, "off")}


def _recall(corpus: Corpus, book: Codebook, relevant: list[bool]) -> float | None:
    """Return the share of sentences with a position that are relevant; None if there are no such sentences."""
    kept = [passed for passed, label in zip(relevant, corpus.labels, strict=True) if book.positions_of(label)]
    return round(sum(kept) / len(kept), 4) if kept else None


def _shares_of_gated(corpus: Corpus, book: Codebook, relevant: list[bool]) -> dict[str, float]:
    """Return of the sentences that are not relevant the share of each position, and of none, after Jeffreys."""
    labels = [label for passed, label in zip(relevant, corpus.labels, strict=True) if not passed]
    said = Counter(position for label in labels for position in book.positions_of(label))
    none = sum(not book.positions_of(label) for label in labels)
    counts = {position: said[position] for position in book.position_names} | {book.none_label: none}
    return {name: round((count + 0.5) / (len(labels) + 1), 6) for name, count in counts.items()}
