"""Which sentences may be about a target: near one that names it, or that has a word of its topics.

Most of a large corpus is about something else. What is not relevant here needs no classifier: the gate costs a
hundredth of what n-grams cost, and less than a thousandth of what the encoder does.
"""

from __future__ import annotations

from collections.abc import Sequence

from stance.codebook import Target
from stance.text.mentions import Matcher
from stance.text.sentences import Span

__all__ = ["GATES", "REACH", "Gate"]

GATES = ("named", "topic")
"""What opens the gate: a name of the target, or also a word of its topics."""
REACH = 8
"""For how many sentences after such a word the gate stays open."""


class Gate:
    """Tells which sentences of a document are relevant.

    Parameters
    ----------
    target
        Its aliases, look-alikes and topics.
    opens
        One of `GATES`.
    reach
        For how many sentences after a name or topic the gate stays open.

    Examples
    --------
    >>> gate = Gate(Target("Taliban", aliases=("Taliban",)), "named", reach=1)
    >>> text = "It rained. The Taliban came. They left. It rained."
    >>> gate.relevant(text, [(0, 10), (11, 28), (29, 39), (40, 50)])[0]
    [False, True, True, False]
    """

    def __init__(self, target: Target, opens: str = "topic", reach: int = REACH) -> None:
        cues = [(cue, "cue", "") for cue in (*target.aliases, *(target.topics if opens == "topic" else ()))]
        lookalikes = [(alias, "lookalike", "") for alias in target.lookalikes]  # these hide the names within them
        self._cues, self._names = Matcher(cues), Matcher([*lookalikes, *cues])
        self.reach = reach

    def opens(self, sentence: str) -> bool:
        """Return whether a sentence has a word that opens the gate."""
        return any(mention.kind == "cue" for mention in self._names.find(sentence))

    def hints(self, text: str) -> list[Span]:
        """Return where in a text there may be such words; where there are none, hardly a sentence of it opens the gate.

        Missed is a name that begins in the capitals of another one which goes over the end of a sentence.
        """
        return [(mention.start, mention.end) for mention in self._cues.find(text)]

    def relevant(
        self, text: str, spans: Sequence[Span], since: int | None = None, hints: Sequence[Span] | None = None
    ) -> tuple[list[bool], int | None]:
        """Return which sentences of a text are relevant, and how far back the last cue is after them.

        Parameters
        ----------
        text, spans
            A text, and its sentences.
        since
            How many sentences before the first one the last cue of the same document was: 0 if it was in the one just
            before; None if there was none, or too far back.
        hints
            Those of `hints`, if they are known already.
        """
        hints = self.hints(text) if hints is None else hints
        if not hints and since is None:
            return [False] * len(spans), None
        found, at = [], 0
        for start, end in spans:
            while at < len(hints) and hints[at][1] <= start:
                at += 1
            # a name that goes over the end of a sentence is none, and may hide another
            if at < len(hints) and hints[at][0] < end and self.opens(text[start:end]):
                since = 0
            elif since is not None:
                since = since + 1 if since < self.reach else None
            found.append(since is not None)
        return found, since
