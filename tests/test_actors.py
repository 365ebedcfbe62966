"""Who the shipped actors are, for whom they speak and in which bloc they are at a date; and what is refused."""

from __future__ import annotations

import datetime as dt
import tomllib

import pytest

from stance.actors import Actor, Bloc, Period, Roster, months_of, parse_actors
from stance.codebook import load_codebook, with_blocs
from stance.errors import CodebookError
from stance.text.mentions import actor_matcher
from stance.toml import Table

BOOK = load_codebook()
ROSTER = BOOK.roster
MATCHER = actor_matcher(BOOK)
_CODES = """
    AFG AGO ALB AND ARE ARG ARM ATG AUS AUT AZE BDI BEL BEN BFA BGD BGR BHR BHS BIH BLR BLZ BOL BRA BRB BRN BTN BWA CAF
    CAN CHE CHL CHN CIV CMR COD COG COL COM CPV CRI CUB CYP CZE DEU DJI DMA DNK DOM DZA ECU EGY ERI ESP EST ETH FIN FJI
    FRA FSM GAB GBR GEO GHA GIN GMB GNB GNQ GRC GRD GTM GUY HND HRV HTI HUN IDN IND IRL IRN IRQ ISL ISR ITA JAM JOR JPN
    KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA MAR MCO MDA MDG MDV MEX MHL MKD MLI MLT
    MMR MNE MNG MOZ MRT MUS MWI MYS NAM NER NGA NIC NLD NOR NPL NRU NZL OMN PAK PAN PER PHL PLW PNG POL PRK PRT PRY QAT
    ROU RUS RWA SAU SDN SEN SGP SLB SLE SLV SMR SOM SRB SSD STP SUR SVK SVN SWE SWZ SYC SYR TCD TGO THA TJK TKM TLS TON
    TTO TUN TUR TUV TZA UGA UKR URY USA UZB VCT VEN VNM VUT WSM YEM ZAF ZMB ZWE
"""
MEMBER_STATES = _CODES.split()
TWO = """
[[position]]
name = "for"
[[position]]
name = "against"
"""


# -- the shipped actors ----------------------------------------------------------------------------------------------


def test_every_member_state_is_a_state_with_its_code():
    assert len(set(MEMBER_STATES)) == 193
    states = {actor.code for actor in BOOK.actors if actor.kind == "state"}
    assert set(MEMBER_STATES) - states == set()
    assert {ROSTER.find(code) for code in MEMBER_STATES} - set(ROSTER.actors) == set()


def test_codes_are_those_of_iso_3166():
    countries = pytest.importorskip("pycountry").countries
    codes = [actor.code for actor in BOOK.actors if actor.code]
    assert len(codes) == len(set(codes))
    assert [code for code in codes if code != "XKX" and countries.get(alpha_3=code) is None] == []


