"""The gate: what opens it, for how long it stays open, and that it does not matter how a document is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.codebook import Target, load_codebook
from stance.text.relevance import GATES, REACH, Gate
from stance.text.sentences import split_sentences

TALIBAN = load_codebook().targets[0]
BRIDGE = Target("bridge", aliases=("bridge",), lookalikes=("card bridge",), topics=("river", "LBA"))
RULERS = Target("rulers", aliases=("de facto rulers", "rulers"), lookalikes=("soccer rulers",))
CUE, OTHER = "The bridge stands.", "It rained."
WORDS = ("bridge", "card", "river", "LBA", "lba", "It", "rained", ".", "!", "-", " ", " ", "\n", "\n\n")


def read(gate, sentences, since=None):
    """Return which of some sentences of one text are relevant, and how far back the last cue then is."""
    spans, text = [], ""
    for sentence in sentences:
        spans.append((len(text), len(text) + len(sentence)))
        text += f"{sentence} "
    return gate.relevant(text, spans, since)


def opens(text, which="topic", target=TALIBAN):
    """Return whether a sentence opens the gate; as a whole text it must be relevant just then."""
    gate = Gate(target, which, reach=0)
    opened = gate.opens(text)
    assert gate.relevant(text, [(0, len(text))])[0] == [opened]
    return opened


# -- what opens it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", GATES)
@pytest.mark.parametrize("text", ["The Taliban came.", "TALEBAN", "the de-facto\nauthorities", "the Haqqani network"])
def test_a_name_opens_both_gates(which, text):
    assert opens(text, which)


@pytest.mark.parametrize("text", ["Kabul fell.", "the AFGHAN people", "Mazar-i-Sharif", "mazar i sharif", "UNAMA’s"])
def test_a_topic_opens_only_the_gate_of_topics(text):
    assert opens(text)
    assert not opens(text, "named")


@pytest.mark.parametrize("text", ["", " \n", "It rained.", "Farahnaz", "unama", "the bulkhead", "Afghanistani"])
def test_other_words_parts_of_words_and_small_acronyms_open_none(text):
    assert not opens(text)


@pytest.mark.parametrize("which", GATES)
@pytest.mark.parametrize(
    "text", ["the Pakistani Taliban", "Tehrik-e-Taliban Pakistan", "the TTP", "Swat\nTaliban", "students of religion"]
)
def test_a_lookalike_does_not_open_it(which, text):
    assert not opens(text, which)
    assert opens(f"{text}, and the Taliban", which)


@pytest.mark.parametrize("which", GATES)
def test_a_target_without_names_opens_none(which):
    gate = Gate(Target(""), which)
    assert read(gate, [CUE, "", OTHER]) == ([False] * 3, None)
    assert not gate.opens(CUE)
    assert gate.hints(CUE) == []


# -- where it may open -----------------------------------------------------------------------------------------------


def test_hints_are_the_names_also_those_in_lookalikes():
    text = "A bridge, a card bridge, the river and the LBA (not lba)."
    names = [(text.index(word), text.index(word) + 6) for word in ("bridge,", "bridge, the")]
    topics = [(text.index(word), text.index(word) + len(word)) for word in ("river", "LBA")]
    assert Gate(BRIDGE, "topic").hints(text) == names + topics
    assert Gate(BRIDGE, "named").hints(text) == names


def test_hints_are_found_over_the_ends_of_sentences_too():
    text = "All is de facto\n\nRulers came."
    assert [text[start:end] for start, end in Gate(RULERS).hints(text)] == ["de facto\n\nRulers"]


@pytest.mark.parametrize("which", GATES)
@given(words=st.lists(st.sampled_from(WORDS), max_size=20))
def test_hints_miss_no_sentence_that_opens_the_gate(which, words):
    gate, text = Gate(BRIDGE, which, reach=0), "".join(words)
    spans = split_sentences(text)
    opened = [gate.opens(text[start:end]) for start, end in spans]
    assert gate.relevant(text, spans)[0] == opened
    assert gate.relevant(text, spans, hints=gate.hints(text))[0] == opened
    assert gate.hints(text) or not any(opened)


@pytest.mark.parametrize("since", [None, 0, 2])
def test_hints_that_are_known_are_not_looked_for_again(since, monkeypatch):
    gate = Gate(BRIDGE, reach=3)
    text, spans = f"{OTHER} {CUE} {OTHER}", [(0, 10), (11, 29), (30, 40)]
    expected, hints = gate.relevant(text, spans, since), gate.hints(text)
    monkeypatch.setattr(gate, "hints", lambda text: pytest.fail("looked for again"))
    assert gate.relevant(text, spans, since, hints) == expected
    assert gate.relevant(OTHER, [(0, 10)], None, []) == ([False], None)


def test_no_topic_of_the_shipped_codebook_is_a_name_or_lookalike_too():
    def as_matched(words):
        return [" ".join(word.lower().replace("-", " ").split()) for word in words]

    topics = as_matched(TALIBAN.topics)
    assert set(topics) & {*as_matched(TALIBAN.aliases), *as_matched(TALIBAN.lookalikes)} == set()
    assert len(topics) == len(set(topics)) > 50


# -- for how long it stays open --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [0, 1, 2, REACH])
def test_the_reach_is_counted_exactly(reach):
    found, since = read(Gate(BRIDGE, reach=reach), [OTHER, OTHER, CUE] + [OTHER] * (reach + 3))
    assert found == [False, False] + [True] * (1 + reach) + [False] * 3
    assert since is None


def test_the_reach_is_eight_sentences():
    assert sum(read(Gate(TALIBAN), ["The Taliban came."] + [OTHER] * 20)[0]) == 1 + 8


def test_every_cue_starts_the_count_anew():
    gate = Gate(BRIDGE, reach=2)
    assert read(gate, [CUE, OTHER, CUE, OTHER, OTHER, OTHER, CUE])[0] == [True] * 5 + [False, True]
    assert read(gate, [CUE, CUE, OTHER])[1] == 1


def test_two_cues_in_a_sentence_are_as_one():
    gate = Gate(BRIDGE, reach=1)
    assert read(gate, ["A bridge, the river, a bridge.", OTHER, OTHER, CUE])[0] == [True, True, False, True]


def test_a_name_over_the_end_of_a_sentence_opens_none():
    gate = Gate(Target("x", aliases=("de facto rulers",)), reach=0)
    text = "The de facto rulers left."
    assert gate.relevant(text, [(0, 12), (13, 25)]) == ([False, False], None)
    assert gate.relevant(text, [(0, 25)]) == ([True], 0)


def test_a_name_over_the_end_of_a_sentence_hides_none():
    gate = Gate(RULERS, reach=0)
    text = "The de facto rulers left."
    assert gate.relevant(text, [(0, 12), (13, 25)]) == ([False, True], 0)


def test_a_lookalike_over_the_end_of_a_sentence_hides_none():
    gate = Gate(RULERS, reach=0)
    text = "They like soccer\n\nRulers left."
    assert gate.relevant(text, [(0, 16), (18, 30)]) == ([False, True], 0)
    assert gate.relevant(text, [(0, 30)]) == ([False], None)


def test_one_name_over_the_end_of_a_sentence_leaves_the_next_name_alone():
    gate = Gate(Target("x", aliases=("de facto rulers",)), reach=0)
    text = "The de facto rulers met de facto rulers. It rained."
    assert gate.relevant(text, [(0, 12), (13, 40), (41, 51)]) == ([False, True, False], None)


@pytest.mark.parametrize(("since", "open_for"), [(None, 0), (0, 3), (1, 2), (2, 1), (3, 0), (9, 0)])
def test_a_cue_of_the_passage_before_counts_on(since, open_for):
    found, _ = read(Gate(BRIDGE, reach=3), [OTHER] * 5, since)
    assert found == [True] * open_for + [False] * (5 - open_for)


@pytest.mark.parametrize("since", [None, 0, 2])
def test_a_passage_without_sentences_changes_nothing(since):
    assert read(Gate(BRIDGE, reach=3), [], since) == ([], since)


@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=6), st.integers(0, 4))
def test_it_does_not_matter_how_a_document_is_cut_into_passages(passages, reach):
    gate = Gate(BRIDGE, reach=reach)
    cues = [cue for passage in passages for cue in passage]
    expected = [any(cues[max(0, i - reach) : i + 1]) for i in range(len(cues))]
    found, since = [], None
    for passage in passages:
        relevant, since = read(gate, [CUE if cue else OTHER for cue in passage], since)
        found += relevant
    assert found == expected
    assert read(gate, [CUE if cue else OTHER for cue in cues])[0] == expected
