"""Who may hold a position: actors by name, pronouns and groups taken up, the speaker; and how annotators write them."""

from __future__ import annotations

import time

import pytest

from stance.codebook import load_codebook
from stance.model.candidates import SPEAKER, Candidate, Finder, Words
from stance.text.mentions import actor_matcher

BOOK = load_codebook()
UNITED = {"United States": "state", "United Nations": "organisation"}
FINDER = Finder(actor_matcher(BOOK), BOOK.roster, nouns=("women", "critics", "capitals", "analysts"))


def find(text: str, context: str = "", speaker: str = "") -> list[Candidate]:
    found = FINDER.find(Words(text), Words(context), speaker)
    assert found[0].kind == SPEAKER
    return found


def words_of(candidate: Candidate, text: str, via: str) -> list[str]:
    """Return the words of the sentence that speak of a candidate in that way."""
    words = Words(text)
    return [" ".join(words.words[p.start : p.end]) for p in candidate.here if p.via == via]


def named(text: str, context: str = "", speaker: str = "") -> dict[str, str]:
    """Return name and kind of those whom the sentence names, the speaker included if it does."""
    return {c.name: c.kind for c in find(text, context, speaker) if any(p.via == "name" for p in c.here)}


def owner(pronoun: str, text: str, context: str = "", speaker: str = "") -> list[str]:
    """Return those for whom a pronoun of the sentence stands."""
    return [c.name for c in find(text, context, speaker) if pronoun in words_of(c, text, "pronoun")]


def taken_up(anaphor: str, text: str, context: str = "") -> list[str]:
    """Return whom the words that take up a group stand for."""
    return [
        member.name
        for c in find(text, context)
        if any(w == anaphor for w in words_of(c, text, "anaphor"))
        for member in c.members or [c]
    ]


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The Kremlin asked Islamabad to bring them to the table.", {"Russia": "state", "Pakistan": "state"}),
        ("The letter of the United States reached the United Nations.", UNITED),
        ("NATO will not leave, Karzai was told.", {"NATO": "organisation", "Hamid Karzai": "person"}),
        ("The Russia-Pakistan bloc has no army.", {"Russia-Pakistan": "bloc"}),
        ("“Moscow’s envoy”, so the Kremlin, “was never there”.", {"Russia": "state"}),
        ("Pakistan’s Foreign Office and Côte d’Ivoire signed.", {"Pakistan": "state", "Côte d'Ivoire": "state"}),
        ("IRAN AND CHINA SIGNED.", {"Iran": "state", "China": "state"}),
        ("Türkiye signed.", {"Turkey": "state"}),
        ("It snowed on the pass.", {}),
        ("", {}),
        (" \n ", {}),
        ("… — “”", {}),
    ],
)  # fmt: skip
def test_who_is_named(text, names):
    assert named(text) == names


def test_turkeys_own_name_in_capitals():
    assert named("TÜRKİYE SIGNED.") == {"Turkey": "state"}


def test_the_one_candidate_of_an_empty_text_is_the_speaker():
    (only,) = find("")
    assert (only.name, only.here, only.before) == (SPEAKER, [], [])


def test_an_actor_under_several_names_is_one_candidate():
    text = "Moscow said yes, the Kremlin said no, and Russia said nothing."
    (_, russia) = find(text)
    assert words_of(russia, text, "name") == ["Moscow", "Kremlin", "Russia"]


def test_whoever_is_named_before_only_is_a_candidate_that_is_not_here():
    (_, india, japan) = find("Japan agreed.", context="India had proposed talks.")
    assert (india.name, india.here, len(india.before)) == ("India", [], 1)
    assert (japan.name, len(japan.here), japan.before) == ("Japan", 1, [])


@pytest.mark.parametrize(
    "text", ["US officials met them.", "The US special envoy met them.", "American generals met them."]
)
def test_officials_are_their_state(text):
    assert named(text) == {"United States": "state"}


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("Afghan women were not asked.", "Afghan women", "women"),
        ("Many critics were not asked.", "Many critics", "critics"),
        ("European capitals were not asked.", "European capitals", "capitals"),
    ],
)
def test_people_without_a_name_are_no_state(text, name, key):
    (_, only) = find(text)
    assert (only.name, only.key, only.kind) == (name, key, "noun")


