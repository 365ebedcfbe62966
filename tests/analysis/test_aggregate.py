"""Sums: what is counted, and that corrected shares cover the truth where counting does not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from stance.analysis.aggregate import aggregate
from stance.analysis.quantification import Errors, corrected
from stance.apps.cli import stance as cli
from stance.errors import DataError
from stance.model.artifact import load_model
from stance.model.confusion import confusion_of

LABELS = ["both", "engage", "none", "terrorist"]
# at what rates a classifier says each label (column) for each (row)
RATES = np.array(
    [[0.60, 0.18, 0.02, 0.20], [0.09, 0.80, 0.09, 0.02], [0.005, 0.02, 0.955, 0.02], [0.09, 0.03, 0.08, 0.80]]
)


def said_of(truth, rng):
    return (rng.random(len(truth))[:, None] > RATES.cumsum(axis=1)[truth]).sum(axis=1)


def documents_of(shares, n_documents, n_sentences, rng):
    """Return the true labels of documents that differ from each other: of the sentences of one, many are alike."""
    own = rng.dirichlet(12 * np.array(shares), size=n_documents)
    return np.concatenate([rng.choice(4, size=n_sentences, p=each) for each in own])


def model_with(truth, said, documents, seed=0):
    fast = load_model("fast")
    confusion = confusion_of([LABELS[i] for i in truth], [LABELS[i] for i in said], LABELS, documents, seed=seed)
    return replace(fast, about={**fast.about, "confusion": confusion})


@pytest.mark.parametrize("shares", [(0.03, 0.10, 0.80, 0.07), (0.02, 0.25, 0.70, 0.03)])
def test_corrected_intervals_cover_the_truth_and_naive_ones_do_not(shares, capsys):
    rng, runs = np.random.default_rng(3), 500
    true = {"engage": shares[0] + shares[1], "terrorist": shares[0] + shares[3]}
    covered, naive = dict.fromkeys(true, 0), dict.fromkeys(true, 0)
    for run in range(runs):
        kept = documents_of((0.08, 0.20, 0.50, 0.22), 300, 7, rng)
        model = model_with(kept, said_of(kept, rng), np.repeat(np.arange(300), 7).astype(str), seed=run)
        truth = documents_of(shares, 80, 20, rng)
        said, of = said_of(truth, rng), np.repeat(np.arange(80), 20)
        rows = [{"document": str(d), "label": LABELS[i], "set": "all"} for d, i in zip(of, said, strict=True)]
        found = aggregate(rows, ["set"], model, draws=300, seed=run).iloc[0]
        for position, share in true.items():
            covered[position] += found[f"share_{position}_low"] <= share <= found[f"share_{position}_high"]
            hits = np.isin(said, [LABELS.index("both"), LABELS.index(position)]).reshape(80, 20).mean(axis=1)
            drawn = rng.choice(hits, size=(300, 80)).mean(axis=1)
            low, high = np.percentile(drawn, [2.5, 97.5])
            naive[position] += low <= share <= high
    with capsys.disabled():
        print(f"\ntrue shares {true}: of {runs} 95 % intervals cover", {p: float(n) / runs for p, n in covered.items()},
              "counted as said", {p: float(n) / runs for p, n in naive.items()})  # fmt: skip
    for position in true:
        assert 0.93 <= covered[position] / runs <= 0.97
        assert naive[position] / runs < 0.90


def test_corrected_intervals_of_holders_cover_the_truth_though_most_alarms_are_false(capsys):
    rng, runs, shares = np.random.default_rng(5), 200, np.array([0.01, 0.05, 0.84, 0.10])
    covered = naive = 0
    for run in range(runs):
        kept = documents_of((0.08, 0.20, 0.50, 0.22), 300, 7, rng)
        model = model_with(kept, said_of(kept, rng), np.repeat(np.arange(300), 7).astype(str), seed=run)
        truth, of = documents_of(shares, 120, 40, rng), np.repeat(np.arange(120), 40)
        said = said_of(truth, rng)
        rows = [
            {"document": str(d), "label": LABELS[i], "holder": "speaker" if i != 2 else None, "bloc": "A"}
            for d, i in zip(of, said, strict=True)
        ]
        found = aggregate(rows, ["bloc"], model, draws=200, seed=run).iloc[0]
        covered += found["share_engage_low"] <= 0.375 <= found["share_engage_high"]
        naive += abs(found["said_engage"] - 0.375) < 0.03
    with capsys.disabled():
        print(f"\nby bloc, most alarms false: {covered / runs} cover; {naive / runs} within 0.03, counted as said")
    assert 0.92 <= covered / runs <= 0.98
    assert naive / runs < 0.9


def test_a_share_of_all_or_none_has_an_interval():
    rows = [{"document": str(d), "label": "engage", "set": "x"} for d in range(5) for _ in range(8)]
    found = aggregate(rows, ["set"], perfect()).iloc[0]
    assert found["share_engage"] > 0.99
    assert found["share_engage_low"] < 0.6
    assert found["share_terrorist_high"] > 0.4
    assert found["net_low"] < found["net"]


def test_shares_that_the_adjusted_count_would_make_negative_are_shares():
    rates = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = corrected(np.array([[5.0, 95.0], [34.0, 66.0], [0.0, 0.0]]), rates)
    assert found[0].tolist() == pytest.approx([0, 1], abs=1e-4)
    assert found[1].tolist() == pytest.approx([0.2, 0.8])
    assert np.isnan(found[2]).all()


def test_what_the_classifier_always_mistakes_is_estimated_all_the_same():
    rng = np.random.default_rng(1)
    tables, shares = rng.dirichlet(np.ones(4) * 0.5, size=(200, 4)), rng.dirichlet(np.ones(4), size=200)
    found = corrected(np.einsum("bt,bts->bs", shares, tables) * 1000, tables)
    assert np.allclose(found, shares, atol=1e-5)


def test_errors_among_positions_leave_out_the_others():
    errors = Errors.of({"labels": ["a", "n"], "counts": [[8, 2], [5, 85]], "draws": [[8, 2, 5, 85]]})
    assert errors.among(["a"]).rates.tolist() == [[1.0]]


ROWS = [
    {"document": f"d{d}", "label": label, "speaker": speaker, "year": 2018}
    | {"holder": holder, "holder_actor": holder, "bloc": bloc}
    for d in range(8)
    for speaker in ("PAK", "IND")
    for label, holder, bloc in [("engage", "Russia", "A"), ("terrorist", "India", "B"), ("none", None, None)]
]  # fmt: skip


def perfect():
    """Return a model whose errors out of fold were none."""
    labels = np.repeat(np.arange(4), 100)
    return model_with(labels, labels, np.arange(400).astype(str))


def test_groups_have_counts_shares_and_intervals():
    found = aggregate(ROWS, ["speaker"], perfect())
    assert found["speaker"].tolist() == ["IND", "PAK"]
    row = found.iloc[0]
    assert (row["n"], row["n_documents"], row["n_engage"]) == (24, 8, 8)
    assert row["share_engage"] == pytest.approx(1 / 3, abs=0.01)
    assert row["share_engage_low"] <= row["share_engage"] <= row["share_engage_high"]
    assert row["net"] == pytest.approx(0, abs=0.01)
    assert row["note"] == ""


def test_by_bloc_and_holder_only_who_holds_a_position_counts():
    found = aggregate(ROWS, ["bloc", "year"], perfect(), floor=10)
    assert found[["bloc", "year", "n"]].values.tolist() == [["A", "2018", 16], ["B", "2018", 16]]
    assert found["share_engage"].tolist() == pytest.approx([1, 0], abs=0.02)
    assert found["net"].tolist() == pytest.approx([1, -1], abs=0.03)
    assert aggregate(ROWS, ["holder"], perfect(), floor=10)["holder"].tolist() == ["India", "Russia"]


def test_both_sides_of_one_sentence_are_counted_for_their_holders():
    rows = [
        {
            "document": str(i),
            "label": "both",
            "holder": "Russia:engage; India:terrorist; speaker:engage",
            "bloc": "A; B; ",
        }
        for i in range(6)
    ]
    found = aggregate(rows, ["bloc"], perfect(), floor=1).set_index("bloc")
    assert found.loc["A", "n_engage"] == 6
    assert found.loc["A", "n_terrorist"] == 0
    assert found.loc["B", "n_terrorist"] == 6
    assert found.loc["(none)", "n"] == 6


def test_few_sentences_have_no_share_and_few_documents_no_interval():
    few = aggregate(ROWS[:9], ["speaker"], perfect())
    assert few["share_engage"].isna().all()
    assert set(few["note"]) == {"fewer than 20 sentences: no share"}
    assert few["n_engage"].sum() == 3
    two = [row for row in ROWS * 4 if row["document"] in ("d0", "d1")]
    found = aggregate(two, ["speaker"], perfect())
    assert found["share_engage"].notna().all()
    assert found["share_engage_low"].isna().all()
    assert "documents: no interval" in found["note"].iloc[0]


def test_rows_without_a_label_are_left_out_and_time_comes_out_of_dates():
    dated = {"document": "a", "date": "2018-03-01"}
    rows = [dated | {"label": None}, dated | {"label": "engage"}, {"document": "b", "label": "none", "date": "2019-05"}]
    found = aggregate(rows, ["month"], perfect())
    assert found[["month", "n"]].values.tolist() == [["2018-03", 1], ["2019-05", 1]]
    assert aggregate(pd.DataFrame(rows), ["year"], perfect())["year"].tolist() == ["2018", "2019"]


def test_the_same_rows_and_seed_give_the_same_numbers():
    one, other = (aggregate(ROWS, ["speaker"], perfect(), seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("rows", "by", "message"),
    [
        (ROWS, ["party"], "no column 'party'"),
        ([{"text": "x"}], ["document"], "no column 'label'"),
        ([{"document": "a", "label": "engage"}], ["bloc"], "no column 'holder'"),
        (ROWS, [], "name each column"),
        (ROWS, ["bloc", "bloc"], "name each column"),
        ([{"document": "a", "label": "engage"}], ["year"], "no column 'date'"),
        ([{"document": "a", "label": "engage", "holder": None}], ["bloc"], "no row names a holder"),
        ([{"document": "a", "label": "engage", "n": 1}], ["n"], "the name of a result"),
    ],
)
def test_what_cannot_be_added_up_is_said(rows, by, message):
    with pytest.raises(DataError, match=message):
        aggregate(rows, by, perfect())


def test_years_survive_a_csv_with_gaps():
    rows = [{"document": "a", "label": "engage", "year": year} for year in ("2018.0", 2018.0, 2018, float("nan"), "")]
    assert aggregate(rows, "year", perfect())[["year", "n"]].values.tolist() == [["(none)", 2], ["2018", 3]]


def test_a_model_without_recorded_errors_is_refused():
    fast = load_model("fast")
    with pytest.raises(DataError, match="recorded no errors"):
        aggregate(ROWS, ["speaker"], replace(fast, about={}))


def test_command_reads_what_predict_writes(tmp_path):
    runner = CliRunner()
    article = "Moscow hosted the Taliban for talks. Delhi calls them terrorists and will not talk. It snowed."
    labelled = runner.invoke(cli, ["predict", "-", "--model", "fast", "--date", "2018-03"], input=article)
    assert labelled.exit_code == 0
    (tmp_path / "p.jsonl").write_text(labelled.stdout)
    for arguments, source in ([str(tmp_path / "p.jsonl")], None), (["-"], labelled.stdout):
        found = runner.invoke(
            cli,
            ["aggregate", *arguments, "--by", "bloc", "--model", "fast", "--floor", "1", "--format", "jsonl"],
            input=source,
        )
        rows = [json.loads(line) for line in found.stdout.splitlines()]
        assert [row["bloc"] for row in rows] == ["Indo-Afghan-American", "Russia-Pakistan"]
        assert rows[0]["n_engage"] == 0 < rows[1]["n_engage"]
    table = runner.invoke(cli, ["aggregate", str(tmp_path / "p.jsonl"), "--model", "fast", "--format", "table"])
    assert table.stdout.split()[0] == "document"
    bad = runner.invoke(cli, ["aggregate", str(tmp_path / "p.jsonl"), "--by", "party", "--model", "fast"])
    assert isinstance(bad.exception, DataError)


def test_sentences_that_a_gate_held_back_are_none_and_dilute():
    asked = [
        {"document": str(i), "label": label, "gated": False} for i in range(10) for label in ["engage", "none"] * 10
    ]
    gated = [{"document": str(i), "label": "none", "gated": True} for i in range(10) for _ in range(80)]
    frame = aggregate([{**row, "all": "x"} for row in asked + gated], ["all"], "fast").iloc[0]
    alone = aggregate([{**row, "all": "x"} for row in asked], ["all"], "fast").iloc[0]
    assert frame["n"] == 1000
    assert frame["n_engage"] == 100
    assert frame["said_engage"] == 0.1
    assert frame["share_engage"] == pytest.approx(alone["share_engage"] / 5, abs=0.01)
    assert frame["share_engage_low"] < frame["share_engage"] < frame["share_engage_high"] < 0.2


def test_a_group_of_gated_sentences_alone_has_no_position():
    rows = [{"document": str(i), "label": "none", "gated": gate} for i in range(10) for gate in (True, "true") * 10]
    frame = aggregate(rows, ["label"], "fast").iloc[0]
    assert frame[["share_engage", "share_engage_low", "net"]].tolist() == [0, 0, 0]
    lost = load_model("fast").about["gate"]["topic"]["gated"]  # what the gate may have held back for all we know
    assert frame["share_engage_high"] == pytest.approx(lost["engage"], abs=1e-4)
    assert frame["net_low"] == pytest.approx(-lost["terrorist"], abs=1e-4)


def test_the_share_of_a_group_does_not_depend_on_what_is_gated_elsewhere():
    x = [
        {"document": str(i), "label": label, "gated": False, "g": "x"}
        for i in range(10)
        for label in ["engage", "none"] * 9
    ]
    y = [{"document": "y", "label": "none", "gated": True, "g": "y"}]
    alone, beside = (aggregate(rows, ["g"], "fast").iloc[0] for rows in (x, x + y))
    assert alone["share_engage"] == beside["share_engage"]


def test_gated_sentences_change_nothing_of_who_holds_positions():
    held = [
        {
            "document": str(i),
            "label": "engage",
            "holder": "Russia",
            "holder_actor": "Russia",
            "bloc": "",
            "gated": False,
        }
        for i in range(30)
    ]
    gated = [{"document": str(i), "label": "none", "holder": None, "gated": True} for i in range(30) for _ in range(50)]
    frame = aggregate(held + gated, ["holder"], "fast")
    assert frame["holder"].tolist() == ["Russia"]
    assert frame["n"].tolist() == [30]
    assert frame["share_engage"].iloc[0] > 0.9
