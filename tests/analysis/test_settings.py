"""Settings go to other processes: what they name is what is loaded there, or it is refused."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import pytest

from stance.analysis.settings import Settings
from stance.errors import StanceError
from stance.model.artifact import load_model
from stance.model.saving import save_model
from stance.shipped import shipped


def test_blocs_that_changed_are_read_anew(tmp_path):
    blocs = tmp_path / "blocs.toml"
    made = []
    for position in ("engage", "terrorist"):
        blocs.write_text(f'[[bloc]]\nname = "ours"\nposition = "{position}"\nmembers = ["Fiji"]\nend = "1980-12"\n')
        labeller = Settings("fast", blocs=blocs).labeller()
        made.append(labeller.holding.attributor.codebook.blocs[-1].position)
    assert made == ["engage", "terrorist"]


def test_a_model_that_changed_in_its_place_is_loaded_anew_or_refused(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(shipped("models", "fast"), folder)
    settings = Settings(folder)
    before = settings.labeller().model.fingerprint
    model = load_model(folder)
    save_model(replace(model, about={**model.about, "seed": 1}), folder, force=True)
    after = load_model(folder).fingerprint
    assert replace(settings, fingerprint=after).labeller().model.fingerprint == after
    with pytest.raises(StanceError, match="is another one here"):
        replace(settings, fingerprint=before).labeller()


def test_a_missing_file_of_blocs_is_told(tmp_path):
    with pytest.raises(StanceError, match=r"none\.toml: No such file"):
        _ = Settings("fast", blocs=tmp_path / "none.toml").digest


def test_the_digest_depends_on_what_decides_rows_and_on_nothing_else(tmp_path, monkeypatch):
    settings = Settings("fast", fingerprint="a")
    assert settings.digest == replace(settings, threads=3).digest
    assert settings.digest == pickle.loads(pickle.dumps(settings)).digest
    others = [
        *({"gate": "off"}, {"relevant": True}, {"pre_split": True}, {"coverage": 0.5}, {"speaker": "Fiji"}),
        *({"encoding": "latin-1"}, {"fingerprint": "b"}, {"date": "2018"}),
    ]
    assert len({settings.digest, *(replace(settings, **other).digest for other in others)}) == len(others) + 1
    one, two = tmp_path / "1.toml", tmp_path / "2.toml"
    for file in (one, two):
        file.write_text("replace = true\n")
    assert replace(settings, blocs=one).digest == replace(settings, blocs=two).digest
    two.write_text("replace = false\n")
    assert replace(settings, blocs=one).digest != replace(settings, blocs=two).digest
