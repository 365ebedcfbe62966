"""``stance blocs``, and files of blocs of the user's own."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from stance.apps.cli import stance as cli
from stance.errors import CodebookError, DataError

MINE = '[[bloc]]\nname = "Mine"\nposition = "terrorist"\nmembers = ["Peru", "Chile"]\nstart = "2018-01"\n'


def rows_of(*arguments):
    found = CliRunner().invoke(cli, ["blocs", *map(str, arguments), "--format", "jsonl"], catch_exceptions=False)
    assert found.exit_code == 0
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_the_founding_case_is_what_stood_in_2018():
    rows = rows_of("--date", "2018-06")
    assert {row["bloc"]: row["position"] for row in rows} == {
        "Russia-Pakistan": "engage",
        "Indo-Afghan-American": "terrorist",
    }
    assert all(row["source"] for row in rows)


def test_an_actor_is_found_by_code_and_alias_through_time():
    assert rows_of("--actor", "IND") == rows_of("--actor", "New Delhi")
    assert [row["position"] for row in rows_of("--actor", "IND", "--date", 2017)] == ["terrorist"]
    assert [row["position"] for row in rows_of("--actor", "IND", "--date", 2024)] == ["engage"]


@pytest.mark.parametrize("kind", ["table", "csv", "tsv", "parquet"])
def test_every_format(kind, tmp_path):
    output = tmp_path / f"blocs.{kind}"
    found = CliRunner().invoke(cli, ["blocs", "--format", kind, "-o", str(output)], catch_exceptions=False)
    assert found.exit_code == 0
    if kind == "csv":
        with output.open(newline="") as file:
            assert len(list(csv.DictReader(file))) == len(rows_of())
    assert output.stat().st_size > 1000


def test_a_file_of_ones_own_adds_blocs_or_takes_their_place(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    added = rows_of("--blocs", tmp_path / "mine.toml")
    assert len(added) == len(rows_of()) + 1
    (tmp_path / "alone.toml").write_text("replace = true\n" + MINE)
    assert [row["bloc"] for row in rows_of("--blocs", tmp_path / "alone.toml")] == ["Mine"]
    article = "Peru says that the Taliban are terrorists."
    arguments = ["predict", "-", "--model", "fast", "--date", "2020", "--blocs", str(tmp_path / "mine.toml")]
    said = CliRunner().invoke(cli, arguments, input=article, catch_exceptions=False)
    row = json.loads(said.stdout)
    assert (row["holder"], row["bloc"], row["agrees"]) == ("Peru", "Mine", "yes")


def test_what_contradicts_is_one_line_with_both_places(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE.replace("Chile", "India"))
    arguments = ["blocs", "--blocs", str(tmp_path / "mine.toml")]
    with pytest.raises(CodebookError, match=r"mine\.toml:1.*'India' is in two blocs.*codebook\.toml:\d+") as error:
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert "\n" not in str(error.value)


def test_strange_actors_and_dates_are_said():
    with pytest.raises(DataError, match="'Atlantis' is no actor"):
        CliRunner().invoke(cli, ["blocs", "--actor", "Atlantis"], catch_exceptions=False)
    bad = CliRunner().invoke(cli, ["blocs", "--date", "soon"])
    assert bad.exit_code == 2
    assert "'soon' is no date" in bad.stderr
