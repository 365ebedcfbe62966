"""Saving and loading: the same answers, whole folders or none; hostile artifacts are refused and run nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from stance.codebook import parse_codebook
from stance.errors import ArtifactError, DataError
from stance.model import saving
from stance.model.artifact import StanceModel, load_model, shipped_models
from stance.model.baselines import Baselines
from stance.model.classifier import StanceClassifier
from stance.model.pickled import save_pickle
from stance.model.saving import save_model

BRIDGE = {
    "name": "A bridge over the bay",
    "target": [{"name": "bridge", "aliases": ["bridge", "crossing"]}],
    "position": [{"name": "build"}, {"name": "refuse"}],
}
SAID = {"build": "open the bridge", "refuse": "no bridge, no debt", "none": "the ferry was late"}
ROWS = [(f"{text}, said {who}", label) for who in ("Ann", "Bob", "Cem", "Dee", "Eve") for label, text in SAID.items()]
TEXTS = [text for text, _ in ROWS]
UNSEEN = ["Nobody wants this bridge!", "Öffnet die crossing 橋", "", "it rained"]


def made(book, rows=ROWS):
    texts, labels = zip(*rows, strict=True)
    with threadpool_limits(limits=1):  # BLAS threads over a dozen numbers cost ten times the work
        classifier = StanceClassifier(codebook=book).fit(texts, labels)
    return StanceModel("made", {"": classifier.scorer_}, {"": Baselines.fit(texts, labels, book)}), classifier


@pytest.fixture(scope="module")
def model():
    return made(parse_codebook(BRIDGE))[0]


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "bridge"
    save_model(model, folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A fresh copy of a saved model, to be spoilt."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def same(a, b):
    return (
        a.labels == b.labels
        and (a.positions == b.positions).all()
        and (a.label_proba == b.label_proba).all()
        and (a.confidence == b.confidence).all()
    )


# -- what is saved comes back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_loaded_model_gives_the_same_numbers(tmp_path, exclusive):
    before, _ = made(parse_codebook({**BRIDGE, "exclusive": exclusive}))
    save_model(before, tmp_path / "m")
    after = load_model(tmp_path / "m")
    contexts = ["The bridge was on the agenda."] * len(TEXTS + UNSEEN)
    assert same(before.predict(TEXTS + UNSEEN, contexts), after.predict(TEXTS + UNSEEN, contexts))
    assert after.codebook == before.codebook
    assert after.baselines == before.baselines


@pytest.mark.parametrize(
    ("name", "more"),
    [("fast", {"holders.json.gz"}), ("accurate", {"holders.json.gz", "encoder.onnx", "tokenizer.json"})],
)
def test_saving_a_shipped_model_again_gives_the_same_bytes(tmp_path, name, more):
    shipped = load_model(name)
    again = save_model(shipped, tmp_path / name)
    assert again.fingerprint == shipped.fingerprint
    assert {p.name for p in (tmp_path / name).iterdir()} == {"README.md", "classifier-0.npz", "model.json"} | more


def test_an_encoder_whose_file_was_exchanged_does_not_run(tmp_path):
    model = save_model(load_model("accurate"), tmp_path / "mine")
    (tmp_path / "mine" / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match="another file"):
        model.predict(["We must talk to them."])
    with pytest.raises(ArtifactError, match="another file"):
        save_model(model, tmp_path / "again")


def test_name_and_fingerprint_are_those_of_the_folder(model, tmp_path):
    found = save_model(model, tmp_path / "mine")
    assert found.name == "mine"
    assert found.fingerprint == hashlib.sha256((tmp_path / "mine" / "model.json").read_bytes()).hexdigest()
    assert load_model(tmp_path / "mine").fingerprint == found.fingerprint


def test_an_absent_model_is_told_with_the_names_of_those_that_exist(tmp_path):
    with pytest.raises(ArtifactError, match=r"does not exist, and is none of the shipped models: .*fast"):
        load_model(tmp_path / "nothing")
    with pytest.raises(ArtifactError, match=r"holds no model\.json"):
        load_model(tmp_path)
    assert "fast" in shipped_models()


def test_shares_out_of_range_are_refused(model):
    with pytest.raises(DataError, match="coverage is 80; give a share between 0 and 1"):
        model.least_confidence(coverage=80)
    with pytest.raises(DataError, match="max_risk"):
        model.least_confidence(max_risk=-0.1)


# -- hostile artifacts -----------------------------------------------------------------------------------------------


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def change(folder, edit):
    path = folder / "model.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    edit(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def settle(folder):
    """Write the true sha256 of the arrays into model.json: the attacker can do that, too."""
    digest = hashlib.sha256((folder / "classifier-0.npz").read_bytes()).hexdigest()
    change(folder, lambda data: data["targets"][0].update(sha256=digest))


def members(folder):
    with zipfile.ZipFile(folder / "classifier-0.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(folder, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(folder / "classifier-0.npz", "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    settle(folder)


def npy(array, *, allow_pickle=False):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=allow_pickle)
    return out.getvalue()


def swap(folder, name, make):
    """Replace one array by what `make` makes of it."""
    files = members(folder)
    files[f"{name}.npy"] = npy(make(np.load(io.BytesIO(files[f"{name}.npy"]))))
    pack(folder, files)


def header(text):
    body = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def put(name, data):
    return lambda folder: pack(folder, {**members(folder), name: data})


def first(**settings):
    return lambda folder: change(folder, lambda data: data["targets"][0].update(settings))


def write(text):
    return lambda folder: (folder / "model.json").write_text(text, encoding="utf-8")


def set_in(array, value):
    array = array.copy()
    array.flat[0] = value
    return array


def overwrite(path, data):
    path.write_bytes(data)


def symlink(folder):
    outside = folder.parent / "outside.npz"
    (folder / "classifier-0.npz").rename(outside)
    (folder / "classifier-0.npz").symlink_to(outside)


def absolute(folder):
    target = folder.parent / "classifier-0.npz"
    shutil.copy(folder / "classifier-0.npz", target)
    first(file=str(target))(folder)


def dotted(folder):
    shutil.copy(folder / "classifier-0.npz", folder.parent / "x")
    first(file="../x")(folder)


def objects(folder):
    trap = np.array([Trap(folder.parent / "sentinel")], dtype=object)
    pack(folder, {**members(folder), "coef.npy": npy(trap, allow_pickle=True)})


def bare_pickle(folder):
    pack(folder, {**members(folder), "coef.npy": pickle.dumps(Trap(folder.parent / "sentinel"))})


def whole_pickle(folder):
    (folder / "classifier-0.npz").write_bytes(pickle.dumps(Trap(folder.parent / "sentinel")))
    settle(folder)


def extra_pickle(folder):
    put("extra.npy", pickle.dumps(Trap(folder.parent / "sentinel")))(folder)


def lying_size(folder, claimed=0xFFFFFFF0):
    """The archive's directory says that the first array is huge; its data hold a few bytes."""
    path = folder / "classifier-0.npz"
    pack(folder, members(folder), zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 24 : at + 28] = claimed.to_bytes(4, "little")
    path.write_bytes(raw)
    settle(folder)


