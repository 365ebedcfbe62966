"""Saving a model: a folder of data with its card, all of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from stance.errors import ArtifactError
from stance.model.artifact import FILES, HOLDERS, NETWORK, SCHEMA, TOKENIZER, StanceModel, is_cascade, load_model
from stance.model.card import render_card
from stance.model.encoder import Encoder, sha256_of
from stance.model.stored import write_holders, write_scorer

__all__ = ["check_writable", "save_model"]

_BESIDE = ("README.md", NETWORK, TOKENIZER, HOLDERS)


def save_model(model: StanceModel, path: str | Path, *, force: bool = False) -> StanceModel:
    """Write a model and its card to a folder, all of it or nothing.

    Parameters
    ----------
    path
        The folder; it must not exist unless `force`, which replaces a folder only if it holds a model.

    Returns
    -------
    StanceModel
        The model as it stands on disk, with its fingerprint.

    Raises
    ------
    ArtifactError
        If the folder exists, or is no model's.
    """
    path = Path(path).resolve()
    check_writable(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            _write(model, made)
            if is_cascade(model):
                load_model(made)  # it must find the models that it names
            made.chmod(0o755)
            _put_in_place(made, path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror or error}") from error
    scorers = model.scorers
    if is_cascade(model):
        return load_model(path)
    if model.encoder is not None:  # its files are the saved ones from now on
        own = Encoder(model.encoder.spec, path / NETWORK, path / TOKENIZER, model.encoder.sha256)
        scorers = {target: replace(scorer, encoder=own) for target, scorer in scorers.items()}
    return replace(model, name=path.name, scorers=scorers, fingerprint=sha256_of(path / "model.json"))


def _put_in_place(made: Path, path: Path) -> None:
    """Rename a finished folder; a model that was there goes only after the new one stands."""
    if not path.exists():
        made.rename(path)
        return
    old = made.with_name(f"{made.name}.old")
    path.rename(old)
    try:
        made.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old)


def check_writable(path: Path, *, force: bool) -> None:
    """Raise `ArtifactError` if a model cannot be saved there; called before training starts, too."""
    if path.exists() and not force:
        raise ArtifactError(f"{path} exists; choose another name or replace it with --force")
    if path.exists() and not (path / "model.json").is_file():
        raise ArtifactError(f"{path} exists and is no model; it is not replaced, choose another name")
    if path.exists() and (others := sorted(p.name for p in path.iterdir() if not FILES.fullmatch(p.name))):
        raise ArtifactError(f"{path} holds more than a model, such as {others[0]!r}; it is not replaced")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ArtifactError(f"{path}: cannot write to {parent}")


def _write(model: StanceModel, folder: Path) -> None:
    if is_cascade(model):
        own = {key: model.about[key] for key in ("cascade", "held_out") if key in model.about}
        _write_json(folder, {"schema": SCHEMA, "about": own}, model)
        return
    targets = []
    for i, (name, scorer) in enumerate(model.scorers.items()):
        file = f"classifier-{i}.npz"
        settings = write_scorer(scorer, folder / file)
        targets.append(
            {
                "target": name,
                "file": file,
                "sha256": sha256_of(folder / file),
                **settings,
                "baselines": model.baselines[name].as_dict(),
            }
        )
    encoder = model.encoder
    if model.holders is not None:
        write_holders(model.holders, folder / HOLDERS)
    if encoder is not None:
        (folder / NETWORK).write_bytes(encoder.content(encoder.network))
        (folder / TOKENIZER).write_bytes(encoder.content(encoder.tokenizer))
    data = {"schema": SCHEMA, "about": dict(model.about), "targets": targets}
    if encoder is not None:
        data["encoder"] = encoder.spec.as_dict()
    _write_json(folder, data, model)


def _write_json(folder: Path, data: dict[str, Any], model: StanceModel) -> None:
    """Write the card, and ``model.json`` with the sha256 of all that stands beside it."""
    (folder / "README.md").write_text(render_card(model), encoding="utf-8")
    book = model.codebook.without_actors()
    data |= {"codebook": book.as_dict(), "codebook_fingerprint": book.fingerprint}
    data["files"] = {file: sha256_of(folder / file) for file in _BESIDE if (folder / file).exists()}
    (folder / "model.json").write_text(
        json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
