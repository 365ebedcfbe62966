"""Splitting a document into sentences that keep their place in it.

Boundaries come from `sentencex` (Wikimedia); this module finds the paragraphs, joins hard-wrapped lines, and mends
what diplomatic prose needs. Nothing is rewritten: a sentence is a span, and ``text[start:end]`` is the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sentencex import get_sentence_boundaries

__all__ = ["Span", "paragraphs", "split_sentences", "unwrap"]

Span = tuple[int, int]

# Abbreviations after which a sentence goes on, beside those that sentencex knows.
_GOES_ON = re.compile(
    r"(?:\b(?:paras?|arts?|sects?|chap|vols?|pp?|nos?|res|doc|ibid|cf|ca|approx|amb|hon|excl|messrs|mme|brig|maj|adm|"
    r"lt|sgt|capt|cmdr|col|supt|rev|msgr|resp|incl|est|fig|figs|annex|add|corr|rev)\.|\b[ap]\.m\.)$",
    re.IGNORECASE,
)
_A_NUMBER = re.compile(r"[\"'“‘(\[]?[\dIVX]+\b|\([a-z]\)")
_TIME = re.compile(r"\b[ap]\.m\.$", re.IGNORECASE)
_AFTER_TIME = re.compile(r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|[A-Z]{2,4}\b|local|GMT|on\b|Eastern|Moscow|Kabul")
_TITLES = re.compile(r"\b(?:amb|hon|messrs|mme|brig|maj|adm|lt|sgt|capt|cmdr|col|supt|rev|msgr)\.$", re.IGNORECASE)
_STARTS_LOW = re.compile(r"[\"'”’)\]]*\s*[a-zà-öø-ÿа-я]")
# How much of the end of a sentence is looked at; no abbreviation is longer.
_TAIL = 12
_STOP = re.compile(r"[.!?…][\"'”’»)\]]*$")
_CLOSES = re.compile(r"[”»)\]]|[\"'’]\s")
_QUOTE_OR_DOTS = re.compile(r"(?:[\"'”’»]|…\.?|\.\s*\.)[)\]]*$")
# Abbreviations that are everyday words as well, so that a small letter after them tells nothing.
_WORDS_TOO = re.compile(r"\b(?:add|annex|arts|doc|figs)\.$", re.IGNORECASE)
# The number of an item is no sentence.
_MARKER = re.compile(r"\W*(?:\d{1,3}|[a-z]|[ivx]+)?\W*", re.IGNORECASE)
# The first letter that a writer chose to make a capital or not.
_NAME = r"[A-Z][\w.’'-]*"
_START = re.compile(rf"[\"'“‘«(\[]*(?:{_NAME}(?: {_NAME}){{0,2}}:\s+)?[\"'“‘«(\[]*(?!I\b)([^\W\d_])")
# An abbreviation that ends a sentence is told by the word after it.
_AFTER_COUNTRY = re.compile(
    r"\b(?:U\.S|U\.K|U\.N|U\.S\.A|D\.C)\.[\"”’']?\s+(?=(?:The|He|She|They|We|But|And|Nobody|No one|This|That|"
    r"These|Those|If|When|However|Yet|Instead|Since|Then|What|Why|How|Who|Is|Are|Do|Does|Did|You|I|My|Our|Their|His|Her|Its)\b)"
)
_BULLET = re.compile(r"\s*(?:[•▪●◦‣*–—-]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_ENDS = re.compile(r"[.!?:;][\"'”’)\]]*\s*$")


def unwrap(text: str) -> str:
    """Return the text of a sentence on one line: wrapped lines joined, words that were parted at a line end made whole.

    Examples
    --------
    >>> unwrap("the Secretary-\\nGeneral and  the\\nTaliban")
    'the Secretary-General and the Taliban'
    """
    return " ".join(re.sub(r"(?<=\w)-[ \t]*\r?\n[ \t]*(?=\w)", "-", text).split())


def split_sentences(text: str, *, wrapped: bool | None = None) -> list[Span]:
    """Split a text into sentences.

    Parameters
    ----------
    text
        Any text; lines may be paragraphs, or wrapped at a fixed width.
    wrapped
        Whether a line end inside a paragraph is a mere blank. By default this is told from the text: lines that mostly
        go on in lower case are wrapped.

    Returns
    -------
    list of (int, int)
        Start and end of each sentence, in characters of `text`, in order and without overlap. Whatever lies between
        sentences is white space.

    Examples
    --------
    >>> text = "Gen. Sharif met them. He left at 9 a.m. Tuesday."
    >>> [text[start:end] for start, end in split_sentences(text)]
    ['Gen. Sharif met them.', 'He left at 9 a.m. Tuesday.']
    """
    spans: list[Span] = []
    for start, end in paragraphs(text, wrapped=wrapped):
        body = text[start:end]
        if "\n" in body or "\r" in body:
            body = body.replace("\n", " ").replace("\r", " ")
        spans.extend((start + a, start + b) for a, b in _sentences(body))
    return spans


def paragraphs(text: str, *, wrapped: bool | None = None) -> Iterator[Span]:
    """Yield the spans of the paragraphs: lines, or runs of lines where the text is wrapped.

    Every character that is not white space is in exactly one of them.
    """
    lines = [match.span() for match in _LINE.finditer(text) if match.end() > match.start()]
    if wrapped is None:
        wrapped = _is_wrapped(text, lines)
    if not wrapped:
        yield from ((a, b) for a, b in lines if not text[a:b].isspace())
        return
    width = _width(lines)
    begin: int | None = None
    end = 0
    previous = ""
    for a, b in lines:
        line = text[a:b]
        if line.isspace():
            if begin is not None:
                yield begin, end
            begin = None
            continue
        if begin is not None and (_BULLET.match(line) or _is_short_end(previous, width)):
            yield begin, end
            begin = None
        begin = a if begin is None else begin
        end, previous = b, line
    if begin is not None:
        yield begin, end


def _is_wrapped(text: str, lines: list[Span]) -> bool:
    """Tell from the breaks between two lines of text whether most cut a sentence in two."""
    goes_on = breaks = 0
    for (a, b), (c, d) in zip(lines[:-1], lines[1:], strict=True):
        before, after = text[a:b].strip(), text[c:d].strip()
        if before and after and not _BULLET.match(text[c:d]):
            breaks += 1
            goes_on += after[0].islower() and not _ENDS.search(before)
    return breaks > 0 and goes_on / breaks >= 0.3


def _width(lines: list[Span]) -> int:
    """Return the width at which most lines are wrapped."""
    lengths = sorted(b - a for a, b in lines)
    return lengths[int(0.9 * (len(lengths) - 1))]


def _is_short_end(line: str, width: int) -> bool:
    """Tell whether a paragraph ends with this line: it ends a sentence and leaves a good part of the width free."""
    last = line.rstrip()
    return len(last) < 0.7 * width and _ENDS.search(last) is not None


def _sentences(body: str) -> Iterator[Span]:
    """Yield the sentences of a paragraph, whose line ends are blanks by now."""
    pieces = list(_pieces(body))
    capitals = _has_capitals(body, pieces)
    begin: int | None = None
    end = 0
    for a, b in pieces:
        # The tail and not the whole sentence, which would be copied again at every piece that is added to it.
        if begin is not None and _belongs(body[max(begin, end - _TAIL) : end], end - begin, body[a:b], capitals):
            end = b
            continue
        if begin is not None:
            yield begin, end
        begin, end = a, b
    if begin is not None:
        yield begin, end


def _pieces(body: str) -> Iterator[Span]:
    """Yield sentencex's sentences, without white space around them, parted where a country's abbreviation ends one."""
    for piece in get_sentence_boundaries("en", body):
        start, end = piece["start_index"], piece["end_index"]
        cuts = [start, *(start + m.end() for m in _AFTER_COUNTRY.finditer(body[start:end])), end]
        for a, b in zip(cuts[:-1], cuts[1:], strict=True):
            raw = body[a:b]
            if stripped := raw.strip():
                at = a + len(raw) - len(raw.lstrip())
                yield at, at + len(stripped)


def _has_capitals(body: str, pieces: list[Span]) -> bool:
    """Tell whether a paragraph begins its sentences with capitals: at least as often as with small letters.

    Chat and machine transcripts do not, and there a small letter after a full stop does begin a sentence. A piece after
    an abbreviation is no evidence, nor is the word "I", nor the name of a speaker.
    """
    high = low = 0
    for (begin, end), (a, b) in zip(pieces[:-1], pieces[1:], strict=True):
        tail = body[max(begin, end - _TAIL) : end]
        start = _START.match(body, a, b)
        if start is not None and _STOP.search(tail) and not _GOES_ON.search(tail):
            high += start[1].isupper()
            low += start[1].islower()
    return high > 0 and high >= low


def _belongs(tail: str, length: int, after: str, capitals: bool) -> bool:
    """Tell whether a piece goes on with the sentence before it, of which the tail and the length are given."""
    starts_low = _STARTS_LOW.match(after) is not None and _BULLET.match(after) is None
    if starts_low and (capitals or _CLOSES.match(after) or _is_open(tail, length)):
        return tail[-1] not in ";:" or length < 4
    if not any(c.isalnum() for c in after):
        return True
    if _TIME.search(tail):
        return _AFTER_TIME.match(after) is not None
    if not _GOES_ON.search(tail):
        return False
    return _TITLES.search(tail) is not None or _A_NUMBER.match(after) is not None


def _is_open(tail: str, length: int) -> bool:
    """Tell whether a sentence that ends so goes on before a small letter even in a text that has no capitals."""
    if _STOP.search(tail) is None or _QUOTE_OR_DOTS.search(tail) is not None:
        return True
    if _GOES_ON.search(tail) is not None:
        return _WORDS_TOO.search(tail) is None
    return length <= _TAIL and _MARKER.fullmatch(tail) is not None