def test_states_are_found_by_the_names_of_iso_3166():
    countries = pytest.importorskip("pycountry").countries
    strayed = {}
    for code in MEMBER_STATES:
        country = countries.get(alpha_3=code)
        name = getattr(country, "common_name", country.name)
        if "," not in name and (found := ROSTER.find(name)) != ROSTER.find(code):
            strayed[name] = found
    assert strayed == {}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("Moscow, Kremlin, Russians, Russian Federation, Russian Foreign Ministry, Duma, FSB", "RUS"),
        ("Islamabad, GHQ, Rawalpindi, Pakistani, ISI, Inter-Services Intelligence, Pakistan Army", "PAK"),
        ("Downing Street, Whitehall, London, Britain, British, Foreign and Commonwealth Office, UK, U.K.", "GBR"),
        ("Washington, White House, Pentagon, State Department, US, U.S., USA, Americans, Obama administration", "USA"),
        ("New Delhi, South Block, Indian, Lok Sabha, Ministry of External Affairs", "IND"),
        ("Beijing, Chinese, PRC, People's Republic of China", "CHN"),
        ("Tehran, Iranians, Islamic Republic of Iran, IRGC, Majlis", "IRN"),
        ("Ankara, Türkiye, Turkiye, Turkish", "TUR"),
        ("Berlin, Bundestag, Bundeswehr, Germans", "DEU"),
        ("Paris, Quai d'Orsay, Quai d’Orsay, Élysée, French", "FRA"),
        ("Riyadh, Saudis, Kingdom of Saudi Arabia", "SAU"),
        ("Abu Dhabi, UAE, Emirati, Emiratis", "ARE"),
        ("Doha, Qatari, Qataris", "QAT"),
        ("Tashkent, Uzbek government", "UZB"),
        ("Dushanbe, Tajik government", "TJK"),
        ("Ashgabat, Turkmen government", "TKM"),
        ("Astana, Kazakh", "KAZ"),
        ("Bishkek, Kyrgyz", "KGZ"),
        ("Tokyo, Japanese", "JPN"),
        ("Ottawa, Canadians", "CAN"),
        ("Canberra, Australian", "AUS"),
        ("Oslo, Norwegian", "NOR"),
        ("Holland, Dutch, the Netherlands", "NLD"),
        ("Swiss, Swiss government", "CHE"),
        ("Burma, Myanmar", "MMR"),
        ("Ivory Coast, Côte d’Ivoire", "CIV"),
        ("Swaziland, Eswatini", "SWZ"),
        ("DPRK, Pyongyang", "PRK"),
        ("Seoul, Republic of Korea", "KOR"),
        ("Kiev, Kyiv, Ukrainians", "UKR"),
    ],
)
def test_what_stands_for_a_state_in_a_text(names, code):
    state = ROSTER.find(code)
    found = {name: [m.name for m in MATCHER.find(f"Yesterday {name} asked for talks.")] for name in names.split(", ")}
    assert found == {name: [state] for name in found}


def test_peoples_of_afghanistan_are_not_the_neighbours():
    assert [
        m.name for m in MATCHER.find("The Tajik and the Uzbek commanders of the north, and Turkmen elders, met.")
    ] == []


@pytest.mark.parametrize(
    ("longer", "code"),
    [
        ("Guinea-Bissau", "GNB"),
        ("Equatorial Guinea", "GNQ"),
        ("Papua New Guinea", "PNG"),
        ("South Sudan", "SSD"),
        ("Northern Ireland", "GBR"),
        ("Dominican Republic", "DOM"),
        ("Democratic Republic of the Congo", "COD"),
        ("Nigeria", "NGA"),
        ("North Korea", "PRK"),
    ],
)
def test_a_name_within_a_longer_name_is_not_found(longer, code):
    assert [m.name for m in MATCHER.find(f"A delegation of {longer} came.")] == [ROSTER.find(code)]


@pytest.mark.parametrize("article", ["the", "The"])
@pytest.mark.parametrize("name", ["United States", "United Kingdom", "Netherlands", "United Nations", "Kremlin"])
def test_names_are_found_behind_an_article(article, name):
    assert [m.name for m in MATCHER.find(f"India and {article} {name} agreed.")] == ["India", ROSTER.find(name)]


def test_an_alias_with_an_article_does_not_hide_the_name_without_it(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[actor]]\nname = "Ruritania"\naliases = ["The Ruritania"]\n')
    matcher = actor_matcher(with_blocs(BOOK, file))
    assert [m.name for m in matcher.find("Talks with the Ruritania went on.")] == ["Ruritania"]


def test_what_is_no_actor_is_found_neither_by_code_nor_name():
    assert [ROSTER.find(name) for name in ("Atlantis", "XYZ", "", " ", None, 7, float("nan"), "rus")] == [""] * 8
    assert ROSTER.find(" moscow ") == "Russia"