def test_words_are_people_only_if_they_were_learned():
    finder = Finder(actor_matcher(BOOK), BOOK.roster)
    assert [c.name for c in finder.find(Words("Afghan women were not asked."), Words(""))] == [SPEAKER, "Afghanistan"]


@pytest.mark.parametrize(
    "text", ["Latin America is far away.", "The Doha agreement was signed.", "They were given turkey in a china bowl."]
)
def test_what_only_looks_like_an_actor_is_nobody(text):
    assert named(text) == {}


@pytest.mark.parametrize("text", ["Sanctions must stay in place.", "Reconciliation has to wait."])
def test_common_words_that_start_a_sentence_are_no_bloc(text):
    assert named(text) == {}


# -- names that nobody knows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("Yesterday Senator Quibble asked for talks.", "Quibble", "quibble"),
        ("Yesterday Mr Quibble asked for talks.", "Quibble", "quibble"),
        ("Yesterday Ambassador Ida Mae Quibble asked for talks.", "Ida Mae Quibble", "quibble"),
        ("Talks are needed, Dr. Ida Quibble wrote.", "Ida Quibble", "quibble"),
        ("Talks are needed, Ida Quibble wrote.", "Ida Quibble", "quibble"),
        ("Talks are needed, wrote a Major Quibble.", "Quibble", "quibble"),
    ],
)
def test_persons_whom_nobody_knows(text, name, key):
    strangers = [c for c in find(text) if c.kind == "stranger"]
    assert [(c.name, c.key) for c in strangers] == [(name, key)]


@pytest.mark.parametrize("text", ["Yesterday it snowed.", "The President left early.", "I am no Senator."])
def test_capitals_alone_make_no_person(text):
    assert [c.name for c in find(text)] == [SPEAKER]


def test_a_person_named_again_by_the_last_word_is_the_same():
    (_, only) = find("Senator Quibble asked for talks.", context="Ida Quibble rose.")
    assert (only.name, len(only.before), len(only.here)) == ("Ida Quibble", 1, 1)


@pytest.mark.parametrize("title", ["Mr.", "Mrs.", "Dr.", "Prof."])
def test_a_title_with_a_full_stop_is_a_title(title):
    assert named(f"Yesterday {title} Quibble asked for talks.") == {"Quibble": "stranger"}


def test_an_initial_does_not_end_a_name():
    assert [c.key for c in find("Yesterday Senator Ida M. Quibble asked for talks.")] == [SPEAKER, "quibble"]


@pytest.mark.parametrize("text", ["Senator Quibble’s plea was heard.", "Senator Quibble's plea was heard."])
def test_a_possessive_is_no_part_of_a_name(text):
    assert named(text) == {"Quibble": "stranger"}


# -- pronouns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pronoun", "text", "context", "names"),
    [
        ("he", "Karzai said he wants talks.", "", ["Hamid Karzai"]),
        ("He", "He wants talks.", "Russia heard Karzai.", ["Hamid Karzai"]),
        ("He", "He wants talks.", "Karzai saw Lavrov.", ["Sergey Lavrov"]),
        ("He", "He wants talks.", "Lavrov came after Karzai, and Lavrov spoke.", ["Sergey Lavrov"]),
        ("he", "Lavrov left when he saw Karzai.", "", ["Sergey Lavrov"]),
        ("he", "Karzai came, Lavrov left, and he slept.", "", ["Sergey Lavrov"]),
        ("she", "Ida Quibble says she wants talks.", "", ["Ida Quibble"]),
        ("its", "Iran sent its envoy.", "", ["Iran"]),
        ("It", "It wants talks.", "Iran heard Karzai.", ["Iran"]),
        ("they", "Analysts said they want talks.", "", ["Analysts"]),
        ("They", "They want talks.", "NATO met Karzai.", ["NATO"]),
        ("He", "He wants talks.", "Russia met Iran.", []),
        ("They", "They want talks.", "Karzai slept.", []),
        ("It", "It snowed.", "", []),
        ("He", "He met Karzai.", "", []),
    ],
)
def test_for_whom_a_pronoun_stands(pronoun, text, context, names):
    assert owner(pronoun, text, context) == names


def test_a_pronoun_stands_for_whoever_was_named_last_whether_or_not_others_follow():
    assert owner("He", "He told India so.", "Lavrov came after Karzai, and Lavrov spoke.") == ["Sergey Lavrov"]


