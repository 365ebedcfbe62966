"""The sentence encoder: a transformer over a sentence in its context, run by ONNX Runtime.

What the encoder reads is the sentence, with every name of the target between two signs, then the sentence before it.
What it gives is one vector for each sentence, of length 1. No torch, no network; the session starts with the first
sentence that needs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Target
from stance.errors import ArtifactError
from stance.model.tokens import EncoderSpec, Ids, Reader, Span, batches

__all__ = ["Encoder", "marks_of", "sha256_of", "share_seen"]

Floats = NDArray[np.float64]
_VECTORS, _TOKENS = "vectors", "tokens"  # the network's outputs: of sentences, and of their tokens
_MARK = 6


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
    """

    def __init__(
        self, spec: EncoderSpec, network: Path, tokenizer: Path, sha256: tuple[str, str] | None = None
    ) -> None:
        self.spec = spec
        self.network = Path(network)
        self.tokenizer = Path(tokenizer)
        self.sha256 = sha256 or (sha256_of(self.network), sha256_of(self.tokenizer))
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
            out[batch] = self._run([rows[i] for i in batch], _VECTORS)
        return out

    def embed_places(
        self,
        texts: Sequence[str],
        contexts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        target: Target | None = None,
    ) -> list[Floats]:
        """Return for each sentence vectors of stretches of it: what the network makes of their words, in context.

        Parameters
        ----------
        texts, contexts, target
            As in `embed`.
        spans
            For each sentence some stretches: whether in the context, start, end.

        Returns
        -------
        list of ndarray of shape (1 + number of stretches, dimension)
            First the mean over the whole sentence with its context, then the means over the stretches; zeros for one
            that is cut off.
        """
        reader = self._reader(target or Target(""))
        rows, places = reader.read(texts, contexts), reader.places(texts, contexts, spans)
        out: list[Floats] = [np.zeros((1 + len(wanted), self.spec.dimension)) for wanted in spans]
        for batch in batches([len(ids) for ids, _ in rows]):
            hidden = self._run([rows[i] for i in batch], _TOKENS)
            for states, i in zip(hidden, batch, strict=True):
                ranges = [(0, len(rows[i][0])), *places[i]]
                for k, place in enumerate(ranges):
                    if place is not None:
                        out[i][k] = states[place[0] : place[1]].mean(axis=0)
        return out

    def _run(self, rows: list[tuple[Ids, int]], output: str) -> NDArray[np.float32]:
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
            found: NDArray[np.float32] = session.run([output], given)[0]
        except Exception as error:  # onnxruntime has no common class for what a network may refuse
            raise ArtifactError(f"{self.network}: the network does not take what its settings say: {error}") from error
        shape = (len(rows), *((longest,) if output == _TOKENS else ()), self.spec.dimension)
        if np.shape(found) != shape or not np.isfinite(found).all():
            raise ArtifactError(
                f"{self.network}: it gives shape {np.shape(found)}, or numbers that are not finite; expected {shape}"
            )
        return found

    def _started(self) -> Any:
        """Return the session, which is made once."""
        if self._session is None:
            import onnxruntime as ort

            network = self.content(self.network)
            options = ort.SessionOptions()
            options.inter_op_num_threads = 1
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
