"""A classifier on disk: its arrays in an ``.npz``, its settings as plain data, both read without trusting them.

numpy's reader evaluates headers as Python literals, allocates what they claim, and can unpickle. The one here takes
exactly what is written here, and reads an array only after its header agreed with the size of its member.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Codebook
from stance.errors import ArtifactError, CodebookError
from stance.model.attribution import HolderWeights
from stance.model.calibration import Abstention, Calibrator
from stance.model.encoder import Encoder
from stance.model.features import BLOCKS, Features, FeatureSpec
from stance.model.scorer import Scorer

__all__ = ["LARGEST", "read_holders", "read_scorer", "write_holders", "write_scorer"]

_TYPES = {"terms": "|u1", "sizes": "<i8", "idf": "<f4", "coef": "<f4", "intercept": "<f8", "dense": "<f4"}
_OPTIONAL = {"dense"}  # there if the classifier has an encoder
LARGEST = 2 * 2**30
"""Bytes of all arrays of a file together."""
_LARGEST_HOLDERS = 64 * 2**20
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([^']{2,8})', 'fortran_order': (True|False), 'shape': \((\d{1,18}),(?: (\d{1,18}))?\), \} *\n"
)
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def write_scorer(scorer: Scorer, path: Path) -> dict[str, Any]:
    """Write a classifier's arrays to a file, and return its settings; the same classifier gives the same bytes.

    Examples
    --------
    >>> import tempfile
    >>> from stance.model.artifact import load_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     settings = write_scorer(load_model().scorers[""], Path(folder, "a.npz"))
    >>> settings["labels"]
    ['both', 'engage', 'none', 'terrorist']
    """
    terms = "\n".join(term for block in scorer.features.terms for term in block)
    arrays: dict[str, Any] = {
        "terms": np.frombuffer(terms.encode(), dtype=np.uint8),
        "sizes": np.array([len(block) for block in scorer.features.terms]),
        "idf": scorer.features.idf,
        "coef": scorer.coef,
        "intercept": scorer.intercept,
    }
    if scorer.encoder is not None:
        arrays["dense"] = scorer.dense
    with path.open("wb") as out:
        np.savez_compressed(out, **{name: array.astype(_TYPES[name]) for name, array in arrays.items()})
    return {
        "labels": list(scorer.labels),
        "mentions_of": scorer.features.target.name,
        "features": asdict(scorer.features.spec),
        "calibrator": scorer.calibrator.as_dict(),
        "thresholds": list(scorer.thresholds),
        "abstention": scorer.abstention.as_dict(),
    }


def read_scorer(path: Path, settings: Mapping[str, Any], book: Codebook, encoder: Encoder | None = None) -> Scorer:
    """Return the classifier of `write_scorer`, with its encoder if it has one.

    Raises
    ------
    ArtifactError
        If the file does not hold a classifier's arrays.
    KeyError, TypeError, ValueError
        If the settings are not a classifier's.

    Examples
    --------
    >>> import json
    >>> from stance.codebook import load_codebook
    >>> from stance.shipped import shipped
    >>> folder = shipped("models", "fast")
    >>> settings = json.loads((folder / "model.json").read_text())["targets"][0]
    >>> read_scorer(folder / "classifier-0.npz", settings, load_codebook()).scores
    ('engage', 'terrorist')
    """
    arrays = _read_arrays(path)
    labels = _labels(settings["labels"], book)
    n, k = arrays["idf"].size, len(labels) if book.exclusive else len(book.positions)
    shapes: dict[str, tuple[int, ...]] = {
        "idf": (n,),
        "coef": (n, k),
        "intercept": (k,),
        "sizes": (len(BLOCKS),),
        "terms": (arrays["terms"].size,),
    }
    if ("dense" in arrays) != (encoder is not None):
        raise ArtifactError(f"{path}: array 'dense' and an encoder go together; one of them is missing")
    if encoder is not None:
        shapes["dense"] = (encoder.spec.dimension, k)
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ArtifactError(f"{path}: array {name!r} has shape {arrays[name].shape}; expected {shape}")
        if not np.isfinite(arrays[name]).all():
            raise ArtifactError(f"{path}: array {name!r} holds numbers that are not finite")
    named = settings["mentions_of"]
    features = Features(
        _spec(settings["features"]),
        book.target(named) if named else Features().target,
        _terms(path, arrays),
        arrays["idf"].astype(np.float64),
    )
    scorer = Scorer(
        book,
        labels,
        features,
        arrays["coef"].astype(np.float64),
        arrays["intercept"].astype(np.float64),
        Calibrator.from_dict(settings["calibrator"]),
        tuple(map(float, settings["thresholds"])),
        Abstention.from_dict(settings["abstention"]),
        encoder,
        arrays["dense"].astype(np.float64) if encoder is not None else np.empty((0, 0)),
    )
    _refuse_numbers(scorer)
    return scorer


def write_holders(weights: HolderWeights, path: Path) -> None:
    """Write what was learned about holders, as JSON in gzip; the same weights give the same bytes."""
    data = {**asdict(weights), "nouns": list(weights.nouns), "words": dict(weights.words)}
    path.write_bytes(gzip.compress(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))


def read_holders(path: Path) -> HolderWeights:
    """Read what was learned about holders.

    Raises
    ------
    ArtifactError
        If it is not what `write_holders` writes, or holds numbers that are not finite.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(_LARGEST_HOLDERS + 1)
        if len(content) > _LARGEST_HOLDERS:
            raise ValueError(f"more than {_LARGEST_HOLDERS >> 20} MB")
        data = json.loads(content)
        words, nouns = dict(data["words"]), tuple(data["nouns"])
        if not all(isinstance(text, str) for text in (*nouns, *words)):
            raise ValueError("names must be texts")
        weights = HolderWeights(
            {name: float(weight) for name, weight in words.items()},
            nouns,
            float(data["threshold"]),
            float(data["clauses"]),
        )
        numbers = [*weights.words.values(), weights.threshold, weights.clauses]
        if not np.isfinite(numbers).all() or not 0 < weights.threshold < 1:
            raise ValueError("its numbers are not finite, or the threshold is no probability")
    except (*_UNREADABLE, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path}: no weights of holders: {error}") from error
    return weights


