"""Whether a text looks like what a model has learned from: its target, its language, its words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stance.corpus.language import doubt
from stance.model.artifact import StanceModel
from stance.text.mentions import target_matcher

__all__ = ["UnfamiliarTextWarning", "Watch", "strangeness"]

_LOOKED_AT = 2000  # the first sentences, and the first that a gate holds back
_FEWEST_SENTENCES = 5
_FEWEST_WORDS = 100
_MOST_FOREIGN = 0.5
_MANY_WORDS = 5000  # with fewer, unknown words say more about the corpus than about the text
_LEAST_KNOWN = 0.75  # of the words; of the corpus's held-out documents the strangest has 0.88, of UN speeches 0.88


class UnfamiliarTextWarning(UserWarning):
    """The input does not look like what the model knows; its labels and probabilities may mean little."""


def strangeness(texts: Iterable[str], model: StanceModel, gated: Iterable[str] = ()) -> list[str]:
    """Return in a sentence each why labels of these sentences may mean little; nothing if they look familiar.

    Looked for are sentences that seem not to be English, if most of them do and the model learned from English; and no
    name of a target of the codebook in any sentence, or else less than 75 % of the words known from training, of models
    that know many. A few sentences are too few to say. Of sentences that a gate holds back only the language is asked.

    Examples
    --------
    >>> from stance.model.artifact import load_model
    >>> strangeness(["It rained in the valley."] * 5, load_model("fast"))
    ['no sentence names the target (Taliban): positions found here are doubtful']
    """
    found = [text for text in texts if text.strip()]
    others = [text for text in gated if text.strip()]
    if len(found) + len(others) < _FEWEST_SENTENCES:
        return []
    checks = (_foreign(found + others, model), _unnamed(found, model) or _unknown(found, model))
    return [reason for reason in checks if reason]


class Watch:
    """Keeps the first texts of the rows that go through it."""

    def __init__(self) -> None:
        self._texts: dict[bool, list[str]] = {False: [], True: []}

    def through(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass rows on."""
        for row in rows:
            if len(kept := self._texts[row["gated"]]) < _LOOKED_AT:
                kept.append(row["text"])
            yield row

    def strangeness(self, model: StanceModel, *, left_out: bool = False) -> list[str]:
        """Return why labels of these rows may mean little, or why there is none of what was left out."""
        if left_out and not any(self._texts.values()):
            return [reason for reason in [_unnamed([], model)] if reason]
        return strangeness(self._texts[False], model, self._texts[True])


def _foreign(texts: list[str], model: StanceModel) -> str:
    learned_english = any("the" in scorer.features.vocabulary for scorer in model.scorers.values())
    share = sum(bool(doubt(text)) for text in texts) / len(texts)
    if not learned_english or share <= _MOST_FOREIGN:
        return ""
    return f"{share:.0%} of the sentences do not look like English, which is what the model has learned"


def _unnamed(texts: list[str], model: StanceModel) -> str:
    matchers = [target_matcher(target) for target in model.codebook.targets if target.aliases]
    if not matchers:
        return ""  # what has no names cannot be missed
    if any(m.kind == "target" for text in texts for matcher in matchers for m in matcher.find(text)):
        return ""
    names = ", ".join(target.name for target in model.codebook.targets)
    if not texts:
        return f"no sentence names the target ({names}) or is near one that has to do with it: all are none"
    return f"no sentence names the target ({names}): positions found here are doubtful"


def _unknown(texts: list[str], model: StanceModel) -> str:
    readings = [
        scorer.features.known_words(texts)
        for scorer in model.scorers.values()
        if len(scorer.features.vocabulary) >= _MANY_WORDS
    ]
    known, words = max(readings, key=lambda pair: pair[0] / max(pair[1], 1), default=(0, 0))
    if words < _FEWEST_WORDS or known >= _LEAST_KNOWN * words:
        return ""
    return f"the model knows only {known / words:.0%} of the words: this is not the kind of text it has learned from"