# -- offices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "date", "actor"),
    [
        ("Sergey Lavrov", "2010-05-09", "Russia"),
        ("Sergey Lavrov", "2004-02", "Sergey Lavrov"),
        ("Hamid Karzai", "2005-06-01", "Afghanistan"),
        ("Hamid Karzai", "2014-09-30", "Afghanistan"),
        ("Hamid Karzai", "2014-10", "Hamid Karzai"),
        ("Hamid Karzai", 2014, "Afghanistan"),
        ("Hamid Karzai", "2016", "Hamid Karzai"),
        ("Hamid Karzai", dt.date(2016, 1, 1), "Hamid Karzai"),
        ("Hamid Karzai", None, "Hamid Karzai"),
        ("Hamid Karzai", "some time", "Hamid Karzai"),
        ("Donald Trump", "2018-07", "United States"),
        ("Donald Trump", "2023-07", "Donald Trump"),
        ("Donald Trump", "2025-07", "United States"),
        ("Ban Ki-moon", "2005", "South Korea"),
        ("Ban Ki-moon", 2008.0, "United Nations"),
        ("Imran Khan", "2019", "Pakistan"),
        ("Pakistan", "2019", "Pakistan"),
        ("nobody we know", "2019", "nobody we know"),
    ],
)
def test_for_whom_somebody_speaks_at_a_date(person, date, actor):
    assert ROSTER.speaks_for(person, date) == actor


def test_of_a_year_the_office_counts_that_took_most_of_it():
    one, other = Actor("One"), Actor("Other")
    table = '[[actor]]\nname = "P"\nkind = "person"\noffices = [{of = "One", end = "2010-05"}, {of = "Other", start = '
    roster = Roster([*_actors(table + '"2010-06"}]\n'), one, other])
    assert [roster.speaks_for("P", d) for d in (2009, 2010, "2010-05", "2010-06")] == ["One", "Other", "One", "Other"]


def _actors(text):
    return parse_actors(Table(tomllib.loads(text), "here"))


# -- blocs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["2017-01", "2017", 2018, "2018-12-31", dt.date(2018, 6, 1)])
def test_the_founding_case(date):
    sides = {
        "engage": ["Russia", "Pakistan", "Turkey", "China", "Iran"],
        "terrorist": ["India", "Afghanistan", "United States"],
    }
    for position, members in sides.items():
        blocs = [ROSTER.bloc_of(member, date) for member in members]
        assert len({bloc.name for bloc in blocs}) == 1
        assert {bloc.position for bloc in blocs} == {position}
    assert ROSTER.bloc_of("Russia", date).name != ROSTER.bloc_of("India", date).name
    assert ROSTER.bloc_of("Peru", date) is None


@pytest.mark.parametrize(
    ("name", "date", "bloc", "position"),
    [
        ("United States", "2020", "Doha", "engage"),
        ("United States", "2020-02-29", "Doha", "engage"),
        ("United States", "2000-12", "States for sanctions", "terrorist"),
        ("United States", "2003", "Enduring Freedom coalition", "terrorist"),
        ("India", "2018", "Indo-Afghan-American", "terrorist"),
        ("India", "2022-07", "Moscow Format", "engage"),
        ("Pakistan", "1998", "Recognising states", "engage"),
        ("Pakistan", "2025-09", "Moscow Format", "engage"),
        ("Afghanistan", "2020-09", "Doha", "engage"),
        ("Iran", "1999", "Northern Alliance and its backers", "terrorist"),
        ("Sergey Lavrov", "2018-03", "Russia-Pakistan", "engage"),
        ("Donald Trump", "2018", "Indo-Afghan-American", "terrorist"),
        ("Stanley McChrystal", "2010-02", "States for reconciliation", "engage"),
        ("Russia-Pakistan axis", "2018", "Russia-Pakistan", "engage"),
        ("Russia-Pakistan", "2020", "Russia-Pakistan", "engage"),
    ],
)
def test_the_bloc_at_a_date(name, date, bloc, position):
    found = ROSTER.bloc_of(name, date)
    assert (found.name, found.position) == (bloc, position)


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("Pakistan", "2025-12"),
        ("Pakistan", "1995"),
        ("Afghanistan", "2021-09"),
        ("Donald Trump", "2022"),
        ("Hamid Karzai", "2018"),
        ("Russia", None),
        ("Russia", "2018-13"),
        ("Russia", ""),
        ("", "2018"),
        ("Russo-Pakistani axis", "2016"),
    ],
)
def test_no_bloc_at_a_date(name, date):
    assert ROSTER.bloc_of(name, date) is None


