"""Whether a text may be no English prose, by two cheap signs."""

from __future__ import annotations

import re

__all__ = ["doubt"]

_WORD = re.compile(r"\w+")
_NOT_LATIN = re.compile(r"[^A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ]+")
# Frequent in English and rare in other languages: hence neither "a" nor "die" nor "no".
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        """the and of to in that is for with on are by be this from which have has had been were was their they
        them there at it its our your his her she who what when while would should could must may can shall not
        but if than then because between against about into through after before any other some such only more
        most out up off over as last one two again down both each nor every among said says over very"""
    )
)


def doubt(text: str) -> str:
    """Return in a few words why a text may be no English prose, or an empty string.

    Less than half of the characters are Latin letters (another script, figures, codes), or of six words or more less
    than 5 % are English function words. This does not identify languages: short texts pass, so may a language with an
    "in" or "is" of its own, and a headline without function words is doubted wrongly. Blank texts pass.

    Examples
    --------
    >>> doubt("Мы призываем к диалогу."), doubt("We call for dialogue.")
    ('with few Latin letters', '')
    """
    dense, words = "".join(text.split()), _WORD.findall(text.lower())
    if len(_NOT_LATIN.sub("", dense)) < 0.5 * len(dense):
        return "with few Latin letters"
    if len(words) >= 6 and sum(word in _FUNCTION_WORDS for word in words) < 0.05 * len(words):
        return "with hardly any English function word"
    return ""
