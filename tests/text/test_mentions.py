"""Names of the target and its look-alikes."""

from __future__ import annotations

import pytest

from stance.codebook import Target, load_codebook
from stance.text.mentions import Matcher, actor_matcher, target_matcher

FIND = target_matcher(load_codebook().targets[0]).find


def kinds(text: str) -> list[str]:
    return [mention.kind for mention in FIND(text) if mention.kind != "reference"]


@pytest.mark.parametrize(
    "text",
    [
        "the Taliban", "TALEBAN", "Talibans’ leaders", "the Islamic Emirate",
        "the de-facto authorities", "the de facto\nauthorities",
        "the Haqqani  network", "the Quetta Shura", "Mullah Omar", "the IEA",
    ],
)  # fmt: skip
def test_the_target_is_found_under_its_names(text):
    assert kinds(text) == ["target"]


@pytest.mark.parametrize(
    "text", ["the Pakistani Taliban", "Tehrik-e-Taliban Pakistan", "the Tehrik-e Taliban", "the TTP"]
)
def test_lookalikes_are_not_the_target(text):
    assert kinds(text) == ["lookalike"]


@pytest.mark.parametrize("text", ["talibanesque", "a ttp header", "the idea", "Notaliban", "iea", ""])
def test_parts_of_words_and_small_acronyms_are_no_names(text):
    assert kinds(text) == []


def test_longest_name_wins_and_offsets_are_exact():
    text = "İstanbul: the Islamic Emirate of Afghanistan"
    (mention,) = FIND(text)
    assert text[mention.start : mention.end] == "Islamic Emirate of Afghanistan"


def test_a_target_without_names_is_found_nowhere():
    assert list(target_matcher(Target("x")).find("x")) == []


def test_capitals_are_matched_as_written():
    matcher = actor_matcher(load_codebook())
    assert [m.name for m in matcher.find("The US told us that Moscow agreed")] == ["United States", "Russia"]


def test_a_thousand_names_are_told_apart():
    names = [(f"Name {i} of many", "actor", str(i)) for i in range(1000)]
    text = "Name 999 of many met Name 7 of many."
    assert [m.name for m in Matcher(names).find(text)] == ["999", "7"]
