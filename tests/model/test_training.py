"""Training: targets, held-out rows, what is refused, codebooks, determinism, honest figures, progress."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from joblib import parallel_config
from threadpoolctl import threadpool_limits

from stance.codebook import parse_codebook
from stance.corpus.files import Corpus, CorpusColumns, read_corpus
from stance.errors import DataError, StanceError
from stance.model.artifact import load_model
from stance.model.card import render_card
from stance.model.metrics import measure
from stance.model.printed import render_training
from stance.model.saving import save_model
from stance.model.training import codebook_for, out_of_fold, split_of, train
from stance.shipped import shipped


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Keep BLAS from starting threads over a dozen numbers; that costs ten times the work."""
    with threadpool_limits(limits=1):
        yield


PEOPLE = ("Ann", "Bob", "Cem", "Dee", "Eve", "Fay")
SAID = {"for": "open the bridge", "against": "no bridge, no debt", "none": "the ferry was late"}
BOOK = {"name": "bridge", "position": [{"name": "for"}, {"name": "against"}]}


def corpus_of(rows, **columns):
    """Return a corpus of rows (document, text, label) or (document, text, label, target)."""
    documents, texts, labels, *targets = zip(*rows, strict=True)
    empty = ("",) * len(texts)
    where = tuple(f"c.csv:{i}" for i in range(1, len(texts) + 1))
    return Corpus(documents, texts, labels, empty, targets[0] if targets else empty, where, columns)


def plain(said=SAID, people=PEOPLE):
    return [(f"d{i}", f"{text}, said {who}", label) for i, who in enumerate(people) for label, text in said.items()]


def two_targets():
    """Return rows in which the same words mean the opposite for the two targets."""
    other = {"for": SAID["against"], "against": SAID["for"], "none": SAID["none"]}
    return [(*row, "bridge") for row in plain()] + [(*row, "ferry") for row in plain(other)]


@pytest.fixture(scope="module")
def both():
    return train(corpus_of(two_targets())).model


# -- targets ---------------------------------------------------------------------------------------------------------


def test_one_classifier_for_each_target_in_one_artifact(both, tmp_path):
    save_model(both, tmp_path / "m")
    assert {p.name for p in (tmp_path / "m").iterdir()} == {
        *("classifier-0.npz", "classifier-1.npz", "encoder.onnx", "tokenizer.json"),
        *("model.json", "holders.json.gz", "README.md"),
    }
    loaded = load_model(tmp_path / "m")
    assert loaded.targets == ("bridge", "ferry")
    texts, targets = ["we open the bridge"] * 2 + ["no debt"], ["bridge", "ferry", "ferry"]
    before, after = both.predict(texts, targets=targets), loaded.predict(texts, targets=targets)
    assert before.labels == after.labels == ["for", "against", "for"]
    assert (before.label_proba == after.label_proba).all()


def test_rows_of_mixed_targets_get_what_each_target_alone_gives(both):
    texts = [text for _, text, *_ in two_targets()]
    targets = [target for *_, target in two_targets()]
    mixed = both.predict(texts, targets=targets)
    for name, scorer in both.scorers.items():
        at = [i for i, target in enumerate(targets) if target == name]
        assert (mixed.label_proba[at] == scorer.predict([texts[i] for i in at]).label_proba).all()


def test_an_unknown_target_is_told_with_its_row(both):
    with pytest.raises(DataError, match=r"row 1: target 'tunnel' is unknown to model 'model'; it knows bridge, ferry"):
        both.predict(["a", "b"], targets=["ferry", "tunnel"])
    with pytest.raises(DataError, match="2 targets; say which one"):
        both.predict(["a"])
    with pytest.raises(DataError, match="2 texts but 1 targets"):
        both.predict(["a", "b"], targets=["ferry"])


