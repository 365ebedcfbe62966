"""What does not look like what a model knows is told, and what does is not."""

from __future__ import annotations

import re
import warnings

import pytest
from click.testing import CliRunner

from stance.analysis.familiarity import UnfamiliarTextWarning, Watch, strangeness
from stance.analysis.pipeline import analyze
from stance.apps.cli import stance as cli
from stance.model.artifact import load_model
from stance.shipped import shipped
from stance.text.sentences import split_sentences

GERMAN = ["Die Taliban haben am Mittwoch erneut zu Gesprächen mit der Regierung aufgerufen, sagte ein Sprecher."] * 6
WEATHER = ["It rained in the valley, and the river rose by a foot before the bridge was closed to carts."] * 6
FOREIGN_WEATHER = ["Es regnete im Tal, und der Fluss stieg um einen Fuß, bevor man die Brücke für Karren sperrte."] * 6
STRANGE = ["The Taliban eigenvector orthogonalizes Hermitian semigroups; cohomology annihilates sheaf torsors."] * 12


@pytest.fixture(scope="module")
def fast():
    return load_model("fast")


def article() -> list[str]:
    text = shipped("data", "examples", "moscow-format.txt").read_text(encoding="utf-8")
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (GERMAN, "100% of the sentences do not look like English"),
        (WEATHER, r"no sentence names the target \(Taliban\)"),
        (STRANGE, r"knows only \d+% of the words"),
    ],
)
def test_strange_texts_are_told_in_one_line(fast, texts, expected):
    [reason] = strangeness(texts, fast)
    assert re.search(expected, reason)


def test_a_familiar_text_and_a_few_sentences_are_not_told(fast):
    assert strangeness(article(), fast) == []
    assert strangeness(WEATHER[:4], fast) == []
    assert strangeness([], fast) == []


def test_a_model_of_ones_own_is_judged_by_what_it_learned_from(tmp_path):
    from stance.corpus.files import CorpusColumns, read_corpus
    from stance.model.training import train

    path = tmp_path / "c.csv"
    rows = [f"Wir sind für die Brücke {i}.,ja,a{i}\nWir sind gegen die Brücke {i}.,nein,b{i}" for i in range(6)]
    path.write_text("text,label,document\n" + "\n".join(rows) + "\n", encoding="utf-8")
    model = train(read_corpus(path, columns=CorpusColumns()), features="ngrams").model
    assert strangeness(GERMAN, model) == []


def warned(documents, model="fast", **options):
    """Return the warnings of an analysis."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        analyze(documents, model, **options)
    assert {warning.category for warning in caught} <= {UnfamiliarTextWarning}
    return [str(warning.message) for warning in caught]


def test_analyze_warns_and_predict_tells_on_standard_error(tmp_path):
    with pytest.warns(UnfamiliarTextWarning, match="names the target"):
        analyze(WEATHER, "fast")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analyze(article(), "fast")
    (tmp_path / "a.txt").write_text("\n\n".join(WEATHER))
    found = CliRunner().invoke(cli, ["predict", str(tmp_path / "a.txt"), "--model", "fast"])
    assert found.exit_code == 0
    assert found.stderr.count("names the target") == 1
    assert "names the target" not in found.stdout


def test_only_the_beginning_is_looked_at(fast):
    texts = [*["It rained."] * 2000, "The Taliban came."]
    assert warned(texts[1:], fast, gate="off") == []
    [reason] = warned(texts, fast, gate="off")
    assert "names the target" in reason


# -- with a gate -----------------------------------------------------------------------------------------------------


def test_what_the_gate_holds_back_does_not_hide_a_later_name(fast):
    assert warned([*["It rained."] * 2001, "The Taliban came."], fast) == []


def test_that_everything_is_held_back_is_told(fast):
    [reason] = warned(WEATHER, fast)
    assert reason == ("no sentence names the target (Taliban) or is near one that has to do with it: all are none")
    [other] = warned(WEATHER, fast, gate="off")
    assert other == "no sentence names the target (Taliban): positions found here are doubtful"
    assert warned([*WEATHER, "Kabul fell in the night."], fast) == [other]
    assert warned(WEATHER[:4], fast) == []


def test_another_language_is_told_though_all_of_it_is_held_back(fast):
    language, none = warned(FOREIGN_WEATHER, fast)
    assert language.startswith("100% of the sentences do not look like English")
    assert none.endswith("all are none")
    [language] = warned([*FOREIGN_WEATHER, "The Taliban came."], fast)
    assert language.startswith("86% of the sentences do not look like English")


def test_words_of_what_is_held_back_may_be_unknown(fast):
    strange = [text.replace("The Taliban", "Any") for text in STRANGE]
    held = [*["The Taliban came to Moscow for talks."] * 8, *strange]
    [reason] = strangeness(held, fast)
    assert re.search(r"knows only \d+% of the words", reason)
    assert strangeness(held[:8], fast, strange) == []


def test_a_watch_passes_rows_on_as_they_come(fast):
    rows = [{"text": text, "gated": text != "The Taliban came."} for text in [*WEATHER, "The Taliban came."]]
    watch = Watch()
    through = watch.through(iter(rows))
    assert next(through) is rows[0]
    assert list(through) == rows[1:]
    assert watch.strangeness(fast) == []
    only = Watch()
    list(only.through(rows[:-1]))
    [reason] = only.strangeness(fast)
    assert "all are none" in reason
