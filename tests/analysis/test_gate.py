"""The gate in the one path: what it holds back is none and costs nothing, and nothing else is changed by it."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

from stance.analysis import pipeline
from stance.analysis.familiarity import UnfamiliarTextWarning
from stance.analysis.holding import COLUMNS
from stance.analysis.pipeline import Labeller, Tally, analyze
from stance.apps.cli import stance as cli
from stance.codebook import load_codebook
from stance.corpus.files import Corpus
from stance.errors import DataError
from stance.model import gating
from stance.model.artifact import StanceModel, load_model
from stance.model.gating import Gating
from stance.model.training import train
from stance.shipped import shipped
from stance.text.readers import Columns, passages_of

SPEECHES = Path(__file__).parents[3] / "shared" / "eval" / "ungdc-dev.csv"
EXAMPLE = shipped("data", "examples", "moscow-format.txt").read_text(encoding="utf-8")
TALKS = "Moscow hosted the Taliban for talks."
THEY = "They are terrorists and must be destroyed."
RAIN, KABUL, TTP = "It rained.", "Kabul fell in the night.", "The Pakistani Taliban must be destroyed."
REACH = 8


@pytest.fixture(scope="module")
def model():
    return load_model("fast")


@pytest.fixture(scope="module")
def mixed():
    """Records of three documents that take turns, with and without what opens the gate, some blank."""
    texts = {
        "a": [RAIN, TALKS, THEY, *[RAIN] * 12, KABUL, "", RAIN],
        "b": [RAIN] * 4 + [" "] + [RAIN] * 4,
        "c": ["", f"{RAIN} {TTP} {RAIN}", EXAMPLE, *[RAIN] * 11, TALKS],
    }
    rows = [(d, i, text) for d, found in texts.items() for i, text in enumerate(found)]
    return [{"doc": d, "id": f"{d}{i}", "text": text} for d, i, text in sorted(rows, key=lambda row: row[1])]


@pytest.fixture(scope="module")
def two_targets():
    """A model of two targets, each with its own gate."""
    rows = [
        (f"d{i}", f"{text} the {target}, said {who}", label, target)
        for i, who in enumerate(("Ann", "Bob", "Cem"))
        for target in ("bridge", "ferry")
        for text, label in (("open", "for"), ("stop", "against"), ("I saw", "none"))
    ]
    documents, texts, labels, targets = zip(*rows, strict=True)
    blank = ("",) * len(rows)
    corpus = Corpus(documents, texts, labels, blank, targets, blank)
    with threadpool_limits(limits=1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(gating, "_FEWEST_POSITIONS", 1)
        return train(corpus, none_label="none", features="ngrams").model


@pytest.fixture
def asked(monkeypatch):
    """Texts and contexts that reach the classifier, as they do."""
    seen, real = [], StanceModel.predict

    def predict(self, texts, contexts=None, targets=None):
        seen.extend(zip(texts, contexts, strict=True))
        return real(self, texts, contexts, targets)

    monkeypatch.setattr(StanceModel, "predict", predict)
    return seen


def relevant_of(documents, model, **options):
    """Return the frame of what is relevant; that nothing is must be told, and only then."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = analyze(documents, model, relevant=True, **options)
    assert [warning.category for warning in told] == [UnfamiliarTextWarning] * found.empty
    assert all(str(warning.message).endswith(": all are none") for warning in told)
    return found


def gated(documents, model, **options):
    return analyze(documents, model, **options)["gated"].tolist()


def rows_of(*texts, document="a"):
    return [{"doc": document, "text": text} for text in texts]


DOC = Columns(document="doc")

# -- what a gated row says -------------------------------------------------------------------------------------------


def test_a_gated_sentence_is_none_with_the_shares_that_were_measured(model):
    frame = analyze([{"text": RAIN, "speaker": "PAK", "year": 2018}], model)
    shares = model.about["gate"]["topic"]["gated"]
    assert frame.loc[0, ["label", "gated", "abstained"]].tolist() == ["none", True, False]
    assert frame.loc[0, ["p_engage", "p_terrorist", "confidence"]].tolist() == [
        shares[name] for name in ("engage", "terrorist", "none")
    ]
    assert frame.loc[0, list(COLUMNS)].isna().all()
    assert frame.loc[0, ["speaker", "year"]].tolist() == ["PAK", 2018]
    named = analyze([RAIN], model, gate="named")
    assert named["p_engage"].tolist() == [model.about["gate"]["named"]["gated"]["engage"]]


