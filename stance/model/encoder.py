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
from stance.text.mentions import target_matcher
from stance.text.sentences import unwrap

__all__ = ["Encoder", "EncoderSpec", "Ids", "Reader", "batches", "marks_of", "sha256_of", "share_seen"]

Floats = NDArray[np.float64]
Ids = list[int]
_TOKENS_A_BATCH = 1024  # as fast as more, and takes 0.2 GB less
_ROWS_A_BATCH = 64
_MOST_TOKENS = 500  # of sentence and context together: public encoders read no more
_MOST_SPECIAL = 8
_MARK = 6


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
            found = self._tokenizer.encode_batch([text for text, _ in signed], add_special_tokens=False)
        except Exception as error:  # tokenizers raises Exception itself
            raise ArtifactError(f"the encoder's tokenizer cannot read a text: {error}") from error
        known = {text: (e, at) for text, e, (_, at) in zip(different, found, signed, strict=True)}
        spec, made = self.spec, []
        for text, context in zip(texts, contexts, strict=True):
            first = [*spec.start, *self._window(*known[text]), *spec.between]
            before = known[context][0].ids
            made.append(([*first, *before[max(0, len(before) - spec.context_tokens) :], *spec.end], len(first)))
        return made

    def _window(self, encoding: Any, at: int | None) -> Ids:
        """Return the part of a sentence that is read: its beginning, or what surrounds the target's first name."""
        ids: Ids = encoding.ids
        most = self.spec.sentence_tokens
        if len(ids) <= most or at is None:
            return ids[:most]
        middle = encoding.char_to_token(at) or 0
        start = max(0, min(middle - most // 2, len(ids) - most))
        return ids[start : start + most]

    def _signed(self, text: str) -> tuple[str, int | None]:
        """Return a text with its names signed, and where the first sign of the target stands."""
        made, at, first = "", 0, None
        for mention in self._matcher.find(text) if self._matcher is not None else ():
            if mention.kind == "reference":
                continue
            sign = self.spec.target_sign if mention.kind == "target" else self.spec.lookalike_sign
            made += text[at : mention.start] + " "
            first = len(made) if first is None and mention.kind == "target" else first
            made += f"{sign} {text[mention.start : mention.end]} {sign} "
            at = mention.end
        return made + text[at:], first


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
    sha256
        Those of network and tokenizer, compared when the files are read; by default those of the files now.

    Attributes
    ----------
    threads
        How many to compute with, if set before the first sentence; 0 for one a core.
    """

    def __init__(
        self, spec: EncoderSpec, network: Path, tokenizer: Path, sha256: tuple[str, str] | None = None
    ) -> None:
        self.spec = spec
        self.network = Path(network)
        self.tokenizer = Path(tokenizer)
        self.sha256 = sha256 or (sha256_of(self.network), sha256_of(self.tokenizer))
        self.threads = 0
        self._session: Any = None
        self._readers: dict[Target, Reader] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None, "_readers": {}}  # a session cannot go to another process

    def content(self, path: Path) -> bytes:
        """Return the bytes of one of its two files, after comparing the sha256.

        Raises
        ------
        ArtifactError
            If the file is gone, or is another one than when the encoder was made.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{path}: the encoder's file cannot be read: {error.strerror}") from error
        if _sha256(content) != self.sha256[path == self.tokenizer]:
            raise ArtifactError(f"{path}: it is another file than when the model was made; load the model anew")
        return content

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
        session = self._started()
        try:
            found: NDArray[np.float32] = session.run(None, given)[0]
        except Exception as error:  # onnxruntime has no common class for what a network may refuse
            raise ArtifactError(f"{self.network}: the network does not take what its settings say: {error}") from error
        if np.shape(found) != (len(rows), self.spec.dimension) or not np.isfinite(found).all():
            raise ArtifactError(
                f"{self.network}: it gives shape {np.shape(found)}, or numbers that are not finite; expected "
                f"{(len(rows), self.spec.dimension)}"
            )
        return found

    def _started(self) -> Any:
        """Return the session, which is made once."""
        if self._session is None:
            import onnxruntime as ort

            network = self.content(self.network)
            options = ort.SessionOptions()
            options.inter_op_num_threads = 1
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 4
            try:
                self._session = ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
            except Exception as error:  # as above
                raise ArtifactError(f"{self.network}: no network that ONNX Runtime can run: {error}") from error
        return self._session

    def _reader(self, target: Target) -> Reader:
        if target not in self._readers:
            from tokenizers import Tokenizer

            content = self.content(self.tokenizer)
            try:
                tokenizer = Tokenizer.from_buffer(content)
            except Exception as error:  # tokenizers raises Exception itself
                raise ArtifactError(f"{self.tokenizer}: no tokenizer: {error}") from error
            self._readers[target] = Reader(self.spec, tokenizer, target)
        return self._readers[target]


def marks_of(texts: Sequence[str]) -> str:
    """Return six hexadecimal digits for each of some sentences, in order of size: enough to know them again."""
    return "".join(sorted({_sha256(text.encode())[:_MARK] for text in texts}))


def share_seen(texts: Sequence[str], marks: str) -> float:
    """Return the share of sentences that are among those of `marks_of`."""
    known = {marks[i : i + _MARK] for i in range(0, len(marks), _MARK)}
    return sum(_sha256(text.encode())[:_MARK] in known for text in texts) / max(len(texts), 1)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
