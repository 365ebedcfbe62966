"""The columns of holders: whose position, for whom it speaks, its bloc at the date, and whether the sentence agrees."""

from __future__ import annotations

import datetime as dt

import pytest

from stance.analysis.holding import COLUMNS, Holding, pairs_of
from stance.codebook import load_codebook, with_blocs
from stance.errors import CodebookError
from stance.model.attribution import Attributor, Holder, HolderWeights

BOOK = load_codebook()
# Whoever is named here holds the position, else the speaker; of two positions talks are the one and war is the other.
WEIGHTS = HolderWeights(
    words={
        "": -2,
        **{f"kind={kind}": 5 for kind in ("state", "organisation", "person", "bloc", "noun", "stranger")},
        "kind=speaker": 1,
        "engage: clause war": -9,
        "terrorist: clause talks": -9,
    },
    nouns=("women",),
)
ATTRIBUTOR = Attributor(BOOK, WEIGHTS)
POSITIONS = list(BOOK.position_names)


def row(text, label="engage", *, holding=None, **given):
    """Return the columns of one sentence."""
    holding = Holding(ATTRIBUTOR) if holding is None else holding
    (found,) = holding.columns([text], [""], [label], [given])
    return found


def answering(monkeypatch, *holders):
    """Return columns for holders that were given, whatever the text."""
    attributor = Attributor(BOOK, WEIGHTS)
    monkeypatch.setattr(attributor, "attribute", lambda *_: [list(holders)])
    return Holding(attributor)


# -- one holder ------------------------------------------------------------------------------------------------------


def test_a_state_in_its_bloc():
    found = row("Moscow wants talks with them.", date="2018-06-01")
    assert tuple(found) == COLUMNS
    probability = found.pop("p_holder")
    assert 0.9 < probability <= 1
    assert found == {
        "holder": "Russia",
        "holder_actor": "Russia",
        "bloc": "Russia-Pakistan",
        "bloc_position": "engage",
        "agrees": "yes",
    }


@pytest.mark.parametrize(
    ("label", "date", "bloc", "declared", "agrees"),
    [
        ("terrorist", "2018-06", "Indo-Afghan-American", "terrorist", "yes"),
        ("engage", "2018-06", "Indo-Afghan-American", "terrorist", "no"),
        ("engage", "2020", "Doha", "engage", "yes"),
        ("terrorist", "2020-02-29", "Doha", "engage", "no"),
        ("terrorist", "2021-08", "", "", ""),
        ("terrorist", "no date", "", "", ""),
    ],
)
def test_bloc_and_agreement_move_with_the_date(label, date, bloc, declared, agrees):
    found = row("Washington said so.", label, date=date)
    assert found["holder_actor"] == "United States"
    assert (found["bloc"], found["bloc_position"], found["agrees"]) == (bloc, declared, agrees)


@pytest.mark.parametrize(
    ("date", "actor", "bloc"),
    [
        ("2011-06", "Afghanistan", "States for reconciliation"),
        ("2018-06", "Hamid Karzai", ""),
        (None, "Hamid Karzai", ""),
    ],
)
def test_a_person_speaks_for_a_state_while_in_office(date, actor, bloc):
    found = row("Karzai wants talks with them.", date=date)
    assert (found["holder"], found["holder_actor"], found["bloc"]) == ("Hamid Karzai", actor, bloc)


def test_a_bloc_itself_is_no_actor():
    found = row("The Russia-Pakistan axis wants war.", "terrorist", date="2018")
    assert found["holder"] == "Russia-Pakistan"
    assert (found["holder_actor"], found["bloc"], found["agrees"]) == ("", "Russia-Pakistan", "no")
    assert row("The Russia-Pakistan axis wants war.", "terrorist", date="2012")["bloc"] == ""


@pytest.mark.parametrize(
    ("text", "holder"), [("Afghan women want talks.", "Afghan women"), ("Senator Quibble wants talks.", "Quibble")]
)
def test_people_whom_the_codebook_does_not_know_are_in_no_bloc(text, holder):
    found = row(text, date="2018-06")
    assert (found["holder"], found["holder_actor"], found["bloc"], found["agrees"]) == (holder, "", "", "")


@pytest.mark.parametrize("label", ["none", ""])
def test_no_position_has_no_holder(label):
    assert row("Moscow hosted a concert.", label, date="2018") == {}


def test_a_model_that_does_not_know_holders_fills_no_columns():
    assert Holding(None, "Pakistan", "2018").columns(["a", "b"], ["", ""], ["engage", "none"], [{}, {}]) == [{}, {}]