def test_gated_sentences_never_reach_the_classifier(model, asked):
    frame = analyze([f"{RAIN} {TALKS} {THEY}", RAIN, "", f"{RAIN} {RAIN}"], model)
    assert asked == [(TALKS, RAIN), (THEY, TALKS)]
    assert frame["gated"].tolist() == [True, False, False, True, False, True, True]
    analyze([RAIN] * 4, model)
    assert len(asked) == 2
    analyze([RAIN], model, gate="off")
    assert asked[2:] == [(RAIN, "")]


def test_without_a_gate_the_numbers_are_the_classifiers_own(model, mixed):
    texts = [record["text"] for record in mixed]
    frame = analyze(texts, model, gate="off", pre_split=True)
    assert not frame["gated"].any()
    there = frame[frame["label"].notna()]
    said = model.predict(there["text"].tolist())
    assert there["label"].tolist() == said.labels
    assert (there[["p_engage", "p_terrorist"]].to_numpy() == said.positions).all()
    assert (there["confidence"].to_numpy() == said.confidence).all()


@pytest.mark.parametrize("gate", ["named", "topic"])
def test_the_gate_changes_nothing_of_the_sentences_it_lets_through(model, mixed, gate):
    through = analyze(mixed, model, columns=DOC, gate=gate, coverage=0.7)
    everything = analyze(mixed, model, columns=DOC, gate="off", coverage=0.7)
    kept = ~through["gated"]
    assert 0 < kept.sum() < len(kept)
    pd.testing.assert_frame_equal(through[kept], everything[kept], check_exact=True)
    place = ["document", "sentence", "start", "end", "text", "id"]
    pd.testing.assert_frame_equal(through[place], everything[place])


def test_the_default_is_the_gate_that_the_model_recorded(model, mixed):
    assert model.about["gate"]["default"] == "topic"
    pd.testing.assert_frame_equal(analyze(mixed, model, columns=DOC), analyze(mixed, model, columns=DOC, gate="topic"))


def test_a_model_that_recorded_no_gate_is_not_gated(model):
    old = replace(model, about={key: value for key, value in model.about.items() if key != "gate"})
    frame = analyze([RAIN, TALKS], old)
    pd.testing.assert_frame_equal(frame, analyze([RAIN, TALKS], model, gate="off"), check_exact=True)
    with pytest.raises(DataError, match=r"has no gate 'topic'.*say gate off"):
        analyze([RAIN], old, gate="topic")
    with pytest.raises(DataError, match="gate is 'open'; it must be one of named, topic, off"):
        analyze([RAIN], model, gate="open")


def test_a_gated_sentence_abstains_if_less_sure_ones_do(model):
    texts = [RAIN, TALKS, THEY]
    sure = model.about["gate"]["topic"]["gated"]["none"]
    assert not analyze(texts, model, coverage=1.0)["abstained"].any()
    for options in ({"coverage": 0.05}, {"coverage": 0.8}, {"max_risk": 0.0}):
        frame = analyze(texts, model, **options)
        least = model.least_confidence("", **options)
        assert frame["abstained"].tolist() == (frame["confidence"] < least).tolist()
        assert frame["abstained"][0] == (sure < least)


# -- what opens it, and for how long ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "by_name", "by_topic"),
    [(TALKS, True, True), (KABUL, False, True), (RAIN, False, False), (TTP, False, False)],
)
def test_names_open_both_gates_topics_one_and_lookalikes_none(model, text, by_name, by_topic):
    assert gated([text], model, gate="named") == [not by_name]
    assert gated([text], model, gate="topic") == [not by_topic]


@pytest.mark.parametrize("before", [0, 2])
def test_the_gate_stays_open_for_eight_sentences_of_a_text(model, before):
    expected = [True] * before + [False] * (1 + REACH) + [True] * 3
    sentences = [RAIN] * before + [TALKS] + [RAIN] * (REACH + 3)
    assert gated([" ".join(sentences)], model) == expected
    assert gated(["\n\n".join(sentences)], model) == expected


def test_the_gate_stays_open_over_the_rows_of_a_document_also_interleaved(model):
    rows = rows_of(RAIN, TALKS, *[RAIN] * (REACH + 2))
    expected = [True, *[False] * (1 + REACH), True, True]
    assert gated(rows, model, columns=DOC) == expected
    assert gated(rows, model, columns=DOC, pre_split=True) == expected
    others = rows_of(*[RAIN] * len(rows), document="b")
    frame = analyze(list(chain.from_iterable(zip(others, rows, strict=True))), model, columns=DOC)
    assert frame.loc[frame["document"] == "a", "gated"].tolist() == expected
    assert frame.loc[frame["document"] == "b", "gated"].all()
    assert gated([{"text": row["text"]} for row in rows], model) == [True, False, *[True] * (REACH + 2)]


