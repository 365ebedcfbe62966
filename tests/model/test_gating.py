"""Gates of a model: what they lose is measured, the default loses little, and what was recorded is still so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from threadpoolctl import threadpool_limits

from stance.codebook import Target, codebook_of_labels, load_codebook, parse_codebook
from stance.corpus.files import Corpus, read_corpus
from stance.errors import ArtifactError, DataError
from stance.model import gating
from stance.model.artifact import load_model
from stance.model.confusion import confusion_of
from stance.model.gating import GATE_CHOICES, Gating, gate_facts, relevance_of
from stance.model.saving import save_model
from stance.model.training import split_of, train
from stance.shipped import shipped
from stance.text.relevance import GATES

BOOK = parse_codebook(
    {
        "name": "bridge",
        "position": [{"name": "for"}, {"name": "against"}],
        "target": [{"name": "bridge", "aliases": ["bridge"], "topics": ["river"]}],
    }
)
NAMES = {"": BOOK.targets[0]}
NAMED, TOPIC, NEITHER = "We want the bridge.", "We want to cross the river.", "We want it."


def corpus_of(*rows):
    """Return a corpus of pairs (text, label), each in a document of its own, or of whole rows."""
    rows = [row if len(row) > 2 else (f"d{i}", *row) for i, row in enumerate(rows)]
    documents, texts, labels, *targets = zip(*rows, strict=True)
    blank = ("",) * len(rows)
    return Corpus(documents, texts, labels, blank, targets[0] if targets else blank, blank)


def facts_of(named=0, topic=0, neither=0, held_out=None):
    """Return what is measured on a corpus of so many sentences with a position that each gate lets through."""
    rows = [(NAMED, "for")] * named + [(TOPIC, "against")] * topic + [(NEITHER, "for")] * neither
    return gate_facts(corpus_of(*rows, ("It rained.", "none")), held_out, BOOK, NAMES)


@pytest.fixture
def small(monkeypatch):
    """A corpus of any size has a gate."""
    monkeypatch.setattr(gating, "_FEWEST_POSITIONS", 1)


@pytest.fixture(scope="module")
def ungated():
    """A model of a corpus whose target has no name."""
    rows = [
        (f"d{i}", f"{text}, said {who}", label)
        for i, who in enumerate(("Ann", "Bob", "Cem"))
        for text, label in (("open it", "for"), ("stop it", "against"), ("it rained", "none"))
    ]
    with threadpool_limits(limits=1):
        return train(corpus_of(*rows), none_label="none", features="ngrams").model


@pytest.fixture(scope="module")
def sides():
    """The shipped corpus: what is trained on, and what is held out."""
    return split_of(read_corpus(shipped("data", "corpus")))


# -- what is measured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "default"),
    [
        ({"named": 100}, "named"),
        ({"named": 99, "topic": 1}, "named"),
        ({"named": 98, "topic": 2}, "topic"),
        ({"named": 98, "topic": 1, "neither": 1}, "topic"),
        ({"named": 49, "topic": 49, "neither": 2}, "off"),
        ({"neither": 100}, "off"),
        ({}, "off"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("small")
def test_the_default_is_the_first_gate_that_keeps_99_percent_of_the_positions(counts, default):
    assert facts_of(**counts)["default"] == default


@pytest.mark.parametrize(
    ("counts", "default"),
    [
        ({"named": 299}, "off"),
        ({"named": 300}, "named"),
        ({"named": 280, "topic": 19}, "off"),
        ({"named": 280, "topic": 20}, "topic"),
        ({}, "off"),
    ],
    ids=str,
)
def test_of_fewer_than_300_positions_no_gate_is_the_default(counts, default):
    facts = facts_of(**counts)
    assert facts["default"] == default
    assert facts["topic"]["recall"] == (1.0 if counts else None)


def test_only_training_rows_with_a_position_are_counted_and_each_once():
    rows = [(NAMED, "for")] * 298 + [(NAMED, "none")] * 300
    held_out = corpus_of(*[(NAMED, "for")] * 300)
    assert gate_facts(corpus_of(*rows, (NAMED, "both")), held_out, BOOK, NAMES)["default"] == "off"
    assert gate_facts(corpus_of(*rows, *[(NAMED, "both")] * 2), held_out, BOOK, NAMES)["default"] == "named"


def test_a_gate_that_is_not_the_default_for_few_positions_can_be_asked_for(ungated):
    facts = facts_of(named=9)
    model = replace(ungated, about={**ungated.about, "gate": facts})
    assert Gating.of(model) is None
    for which in GATES:
        assert Gating.of(model, which).confidence == facts[which]["gated"]["none"]


@pytest.mark.usefixtures("small")
def test_the_default_is_chosen_without_what_is_held_out():
    facts = facts_of(named=10, held_out=corpus_of((NEITHER, "for"), (TOPIC, "for"), (NAMED, "none")))
    assert facts["default"] == "named"
    assert (facts["named"]["recall"], facts["named"]["recall_held_out"]) == (1.0, 0.0)
    assert facts["topic"]["recall_held_out"] == 0.5


@pytest.mark.usefixtures("small")
def test_sentences_without_a_position_are_none_that_could_be_lost():
    training = corpus_of((NAMED, "for"), *[("It rained.", "none")] * 50)
    facts = gate_facts(training, None, BOOK, NAMES)
    assert (facts["named"]["recall"], facts["default"]) == (1.0, "named")
    assert facts["named"]["passed"] == pytest.approx(1 / 51, abs=1e-4)
    assert gate_facts(corpus_of(("It rained.", "none")), None, BOOK, NAMES)["named"]["recall"] is None


def test_what_is_said_of_gated_sentences_is_their_share_in_the_corpus_after_jeffreys():
    rows = [(NEITHER, "for")] * 2 + [(NEITHER, "both"), (TOPIC, "against")] + [("It rained.", "none")] * 15
    facts = gate_facts(corpus_of(*rows, *[(NAMED, "against")] * 20), None, BOOK, NAMES)
    assert facts["topic"]["gated"] == pytest.approx({"for": 3.5 / 19, "against": 1.5 / 19, "none": 15.5 / 19}, abs=1e-6)
    assert facts["named"]["gated"] == pytest.approx({"for": 3.5 / 20, "against": 2.5 / 20, "none": 15.5 / 20}, abs=1e-6)


@pytest.mark.parametrize("gated", [0, 1, 50])
def test_no_share_of_gated_sentences_is_none_or_all(gated):
    rows = [(NAMED, "for"), *[("It rained.", "none")] * gated]
    shares = gate_facts(corpus_of(*rows), None, BOOK, NAMES)["named"]["gated"]
    least = 0.5 / (gated + 1)
    assert shares == pytest.approx({"for": least, "against": least, "none": 1 - least}, abs=1e-6)


def test_without_names_or_a_label_for_none_there_is_no_gate():
    corpus = corpus_of((NAMED, "for"), (NAMED, "against"))
    assert gate_facts(corpus, None, codebook_of_labels(["against", "for"], ""), NAMES) is None
    assert gate_facts(corpus, None, BOOK, {"": replace(BOOK.targets[0], aliases=())}) is None


def test_the_reach_is_counted_in_each_document_and_for_each_target():
    rows = [("a", NAMED), ("b", "It rained."), ("a", "They want it."), ("b", NAMED), *[("a", "It rained.")] * 8]
    corpus = corpus_of(*((document, text, "none") for document, text in rows))
    assert relevance_of(corpus, NAMES, "named") == [True, False, True, True, *[True] * 7, False]
    ferry = {"bridge": BOOK.targets[0], "ferry": Target("ferry", aliases=("ferry",))}
    rows = [("a", NAMED, "bridge"), ("a", "It rained.", "ferry"), ("a", "The ferry.", "ferry"), ("a", "It.", "bridge")]
    corpus = corpus_of(*((document, text, "none", target) for document, text, target in rows))
    assert relevance_of(corpus, ferry, "named") == [True, False, True, True]


def test_errors_of_relevant_sentences_are_counted_apart():
    truth, said = ["a", "b", "b", "a"], ["a", "a", "b", "b"]
    documents, relevant = ["1", "1", "2", "2"], [True, False, True, False]
    found = confusion_of(truth, said, ["a", "b"], documents, relevant, draws=3)
    assert found["counts"] == [[1, 1], [1, 1]]
    assert found["relevant"]["counts"] == [[1, 0], [0, 1]]
    assert [len(draw) for draw in found["relevant"]["draws"]] == [4] * 3
    assert "relevant" not in found["relevant"]
    for all_of_them in (None, [True] * 4):
        assert "relevant" not in confusion_of(truth, said, ["a", "b"], documents, all_of_them, draws=3)


# -- the gate of a model ---------------------------------------------------------------------------------------------


def test_a_model_has_the_gate_it_recorded_unless_another_is_asked_for():
    model = load_model("fast")
    facts = model.about["gate"]
    for asked in ("named", "topic"):
        gating, shares = Gating.of(model, asked), facts[asked]["gated"]
        assert gating.positions == tuple(shares[position] for position in model.codebook.position_names)
        assert gating.confidence == shares["none"]
        assert gating.gates[""].reach == facts["reach"]
    assert Gating.of(model).positions == Gating.of(model, facts["default"]).positions
    assert Gating.of(model, "off") is None
    for default in ("off", "named"):
        other = replace(model, about={**model.about, "gate": {**facts, "default": default}})
        assert (Gating.of(other) is None) is (default == "off")


@pytest.mark.parametrize("about", [None, {}, "absent"])
def test_a_model_that_recorded_no_gate_has_none(about):
    model = load_model("fast")
    others = {key: value for key, value in model.about.items() if key != "gate"}
    model = replace(model, about=others if about == "absent" else {**others, "gate": about})
    assert Gating.of(model) is None
    assert Gating.of(model, "off") is None
    with pytest.raises(DataError, match=r"model 'fast' has no gate 'named': .*train it .*or say gate off"):
        Gating.of(model, "named")


def test_a_model_whose_target_has_no_name_is_not_gated(ungated, tmp_path):
    save_model(ungated, tmp_path / "m")
    for model in (ungated, load_model(tmp_path / "m")):
        assert Gating.of(model) is None
        with pytest.raises(DataError, match=rf"model '{model.name}' has no gate 'topic': .*say gate off"):
            Gating.of(model, "topic")


def test_a_gate_that_there_is_not_is_told_with_those_that_there_are(ungated):
    for model in (ungated, load_model("fast")):
        with pytest.raises(DataError, match="gate is 'open'; it must be one of named, topic, off"):
            Gating.of(model, "open")
    assert GATE_CHOICES == ("named", "topic", "off")


# -- the shipped models ----------------------------------------------------------------------------------------------


def recall(book, labels, relevant):
    kept = [passed for label, passed in zip(labels, relevant, strict=True) if book.positions_of(label)]
    return sum(kept) / len(kept)


@pytest.mark.parametrize("name", ["accurate", "fast"])
def test_the_figures_of_the_shipped_models_are_those_of_the_corpus_now(name, sides):
    model, (training, held_out) = load_model(name), sides
    facts, book = model.about["gate"], load_codebook()
    for which in ("named", "topic"):
        relevant = relevance_of(training, {"": book.targets[0]}, which)
        assert facts[which]["recall"] == round(recall(book, training.labels, relevant), 4)
        assert facts[which]["passed"] == round(sum(relevant) / len(training), 4)
        gated = [label for label, passed in zip(training.labels, relevant, strict=True) if not passed]
        for position in book.position_names:
            count = sum(position in book.positions_of(label) for label in gated)
            assert facts[which]["gated"][position] == pytest.approx((count + 0.5) / (len(gated) + 1), abs=1e-6)
        count = sum(not book.positions_of(label) for label in gated)
        assert facts[which]["gated"]["none"] == pytest.approx((count + 0.5) / (len(gated) + 1), abs=1e-6)
        there = relevance_of(held_out, {"": book.targets[0]}, which)
        assert facts[which]["recall_held_out"] == round(recall(book, held_out.labels, there), 4)
    assert sum(bool(book.positions_of(label)) for label in training.labels) >= 300
    assert facts["named"]["recall"] < 0.99 <= facts["topic"]["recall"]
    assert facts["default"] == "topic"


@pytest.mark.parametrize("name", ["accurate", "fast"])
def test_the_shipped_models_know_the_names_and_topics_of_the_shipped_codebook(name):
    [target] = load_codebook().targets
    assert target.topics
    assert [scorer.features.target for scorer in load_model(name).scorers.values()] == [target]


@pytest.mark.parametrize(
    "change",
    [
        {"reach": -1}, {"reach": True}, {"reach": 10**9}, {"default": "open"}, {"topic": 1}, {"topic": {"gated": {}}},
        {"named": {"gated": {"engage": 7, "terrorist": 0, "none": 0}}},
        {"named": {"gated": {"engage": "x", "terrorist": 0, "none": 0}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_model_with_facts_that_are_none_is_refused(tmp_path, change):
    shutil.copytree(shipped("models", "fast"), tmp_path / "m")
    data = json.loads((tmp_path / "m" / "model.json").read_text())
    data["about"]["gate"] |= change
    (tmp_path / "m" / "model.json").write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="not a model of this schema"):
        load_model(tmp_path / "m")
