"""All that decides the rows of some passages, as data: what processes and machines need to label alike."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import stance
from stance.analysis.holding import Holding
from stance.analysis.pipeline import Labeller
from stance.codebook import load_codebook, with_blocs
from stance.errors import StanceError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model, shipped_models
from stance.model.gating import Gating
from stance.text.readers import Columns
from stance.text.tables import DEFAULT_ENCODING

__all__ = ["Settings"]

_lock = threading.Lock()
_loaded: dict[tuple[Settings, tuple[str, ...]], tuple[StanceModel, Holding, Gating | None]] = {}


@dataclass(frozen=True)
class Settings:
    """All that decides the rows of some passages, as data that goes to other processes and machines.

    Attributes
    ----------
    model, trust_pickle
        As in `stance.load_model`; where a part is computed, the model must be found under this name.
    fingerprint
        That of the model; another one of this name is refused. By default any will do.
    codebook, blocs
        Files of actors and blocs; by default the shipped codebook's.
    speaker, date, pre_split, coverage, max_risk, gate, relevant, columns
        As in `stance.analyze`.
    encoding
        Of text files.
    threads
        Of the encoder; by default one a core. The rows do not depend on it.

    Examples
    --------
    >>> from stance.text.readers import passages_of
    >>> settings = Settings("fast")
    >>> [row["label"] for row in settings.labeller().rows(passages_of(["Talk to the Taliban."]))]
    ['engage']
    """

    model: str | Path = DEFAULT_MODEL
    trust_pickle: bool = False
    fingerprint: str = ""
    codebook: Path | None = None
    blocs: Path | None = None
    speaker: str = ""
    date: str = ""
    pre_split: bool = False
    coverage: float | None = None
    max_risk: float | None = None
    gate: str = ""
    relevant: bool = False
    columns: Columns = field(default_factory=Columns)
    encoding: str = DEFAULT_ENCODING
    threads: int = 0

    def labeller(self) -> Labeller:
        """Return what labels passages; the model is loaded once in a process.

        Raises
        ------
        StanceError
            If the model is absent here, or is another one.
        """
        key = replace(self, fingerprint="", threads=0), self._files()
        with _lock:
            known = _loaded.get(key)
            if known is None or self.fingerprint not in {"", known[0].fingerprint}:
                _loaded.clear()  # one job at a time: a worker that lives long does not collect models
                _loaded[key] = self._load()
            model, holding, gating = _loaded[key]
        if self.fingerprint not in {"", model.fingerprint}:
            raise StanceError(
                f"model {self.model} is another one here ({model.fingerprint[:12]}, not {self.fingerprint[:12]}); "
                "install the same version everywhere, or name a folder that all can read"
            )
        if model.encoder is not None:
            model.encoder.threads = self.threads
        rest = {name: getattr(self, name) for name in ("pre_split", "coverage", "max_risk", "relevant")}
        return Labeller(model, holding, gating, **rest)

    def _load(self) -> tuple[StanceModel, Holding, Gating | None]:
        model = load_model(self.model, trust_pickle=self.trust_pickle)
        book = load_codebook(self.codebook)
        book = book if self.blocs is None else with_blocs(book, self.blocs)
        return model, Holding(model.attributor(book), self.speaker, self.date), Gating.of(model, self.gate)

    def absolute(self) -> Settings:
        """Return the same settings for a process in another folder."""
        named = isinstance(self.model, str) and self.model in shipped_models()
        return replace(
            self,
            model=self.model if named else Path(self.model).absolute(),
            codebook=self.codebook and self.codebook.absolute(),
            blocs=self.blocs and self.blocs.absolute(),
        )

    @property
    def digest(self) -> str:
        """Sha256 of all that decides the rows."""
        elsewhere = {"threads", "codebook", "blocs", "model" if self.fingerprint else ""}
        known = {name: value for name, value in asdict(self).items() if name not in elsewhere}
        return _sha256(json.dumps([known, self._files(), stance.__version__], default=str).encode())

    def _files(self) -> tuple[str, ...]:
        """Return sha256 of the files of actors and blocs."""
        return tuple("" if path is None else _sha256(_read(path)) for path in (self.codebook, self.blocs))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StanceError(f"{path}: {error.strerror}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
