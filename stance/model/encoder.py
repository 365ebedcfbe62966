"""The sentence encoder: a transformer over a sentence in its context, run by ONNX Runtime.

What the encoder reads is the sentence, with every name of the target between two signs, then the sentence before it.
What it gives is one vector for each sentence, of length 1. No torch, no network; the session starts with the first
sentence that needs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Target
from stance.errors import ArtifactError
from stance.text.mentions import Matcher, target_matcher
from stance.text.sentences import unwrap

__all__ = ["Encoder", "EncoderSpec", "Reader", "batches"]

Floats = NDArray[np.float64]
Ids = list[int]
_TOKENS_A_BATCH = 4096
_ROWS_A_BATCH = 64


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
        made: dict[str, Any] = {k: tuple(map(int, v)) if isinstance(v, list) else v for k, v in data.items()}
        spec = cls(**made)
        numbers = (spec.pad, spec.dimension, spec.sentence_tokens, spec.context_tokens)
        if not all(type(n) is int and 0 <= n <= 100_000 for n in numbers) or not spec.dimension:
            raise ValueError("encoder: pad, dimension and numbers of tokens must be whole numbers up to 100,000")
        if not all(isinstance(text, str) for text in (spec.target_sign, spec.lookalike_sign, spec.base)):
            raise ValueError("encoder: signs and base must be texts")
        return spec


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
        self._sign = tokenizer.token_to_id(spec.target_sign)

    def read(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> list[tuple[Ids, int]]:
        """Return for each sentence its token identifiers, and how many of them come before the context's."""
        contexts = [""] * len(texts) if contexts is None else contexts
        signed = [self._signed(text) for text in (*texts, *contexts)]
        found = [encoding.ids for encoding in self._tokenizer.encode_batch(signed, add_special_tokens=False)]
        spec, made = self.spec, []
        for sentence, context in zip(found[: len(texts)], found[len(texts) :], strict=True):
            first = [*spec.start, *self._window(sentence), *spec.between]
            last = context[-spec.context_tokens :] if spec.context_tokens else []
            made.append(([*first, *last, *spec.end], len(first)))
        return made

    def _window(self, ids: Ids) -> Ids:
        """Return the part of a sentence that is read: its beginning, or what surrounds the target's first name."""
        most = self.spec.sentence_tokens
        at = ids.index(self._sign) if len(ids) > most and self._sign in ids else 0
        start = max(0, min(at - most // 2, len(ids) - most))
        return ids[start : start + most]

    def _signed(self, text: str) -> str:
        return unwrap(_signed(text, self._matcher, self.spec)) if self._matcher is not None else unwrap(text)


def _signed(text: str, matcher: Matcher, spec: EncoderSpec) -> str:
    made, at = [], 0
    for mention in matcher.find(text):
        if mention.kind != "reference":
            sign = spec.target_sign if mention.kind == "target" else spec.lookalike_sign
            made += [text[at : mention.start], f" {sign} ", text[mention.start : mention.end], f" {sign} "]
            at = mention.end
    return "".join([*made, text[at:]])


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


class Encoder:
    """An encoder in two files: the network as ONNX, and its tokenizer.

    Parameters
    ----------
    spec
        The form of its input and output.
    network, tokenizer
        The files.
    """

    def __init__(self, spec: EncoderSpec, network: Path, tokenizer: Path) -> None:
        self.spec = spec
        self.network = Path(network)
        self.tokenizer = Path(tokenizer)
        self._session: Any = None
        self._readers: dict[Target, Reader] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None, "_readers": {}}  # a session cannot go to another process

    @property
    def fingerprint(self) -> str:
        """Sha256 of both files and the settings."""
        digest = hashlib.sha256(repr(sorted(self.spec.as_dict().items())).encode())
        for path in (self.network, self.tokenizer):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def embed(
        self, texts: Sequence[str], contexts: Sequence[str] | None = None, target: Target | None = None
    ) -> Floats:
        """Return a vector for each sentence.

        Parameters
        ----------
        texts, contexts
            Sentences, and for each the sentence before it (empty where there is none).
        target
            Whose names are signed.

        Returns
        -------
        ndarray of shape (n, dimension)
            Rows of length 1. A row is the same, to about 1e-6, whatever else is in the batch.

        Raises
        ------
        ArtifactError
            If the files are no encoder's.
        """
        rows = self._reader(target or Target("")).read(texts, contexts)
        out = np.empty((len(rows), self.spec.dimension))
        for batch in batches([len(ids) for ids, _ in rows]):
            out[batch] = self._run([rows[i] for i in batch])
        return out

    def _run(self, rows: list[tuple[Ids, int]]) -> NDArray[np.float32]:
        longest = max(len(ids) for ids, _ in rows)
        ids = np.full((len(rows), longest), self.spec.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        segments = np.zeros_like(ids)
        for i, (row, first) in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
            segments[i, first : len(row)] = 1
        given = {"input_ids": ids, "attention_mask": mask}
        if self.spec.segments:
            given["token_type_ids"] = segments
        found: NDArray[np.float32] = self._started().run(None, given)[0]
        if found.shape != (len(rows), self.spec.dimension):
            raise ArtifactError(
                f"{self.network}: it gives shape {found.shape}; expected {(len(rows), self.spec.dimension)}"
            )
        return found

    def _started(self) -> Any:
        """Return the session, which is made once."""
        if self._session is None:
            import onnxruntime as ort

            options = ort.SessionOptions()
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            try:
                # from bytes, so that the file cannot point to others
                self._session = ort.InferenceSession(
                    self.network.read_bytes(), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # onnxruntime has no common class for what a network may lack
                raise ArtifactError(f"{self.network}: no network that ONNX Runtime can run: {error}") from error
        return self._session

    def _reader(self, target: Target) -> Reader:
        if target not in self._readers:
            from tokenizers import Tokenizer

            try:
                tokenizer = Tokenizer.from_file(str(self.tokenizer))
            except Exception as error:  # tokenizers raises Exception itself
                raise ArtifactError(f"{self.tokenizer}: no tokenizer: {error}") from error
            self._readers[target] = Reader(self.spec, tokenizer, target)
        return self._readers[target]