@pytest.mark.parametrize("word", ["I", "We", "our", "us"])
def test_the_first_person_is_the_speaker(word):
    assert owner(word, f"So {word} said.") == [SPEAKER]


def test_the_united_states_are_not_the_first_person():
    assert owner("US", "The US wants talks.") == []


# -- groups taken up -------------------------------------------------------------------------------------------------

SIDES = "On one side stand Russia, China and Iran; opposed to them are India and the United States."
ONE, OTHER = ["Russia", "China", "Iran"], ["India", "United States"]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("The former want talks, the latter want war.", "The former", "the latter"),
        ("One side wants talks, the other side wants war.", "One", "the other"),
        ("One camp wants talks; the other fights on.", "One", "the other"),
    ],
)
def test_groups_of_the_sentence_before_are_taken_up(text, first, last):
    assert (taken_up(first, text, SIDES), taken_up(last, text, SIDES)) == (ONE, OTHER)


def test_two_of_one_list_are_taken_up_one_by_one():
    text, context = "The former wants talks, the latter does not.", "Russia and India disagree."
    assert (taken_up("The former", text, context), taken_up("the latter", text, context)) == (["Russia"], ["India"])


def test_lists_may_say_to_what_extent():
    context = "Russia, along with China and to some extent Iran, is opposed to India as well as the US."
    text = "The former want talks, the latter want war."
    assert (taken_up("The former", text, context), taken_up("the latter", text, context)) == (ONE, OTHER)


def test_groups_may_stand_in_the_sentence_itself():
    text = "Russia and China face India and Japan: the former want talks, the latter want war."
    assert (taken_up("the former", text), taken_up("the latter", text)) == (["Russia", "China"], ["India", "Japan"])


def test_neither_the_target_nor_the_place_is_a_side():
    text, context = "The former wants talks, the latter does not.", "In Doha, Iran and India spoke of the Taliban."
    assert (taken_up("The former", text, context), taken_up("the latter", text, context)) == (["Iran"], ["India"])


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("The former president wants talks.", "Russia and India disagree."),
        ("The former wants talks, the latter war.", "It snowed."),
        ("The former wants talks.", "Russia, China and Iran agree."),
        ("One of them slept.", "Russia and India disagree."),
        ("Talks are needed.", "Russia and India disagree."),
    ],
)
def test_nobody_is_taken_up(text, context):
    assert [c.name for c in find(text, context) if words_of(c, text, "anaphor")] == []


@pytest.mark.parametrize(
    "text", ["On the other hand, Japan slept.", "For the first time, Japan slept.", "In the last decade, Japan slept."]
)
def test_turns_of_phrase_take_up_nobody(text):
    assert [c.name for c in find(text, "Russia and India disagree.") if words_of(c, text, "anaphor")] == []


# -- the speaker -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speaker", ["Pakistan", "PAK", "Islamabad", "the delegation of Pakistan"])
def test_the_speakers_own_country_is_the_speaker(speaker):
    text = "Pakistan and our friends in Iran want talks, Islamabad said."
    (first, iran) = find(text, "The Pakistani delegation rose.", speaker)
    assert words_of(first, text, "name") == ["Pakistan", "Islamabad"]
    assert words_of(first, text, "pronoun") == ["our"]
    assert len(first.before) == 1
    assert iran.name == "Iran"


def test_a_country_that_does_not_speak_is_not_the_speaker():
    assert named("Pakistan wants talks.", speaker="India") == {"Pakistan": "state"}
    assert named("Pakistan wants talks.", speaker="somebody") == {"Pakistan": "state"}


def test_the_own_name_of_a_speaker_whom_nobody_knows_is_the_speaker():
    assert named("Ida Quibble wants talks.", speaker="Ida Quibble") == {SPEAKER: SPEAKER}


def test_a_speaker_who_names_himself_owns_the_pronoun():
    assert owner("he", "Lavrov said he wants talks.", "Karzai left.", "Sergey Lavrov") == [SPEAKER]


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        ("PAK", "Pakistan"),
        ("Embassy of the Russian Federation", "Russia"),
        ("Foreign Minister Lavrov", "Sergey Lavrov"),
        ("", ""),
        ("Ida Quibble", ""),
    ],
)
def test_what_actor_a_name_stands_for(name, actor):
    assert FINDER.actor_of(name) == actor