def test_an_entry_covers_its_first_and_its_last_month_and_no_other():
    roster = Roster([Actor("A")], [Bloc("B", "for", ("A",), Period("2010-03", "2010-04"))])
    held = [roster.bloc_of("A", f"2010-{m:02}") is not None for m in range(1, 7)]
    assert held == [False, False, True, True, False, False]
    assert roster.bloc_of("A", 2010).name == "B"


# -- dates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "date", [" 2018-03 ", "2018-03-14", "2018-03-14T10:00:00Z", "2018-03-14 10:00", dt.datetime(2018, 3, 14, 10)]
)
def test_a_date_is_of_one_month(date):
    assert months_of(date) == ["2018-03"]


@pytest.mark.parametrize("year", [2018, 2018.0, "2018"])
def test_a_year_has_twelve_months(year):
    months = months_of(year)
    assert (len(months), months[0], months[-1]) == (12, "2018-01", "2018-12")


@pytest.mark.parametrize(
    "odd",
    [None, "", " ", "soon", "2018-13", "2018-00", "2018-3", "18", "14.3.2018", "2018/03", "20180314", 2018.5,
     float("nan"), True, [], b"2018", -2018],
)  # fmt: skip
def test_what_is_no_date_has_no_months(odd):
    assert months_of(odd) == []


def test_infinity_is_no_date():
    assert months_of(float("inf")) == []


def test_a_missing_time_of_pandas_is_no_date():
    pandas = pytest.importorskip("pandas")
    assert months_of(pandas.NaT) == []


# -- contradictions --------------------------------------------------------------------------------------------------


def _actor(name, **keys):
    return f'[[actor]]\nname = "{name}"\n' + "".join(f"{key} = {value}\n" for key, value in keys.items())


def _bloc(name, *members, start="", end="", position="for"):
    names = ", ".join(f'"{member}"' for member in members)
    dates = "".join(f'{key} = "{value}"\n' for key, value in (("start", start), ("end", end)) if value)
    return f'[[bloc]]\nname = "{name}"\nposition = "{position}"\nmembers = [{names}]\n{dates}'


STATES = _actor("A") + _actor("B")


def _line(text, header, number):
    """Return the line of the n-th table of that header."""
    return [i for i, line in enumerate(text.splitlines(), 1) if line == f"[[{header}]]"][number - 1]


