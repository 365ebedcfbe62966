"""Codebooks: the shipped one, labels and positions, and errors that name the key."""

from __future__ import annotations

import datetime as dt

import pytest

from stance.codebook import load_codebook, parse_codebook
from stance.errors import CodebookError

TWO = [{"name": "for"}, {"name": "against"}]


def test_shipped_codebook_says_what_the_labels_mean():
    book = load_codebook()
    assert book.position_names == ("engage", "terrorist")
    assert book.labels == ("both", "engage", "none", "terrorist")
    assert all(position.definition for position in book.positions)
    assert "Haqqani network" in book.targets[0].aliases
    assert "TTP" in book.targets[0].lookalikes


def test_founding_blocs_hold_in_2017_and_2018_only():
    by_position = {bloc.position: bloc for bloc in load_codebook().blocs if bloc.holds_at(dt.date(2018, 1, 1))}
    assert set(by_position["engage"].members) == {"Russia", "Pakistan", "Turkey", "China", "Iran"}
    assert set(by_position["terrorist"].members) == {"India", "Afghanistan", "United States"}
    assert by_position["engage"].holds_at(dt.date(2018, 6, 1))
    assert not by_position["engage"].holds_at(dt.date(2020, 2, 29))


def test_codebook_survives_its_plain_form():
    book = load_codebook()
    assert parse_codebook(book.as_dict()) == book
    assert parse_codebook(book.as_dict()).fingerprint == book.fingerprint


def test_labels_that_combine():
    book = load_codebook()
    for label in book.labels:
        assert book.label_of(book.positions_of(label)) == label
    assert book.label_of(book.positions_of("terrorist+engage")) == "both"
    three = parse_codebook({"position": [{"name": n} for n in "abc"]})
    assert three.label_of(["c", "a"]) == "a+c"
    assert three.positions_of("a+c") == {"a", "c"}
    assert "both" not in three.labels


def test_labels_that_exclude_each_other():
    book = parse_codebook({"position": TWO, "exclusive": True, "none_label": "neither"})
    assert book.labels == ("against", "for", "neither")
    with pytest.raises(CodebookError, match="'both' is not in the codebook"):
        book.positions_of("both")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "key 'position' is missing"),
        ({"position": [{"definition": "x"}]}, "position 1: key 'name' is missing"),
        ({"position": [{"name": 3}]}, "position 1: 'name' must be of type str, not int"),
        ({"position": [{"name": " "}]}, "'name' is empty"),
        ({"position": TWO, "exclusive": "yes"}, "'exclusive' must be of type bool"),
        ({"position": TWO, "exclusiv": True}, "unknown key 'exclusiv'"),
        ({"position": [{"name": "for", "colour": "red"}]}, "position 1: unknown key 'colour'"),
        ({"position": [*TWO, {"name": "for"}]}, "position 'for' stands there twice"),
        ({"position": [{"name": "none"}]}, "'none' is both a position and"),
        ({"position": [{"name": "a+b"}]}, "must not hold"),
        ({"position": "for"}, "must be of type list"),
        ({"position": ["for"]}, r"must be written as \[\[position\]\]"),
        ({"position": TWO, "target": [{"name": "x", "aliases": [1]}]}, "'aliases' must hold names, not 1"),
        ({"position": TWO, "schema": 9}, "schema = 9 is not known"),
        (
            {"position": TWO, "bloc": [{"name": "b", "position": "up", "members": []}]},
            "'up', which is none of for, against",
        ),
        (
            {"position": TWO, "bloc": [{"name": "b", "position": "for", "members": ["X"]}]},
            r"'X' is no \[\[actor\]\]",
        ),
        (
            {"position": TWO, "bloc": [{"name": "b", "position": "for", "members": [], "start": "2018"}]},
            "'2018' must be written YYYY-MM",
        ),
        (
            {
                "position": TWO,
                "bloc": [{"name": "b", "position": "for", "members": [], "start": "2018-02", "end": "2018-01"}],
            },
            "after its end",
        ),
    ],
)
def test_errors_name_the_key(data, message):
    with pytest.raises(CodebookError, match=message):
        parse_codebook(data, "mine.toml")


def test_errors_name_the_file(tmp_path):
    with pytest.raises(CodebookError, match=r"gone\.toml: No such file"):
        load_codebook(tmp_path / "gone.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(CodebookError, match=r"bad\.toml: not TOML"):
        load_codebook(tmp_path / "bad.toml")
