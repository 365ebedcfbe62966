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
    >>> gate.relevant(gate.cues(text), [(0, 10), (11, 28), (29, 39), (40, 50)])[0]
    [False, True, True, False]
    """

    def __init__(self, target: Target, opens: str = "topic", reach: int = REACH) -> None:
        cues = (*target.aliases, *(target.topics if opens == "topic" else ()))
        # look-alikes hide the names within them
        names = [(alias, "lookalike", "") for alias in target.lookalikes] + [(cue, "cue", "") for cue in cues]
        self._matcher = Matcher(names)
        self.reach = reach

    def cues(self, text: str) -> list[int]:
        """Return where in a text there are words that open the gate."""
        return [mention.start for mention in self._matcher.find(text) if mention.kind == "cue"]

    def relevant(
        self, cues: Sequence[int], spans: Sequence[Span], since: int | None = None
    ) -> tuple[list[bool], int | None]:
        """Return which sentences of a text are relevant, and how far back the last cue is after them.

        Parameters
        ----------
        cues, spans
            Of a text what `cues` found, and its sentences.
        since
            How many sentences before the first one the last cue of the same document was: 0 if it was in the one just
            before; None if there was none.
        """
        if not cues and (since is None or since >= self.reach):
            return [False] * len(spans), None
        found, next_cue = [], 0
        for _, end in spans:
            here = False
            while next_cue < len(cues) and cues[next_cue] < end:
                here, next_cue = True, next_cue + 1
            since = 0 if here else None if since is None or since >= self.reach else since + 1
            found.append(since is not None)
        return found, since
