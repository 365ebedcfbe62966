"""Where the target and the actors are named, by one compiled matcher over all their names.

Longest match wins; a match stands between word boundaries; blanks and hyphens inside a name stand for each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stance.codebook import Codebook, Target

__all__ = ["Matcher", "Mention", "actor_matcher", "target_matcher"]

_ARTICLE = re.compile(r"^the\s+(?=\S)", re.IGNORECASE)
_GAP = re.compile(r"[\s\-‐‑–]+")


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a text: ``text[start:end]`` names `name`; `kind` is target, lookalike, reference, bloc, state, ..."""

    start: int
    end: int
    kind: str
    name: str


class Matcher:
    """Finds names in texts.

    Parameters
    ----------
    names
        Triples (alias, kind, name). An alias written in capitals only (``TTP``) is matched as it is written, any other
        whatever its case.
    proper
        Whether the names are proper names: what is matched must then start with a capital ("turkey" is no state),
        unless the text has no capitals at all.

    Notes
    -----
    The aliases make one regular expression in the form of a trie, so that the cost of a text does not grow with their
    number.
    """

    def __init__(self, names: Iterable[tuple[str, str, str]], *, proper: bool = False) -> None:
        self._proper = proper
        self._names: dict[str, tuple[str, str, str]] = {}
        for alias, kind, name in names:
            self._names.setdefault(_key(alias), (alias, kind, name))
        self._pattern = re.compile(rf"(?<!\w)(?:{_trie(self._names)})(?!\w)") if self._names else None

    def find(self, text: str) -> Iterator[Mention]:
        """Yield the mentions in a text from left to right, without overlap.

        Examples
        --------
        >>> from stance.codebook import load_codebook
        >>> matcher = target_matcher(load_codebook().targets[0])
        >>> [(m.kind, m.start) for m in matcher.find("The Pakistani Taliban and the Taliban")]
        [('lookalike', 4), ('target', 30)]
        """
        if self._pattern is None:
            return
        low = text.lower()
        if len(low) != len(text):
            low = "".join(c.lower()[0] for c in text)  # a capital I with a dot has two small letters
        proper = self._proper and low != text
        for match in self._pattern.finditer(low):
            start, end = match.span()
            if proper and text[start].islower():
                continue
            alias, kind, name = self._names[_key(match.group())]
            if alias.isupper() and text[start:end] != alias:
                continue
            yield Mention(start, end, kind, name)


def target_matcher(target: Target) -> Matcher:
    """Return the matcher of a target's aliases, look-alikes and references."""
    lists = (("target", target.aliases), ("lookalike", target.lookalikes), ("reference", target.references))
    return Matcher((alias, kind, target.name) for kind, aliases in lists for alias in aliases)


def actor_matcher(codebook: Codebook) -> Matcher:
    """Return the matcher of all the actors and blocs of a codebook.

    Examples
    --------
    >>> from stance.codebook import load_codebook
    >>> [(m.kind, m.name) for m in actor_matcher(load_codebook()).find("The Kremlin fed a turkey to Karzai")]
    [('state', 'Russia'), ('person', 'Hamid Karzai')]
    """
    named = [(alias, actor.kind, actor.name) for actor in codebook.actors for alias in (actor.name, *actor.aliases)]
    named += [(alias, "bloc", bloc.name) for bloc in codebook.blocs for alias in (bloc.name, *bloc.aliases)]
    # an article is no part of a proper name: it may start with a small letter
    return Matcher(((_ARTICLE.sub("", alias), kind, name) for alias, kind, name in named), proper=True)


def _key(alias: str) -> str:
    return _GAP.sub(" ", alias.strip().lower()).replace("’", "'")


def _trie(keys: Iterable[str]) -> str:
    """Return a regular expression that matches the longest of the keys."""
    root: dict[str, dict] = {}  # type: ignore[type-arg]
    for key in keys:
        node = root
        for char in key:
            node = node.setdefault(char, {})
        node[""] = {}
    return _branches(root)


def _branches(node: dict[str, dict]) -> str:  # type: ignore[type-arg]
    options = [_symbol(char) + _branches(child) for char, child in sorted(node.items()) if char]
    if not options:
        return ""
    joined = options[0] if len(options) == 1 and "" not in node else f"(?:{'|'.join(options)})"
    return joined + ("?" if "" in node else "")


def _symbol(char: str) -> str:
    return {" ": r"[\s\-‐‑–]+", "'": "['’]"}.get(char, re.escape(char))