def _labels(labels: Any, book: Codebook) -> tuple[str, ...]:
    """Return the labels; they must be the codebook's, different, and all that a decision can give."""
    found = tuple(labels)
    if not found or len(set(found)) < len(found):
        raise ValueError("labels must be different")
    for label in found:
        try:
            book.positions_of(label)
        except CodebookError as error:
            raise ValueError(str(error)) from error
    if not book.exclusive and not set(book.labels) <= set(found):
        raise ValueError(f"labels are {', '.join(found)}; the codebook's are {', '.join(book.labels)}")
    return found


def _terms(path: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[tuple[str, ...], ...]:
    """Return the terms of each block, after counting them."""
    sizes, n = [int(size) for size in arrays["sizes"]], arrays["idf"].size
    found = int((arrays["terms"] == ord("\n")).sum()) + 1 if n else 0
    if not sum(sizes) == n == found or min(sizes) < 0:
        raise ArtifactError(f"{path}: {found} terms for {n} features, but sizes say {sum(sizes)}")
    terms = iter(arrays["terms"].tobytes().decode().split("\n"))
    return tuple(tuple(islice(terms, size)) for size in sizes)


def _spec(data: Mapping[str, Any]) -> FeatureSpec:
    made: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    spec = FeatureSpec(**made)
    lengths = (*spec.words, *spec.chars, spec.near, spec.min_df)
    if len(spec.words) != 2 or len(spec.chars) != 2 or not all(isinstance(n, int) and 0 <= n <= 100 for n in lengths):
        raise ValueError("features: lengths of n-grams must be pairs of whole numbers, up to 100")
    if not np.isfinite(np.array(spec.weights, dtype=float)).all():
        raise ValueError("features: weights must be finite numbers")
    return spec


def _refuse_numbers(scorer: Scorer) -> None:
    """Raise `ValueError` if calibration, thresholds and abstention do not fit the scores, or are not finite."""
    k, calibrator, curve = len(scorer.scores), scorer.calibrator, scorer.abstention
    if not len(scorer.thresholds) == len(calibrator.slope) == len(calibrator.offset) == k:
        raise ValueError(f"{k} scores need as many thresholds, slopes and offsets")
    if not len(curve.coverage) == len(curve.confidence) == len(curve.risk):
        raise ValueError("the columns of 'abstention' differ in length")
    numbers = (*scorer.thresholds, *calibrator.slope, *calibrator.offset, calibrator.together)
    if not np.isfinite((*numbers, *curve.coverage, *curve.confidence, *curve.risk)).all():
        raise ValueError("thresholds, calibration and abstention must be finite numbers")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays, read-only; a file that holds anything else, or more than `LARGEST`, raises `ArtifactError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            found = [m.filename.removesuffix(".npy") for m in members if m.filename.endswith(".npy")]
            if len(found) != len(members) or {*found, *_OPTIONAL} != {*_TYPES} or len(set(found)) != len(found):
                raise ArtifactError(
                    f"{path}: it must hold the arrays {', '.join(_TYPES)}, the last with an encoder only"
                )
            if (size := sum(m.file_size for m in members)) > LARGEST:
                raise ArtifactError(f"{path}: its arrays claim {size} bytes; more than {LARGEST} are not read")
            return {m.filename.removesuffix(".npy"): _read(path, archive, m) for m in members}
    except ArtifactError:
        raise
    except _UNREADABLE as error:
        raise ArtifactError(f"{path}: not a readable archive of arrays: {error}") from error


def _read(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    name = member.filename.removesuffix(".npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArtifactError(f"{path}: array {name!r} is compressed in a way that models are not")
    with archive.open(member) as file:
        start = file.read(len(_MAGIC) + 2)
        header = file.read(int.from_bytes(start[-2:], "little"))
        match = _HEADER.fullmatch(header)
        if not start.startswith(_MAGIC) or match is None:
            raise ArtifactError(f"{path}: array {name!r} has no header of a model's array")
        found, order, *shape = match.groups()
        kind = found.decode(errors="replace")
        if kind != _TYPES[name]:
            raise ArtifactError(f"{path}: array {name!r} is of type {kind}; a model's is of type {_TYPES[name]}")
        dtype, sides = np.dtype(_TYPES[name]), [int(n) for n in shape if n is not None]
        claimed = int(np.prod([*sides, dtype.itemsize], dtype=object))
        if claimed != member.file_size - len(start) - len(header):
            raise ArtifactError(f"{path}: array {name!r} claims {claimed} bytes and does not hold them; it is not read")
        return np.frombuffer(file.read(), dtype).reshape(sides, order="F" if order == b"True" else "C")
