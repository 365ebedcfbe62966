"""The wheel holds data and models, and works where the checkout cannot be seen; so does a bare checkout."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import stance

ROOT = Path(stance.__file__).parents[1]
SENTENCE = "We must negotiate with the Taliban."
LOADS = (
    "import stance, stance.shipped; model = stance.load_model(); "
    "print(stance.__file__, stance.shipped.shipped('data', 'codebook.toml'), "
    "stance.shipped.shipped('models', model.name, 'model.json'), sep='\\n')"
)
pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="runs in a checkout only")


def run(*command, cwd, **environment):
    """Run a command that sees only what it is told to see."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what git would hand out, so that the build sees no stray file and leaves none."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("stance", "models", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=checkout)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel in it, that finds the dependencies of this one after its own packages."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder


def test_the_wheel_holds_all_data_and_models_and_no_tests(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("data", "models"):
        assert {f"stance/_shipped/{folder}/{name}" for name in tree(ROOT / folder)} <= names
    assert "stance/py.typed" in names
    assert not [name for name in names if name.split("/")[0] not in {"stance"} and ".dist-info/" not in name]
    assert wheel.stat().st_size < 80e6


def test_the_installed_package_finds_its_data_inside_itself(installed, tmp_path):
    package, *found = map(Path, run(installed / "bin" / "python", "-c", LOADS, cwd=tmp_path).splitlines())
    assert package.is_relative_to(installed)
    for path in found:
        assert path.is_relative_to(package.parent / "_shipped")


def test_the_installed_command_predicts_from_another_folder(installed, tmp_path):
    (tmp_path / "a.txt").write_text(SENTENCE)
    assert run(installed / "bin" / "stance", "--version", cwd=tmp_path).split()[-1] == stance.__version__
    row = json.loads(run(installed / "bin" / "stance", "predict", "a.txt", cwd=tmp_path))
    assert (row["text"], row["label"]) == (SENTENCE, "engage")
    assert row["p_engage"] == stance.analyze([SENTENCE])["p_engage"][0]


def test_a_bare_checkout_works_from_another_folder(checkout, tmp_path):
    (tmp_path / "a.txt").write_text(SENTENCE)
    python, path = sys.executable, {"PYTHONPATH": str(checkout)}
    package, *found = map(Path, run(python, "-c", LOADS, cwd=tmp_path, **path).splitlines())
    assert package == checkout / "stance" / "__init__.py"
    assert found == [checkout / "data" / "codebook.toml", checkout / "models" / "accurate" / "model.json"]
    command = "from stance.apps.cli import main; main()"
    row = json.loads(run(python, "-c", command, "predict", "a.txt", cwd=tmp_path, **path))
    assert row["label"] == "engage"