def test_a_single_named_target_does_not_answer_for_another():
    model = train(corpus_of([(*row, "bridge") for row in plain()])).model
    assert model.predict(["open the bridge"]).labels == ["for"]
    assert model.predict(["open the bridge"], targets=["bridge"]).labels == ["for"]
    with pytest.raises(DataError, match="row 0: target 'ferry' is unknown"):
        model.predict(["open the bridge"], targets=["ferry"])


def test_a_row_without_target_among_others_is_refused():
    rows = [*two_targets(), ("d9", "open it", "for", "")]
    with pytest.raises(DataError, match=r"c.csv:37: no target, where other rows have one"):
        train(corpus_of(rows))


# -- the split -------------------------------------------------------------------------------------------------------


def test_held_out_rows_are_measured_and_not_trained_on():
    # among the rows held out the words mean the opposite: a model that saw them would not be all wrong
    opposite = {"for": SAID["against"], "against": SAID["for"], "none": SAID["none"]}
    held = plain(opposite, ("Gus", "Hal"))
    rows = plain() + [(f"t{d}", text, label) for d, text, label in held]
    split = ("train",) * len(plain()) + ("test", " Test") * (len(held) // 2)
    with_test = train(corpus_of(rows, split=split)).model
    without = train(corpus_of(plain())).model
    assert with_test.about["corpus"] == without.about["corpus"]
    assert (with_test.scorers[""].coef == without.scorers[""].coef).all()
    found = with_test.about["held_out"]
    assert found["n"] == len(held)
    assert found["accuracy"]["value"] == pytest.approx(1 / 3)
    assert without.about["held_out"] is None
    assert "held-out documents (6 sentences)" in render_training(with_test)
    assert "## Held-out documents" in render_card(with_test)
    assert "Held-out" not in render_card(without)


def test_split_of_leaves_a_corpus_without_test_rows_whole():
    corpus = corpus_of(plain(), split=("train",) * len(plain()))
    assert split_of(corpus) == (corpus, None)
    with pytest.raises(DataError, match="nothing to train on"):
        split_of(corpus_of(plain(), split=("test",) * len(plain())))


def test_a_target_that_is_only_held_out_is_refused():
    rows = [(*row, "bridge") for row in plain()] + [("t", "open the ferry", "for", "ferry")]
    split = ("train",) * len(plain()) + ("test",)
    with pytest.raises(DataError, match=r"c.csv:19: target 'ferry' is held out for testing"):
        train(corpus_of(rows, split=split))


@pytest.mark.parametrize("label", ["maybe", "tunnel+against"])
def test_a_label_that_is_only_held_out_is_refused(label):
    rows = [*plain(), ("t", "the ferry was late", label)]
    book = {"position": [{"name": name} for name in ("for", "against", "tunnel")]}
    with pytest.raises(DataError, match=r"c.csv:19: label .* is held out for testing"):
        train(
            corpus_of(rows, split=("",) * (len(rows) - 1) + ("test",)),
            codebook=None if label == "maybe" else parse_codebook(book),
        )


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_label_in_a_single_document_is_refused_with_the_reason():
    rows = [*plain(), ("d0", "burn it", "maybe"), ("d0", "burn it all", "maybe")]
    with pytest.raises(DataError, match=r"label 'maybe' is in 1 document; at least 2 are needed .* merge it"):
        train(corpus_of(rows))


def test_a_single_label_is_refused():
    with pytest.raises(DataError, match="one label only: all 18 rows are 'for'"):
        train(corpus_of([(d, text, "for") for d, text, _ in plain()]))
    rows = [(*row, "bridge") for row in plain()] + [("e", "no", "for", "ferry"), ("f", "yes", "for", "ferry")]
    with pytest.raises(DataError, match="one label only for target 'ferry'"):
        train(corpus_of(rows))


def test_a_label_outside_the_codebook_is_told_with_its_row():
    rows = [*plain(), ("d0", "burn it", "maybe")]
    with pytest.raises(DataError, match=r"c.csv:19: label 'maybe' is not in the codebook"):
        train(corpus_of(rows), codebook=parse_codebook(BOOK))


# -- codebooks -------------------------------------------------------------------------------------------------------


def test_without_a_codebook_the_labels_found_exclude_each_other():
    corpus = corpus_of(plain())
    with_none, without = codebook_for(corpus, None, "none"), codebook_for(corpus, None)
    assert (with_none.exclusive, with_none.position_names, with_none.none_label) == (True, ("against", "for"), "none")
    assert (without.exclusive, without.position_names, without.none_label) == (True, ("against", "for", "none"), "")
    for none_label, width in (("none", 2), ("", 3)):
        model = train(corpus, none_label=none_label).model
        said = model.predict(["open the bridge", "the ferry was late"])
        assert said.labels == ["for", "none"]
        assert said.positions.shape == (2, width)
        np.testing.assert_allclose(said.label_proba.sum(axis=1), 1)
    with pytest.raises(StanceError, match="none label 'NONE' is none of the labels found: against, for, none"):
        train(corpus, none_label="NONE")


def test_labels_joined_by_plus_are_sets_of_positions():
    said = {**SAID, "against+for": "open the bridge, but no debt"}
    model = train(corpus_of(plain(said)), codebook=parse_codebook(BOOK)).model
    assert model.labels == ("against", "both", "for", "none")
    assert model.predict(["open the bridge, but no debt"]).labels == ["both"]
    assert model.about["cross_validation"]["labels"]["both"]["support"] == len(PEOPLE)


def test_three_positions_combine():
    book = {"position": [{"name": n} for n in ("boat", "bridge", "tunnel")]}
    said = {"boat": "a boat", "bridge": "a bridge", "tunnel": "a tunnel", "none": "rain"}
    said["tunnel+boat"] = "a boat and a tunnel"
    model = train(corpus_of(plain(said)), codebook=parse_codebook(book)).model
    assert model.labels == ("boat", "boat+tunnel", "bridge", "none", "tunnel")
    assert model.predict(["a boat and a tunnel", "a bridge"]).labels == ["boat+tunnel", "bridge"]


# -- the same model, whoever trains it -------------------------------------------------------------------------------


def files(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_two_trainings_give_the_same_bytes_whatever_the_number_of_jobs(tmp_path):
    corpus = corpus_of([*plain({**SAID, "against+for": "open the bridge, but no debt"})])
    for name, jobs in (("a", 1), ("b", 1), ("c", 2)):
        save_model(train(corpus, codebook=parse_codebook(BOOK), seed=3, jobs=jobs).model, tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b") == files(tmp_path / "c")


def test_workers_of_dask_train_the_same_model(tmp_path):
    distributed = pytest.importorskip("distributed")
    columns = CorpusColumns(label="stance", target="target")
    corpus = read_corpus(shipped("data", "examples", "island.csv"), columns=columns)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster) as client,
    ):
        for name, backend, jobs in (("one", "loky", 1), ("two", "loky", 2), ("dask", "dask", 2)):
            with parallel_config(backend=backend):
                model = train(corpus, none_label="NONE", features="ngrams", jobs=jobs).model
            save_model(model, tmp_path / name)
        assert any(client.run(lambda: "stance.model.heads" in sys.modules).values())
    assert files(tmp_path / "one") == files(tmp_path / "two") == files(tmp_path / "dask")


def test_the_corpus_is_in_the_model():
    one, other = corpus_of(plain()), corpus_of([("d0", "rain", "none"), *plain()])
    assert one.fingerprint != other.fingerprint
    assert train(one).model.about["corpus"]["fingerprint"] == one.fingerprint


# -- honest figures --------------------------------------------------------------------------------------------------


def noise():
    """Return rows whose labels have nothing to do with the texts: nothing can be learned, only learned by heart."""
    random = np.random.default_rng(0)
    words = ["ferry", "bridge", "debt", "rain", "mayor", "fish", "pier", "vote", "coast", "road", "tax", "wind"]
    return [
        (f"d{i % 20}", " ".join([*random.choice(words, 5), f"word{i}"]), str(random.choice(["for", "against"])))
        for i in range(120)
    ]


@pytest.fixture(scope="module")
def learned_by_heart():
    corpus = corpus_of(noise())
    return corpus, train(corpus).model


def test_cross_validated_figures_are_not_those_of_the_training_data(learned_by_heart):
    corpus, model = learned_by_heart
    said = model.predict(corpus.texts, corpus.contexts)
    seen = measure(model.codebook, list(corpus.labels), said, model.labels, list(corpus.documents))
    assert seen["accuracy"]["value"] > 0.75
    assert model.about["cross_validation"]["accuracy"]["value"] < 0.65


def test_baselines_are_beside_the_figures(learned_by_heart):
    corpus, model = learned_by_heart
    baselines = model.about["cross_validation"]["baselines"]
    assert set(baselines) == {"majority", "keywords"}
    most = max(corpus.labels.count(label) for label in set(corpus.labels)) / len(corpus)
    assert baselines["majority"]["accuracy"]["value"] <= most
    assert set(model.baselines[""].keywords) == {"for", "against"}
    printed = render_training(model)
    assert "keywords" in printed
    assert "majority" in printed


def test_favg_is_printed_and_on_the_card_pooled_and_over_targets():
    rows = two_targets()
    half = tuple("test" if i // 3 % 3 == 0 else "" for i in range(len(rows)))
    model = train(corpus_of(rows, split=half), none_label="none").model
    found = model.about["cross_validation"]["favg"]
    for text in (render_training(model), render_card(model)):
        lines = [line for line in text.lower().splitlines() if "favg" in line]
        assert len(lines) == 4  # two figures, out of fold and held out
        for line, kind in zip(lines, ("pooled", "mean_over_targets"), strict=False):
            assert f"{found[kind]['value']:.3f} [" in line


def test_a_corpus_with_one_document_a_fold_still_trains():
    """Two documents to a label: two folds, and figures from them."""
    model = train(corpus_of(plain(people=PEOPLE[:2]))).model
    assert model.about["targets"][0]["chosen"]["folds"] == 2
    assert "chosen C" in render_training(model)


def test_out_of_fold_probabilities_stand_in_the_order_of_the_rows():
    corpus = corpus_of(two_targets())
    proba = out_of_fold(corpus, codebook_for(corpus, None, "none"))
    labels = sorted(set(corpus.labels))
    assert proba.shape == (len(corpus), 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert [labels[i] for i in proba.argmax(axis=1)] == list(corpus.labels)


def test_out_of_fold_leaves_out_a_target_with_too_little_data():
    rows = [(*row, "bridge") for row in plain()] + [("e", "yes", "for", "ferry"), ("f", "yes", "for", "ferry")]
    corpus = corpus_of(rows)
    proba = out_of_fold(corpus, codebook_for(corpus, None, "none"))
    assert np.isnan(proba[-2:]).all()
    assert np.isfinite(proba[:-2]).all()
    few = corpus.take([len(rows) - 2, len(rows) - 1])
    assert out_of_fold(few, codebook_for(corpus, None)) is None


# -- progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [plain(), two_targets()], ids=["one target", "two targets"])
def test_progress_only_grows_and_reaches_the_total(rows):
    seen = []
    train(corpus_of(rows), progress=lambda done, total: seen.append((done, total)))
    shares = [done / total for done, total in seen]
    assert shares == sorted(shares)
    assert len(shares) > 10
    assert seen[-1][0] == seen[-1][1]


def test_contexts_are_learned():
    rows = [(f"d{i // 2}", "They should have it.", ("for", "none")[i % 2]) for i in range(24)]
    contexts = ("About the bridge we agree.", "About the tax nobody agrees.") * 12
    model = train(dataclasses.replace(corpus_of(rows), contexts=contexts)).model
    assert model.predict([rows[0][1]] * 2, contexts[:2]).labels == ["for", "none"]