def test_the_reach_counts_sentences_not_rows_and_skips_blank_ones(model):
    rows = rows_of(f"{TALKS} {RAIN} {RAIN}", "", " ".join([RAIN] * 5), " ", f"{RAIN} {RAIN} {RAIN}")
    frame = analyze(rows, model, columns=DOC)
    there = frame[frame["label"].notna()]
    assert there["gated"].tolist() == [False] * (1 + REACH) + [True] * 2
    assert not frame.loc[frame["label"].isna(), "gated"].any()


def test_lines_of_a_file_are_gated_as_the_whole_file_is(model, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join([RAIN, TALKS, *[RAIN] * 10, KABUL, RAIN]) + "\n", encoding="utf-8")
    by_line, whole = gated(path, model, pre_split=True), gated(path, model)
    assert by_line == whole == [True, *[False] * 9, *[True] * 2, *[False] * 2]


def test_a_lookalike_is_not_read_over_the_end_of_a_paragraph(model):
    paragraphs = ["Talks are held in Pakistan", "Taliban leaders must be destroyed."]
    assert gated(["\n\n".join(paragraphs)], model) == gated(rows_of(*paragraphs), model, columns=DOC) == [True, False]


@pytest.mark.parametrize(
    ("before", "closed"), [(TALKS, False), (KABUL, False), (RAIN, True), (TTP, True), (None, True)]
)
def test_the_context_column_opens_the_gate(model, asked, before, closed):
    record = {"text": f"{THEY} {RAIN}", "before": before}
    assert gated([record], model, columns=Columns(context="before")) == [closed, closed]
    assert asked == ([] if closed else [(THEY, before), (RAIN, THEY)])
    found = relevant_of([record], model, columns=Columns(context="before"))
    assert found["text"].tolist() == ([] if closed else [THEY, RAIN])


def test_the_context_column_counts_as_the_sentence_just_before(model):
    rows = [{"doc": "a", "text": RAIN, "before": TALKS if i == 1 else RAIN} for i in range(REACH + 3)]
    columns = Columns(document="doc", context="before")
    rows.append({"doc": "b", "text": TALKS, "before": ""})
    assert gated(rows, model, columns=columns) == [True, *[False] * REACH, True, True, False]


def test_each_target_is_gated_by_its_own_name(two_targets):
    records = [
        {"text": f"open the {name}", "about": about} for about in ("bridge", "ferry") for name in ("bridge", "ferry")
    ]
    frame = analyze(records, two_targets, columns=Columns(target="about"))
    assert frame["gated"].tolist() == [False, True, True, False]
    assert frame["label"].tolist() == ["for", "none", "none", "for"]


@pytest.mark.parametrize("relevant", [False, True])
@pytest.mark.parametrize("text", ["open the bridge", RAIN])
@pytest.mark.parametrize(
    ("about", "error"),
    [
        ("tunnel", r"record 1: target 'tunnel' is unknown to .* it knows bridge, ferry"),
        ("", r"record 1: no target given, and several in model .*--target-column"),
    ],
)
def test_a_strange_target_is_an_error_whatever_is_relevant(two_targets, about, error, text, relevant):
    records = [{"text": RAIN, "about": "ferry"}, {"text": text, "about": about}]
    with pytest.raises(DataError, match=error):
        analyze(records, two_targets, columns=Columns(target="about"), relevant=relevant)


def test_a_blank_row_needs_no_target_to_be_left_out(two_targets):
    records = [{"text": "", "about": ""}, {"text": "open the ferry", "about": "ferry"}, {"text": " ", "about": "x"}]
    found = analyze(records, two_targets, columns=Columns(target="about"), relevant=True)
    assert found["text"].tolist() == ["open the ferry"]


@pytest.mark.skipif(not SPEECHES.exists(), reason="the labelled UN speeches are not beside this checkout")
@pytest.mark.parametrize("context", ["", "prev"])
def test_real_speeches_lose_next_to_no_position_to_the_gate_of_topics(model, context):
    columns = Columns(text="text", document="speech", context=context)
    frame = analyze(SPEECHES, model, columns=columns, pre_split=True, gate="topic")
    book = load_codebook()
    held = [label for label, closed in zip(frame["input_label"], frame["gated"], strict=True) if closed]
    positions = sum(bool(book.positions_of(label)) for label in frame["input_label"])
    assert held
    assert sum(bool(book.positions_of(label)) for label in held) <= 0.01 * positions


