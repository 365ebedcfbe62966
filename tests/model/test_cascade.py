"""A quick classifier before a slow one."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from stance.apps.cli import stance
from stance.codebook import load_codebook
from stance.corpus.files import read_corpus
from stance.errors import ArtifactError
from stance.model.artifact import couple, load_model
from stance.model.cascade import choose_band, unsure
from stance.model.saving import save_model
from stance.model.scorer import Prediction
from stance.shipped import shipped

BOOK = load_codebook()


@pytest.fixture(scope="module")
def models():
    return load_model("fast"), load_model("accurate"), load_model("auto")


@pytest.fixture(scope="module")
def sentences():
    corpus = read_corpus(shipped("data", "corpus", "W20.jsonl"))
    return corpus.texts[:120], corpus.contexts[:120]


def test_each_sentence_has_the_answer_of_the_model_that_is_asked(models, sentences):
    first, then, auto = (model.predict(*sentences) for model in models)
    asked = unsure(first.positions, tuple(models[2].about["cascade"]["band"]))
    assert 0 < asked.sum() < len(asked)
    assert auto.encoded == asked.sum()
    assert auto.labels == [b if a else c for a, b, c in zip(asked, then.labels, first.labels, strict=True)]
    assert (auto.positions[~asked] == first.positions[~asked]).all()
    np.testing.assert_allclose(auto.positions[asked], then.positions[asked], atol=1e-6)
    np.testing.assert_allclose(auto.label_proba.sum(axis=1), 1)
    np.testing.assert_allclose(auto.confidence[asked], then.confidence[asked], atol=1e-6)
    assert then.encoded == len(asked)
    assert first.encoded == 0


def test_a_sentence_alone_has_the_same_answer_as_among_others(models, sentences):
    texts, contexts = (column[:30] for column in sentences)
    together = models[2].predict(texts, contexts)
    alone = [models[2].predict([text], [context]) for text, context in zip(texts, contexts, strict=True)]
    assert [said.labels[0] for said in alone] == together.labels
    np.testing.assert_allclose(np.concatenate([said.positions for said in alone]), together.positions, atol=1e-5)


def test_nothing_is_encoded_where_nothing_is_unsure(models):
    said = models[2].predict(["It rained in the valley.", "The cows came home."])
    assert said.encoded == 0
    assert said.labels == ["none", "none"]
    assert models[2].predict([]).labels == []


def prediction(positions, labels):
    positions = np.array(positions, dtype=float)
    return Prediction(labels, positions, np.empty((len(labels), 4)), np.empty(len(labels)))


def test_the_band_is_the_one_that_asks_seldom_and_loses_little():
    truth = ["engage", "none"] * 50
    sure = [[0.999, 0.0], [0.001, 0.0]] * 40
    doubtful = [[0.4, 0.0], [0.5, 0.0]] * 10  # the quick one is wrong there
    first = prediction([*sure, *doubtful], [*truth[:80], *["none", "engage"] * 10])
    then = prediction([[1.0, 0.0], [0.0, 0.0]] * 50, truth)
    found = choose_band(first, then, truth, BOOK)
    assert found["share"] == 0.2
    assert found["lost"] == 0
    assert 0.001 < found["band"][0] <= 0.4
    assert 0.5 <= found["band"][1] < 0.999
    strict = choose_band(then, then, truth, BOOK)
    assert strict["share"] == 0


def test_a_band_that_loses_too_much_is_not_taken():
    truth = ["engage", "none"] * 50
    wrong = prediction([[0.001, 0.0], [0.999, 0.0]] * 50, ["none", "engage"] * 50)
    then = prediction([[1.0, 0.0], [0.0, 0.0]] * 50, truth)
    assert choose_band(wrong, then, truth, BOOK) == {"band": [0.0, 1.0], "share": 1.0, "macro_f1": 0.5, "lost": 0.0}


def test_the_shipped_cascade_loses_little_and_says_what_it_encodes(models):
    _, then, auto = (model.about["held_out"] for model in models)
    lost = then["macro_f1_positions"]["value"] - auto["macro_f1_positions"]["value"]
    assert lost <= 0.005
    assert 0 < auto["encoded"] < 0.5
    card = CliRunner().invoke(stance, ["info", "--model", "auto"]).stdout
    assert f"{auto['encoded']:.1%} were encoded" in card
    assert "fast reads every sentence" in card


@pytest.fixture
def beside(tmp_path):
    """A cascade beside copies of its models."""
    for name in ("fast", "auto"):
        shutil.copytree(shipped("models", name), tmp_path / name)
    return tmp_path


def test_a_cascade_is_saved_and_loaded_as_it_was(beside, sentences):
    model = load_model(beside / "auto")
    assert model.predict(*sentences).labels == load_model("auto").predict(*sentences).labels
    save_model(model, beside / "again")
    for name in ("model.json", "README.md"):
        assert (beside / "again" / name).read_bytes() == (beside / "auto" / name).read_bytes()


def test_a_cascade_of_other_models_than_it_was_made_of_is_refused(beside):
    data = json.loads((beside / "fast" / "model.json").read_text())
    data["about"]["seed"] = 1
    (beside / "fast" / "model.json").write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="fast is not the one that this cascade was made of"):
        load_model(beside / "auto")


@pytest.mark.parametrize("name", ["../fast", "/etc", "", 3, "a/b", None])
def test_a_cascade_names_no_paths(beside, name):
    data = json.loads((beside / "auto" / "model.json").read_text())
    data["about"]["cascade"]["first"] = name
    (beside / "auto" / "model.json").write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="by their names"):
        load_model(beside / "auto")


def test_a_cascade_of_itself_is_refused(beside):
    data = json.loads((beside / "auto" / "model.json").read_text())
    data["about"]["cascade"]["first"] = "auto"
    (beside / "auto" / "model.json").write_text(json.dumps(data))
    with pytest.raises(ArtifactError):
        load_model(beside / "auto")


def test_models_that_do_not_fit_are_no_cascade(models):
    with pytest.raises(ArtifactError, match="one of stance finetune"):
        couple(models[1], models[0], "wrong")
    with pytest.raises(ArtifactError, match="no cascade"):
        couple(models[2], models[2], "of cascades")


def test_models_of_one_name_are_no_cascade(tmp_path):
    for place in ("x", "y"):
        shutil.copytree(shipped("models", "fast"), tmp_path / place / "mine")
    with pytest.raises(ArtifactError, match="two models of the name 'mine'"):
        couple(load_model(tmp_path / "x" / "mine"), load_model(tmp_path / "y" / "mine"), "wrong")


def test_positions_in_another_order_are_no_cascade(models):
    book = dataclasses.replace(BOOK.without_actors(), positions=BOOK.positions[::-1])
    swapped = {t: dataclasses.replace(s, codebook=book) for t, s in models[0].scorers.items()}
    with pytest.raises(ArtifactError, match="the same targets, positions and labels"):
        couple(dataclasses.replace(models[0], scorers=swapped), models[1], "wrong")


def test_a_cascade_that_does_not_find_its_models_is_not_left_behind(models, tmp_path):
    shutil.copytree(shipped("models", "fast"), tmp_path / "elsewhere" / "mine")
    model = couple(load_model(tmp_path / "elsewhere" / "mine"), models[1], "both")
    with pytest.raises(ArtifactError, match="'mine', which must stand beside it"):
        save_model(model, tmp_path / "here" / "both")
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("band", [[0.5], [0.9, 0.1], ["a", "b"], [0, 2], None, [float("inf"), 1]])
def test_a_band_that_is_none_is_refused(models, band):
    about = {**models[1].about, "cascade": {**models[1].about["cascade"], "band": band}}
    with pytest.raises(ArtifactError, match="no cascade of fast and accurate"):
        couple(models[0], dataclasses.replace(models[1], about=about), "wrong")


def test_stance_cascade_makes_a_model_that_predicts(tmp_path):
    corpus = tmp_path / "c.jsonl"
    rows = [line for line in shipped("data", "corpus", "W20.jsonl").read_text().splitlines() if '"test"' in line][:60]
    corpus.write_text("\n".join(rows + [row.replace('"test"', '"train"') for row in rows[:2]]) + "\n")
    made = tmp_path / "mine"
    done = CliRunner().invoke(stance, ["cascade", "fast", "accurate", str(corpus), "-o", str(made)])
    assert done.exit_code == 0, done.output
    assert "were encoded" in done.stdout
    assert load_model(made).predict(["It rained."]).labels == ["none"]
    again = CliRunner().invoke(stance, ["cascade", "fast", "accurate", str(corpus), "-o", str(made)])
    assert again.exit_code == 1
    assert "exists" in str(again.exception)