def _message(tmp_path, text):
    file = tmp_path / "book.toml"
    file.write_text(text)
    with pytest.raises(CodebookError) as caught:
        load_codebook(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_two_entries_of_a_bloc_overlap(tmp_path):
    text = TWO + STATES + _bloc("X", "A", end="2010-06") + "\n# more\n" + _bloc("X", "B", start="2010-06")
    message = _message(tmp_path, text)
    assert "'X' is there twice" in message
    assert f"book.toml:{_line(text, 'bloc', 1)}:" in message
    assert f"book.toml:{_line(text, 'bloc', 2)}:" in message


def test_an_actor_is_in_two_blocs_at_a_time(tmp_path):
    text = TWO + STATES + _bloc("X", "A", "B") + _bloc("Y", "B", start="2020-01", position="against")
    message = _message(tmp_path, text)
    assert "'B' is in two blocs" in message
    assert f"book.toml:{_line(text, 'bloc', 1)}:" in message
    assert f"book.toml:{_line(text, 'bloc', 2)}:" in message


def test_entries_that_follow_each_other_are_fine(tmp_path):
    file = tmp_path / "book.toml"
    file.write_text(
        TWO
        + STATES
        + _bloc("X", "A", end="2010-05")
        + _bloc("X", "A", "B", start="2010-06", end="2011-01")
        + _bloc("Y", "A", start="2011-02", position="against")
    )
    roster = load_codebook(file).roster
    found = [roster.bloc_of("A", date) for date in ("2010-05", "2010-06", "2011-02")]
    assert [(bloc.name, bloc.members) for bloc in found] == [("X", ("A",)), ("X", ("A", "B")), ("Y", ("A",))]


@pytest.mark.parametrize(
    ("tables", "parts"),
    [
        (_bloc("X", "Mars"), ["'Mars' is no [[actor]]", "bloc 1"]),
        (_bloc("X", "A", start="2010"), ["'2010' must be written YYYY-MM", "bloc 1"]),
        (_bloc("X", "A", start="2010-13"), ["'2010-13' must be written YYYY-MM", "bloc 1"]),
        (_bloc("X", "A", end="June 2010"), ["'June 2010' must be written YYYY-MM", "bloc 1"]),
        (_bloc("X", "A", start="2010-06", end="2010-05"), ["2010-06, after its end 2010-05", "bloc 1"]),
        (_bloc("X", "A", position="maybe"), ["'maybe'", "for, against", "bloc 1"]),
        (_bloc("X", "A") + 'until = "2010-01"\n', ["unknown key 'until'", "start", "end", "bloc 1"]),
        (_bloc("X", "A") + "start = 2010-01-01\n", ["'start' must be of type str", "bloc 1"]),
        (_actor("C", kind='"planet"'), ["'planet'", "state, organisation", "actor 3"]),
        (_actor("C", offices='[{of = "A"}]'), ["'C' is a state; only a person holds offices", "actor 3"]),
        (_actor("C", capital='"D"'), ["unknown key 'capital'", "aliases", "actor 3"]),
        (_actor("C", aliases='"D"'), ["'aliases' must be of type list", "actor 3"]),
        (_actor("C", kind='"person"', offices='[{of = "A", titel = "x"}]'), ["unknown key 'titel'", "title"]),
        (_actor("C", kind='"person"', offices='[{of = "A", start = "2010-1"}]'), ["'2010-1'", "offices 1"]),
        (_actor("C", kind='"person"', offices='[{title = "x"}]'), ["'of' is missing", "offices 1"]),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path, tables, parts):
    text = TWO + STATES + tables
    message = _message(tmp_path, text)
    assert f"book.toml:{_line(text, 'bloc', 1) if '[[bloc]]' in tables else _line(text, 'actor', 3)}:" in message
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("tables", "parts"),
    [
        (_actor("C", aliases='["D"]') + _actor("E", aliases='["d"]'), ["'C'", "'E'", "'d'"]),
        (_actor("C", aliases='["a"]'), ["'A'", "'C'", "'a'"]),
        (_actor("C", code='"CCC"') + _actor("D", code='"CCC"'), ["'C'", "'D'", "code 'CCC'"]),
        (_actor("C") + _actor("C"), ["'C' stands there twice"]),
        (_actor("C", kind='"person"', offices='[{of = "Mars"}]'), ["'C'", "'Mars', who is no [[actor]]"]),
    ],
)
class TestActorsThatContradictEachOther:
    def test_the_message_says_who_and_what(self, tmp_path, tables, parts):
        message = _message(tmp_path, TWO + STATES + tables)
        assert "book.toml" in message
        assert [part for part in parts if part not in message] == []

    def test_the_message_says_where(self, tmp_path, tables, parts):
        text = TWO + STATES + tables
        message = _message(tmp_path, text)
        assert f"book.toml:{_line(text, 'actor', text.count('[[actor]]'))}:" in message


def test_a_contradiction_in_an_included_file_names_that_file(tmp_path):
    (tmp_path / "people.toml").write_text(STATES + _actor("A"))
    assert "people.toml" in _message(tmp_path, 'include = ["people.toml"]\n' + TWO)


# -- blocs of the user's -------------------------------------------------------------------------------------------


def _mine(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return with_blocs(BOOK, file)


def test_blocs_of_a_file_stand_beside_the_shipped_ones(tmp_path):
    book = _mine(tmp_path, _bloc("Andes", "Peru", "Chile", start="2018-01", position="engage"))
    assert book.roster.bloc_of("Chile", "2018-05").name == "Andes"
    assert book.roster.bloc_of("Russia", "2018-05").name == "Russia-Pakistan"
    assert BOOK.roster.bloc_of("Chile", "2018-05") is None


def test_blocs_of_a_file_take_the_place_of_the_shipped_ones(tmp_path):
    book = _mine(tmp_path, "replace = true\n" + _bloc("Cold", "Russia", position="terrorist"))
    assert book.roster.bloc_of("Russia", "2018-05").name == "Cold"
    assert book.roster.bloc_of("India", "2018-05") is None
    assert book.roster.find("Kremlin") == "Russia"


def test_an_actor_of_a_file_takes_the_place_of_the_shipped_one(tmp_path):
    book = _mine(tmp_path, _actor("Peru", aliases='["Inca"]', code='"PER"') + _actor("Mars Colony"))
    assert [book.roster.find(name) for name in ("Inca", "PER", "Lima", "Mars Colony")] == [
        "Peru",
        "Peru",
        "",
        "Mars Colony",
    ]
    assert BOOK.roster.find("Lima") == "Peru"


def test_an_actor_of_a_file_may_be_a_member_of_its_blocs(tmp_path):
    book = _mine(
        tmp_path, _bloc("New", "Mars Colony", position="engage") + _actor("Mars Colony", aliases='["Martians"]')
    )
    assert book.roster.bloc_of(book.roster.find("Martians"), "2030").name == "New"


def test_a_bloc_against_a_shipped_one_is_refused_with_the_lines_of_both(tmp_path):
    text = "# mine\n\n" + _bloc("Cold", "Chile", "Iran", start="2018-01", end="2018-02", position="terrorist")
    with pytest.raises(CodebookError, match="'Iran' is in two blocs") as caught:
        _mine(tmp_path, text)
    assert "mine.toml:3:" in str(caught.value)
    assert "codebook.toml:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n" + _bloc("X", "Mars", position="engage"), r"mine\.toml:2: .*'Mars' is no \[\[actor\]\]"),
        ("\n" + _bloc("X", "Peru", position="for"), r"mine\.toml:2: .*'for', which is none of engage, terrorist"),
        ("\n" + _bloc("X", "Peru", position="engage", start="2018"), r"mine\.toml:2: .*'2018' must be written YYYY-MM"),
        ("\n\n" + _actor("X", kind='"planet"'), r"mine\.toml:3: .*'planet'"),
        (_actor("X", aliases='["Moscow"]'), r"mine\.toml.*'X' and 'Russia' have the name 'Moscow'"),
        ("replaces = true\n", r"mine\.toml: unknown key 'replaces'"),
        ('replace = "yes"\n', r"mine\.toml: 'replace' must be of type bool, not str"),
        ("[[bloc]]\nname = \n", r"mine\.toml: not TOML"),
    ],
)
def test_errors_in_a_file_of_the_users(tmp_path, text, message):
    with pytest.raises(CodebookError, match=message):
        _mine(tmp_path, text)


def test_an_actor_twice_in_a_file_of_the_users_is_refused(tmp_path):
    with pytest.raises(CodebookError, match="stands there twice"):
        _mine(tmp_path, _actor("X", aliases='["Y"]') + _actor("X", aliases='["Z"]'))


def test_two_blocs_with_one_alias_are_refused(tmp_path):
    text = _bloc("X", "Peru", position="engage") + 'aliases = ["Q"]\n'
    text += _bloc("Y", "Cuba", position="terrorist") + 'aliases = ["Q"]\n'
    with pytest.raises(CodebookError, match="'Q'"):
        _mine(tmp_path, text)


def test_a_header_within_a_text_hides_no_line(tmp_path):
    text = (
        _bloc("X", "Peru", position="engage") + 'source = """\n[[bloc]]\n"""\n' + _bloc("Y", "Mars", position="engage")
    )
    with pytest.raises(CodebookError, match=r"mine\.toml:\d+:"):
        _mine(tmp_path, text)