# -- only what is relevant -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["", "named"])
@pytest.mark.parametrize("document", ["doc", ""])
@pytest.mark.parametrize("pre_split", [False, True])
def test_leaving_out_what_is_gated_changes_nothing_else(model, mixed, gate, document, pre_split):
    options = {"columns": Columns(document=document), "gate": gate, "pre_split": pre_split, "date": "2018"}
    everything = analyze(mixed, model, **options)
    kept = everything[~everything["gated"] & everything["label"].notna()]
    assert 0 < len(kept) < len(everything)
    found = analyze(mixed, model, relevant=True, **options)
    pd.testing.assert_frame_equal(found, kept.reset_index(drop=True), check_exact=True)


def test_leaving_out_what_is_gated_keeps_places_in_files(model, tmp_path):
    text = f"{RAIN}  {RAIN}\r\n\r\n  {TALKS}\r\n{THEY} " + f"{RAIN} " * 12 + KABUL
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes((text if name == "b.txt" else RAIN).encode())
    everything, found = (analyze(tmp_path, model, relevant=relevant) for relevant in (False, True))
    pd.testing.assert_frame_equal(found, everything[~everything["gated"]].reset_index(drop=True))
    assert set(everything["document"]) == {"a", "b"}
    assert set(found["document"]) == {"b"}
    assert [text[start:end] for start, end in zip(found["start"], found["end"], strict=True)] == found["text"].tolist()
    assert found["sentence"].tolist() == [*range(2, 3 + REACH), 16]


@pytest.mark.parametrize(("gate", "kept"), [("named", 1), ("topic", 2), ("", 2), ("off", 3)])
@pytest.mark.parametrize("pre_split", [False, True])
def test_blank_texts_are_left_out_whatever_the_gate(model, gate, kept, pre_split):
    texts = ["", TALKS, " ", KABUL, "\n\n", RAIN, ""]
    found = analyze(texts, model, gate=gate, relevant=True, pre_split=pre_split)
    assert found["text"].tolist() == [TALKS, KABUL, RAIN][:kept]
    assert found["label"].notna().all()


def test_blank_rows_of_an_open_document_are_left_out_too(model):
    rows = rows_of(TALKS, "", THEY, " ")
    assert analyze(rows, model, columns=DOC, relevant=True)["text"].tolist() == [TALKS, THEY]
    assert analyze(rows, model, columns=DOC)["text"].tolist() == [TALKS, "", THEY, ""]


def test_blank_texts_are_left_out_by_a_model_without_a_gate(model):
    old = replace(model, about={key: value for key, value in model.about.items() if key != "gate"})
    assert analyze(["", TALKS, " ", RAIN], old, relevant=True)["text"].tolist() == [TALKS, RAIN]


