"""From sentences to what an encoder reads: token identifiers, with every name of the target between two signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stance.codebook import Target
from stance.errors import ArtifactError
from stance.text.mentions import target_matcher
from stance.text.sentences import unwrap

__all__ = ["EncoderSpec", "Ids", "Reader", "Span", "batches"]

Ids = list[int]
Span = tuple[bool, int, int]
_TOKENS_A_BATCH = 4096
_ROWS_A_BATCH = 64
_MOST_TOKENS = 500  # of sentence and context together: public encoders read no more
_MOST_SPECIAL = 8


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """How sentences become the encoder's input, and what comes out.

    Attributes
    ----------
    start, between, end
        Identifiers of the special tokens before the sentence, between it and its context, and after both.
    pad
        Identifier of the token that fills a batch up.
    segments
        Whether the model is told which tokens are the context's.
    sentence_tokens, context_tokens
        The most that is read of a sentence, and of the end of the sentence before it.
    dimension
        Length of the vectors.
    target_sign, lookalike_sign
        What stands on both sides of the target's names, and of names that look like them.
    base
        The public model that its training started from.
    """

    start: tuple[int, ...]
    between: tuple[int, ...]
    end: tuple[int, ...]
    pad: int
    segments: bool
    dimension: int
    sentence_tokens: int = 128
    context_tokens: int = 40
    target_sign: str = "@"
    lookalike_sign: str = "#"
    base: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EncoderSpec:
        """Return the settings of `as_dict`; `ValueError` or `TypeError` if they are none."""
        special = {name: data[name] for name in ("start", "between", "end")}
        for name, ids in special.items():
            if not isinstance(ids, list) or len(ids) > _MOST_SPECIAL or not all(map(_is_id, ids)):
                raise ValueError(f"encoder: {name!r} must be a list of at most {_MOST_SPECIAL} token identifiers")
        spec = cls(**{**data, **{name: tuple(ids) for name, ids in special.items()}})
        if not all(map(_is_id, (spec.pad, spec.dimension, spec.sentence_tokens, spec.context_tokens))):
            raise ValueError("encoder: pad, dimension and numbers of tokens must be whole numbers")
        if not spec.dimension or not 0 < spec.sentence_tokens + spec.context_tokens <= _MOST_TOKENS:
            raise ValueError(f"encoder: a dimension of 0, or more than {_MOST_TOKENS} tokens")
        if type(spec.segments) is not bool:
            raise ValueError("encoder: 'segments' must be true or false")
        if not all(isinstance(text, str) for text in (spec.target_sign, spec.lookalike_sign, spec.base)):
            raise ValueError("encoder: signs and base must be texts")
        return spec


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**20


class Reader:
    """From sentences to token identifiers; the same for training an encoder and for running it.

    Parameters
    ----------
    spec
        The form of the input.
    tokenizer
        A ``tokenizers.Tokenizer``.
    target
        Whose names are signed; none without aliases.
    """

    def __init__(self, spec: EncoderSpec, tokenizer: Any, target: Target) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.spec = spec
        self._tokenizer = tokenizer
        self._matcher = target_matcher(target) if target.aliases else None

    def read(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> list[tuple[Ids, int]]:
        """Return for each sentence its token identifiers, and how many of them come before the context's."""
        contexts = [""] * len(texts) if contexts is None else contexts
        different = list(dict.fromkeys([*texts, *contexts]))  # most sentences are also the next one's context
        signed = [self._signed(unwrap(text)) for text in different]
        try:
            found = self._tokenizer.encode_batch([each.text for each in signed], add_special_tokens=False)
        except Exception as error:  # tokenizers raises Exception itself
            raise ArtifactError(f"the encoder's tokenizer cannot read a text: {error}") from error
        known = {text: (e, each.first) for text, e, each in zip(different, found, signed, strict=True)}
        spec, made = self.spec, []
        for text, context in zip(texts, contexts, strict=True):
            window = self._window(*known[text])
            first = [*spec.start, *known[text][0].ids[window.start : window.stop], *spec.between]
            before = known[context][0].ids
            made.append(([*first, *before[max(0, len(before) - spec.context_tokens) :], *spec.end], len(first)))
        return made

    def places(
        self, texts: Sequence[str], contexts: Sequence[str], spans: Sequence[Sequence[Span]]
    ) -> list[list[tuple[int, int] | None]]:
        """Return where stretches of characters stand among the identifiers of `read`.

        Parameters
        ----------
        texts, contexts
            As in `read`.
        spans
            For each sentence some stretches: whether in the context, start, end.

        Returns
        -------
        list
            For each stretch its first token and the one after its last; None if it is cut off.
        """
        made = []
        for text, context, wanted in zip(texts, contexts, spans, strict=True):
            parts = [self._part(text), self._part(context)] if wanted else []
            made.append([self._place(parts, *span) for span in wanted])
        return made

    def _part(self, text: str) -> tuple[_Signed, Any]:
        signed = self._signed(unwrap(text))
        return signed, self._tokenizer.encode(signed.text, add_special_tokens=False)

    def _place(
        self, parts: Sequence[tuple[_Signed, Any]], before: bool, start: int, end: int
    ) -> tuple[int, int] | None:
        signed, encoding = parts[before]
        first = encoding.char_to_token(signed.moved(start))
        last = encoding.char_to_token(signed.moved(end - 1))
        if first is None or last is None:
            return None
        spec, n = self.spec, len(encoding.ids)
        window = self._window(parts[0][1], parts[0][0].first)
        if before:
            low, shift = max(0, n - spec.context_tokens), len(spec.start) + len(window) + len(spec.between)
            high = n
        else:
            low, shift, high = window.start, len(spec.start), window.stop
        return (first - low + shift, last - low + shift + 1) if low <= first <= last < high else None

    def _window(self, encoding: Any, at: int | None) -> range:
        """Return the part of a sentence that is read: its beginning, or what surrounds the target's first name."""
        n, most = len(encoding.ids), self.spec.sentence_tokens
        if n <= most or at is None:
            return range(min(n, most))
        middle = encoding.char_to_token(at) or 0
        start = max(0, min(middle - most // 2, n - most))
        return range(start, start + most)

    def _signed(self, text: str) -> _Signed:
        made, at, first, moves = "", 0, None, [(0, 0)]
        for mention in self._matcher.find(text) if self._matcher is not None else ():
            if mention.kind == "reference":
                continue
            sign = self.spec.target_sign if mention.kind == "target" else self.spec.lookalike_sign
            made += text[at : mention.start] + " "
            first = len(made) if first is None and mention.kind == "target" else first
            made += f"{sign} "
            moves.append((mention.start, len(made) - mention.start))
            made += f"{text[mention.start : mention.end]} {sign} "
            moves.append((mention.end, len(made) - mention.end))
            at = mention.end
        return _Signed(made + text[at:], first, tuple(moves))


@dataclass(frozen=True, slots=True)
class _Signed:
    """A text with its names signed, where the first sign of the target stands, and by how much characters moved."""

    text: str
    first: int | None
    moves: tuple[tuple[int, int], ...]

    def moved(self, at: int) -> int:
        """Return where a character of the text stands now."""
        return at + next(by for since, by in reversed(self.moves) if since <= at)


def batches(lengths: Sequence[int], tokens: int = _TOKENS_A_BATCH, rows: int = _ROWS_A_BATCH) -> Iterator[list[int]]:
    """Yield indices in batches of similar length, longest first, none of more than `tokens` padded or `rows`.

    Examples
    --------
    >>> list(batches([3, 9, 4], tokens=10))
    [[1], [2, 0]]
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batch and ((len(batch) + 1) * lengths[batch[0]] > tokens or len(batch) == rows):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
