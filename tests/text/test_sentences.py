"""Sentences keep their place; diplomatic and news prose is split where a reader would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.text import sentences as module
from stance.text.sentences import paragraphs, split_sentences, unwrap


def sentences(text: str, **options) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text, **options)]


@pytest.mark.parametrize(
    "parts",
    [
        ["The U.S. Congress met.", "It adjourned."],
        ["Gen. Raheel Sharif left.", "Mr. Karzai stayed."],
        ["Resolution 1267 (1999) was adopted.", "So was resolution 1333 (2000)."],
        ["See S/PV.4414, p. 3.", "It is there."],
        ["They met at 9 a.m. Tuesday.", "They left at 5 p.m.", "Nobody spoke."],
        ['"We will not talk," he said.', "He left."],
        ['He said: "We will not talk."', "Then he left."],
        ["He said: “We fight.”", "Then he left."],
        ["“Do we talk?” he asked.", "Nobody answered."],
        ['"..." he said.', "She nodded."],
        ["The Taliban ... who knows.", "They came back."],
        ["Paragraph 4(b) of para. 7 applies.", "It was amended by art. 5."],
        ["It was raised at the request of the U.S.", "Nobody objected."],
        ["J. F. Kennedy spoke.", "Sgt. Smith et al. argued."],
        ["Is there another way?", "No!", "There is none."],
        ["The No. 3 of the movement was seen on Jan. 12 in Doha.", "He left."],
    ],
)
def test_prose_is_split_where_a_reader_would(parts):
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["i met the taliban.", "they were polite.", "we should talk to them."],
        ["they came?", "really!", "so what."],
        ["i met the taliban.", "I was scared.", "they were polite.", "I left."],
        ["so i met amb. Khalilzad.", "they talked."],
        ["about approx. five of them came.", "we read the annex.", "they left."],
        ['"never!" he said.', "we left.", '"do we talk?" they asked.'],
        ["they talk... and so on.", "we stay…. or not.", "they left."],
        ["they came (i saw it).", "they left."],
        ["we talk. ) they left.", "we stay."],
        ["we fight. ” he said.", "we stayed."],
        ["we fight!” he said.", "we stayed."],
        ["1. we should talk.", "we should not fight."],
        ["мы встретили их.", "они ушли."],
    ],
)
def test_text_without_capitals_is_split_at_its_stops(parts):
    assert sentences(" ".join(parts)) == parts


def test_a_transcript_is_split_within_each_turn():
    turns = [
        ["HOST: did you meet the taliban?", "what did they say?"],
        ["GUEST: yes.", "they were polite.", "we should talk to them."],
    ]
    assert sentences("\n".join(" ".join(turn) for turn in turns)) == turns[0] + turns[1]
    assert sentences("A: they talk. they fight. B: they left.") == ["A: they talk.", "they fight.", "B: they left."]


def test_each_paragraph_of_a_mixed_text_is_judged_by_its_own_capitals():
    report = ["The Council met.", "It heard one Yahoo! manager and vol. five.", "It rose. as usual.", "Nobody spoke."]
    chat = ["lol they met.", "nobody spoke.", "Karzai was asleep.", "we should talk."]
    assert sentences(" ".join(report) + "\n" + " ".join(chat)) == report + chat


def test_headline_bullets_and_paragraphs_are_their_own_sentences():
    text = "Talks in Moscow\n\nThey began on Friday.\n• prisoners\n• an office in Doha\nThey ended on Sunday."
    parts = ["Talks in Moscow", "They began on Friday.", "• prisoners", "• an office in Doha", "They ended on Sunday."]
    assert sentences(text) == parts


def test_a_list_of_200_words_by_semicolons_is_one_sentence():
    text = (
        "The Council decides: "
        + "; ".join(f"to consider item number {i} of the agenda" for i in range(30))
        + ". It rises."
    )
    found = sentences(text)
    assert len(found) == 2
    assert len(found[0].split()) > 200


WRAPPED = (
    "I should like to con-\r\ngratulate you on your\r\nelection as President. The\r\nTaliban were not invited.\r\n"
    " Let me now turn to the\r\nsituation in Africa, which\r\nis of concern to us.\r\n"
)


def test_wrapped_lines_are_joined_and_kept_as_they_are():
    found = sentences(WRAPPED)
    assert [unwrap(s) for s in found] == [
        "I should like to con-gratulate you on your election as President.",
        "The Taliban were not invited.",
        "Let me now turn to the situation in Africa, which is of concern to us.",
    ]
    assert all(s in WRAPPED for s in found)


def test_lines_are_paragraphs_where_they_do_not_cut_sentences():
    text = "Headline without a stop\nThe first sentence. The second\nA third"
    assert sentences(text) == ["Headline without a stop", "The first sentence.", "The second", "A third"]
    assert len(sentences(text, wrapped=True)) < 4


def characters_read(monkeypatch, helper: str, text: str) -> int:
    """Return how many characters of text are handed to a helper while the text is split."""
    original, read = getattr(module, helper), 0

    def count(*arguments):
        nonlocal read
        read += sum(len(argument) for argument in arguments if isinstance(argument, str))
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, helper, count)
        split_sentences(text, wrapped=True)
    return read


@pytest.mark.parametrize("helper", ["_is_short_end", "_belongs"])
@pytest.mark.parametrize(
    "line",
    [
        "the council met and it spoke of all the things it had to do in its time\n",
        "The Council met. it spoke of vol. five. It had all the things to do in it\n",
        "... and so it spoke of vol. five! and of vol. six, of all that they had...\n",
    ],
)
def test_the_work_grows_with_the_length_of_wrapped_text(monkeypatch, helper, line):
    counts = [characters_read(monkeypatch, helper, line * n) for n in (2_000, 4_000, 8_000, 16_000)]
    assert counts[-1] <= 2 * len(line) * 16_000
    assert all(after <= 2.1 * before for before, after in zip(counts[:-1], counts[1:], strict=True))


def check_tiling(text: str) -> None:
    at = 0
    for start, end in split_sentences(text):
        assert at <= start < end <= len(text)
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()


@given(st.text())
def test_spans_tile_any_text(text):
    check_tiling(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "The U.S. left.",
                "a b",
                "\n",
                "\r\n",
                " ",
                "• x",
                "no. ",
                "“Go!”",
                "…",
                "Dr. ",
                "\t",
                "p.m. ",
                "they left. ",
                ") and ",
            ]
        )
    )
)
def test_spans_tile_texts_full_of_traps(parts):
    check_tiling("".join(parts))


def test_paragraphs_hold_every_character_that_is_not_white_space():
    covered = "".join(WRAPPED[a:b] for a, b in paragraphs(WRAPPED))
    assert "".join(covered.split()) == "".join(WRAPPED.split())