def test_without_any_cue_all_is_gated_and_nothing_is_relevant(model, asked, tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": RAIN, "n": n}) + "\n" for n in range(4)))
    frame = analyze(tmp_path / "a.jsonl", model)
    assert frame["gated"].tolist() == [True] * 4
    assert frame["n"].tolist() == [0, 1, 2, 3]
    with pytest.warns(UnfamiliarTextWarning, match=r"no sentence names the target \(Taliban\) .*: all are none$"):
        found = analyze(tmp_path / "a.jsonl", model, relevant=True)
    assert found.empty
    pd.testing.assert_frame_equal(found, analyze([], model))
    assert asked == []


@pytest.mark.parametrize("columns", [DOC, Columns()], ids=["rows", "documents"])
@pytest.mark.parametrize("gate", ["", "named"])
@pytest.mark.parametrize("texts", [[RAIN], [RAIN, "", TTP], [RAIN] * 20, [RAIN, TALKS], [RAIN, ""] * 9 + [TALKS]])
def test_that_nothing_is_relevant_is_told_and_only_then(model, texts, gate, columns):
    found = relevant_of(rows_of(*texts), model, columns=columns, gate=gate)
    assert found["text"].tolist() == [text for text in texts if text == TALKS]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("text", [RAIN, f"{RAIN} {TALKS}"])
def test_the_command_line_says_that_nothing_is_relevant(tmp_path, text, kind):
    (tmp_path / "a.txt").write_text(text)
    said = CliRunner().invoke(
        cli, ["predict", str(tmp_path / "a.txt"), "--model", "fast", "--relevant", "--format", kind]
    )
    assert said.exit_code == 0, said.output
    there = TALKS in text
    assert len(said.stdout.splitlines()) == there + (kind == "csv")
    assert said.stderr.count("all are none") == (not there)
    assert "all are none" not in said.stdout
    if not there:
        assert said.stderr.startswith("stance: no sentence names the target (Taliban)")


def test_that_nothing_is_relevant_in_no_texts_is_not_told(model):
    assert analyze([], model, relevant=True).empty


@pytest.mark.parametrize(
    ("texts", "columns", "left_out"),
    [
        ([RAIN], DOC, True),
        ([RAIN], Columns(), True),
        ([TALKS], DOC, False),
        ([TALKS, RAIN], DOC, False),
        ([TALKS, RAIN], Columns(), True),
        ([f"{RAIN} {TALKS}"], Columns(), True),
        ([], DOC, False),
    ],
)
def test_a_labeller_tells_whether_sentences_were_left_out(model, texts, columns, left_out):
    for relevant in (True, False):
        labeller = Labeller(model, gating=Gating.of(model), relevant=relevant)
        assert labeller.left_out is False
        list(labeller.rows(passages_of(rows_of(*texts), columns)))
        assert labeller.left_out is (left_out and relevant)


def test_ids_and_order_survive(model, mixed):
    frame = analyze(mixed, model, columns=DOC, pre_split=True)
    assert frame["id"].tolist() == [record["id"] for record in mixed]
    found = analyze(mixed, model, columns=DOC, pre_split=True, relevant=True)
    ids = [record["id"] for record in mixed if record["id"] in set(found["id"])]
    assert found["id"].tolist() == ids


def test_a_row_without_document_that_is_numbered_like_one_does_not_start_it_anew(model):
    rows = [{"doc": "1", "text": TALKS}, {"doc": "", "text": RAIN}, {"doc": "1", "text": THEY}]
    frame = analyze(rows, model, columns=DOC)
    assert not frame["gated"][2]
    assert not frame.duplicated(["document", "sentence"]).any()
    assert frame["document"].tolist() == ["1", "record 1", "1"]
    assert frame["sentence"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("blank", ["", None, float("nan")])
def test_a_record_with_a_blank_document_is_one_of_its_own(model, blank):
    rows = rows_of(RAIN, RAIN, RAIN, TALKS, RAIN, RAIN)
    rows[3]["doc"] = rows[4]["doc"] = blank
    frame = analyze(rows, model, columns=DOC)
    assert frame["document"].tolist() == ["a", "a", "a", "record 3", "record 4", "a"]
    assert frame["sentence"].tolist() == [0, 1, 2, 0, 0, 3]
    assert frame["gated"].tolist() == [True, True, True, False, True, True]
    assert analyze(rows, model, columns=DOC, relevant=True)["document"].tolist() == ["record 3"]
    assert analyze([RAIN] * 4, model)["document"].tolist() == ["0", "1", "2", "3"]


# -- batches and counts ----------------------------------------------------------------------------------------------


def test_batches_do_not_matter(model, mixed, monkeypatch):
    together = analyze(mixed, model, columns=DOC)
    for size in (1, 3):
        monkeypatch.setattr(pipeline, "_BATCH", size)
        pd.testing.assert_frame_equal(analyze(mixed, model, columns=DOC), together, check_exact=True)


def test_gated_rows_come_before_the_input_has_ended(model, monkeypatch):
    monkeypatch.setattr(pipeline, "_BATCH", 3)

    def endless():
        yield from repeat(RAIN, 200)
        pytest.fail("no row has come for 200 texts")

    rows = Labeller(model, gating=Gating.of(model)).rows(passages_of(endless()))
    assert [next(rows)["document"] for _ in range(30)] == list(map(str, range(30)))


@pytest.mark.parametrize("relevant", [False, True])
def test_sentences_and_those_held_back_are_counted(model, relevant):
    labeller = Labeller(model, gating=Gating.of(model), relevant=relevant)
    rows = list(labeller.rows(passages_of(rows_of(RAIN, "", TALKS, f"{THEY} {RAIN}"), DOC)))
    written = [row for row in rows if row["label"] is not None]
    held = sum(row["gated"] for row in written)
    assert (len(written), held) == ((3, 0) if relevant else (4, 1))
    assert labeller.tally == Tally(sentences=len(written), gated=held, encoded=0)
    everything = Labeller(model)
    list(everything.rows(passages_of([RAIN, TALKS])))
    assert everything.tally == Tally(sentences=2)
