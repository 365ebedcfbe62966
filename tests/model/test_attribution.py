"""Whose position: the ranker, camps that are set against each other, and what a model keeps of it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stance.codebook import load_codebook
from stance.corpus.files import read_corpus
from stance.errors import ArtifactError
from stance.model.artifact import load_model
from stance.model.attribution import Attributor, HolderWeights, gold_holders
from stance.model.holders import examples_of, learned, measure_holders
from stance.model.saving import save_model
from stance.model.stored import read_holders, write_holders
from stance.shipped import shipped

BOOK = load_codebook()
PASSAGES = [json.loads(line) for line in (Path(__file__).parent / "founding.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def attributor():
    return load_model("fast").attributor()


@pytest.fixture(scope="module")
def held_out():
    return read_corpus(shipped("data", "corpus")).only("split", "test")


def holders(attributor, text, label, context="", speaker=""):
    return {(h.name, h.position) for h in attributor.attribute([text], [context], [label], [speaker])[0]}


@pytest.mark.parametrize(
    ("text", "label", "speaker", "expected"),
    [
        ("Moscow wants the Taliban at the table.", "engage", "newspaper", {("Russia", "engage")}),
        ("We will never talk to the Taliban.", "terrorist", "India", {("speaker", "terrorist")}),
        ("India believes that the Taliban are terrorists.", "terrorist", "IND", {("speaker", "terrorist")}),
        ("Karzai said that he would talk to the Taliban.", "engage", "newswire", {("Hamid Karzai", "engage")}),
        (
            "Islamabad would talk to them; Delhi would not, for it calls them terrorists.",
            "both",
            "newspaper",
            {("Pakistan", "engage"), ("India", "terrorist")},
        ),
    ],
)
def test_who_holds_it(attributor, text, label, speaker, expected):
    assert holders(attributor, text, label, speaker=speaker) == expected


def test_no_position_has_no_holder_and_every_position_has_one(attributor):
    found = attributor.attribute(["It rained."] * 3, [""] * 3, ["none", "both", ""])
    assert found[0] == found[2] == []
    assert {h.position for h in found[1]} == {"engage", "terrorist"}
    assert all(0 <= h.probability <= 1 for h in found[1])


def test_founding_passages_have_both_camps_on_their_sides(attributor, capsys):
    right = [
        holders(attributor, p["text"], "both", p["context"])
        == {(name, position) for position, names in p["holders"].items() for name in names}
        for p in PASSAGES
    ]
    with capsys.disabled():
        print(f"\nfounding passages with all holders on their sides: {sum(right)} of {len(right)}")
    assert right[0]  # the founding sentence itself
    assert sum(right) >= 14


def test_the_default_model_says_both_of_founding_passages(capsys):
    said = load_model().predict([p["text"] for p in PASSAGES], [p["context"] for p in PASSAGES]).labels
    with capsys.disabled():
        print(f"\nfounding passages labelled both: {said.count('both')} of {len(said)}")
    assert said[0] == "both"
    assert said.count("both") >= 15


def test_holders_are_told_better_than_by_the_baselines(attributor, held_out):
    found = measure_holders(examples_of(held_out, attributor), attributor, held_out.documents)
    assert found["holders"]["low"] > max(found["always speaker"]["high"], found["nearest actor"]["high"])
    assert found["holders"]["f1"] > 0.7
    assert found["reachable"] > 0.88


def test_the_card_says_how_well():
    about = load_model("fast").about["holders"]
    assert about["held_out"]["holders"]["f1"] > 0.7
    assert "always speaker" in (shipped("models", "fast") / "README.md").read_text()


def test_batches_do_not_matter(attributor):
    texts, contexts = [p["text"] for p in PASSAGES], [p["context"] for p in PASSAGES]
    together = attributor.attribute(texts, contexts, ["both"] * len(texts))
    alone = [attributor.attribute([t], [c], ["both"])[0] for t, c in zip(texts, contexts, strict=True)]
    assert together == alone


def small_corpus():
    corpus = read_corpus(shipped("data", "corpus"))
    rows = [i for i, document in enumerate(corpus.documents) if document.startswith("W24")]
    return corpus.take(rows)


def test_learning_twice_gives_the_same_and_needs_holders():
    corpus, fast = small_corpus(), load_model("fast")
    proba = fast._only().position_proba
    one, about = learned(corpus, BOOK, None, proba)
    again, _ = learned(corpus, BOOK, None, proba)
    assert one == again
    assert one is not None
    assert one.words
    assert about["n"] > 100
    without = replace(corpus, columns={k: v for k, v in corpus.columns.items() if k != "holder"})
    assert learned(without, BOOK, None, proba) == (None, {})


def test_weights_come_back_from_disk(tmp_path):
    weights = HolderWeights({"": -1.5, "w+1=said": 2.0, "clause 'x'": 0.25}, ("critics",), 0.4, 0.2)
    write_holders(weights, tmp_path / "holders.json.gz")
    assert read_holders(tmp_path / "holders.json.gz") == weights


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "nothing",
        '{"words": {"a": NaN}, "nouns": [], "threshold": 0.5, "clauses": 0}',
        '{"words": {"a": 1}, "nouns": [3], "threshold": 0.5, "clauses": 0}',
        '{"words": {"a": 1}, "nouns": [], "threshold": 1.5, "clauses": 0}',
        '{"words": {"a": "x"}, "nouns": [], "threshold": 0.5, "clauses": 0}',
    ],
)
def test_what_is_no_weights_is_refused(tmp_path, content):
    (tmp_path / "holders.json.gz").write_bytes(gzip.compress(content.encode()))
    with pytest.raises(ArtifactError, match=r"holders\.json\.gz: no weights of holders"):
        read_holders(tmp_path / "holders.json.gz")


def test_weights_that_unfold_to_more_than_memory_are_refused(tmp_path):
    with gzip.open(tmp_path / "holders.json.gz", "wb") as file:
        for _ in range(65):
            file.write(b" " * 2**20)
    with pytest.raises(ArtifactError, match="more than 64 MB"):
        read_holders(tmp_path / "holders.json.gz")
    for content in (b"", b"{}", (tmp_path / "holders.json.gz").read_bytes()[:100]):
        (tmp_path / "holders.json.gz").write_bytes(content)
        with pytest.raises(ArtifactError, match="no weights of holders"):
            read_holders(tmp_path / "holders.json.gz")


def test_a_saved_model_keeps_its_holders_and_refuses_others(tmp_path):
    saved = save_model(load_model("fast"), tmp_path / "m")
    assert load_model(tmp_path / "m").holders == saved.holders
    (tmp_path / "m" / "holders.json.gz").write_text("{}")
    with pytest.raises(ArtifactError, match="sha256"):
        load_model(tmp_path / "m")


def test_other_positions_are_attributed_by_what_was_learned_of_these():
    toml = shipped("data", "examples", "retraining", "nuclear.toml")
    book = replace(load_codebook(toml), actors=BOOK.actors)
    weights = load_model("fast").holders
    assert weights is not None
    found = Attributor(book, weights).attribute(["Germany wants them shut."], [""], ["end"], ["newspaper"])[0]
    assert [(h.name, h.position) for h in found] == [("Germany", "end")]


def test_holders_written_by_annotators_are_read():
    assert gold_holders("Russia", ["engage"]) == [("Russia", "engage")]
    assert gold_holders("Russia; China", ["engage"]) == [("Russia", "engage"), ("China", "engage")]
    assert gold_holders("Karzai:both; NATO:terrorist", ["engage", "terrorist"]) == [
        ("Karzai", "engage"),
        ("Karzai", "terrorist"),
        ("NATO", "terrorist"),
    ]
    assert gold_holders("", ["engage"]) == []


def test_probabilities_are_calibrated_on_documents_held_out(attributor, held_out):
    examples = examples_of(held_out, attributor)
    odds = attributor.log_odds(examples.scenes, examples.positions)
    names = BOOK.position_names
    told = [
        (1 / (1 + np.exp(-odds[k][c, names.index(p)])), examples.truth[k][c, names.index(p)])
        for k, positions in enumerate(examples.positions)
        if len(positions) == 1
        for c in range(len(examples.scenes[k].candidates))
        for p in positions
    ]
    proba, truth = np.array([p for p, _ in told]), np.array([t for _, t in told])
    bins = np.minimum((proba * 10).astype(int), 9)
    gaps = [abs(proba[bins == b].mean() - truth[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    assert sum(gaps) < 0.05