def test_no_sentences_have_no_rows():
    assert Holding(ATTRIBUTOR).columns([], [], [], []) == []


def test_rows_stay_in_the_order_of_the_sentences():
    texts, labels = ["India wants war.", "It rained.", "Iran wants talks."], ["terrorist", "none", "engage"]
    found = Holding(ATTRIBUTOR, date="2018").columns(texts, [""] * 3, labels, [{}, {}, {}])
    assert [one.get("holder") for one in found] == ["India", None, "Iran"]
    assert [one.get("agrees") for one in found] == ["yes", None, "yes"]


def test_blocs_of_the_users(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('replace = true\n[[bloc]]\nname = "Cold"\nposition = "terrorist"\nmembers = ["Russia"]\n')
    mine = Holding(Attributor(with_blocs(BOOK, file), WEIGHTS))
    found = row("Moscow wants talks.", holding=mine, date="1999-01")
    assert (found["bloc"], found["bloc_position"], found["agrees"]) == ("Cold", "terrorist", "no")


# -- who speaks, and when --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speaker", ["Pakistan", "PAK", "Embassy of Pakistan"])
def test_the_column_says_who_speaks(speaker):
    found = row("Let there be talks.", speaker=speaker, date="2018-06")
    assert (found["holder"], found["holder_actor"], found["bloc"]) == ("speaker", "Pakistan", "Russia-Pakistan")


@pytest.mark.parametrize("missing", [None, "", "  ", float("nan"), 7])
def test_the_default_speaks_where_the_column_does_not_tell(missing):
    holding = Holding(ATTRIBUTOR, speaker="India", date="2018-06")
    assert row("Let there be war.", "terrorist", holding=holding, speaker=missing)["holder_actor"] == "India"
    assert row("Let there be war.", "terrorist", holding=holding)["holder_actor"] == "India"
    assert row("Let there be war.", "terrorist", holding=holding, speaker="Iran")["holder_actor"] == "Iran"


@pytest.mark.parametrize("speaker", ["", "Ida Quibble"])
def test_a_speaker_whom_nobody_knows_is_in_no_bloc(speaker):
    found = row("Let there be talks.", speaker=speaker, date="2018-06")
    assert (found["holder"], found["holder_actor"], found["bloc"], found["agrees"]) == ("speaker", "", "", "")


def test_a_speaker_in_office_speaks_for_the_state():
    found = row("Let there be talks.", speaker="Sergei Lavrov", date="2018-06")
    assert (found["holder"], found["holder_actor"], found["bloc"]) == ("speaker", "Russia", "Russia-Pakistan")


def test_a_newspaper_speaks_for_no_actor():
    assert row("Let there be talks.", speaker="New York Times", date="2018-06")["holder_actor"] == ""


@pytest.mark.parametrize(
    ("given", "bloc"),
    [
        ({"date": "1998-05"}, "Recognising states"),
        ({"date": dt.date(1998, 5, 1)}, "Recognising states"),
        ({"year": 1998}, "Recognising states"),
        ({"year": 1998.0}, "Recognising states"),
        ({"date": "1998-05", "year": 2025}, "Recognising states"),
        ({"date": "", "year": 1998}, "Recognising states"),
        ({"date": None, "year": None}, "Russia-Pakistan"),
        ({}, "Russia-Pakistan"),
    ],
)
def test_the_columns_say_when_and_else_the_default(given, bloc):
    holding = Holding(ATTRIBUTOR, date="2018-06")
    assert row("Pakistan wants talks.", holding=holding, **given)["bloc"] == bloc


@pytest.mark.parametrize("missing", [float("nan"), " ", "n.d."])
def test_a_cell_without_a_date_is_no_date(missing):
    holding = Holding(ATTRIBUTOR, date="2018-06")
    assert row("Pakistan wants talks.", holding=holding, date=missing)["bloc"] == "Russia-Pakistan"
    assert row("Pakistan wants talks.", holding=holding, date=missing, year=1998)["bloc"] == "Recognising states"


def test_a_missing_time_of_pandas_is_no_date():
    pandas = pytest.importorskip("pandas")
    assert row("Pakistan wants talks.", date=pandas.NaT)["bloc"] == ""


def test_speaker_and_date_of_all_are_written_into_the_rows():
    holding = Holding(None, speaker="Pakistan", date="2018-06")
    assert holding.given({"n": 1}) == {"n": 1, "speaker": "Pakistan", "date": "2018-06"}
    own = {"speaker": "India", "year": 2001}
    assert holding.given(own) == own
    assert Holding(None).given({"n": 1}) == {"n": 1}


# -- several holders -------------------------------------------------------------------------------------------------


def test_several_holders_stand_in_one_order():
    found = row("Moscow wants talks, New Delhi wants war.", "both", date="2018")
    assert found["holder"] == "Russia:engage; India:terrorist"
    assert found["holder_actor"] == "Russia; India"
    assert found["bloc"] == "Russia-Pakistan; Indo-Afghan-American"
    assert (found["bloc_position"], found["agrees"]) == ("engage; terrorist", "yes; yes")


def test_several_holders_of_one_position():
    found = row("Moscow and Islamabad and New Delhi want it.", "engage", date="2018")
    parts = dict(zip(found["holder"].split("; "), found["agrees"].split("; "), strict=True))
    assert parts == {"Russia:engage": "yes", "Pakistan:engage": "yes", "India:engage": "no"}


def test_what_is_not_known_of_one_of_several_is_empty_in_its_place(monkeypatch):
    holders = (Holder("women", "engage", 0.9, "noun"), Holder("Russia", "terrorist", 0.6, "state"))
    found = row("", "both", holding=answering(monkeypatch, *holders), date="2018")
    assert (found["holder"], found["p_holder"]) == ("women:engage; Russia:terrorist", 0.6)
    assert [found[c].split("; ") for c in ("holder_actor", "bloc", "bloc_position", "agrees")] == [
        ["", "Russia"],
        ["", "Russia-Pakistan"],
        ["", "engage"],
        ["", "no"],
    ]


# -- back from a row -------------------------------------------------------------------------------------------------


def test_pairs_of_one_holder():
    written = row("Moscow wants talks.", date="2018")
    expected = {"holder": "Russia", "holder_actor": "Russia", "bloc": "Russia-Pakistan", "positions": ["engage"]}
    assert pairs_of(written, ["engage"]) == [expected]


@pytest.mark.parametrize(
    "holders",
    [
        [Holder("Russia", "engage", 0.9, "state"), Holder("India", "terrorist", 0.8, "state")],
        [Holder("Russia", "engage", 0.9, "state"), Holder("Russia", "terrorist", 0.8, "state")],
        [Holder("women", "engage", 0.9, "noun"), Holder("Quibble", "terrorist", 0.8, "stranger")],
        [Holder("Hamid Karzai", "engage", 0.9, "person"), Holder("Iran", "engage", 0.8, "state")],
        [Holder("speaker", "engage", 0.9, "speaker"), Holder("Russia-Pakistan", "terrorist", 0.8, "bloc")],
    ],
)
def test_pairs_are_what_was_written(monkeypatch, holders):
    written = row("", "both", holding=answering(monkeypatch, *holders), date="2018", speaker="Turkey")
    pairs = pairs_of(written, POSITIONS)
    assert {(p["holder"], q) for p in pairs for q in p["positions"]} == {(h.name, h.position) for h in holders}
    for pair in pairs:
        (alone, *_) = [h for h in holders if h.name == pair["holder"]]
        single = row("", holding=answering(monkeypatch, alone), date="2018", speaker="Turkey")
        assert (pair["holder_actor"], pair["bloc"]) == (single["holder_actor"], single["bloc"])


@pytest.mark.parametrize("empty", [{}, {"holder": None}, {"holder": ""}, {"holder": " "}, {"holder": float("nan")}])
def test_a_row_without_holder_has_no_pairs(empty):
    assert pairs_of(empty, POSITIONS) == []


def test_a_holder_without_position_holds_all_and_a_colon_in_a_name_is_kept():
    (pair,) = pairs_of({"holder": "Bloc: North"}, POSITIONS)
    assert (pair["holder"], pair["positions"], pair["bloc"]) == ("Bloc: North", POSITIONS, "")


def test_missing_cells_beside_the_holder_are_empty():
    (pair,) = pairs_of({"holder": "Quibble", "holder_actor": float("nan"), "bloc": float("nan")}, ["engage"])
    assert (pair["holder_actor"], pair["bloc"]) == ("", "")


def test_a_bloc_with_a_semicolon_in_its_name_is_refused(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('replace = true\n[[bloc]]\nname = "A; B"\nposition = "engage"\nmembers = ["Russia"]\n')
    with pytest.raises(CodebookError, match=r"mine.toml:2: bloc 1: the name 'A; B' must not hold"):
        with_blocs(BOOK, file)