def agreed_lie(folder):
    """Directory and header agree on 8 MB; the data hold 8 bytes."""
    top = header(HUGE.replace("1000000000000", "1000000"))
    files = {"coef.npy": top + bytes(8), **{n: d for n, d in members(folder).items() if n != "coef.npy"}}
    pack(folder, files)
    lying_size(folder, len(top) + 8_000_000)


def bomb(folder):
    """An array that inflates to a thousand times its size, more than its header says."""
    files = members(folder)
    pack(folder, {**files, "terms.npy": files["terms.npy"] + bytes(20_000_000)})


def broken_stream(folder):
    path = folder / "classifier-0.npz"
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("coef.npy").header_offset
    raw = bytearray(path.read_bytes())
    raw[at + 60 : at + 70] = b"\xff" * 10
    path.write_bytes(raw)
    settle(folder)


def other_codebook(folder):
    """A codebook with other positions, and its true fingerprint: it does not fit the classifier."""
    book = parse_codebook({"name": "", "position": [{"name": "stay"}, {"name": "leave"}]})
    change(folder, lambda d: d.update(codebook=book.as_dict(), codebook_fingerprint=book.fingerprint))


def rename_position(data):
    data["codebook"]["position"][0]["name"] = "burn"


def reuse_target(data):
    data["targets"] *= 2


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 2), }"
CALL = "{'descr': __import__('os').mkdir('sentinel'), 'fortran_order': False, 'shape': (1,), }"
NESTED = "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 5000 + ")" * 5000 + ", }"
HOSTILE = {
    "changed file": (
        lambda f: overwrite(f / "classifier-0.npz", (f / "classifier-0.npz").read_bytes() + b"x"),
        "its sha256 is not the one",
    ),
    "changed card": (lambda f: overwrite(f / "README.md", b"The best model."), "README.md: its sha256 is not the one"),
    "wrong sha256": (first(sha256="0" * 64), "its sha256 is not the one"),
    "missing file": (lambda f: (f / "classifier-0.npz").unlink(), "missing, or no regular file"),
    "file name ../x": (dotted, "leads out of its folder"),
    "absolute path": (absolute, "leads out of its folder"),
    "file name is a number": (first(file=7), "leads out of its folder"),
    "../ among the files": (lambda f: change(f, lambda d: d["files"].update({"../x": ""})), "leads out of its folder"),
    "symlink": (symlink, "missing, or no regular file"),
    "schema 99": (lambda f: change(f, lambda d: d.update(schema=99)), "schema 99 is not known here"),
    "not JSON": (write("schema: 1"), "not JSON"),
    "no UTF-8": (lambda f: overwrite(f / "model.json", b"\xff\xfe{}"), "not JSON"),
    "empty": (write(""), "not JSON"),
    "JSON list": (write("[1, 2]"), "schema 'list' is not known here"),
    "deep JSON": (write('{"schema": 1, "about": ' + "[" * 200_000 + "]" * 200_000 + "}"), "not JSON"),
    "object array": (objects, "is of type |O"),
    "pickle for an array": (bare_pickle, "no header of a model's array"),
    "pickle for the archive": (whole_pickle, "not a readable archive"),
    "pickle beside the arrays": (extra_pickle, "must hold the arrays"),
    "extra member": (put("more.npy", npy(np.zeros(1))), "must hold the arrays"),
    "member with a way out": (put("../../sentinel", b"x"), "must hold the arrays"),
    "missing member": (lambda f: pack(f, dict(list(members(f).items())[1:])), "must hold the arrays"),
    "wrong dtype": (lambda f: swap(f, "coef", lambda a: a.astype("<f8")), "is of type <f8; a model's is of type <f4"),
    "record dtype": (put("idf.npy", npy(np.zeros(2, [("a", "<f4")]))), "no header of a model's array"),
    "claims terabytes": (put("coef.npy", header(HUGE)), "claims 8000000000000 bytes"),
    "header that calls": (put("coef.npy", header(CALL)), "no header of a model's array"),
    "nested header": (put("coef.npy", header(NESTED)), "no header of a model's array"),
    "negative size": (put("coef.npy", header(HUGE.replace("1000000000000", "-1"))), "no header of a model's array"),
    "lying directory": (lying_size, "claim 42949"),
    "lie that agrees": (agreed_lie, "not a readable archive"),
    "bomb": (bomb, "does not hold them"),
    "broken stream": (broken_stream, "not a readable archive"),
    "no zip": (lambda f: ((f / "classifier-0.npz").write_bytes(b"PK"), settle(f)), "not a readable archive"),
    "other compression": (lambda f: pack(f, members(f), zipfile.ZIP_LZMA), "compressed in a way"),
    "NaN coefficient": (
        lambda f: swap(f, "coef", lambda a: set_in(a, np.nan)),
        "'coef' holds numbers that are not finite",
    ),
    "infinite idf": (lambda f: swap(f, "idf", lambda a: set_in(a, np.inf)), "'idf' holds numbers that are not finite"),
    "infinite intercept": (lambda f: swap(f, "intercept", lambda a: set_in(a, -np.inf)), "not finite"),
    "wide coef": (lambda f: swap(f, "coef", lambda a: np.hstack([a, a])), r"'coef' has shape .*; expected"),
    "short coef": (lambda f: swap(f, "coef", lambda a: a[:-1]), r"'coef' has shape .*; expected"),
    "flat coef": (lambda f: swap(f, "coef", lambda a: a.ravel()), r"'coef' has shape .*; expected"),
    "short intercept": (lambda f: swap(f, "intercept", lambda a: a[:1]), r"'intercept' has shape .*; expected"),
    "sizes that do not add up": (lambda f: swap(f, "sizes", lambda a: a + 1), "but sizes say"),
    "negative sizes": (
        lambda f: swap(f, "sizes", lambda a: a - np.array([1, -1, 0, 0, 0, 0]) * (a[0] + 1)),
        "but sizes say",
    ),
    "too few terms": (lambda f: swap(f, "terms", lambda a: a[:20]), "but sizes say"),
    "terms no UTF-8": (lambda f: swap(f, "terms", lambda a: set_in(a, 0xFF)), "not a model of this schema"),
    "thresholds too long": (first(thresholds=[0.5] * 3), "2 scores need as many thresholds"),
    "thresholds too short": (first(thresholds=[0.5]), "2 scores need as many thresholds"),
    "thresholds no numbers": (first(thresholds=["a", "b"]), "not a model of this schema"),
    "NaN threshold": (first(thresholds=[float("nan"), 0.5]), "must be finite"),
    "short calibration": (first(calibrator={"slope": [1], "offset": [0], "together": 0}), "2 scores need"),
    "NaN calibration": (first(calibrator={"slope": [1, 1], "offset": [0, 0], "together": float("nan")}), "finite"),
    "uneven abstention": (first(abstention={"coverage": [1], "confidence": [], "risk": [0]}), "differ in length"),
    "unknown setting": (first(features={"hook": "os.system"}), "not a model of this schema.*hook"),
    "endless n-grams": (first(features={"words": [1, 10**9]}), "lengths of n-grams"),
    "labels of nobody": (first(labels=["a", "b", "c", "d"]), "not in the codebook"),
    "labels missing": (first(labels=["build", "none", "refuse"]), "the codebook's are both, build, none, refuse"),
    "labels twice": (first(labels=["both", "both", "none", "refuse"]), "different"),
    "tampered codebook": (lambda f: change(f, lambda d: rename_position(d)), "codebook is not the one"),
    "other codebook": (other_codebook, "not in the codebook"),
    "codebook no table": (lambda f: change(f, lambda d: d.update(codebook=[])), "not a model of this schema"),
    "no targets": (lambda f: change(f, lambda d: d.update(targets=[])), "no classifier"),
    "targets no list": (lambda f: change(f, lambda d: d.update(targets=5)), "not a model of this schema"),
    "a target twice": (lambda f: change(f, reuse_target), "stands there twice"),
    "about no table": (lambda f: change(f, lambda d: d.update(about=[])), "'about' is no table"),
    "baselines of nobody": (first(baselines={"majority": "none", "keywords": {}, "least": {}}), "name each position"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_artifact_is_refused_in_one_line_and_runs_nothing(folder, kind, monkeypatch):
    monkeypatch.chdir(folder.parent)
    spoil, message = HOSTILE[kind]
    spoil(folder)
    with pytest.raises(ArtifactError) as refused:
        load_model(folder)
    said = str(refused.value)
    assert re.search(message if ".*" in message else re.escape(message), said)
    assert folder.name in said
    assert "\n" not in said
    assert not list(folder.parent.rglob("sentinel*"))


def test_the_trap_would_have_sprung(folder):
    """Each pickle of the hostile artifacts does run code where it is unpickled."""
    for build in (objects, bare_pickle):
        build(folder)
        data = members(folder)["coef.npy"]
        if build is objects:
            np.load(io.BytesIO(data), allow_pickle=True)
        else:
            pickle.loads(data)
        assert (folder.parent / "sentinel").exists()
        (folder.parent / "sentinel").unlink()


@pytest.mark.parametrize("key", ["schema", "about", "codebook", "codebook_fingerprint", "targets", "files"])
def test_a_missing_key_is_named(folder, key):
    change(folder, lambda data: data.pop(key))
    with pytest.raises(ArtifactError, match=f"key '{key}' is missing|schema None"):
        load_model(folder)


@pytest.mark.parametrize(
    "key",
    [
        *("target", "file", "sha256", "labels", "mentions_of", "features"),
        *("calibrator", "thresholds", "abstention", "baselines"),
    ],
)
def test_a_missing_key_of_a_target_is_named(folder, key):
    change(folder, lambda data: data["targets"][0].pop(key))
    with pytest.raises(ArtifactError, match=f"model.json: .*key '{key}' is missing"):
        load_model(folder)


def test_repacked_arrays_with_the_true_sha256_still_load(model, folder):
    """The hostile artifacts are refused for what they hold, not for being repacked."""
    pack(folder, members(folder), zipfile.ZIP_STORED)
    assert same(load_model(folder).predict(TEXTS), model.predict(TEXTS))


# -- pickles ---------------------------------------------------------------------------------------------------------


def test_a_joblib_file_needs_trust(tmp_path):
    before, classifier = made(parse_codebook(BRIDGE))
    path = tmp_path / "m.joblib"
    save_pickle({"": classifier}, path)
    with pytest.raises(ArtifactError, match=r"is a pickle, which can run code; .*--trust-pickle"):
        load_model(path)
    after = load_model(path, trust_pickle=True)
    assert same(before.predict(TEXTS + UNSEEN), after.predict(TEXTS + UNSEEN))
    assert [p.name for p in tmp_path.iterdir()] == ["m.joblib"]
    again = save_model(after, tmp_path / "folder")
    assert "not recorded" in (tmp_path / "folder" / "README.md").read_text(encoding="utf-8")
    assert same(before.predict(TEXTS), again.predict(TEXTS))


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle", ".bin"])
def test_an_untrusted_pickle_runs_nothing(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sentinel")))
    with pytest.raises(ArtifactError):
        load_model(path)
    assert not (tmp_path / "sentinel").exists()


@pytest.mark.parametrize("content", [pickle.dumps({"": 5}), pickle.dumps([1]), pickle.dumps({}), b"nonsense", b""])
def test_a_trusted_pickle_of_something_else_is_told(tmp_path, content):
    path = tmp_path / "m.joblib"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="no fitted StanceClassifier"):
        load_model(path, trust_pickle=True)


def test_trust_does_not_loosen_the_check_of_folders(folder):
    objects(folder)
    with pytest.raises(ArtifactError, match=r"is of type \|O"):
        load_model(folder, trust_pickle=True)


# -- whole or not at all ---------------------------------------------------------------------------------------------


def snapshot(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_an_existing_model_is_kept_unless_forced(model, folder):
    before = snapshot(folder)
    with pytest.raises(ArtifactError, match=r"exists; choose another name or replace it with --force"):
        save_model(model, folder)
    assert snapshot(folder) == before
    other = dataclasses.replace(model, about={"note": "newer"})
    save_model(other, folder, force=True)
    assert load_model(folder).about == {"note": "newer"}
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_what_is_no_model_is_never_replaced(model, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="exists and is no model"):
        save_model(model, thesis, force=True)
    with pytest.raises(ArtifactError, match="exists and is no model"):
        save_model(model, thesis / "chapter.txt", force=True)
    (thesis / "model.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"holds more than a model, such as 'chapter.txt'"):
        save_model(model, thesis, force=True)
    assert (thesis / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize("step", ["write_scorer", "render_card", "sha256_of", "_put_in_place"])
@pytest.mark.parametrize("there", [False, True])
def test_a_failed_save_leaves_nothing_new_and_loses_nothing_old(model, folder, monkeypatch, step, there):
    if not there:
        shutil.rmtree(folder)
    before = snapshot(folder.parent)
    real, calls = getattr(saving, step), []

    def fails(*arguments, **options):
        calls.append(arguments)
        real(*arguments, **options) if step == "write_scorer" else None
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, step, fails)
    with pytest.raises(ArtifactError, match="cannot be written: No space left on device"):
        save_model(model, folder, force=True)
    assert calls
    assert snapshot(folder.parent) == before
    assert [p.name for p in folder.parent.iterdir()] == ([folder.name] if there else [])


def test_an_interrupt_while_saving_leaves_nothing(model, tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "render_card", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_the_old_model_comes_back_if_the_new_one_cannot_take_its_place(model, folder, monkeypatch):
    before, rename = snapshot(folder), Path.rename

    def fails_for_new(self, target):
        if Path(target) == folder and not self.name.endswith(".old"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_new)
    with pytest.raises(ArtifactError, match="Permission denied"):
        save_model(model, folder, force=True)
    assert snapshot(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_place_below_a_file_is_refused_before_writing(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot write to"):
        save_model(model, tmp_path / "file" / "m")


def test_a_figure_that_is_no_number_is_a_bug_and_leaves_nothing(model, tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        save_model(dataclasses.replace(model, about={"score": float("nan")}), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_shipped_name_is_the_shipped_model_wherever_it_is_called(tmp_path, monkeypatch):
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "model.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert load_model("fast").codebook.position_names == ("engage", "terrorist")
    with pytest.raises(ArtifactError, match="schema"):
        load_model("./fast/")


def test_a_shuffled_column_keeps_its_rows():
    import pandas as pd

    model = load_model("fast")
    column = pd.Series(["Talk to the Taliban.", "It rained.", "The Taliban are terrorists."], index=[2, 0, 1])
    assert model.predict(column).labels == model.predict(column.tolist()).labels
    with pytest.raises(DataError, match="3 texts but 1 contexts"):
        model.predict(column, ["x"])
    with pytest.raises(DataError, match=r"texts\[0\] is None"):
        model.predict([None])