@pytest.mark.parametrize("name", ["New York Times", "Latin America", "a bystander in New York"])
def test_a_name_that_is_no_actors_stands_for_nobody(name):
    assert FINDER.actor_of(name) == ""


# -- holders as annotators write them --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holder", "kind", "key"),
    [
        ("speaker", SPEAKER, SPEAKER),
        (" Speaker ", SPEAKER, SPEAKER),
        ("US officials", "state", "United States"),
        ("former US officials", "state", "United States"),
        ("the United States", "state", "United States"),
        ("Russian foreign minister", "state", "Russia"),
        ("Pakistan’s army chief", "state", "Pakistan"),
        ("the Kremlin", "state", "Russia"),
        ("the Russia-Pakistan bloc", "bloc", "Russia-Pakistan"),
        ("President Karzai", "person", "Hamid Karzai"),
        ("NATO", "organisation", "NATO"),
        ("Afghan women", "noun", "women"),
        ("women of Kabul", "noun", "women"),
        ("critics in Washington", "noun", "critics"),
        ("some European capitals", "noun", "capitals"),
        ("Senator Quibble", "noun", "quibble"),
        ("Ida Quibble’s", "noun", "quibble"),
        ("", "noun", ""),
        ("…", "noun", "…"),
    ],
)
def test_a_holder_as_annotators_write_it(holder, kind, key):
    assert FINDER.key_of(holder) == (kind, key)


@pytest.mark.parametrize(
    ("holder", "text"),
    [
        ("US officials", "Yesterday US officials met them."),
        ("Afghan women", "Not all Afghan women agree."),
        ("Senator Quibble", "Yesterday Senator Ida Quibble rose."),
        ("Foreign Minister Lavrov", "Yesterday Lavrov rose."),
    ],
)
def test_a_holder_has_the_key_of_its_candidate(holder, text):
    _, key = FINDER.key_of(holder)
    assert [c.key for c in find(text)] == [SPEAKER, key]


# -- long and odd texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    [
        "Moscow told Karzai that he was late, which India denied; ",
        "a word of nobody, ",
        "Ida Quibble and ",
        "((((((((((",
    ],
)
def test_a_sentence_of_a_hundred_kilobytes_takes_seconds_at_most(unit):
    text = unit * (100_000 // len(unit))
    start = time.process_time()
    find(text, "Russia and China oppose India and Japan.")
    assert time.process_time() - start < 60  # it ends; some 2 s of an idle machine


def test_time_grows_as_the_sentence_does():
    def seconds(times: int) -> float:
        text, start = "the former, the latter, one side, the other side, " * times, time.process_time()
        find(text, "Russia and China oppose India and Japan.")
        return time.process_time() - start

    small, large = (min(seconds(times) for _ in range(3)) for times in (150, 900))
    assert large < 20 * small  # six times as long; squared it would be 36


@pytest.mark.parametrize(
    "text", ["\x00Russia\x00", "Russia\ud800", "🇷🇺Russia🇷🇺", "«Russia»", "Russia’s", "Russia—", "\ufeffRussia"]
)
def test_odd_characters_hide_no_name(text):
    (_, russia) = find(text)
    assert russia.name == "Russia"
    assert "Russia" in words_of(russia, text, "name")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("İstanbul’da Russia spoke", ["Russia"]),
        ("Russia\u00a0spoke; United\u00a0States", ["Russia", "United States"]),
    ],
)
def test_places_are_exact_whatever_stands_before(text, words):
    assert [word for c in find(text) for word in words_of(c, text, "name")] == words


@pytest.mark.parametrize("speaker", ["Jordan Peterson", "Chad Smith", "Paris Hilton", "Mike Washington"])
def test_a_personal_name_is_no_state(speaker):
    assert FINDER.actor_of(speaker) == ""


def test_a_delegation_speaks_for_its_own_state():
    assert FINDER.actor_of("Finland on behalf of the European Union") == "Finland"
    assert FINDER.actor_of("Russian Foreign Ministry") == "Russia"


def test_long_lists_are_read_in_time_that_grows_with_them():
    context = Words("Russia " + "partly " * 400 + "x India met Pakistan.")
    start = time.perf_counter()
    FINDER.find(Words("The former wants talks, the latter war."), context)
    assert time.perf_counter() - start < 60  # it ends; a search that goes back would take for ever
