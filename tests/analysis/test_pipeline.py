"""The one path: columns, blank rows, own columns, context, offsets, abstention, and the same from every input."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from stance.analysis import pipeline
from stance.analysis.pipeline import Labeller, analyze, columns_of
from stance.corpus.files import Corpus
from stance.errors import DataError
from stance.model.artifact import load_model
from stance.model.training import train
from stance.shipped import shipped
from stance.text.readers import Columns, passages_of

SCHEMA = [
    *("document", "sentence", "start", "end", "text", "label"),
    *("p_engage", "p_terrorist", "confidence", "abstained", "gated"),
    *("holder", "holder_actor", "p_holder", "bloc", "bloc_position", "agrees"),
]
NUMBERS = ["p_engage", "p_terrorist", "confidence"]
TALKS = "Moscow hosted the Taliban for talks."
BOMB = "The Taliban are terrorists who must be destroyed."
THEY = "They are terrorists and must be destroyed."
EXAMPLE = shipped("data", "examples", "moscow-format.txt")


@pytest.fixture(scope="module")
def model():
    return load_model("fast")


@pytest.fixture(scope="module")
def two_targets():
    """A model in which the same words mean the opposite for the two targets."""
    rows = [
        (f"d{i}", f"{text}, said {who}", label, target)
        for i, who in enumerate(("Ann", "Bob", "Cem"))
        for target, order in (("bridge", ("for", "against")), ("ferry", ("against", "for")))
        for text, label in (("open it", order[0]), ("stop it", order[1]))
    ]
    documents, texts, labels, targets = zip(*rows, strict=True)
    blank = ("",) * len(rows)
    with threadpool_limits(limits=1):
        return train(Corpus(documents, texts, labels, blank, targets, blank)).model


def probabilities(frame):
    return frame[NUMBERS].to_numpy()


# -- the columns -----------------------------------------------------------------------------------------------------


def test_columns_stand_in_the_order_of_the_schema(model):
    assert columns_of(model) == SCHEMA
    frame = analyze([f"{TALKS} It snowed.", ""], model)
    assert frame.columns.tolist() == SCHEMA
    assert frame["document"].tolist() == ["0", "0", "1"]
    assert frame["sentence"].tolist() == [0, 1, pd.NA]
    assert set(frame["label"][:2]) <= set(model.labels)
    assert frame[NUMBERS][:2].to_numpy().min() >= 0
    assert frame[NUMBERS][:2].to_numpy().max() <= 1


@pytest.mark.parametrize(
    "documents", [[], [""], [TALKS], [TALKS, " "], ["Rain."]], ids=["nothing", "blank", "text", "mixed", "gated"]
)
def test_types_do_not_depend_on_what_is_in_the_input(model, documents):
    frame = analyze(documents, model)
    assert frame.columns.tolist() == SCHEMA
    kinds = frame.dtypes.astype(str)
    assert kinds[["sentence", "start", "end"]].tolist() == ["Int64", "int64", "int64"]
    assert kinds[["abstained", "gated"]].tolist() == ["bool", "bool"]
    assert set(kinds[[*NUMBERS, "p_holder"]]) == {"float64"}


def test_holders_blocs_and_dates_come_with_the_sentence():
    model = load_model("fast")
    rows = [
        {"text": "We will talk to the Taliban.", "speaker": "PAK", "year": 2018},
        {"text": "We will talk to the Taliban.", "speaker": "PAK"},
        {"text": "It snowed in Kabul.", "speaker": "PAK", "year": 2018},
    ]
    frame = analyze(rows, model)
    assert frame["holder"].tolist()[:2] == ["speaker", "speaker"]
    assert frame["holder_actor"].tolist()[:2] == ["Pakistan", "Pakistan"]
    assert frame["bloc"].tolist()[:2] == ["Russia-Pakistan", ""]
    assert frame["agrees"].tolist()[:2] == ["yes", ""]
    assert frame.loc[2, ["label", "gated"]].tolist() == ["none", False]
    assert frame.loc[2, ["holder", "bloc"]].isna().all()
    dated = analyze([rows[1]], model, date="2018-05")
    assert dated["bloc"].tolist() == ["Russia-Pakistan"]
    spoken = analyze(["We will talk to the Taliban."], model, speaker="Pakistan", date="2018")
    assert spoken[["holder_actor", "speaker", "date"]].values.tolist() == [["Pakistan", "Pakistan", "2018"]]
    named = [{"text": "We will talk to the Taliban.", "who": "PAK", "when": "2018-05", "date": "mine"}]
    columns = Columns(speaker="who", date="when")
    assert analyze(named, model, columns=columns)[["bloc", "date", "input_date"]].values.tolist() == [
        ["Russia-Pakistan", "2018-05", "mine"]
    ]
    with pytest.raises(DataError, match="no column 'nosuch'"):
        analyze(named, model, columns=Columns(date="nosuch"))


def test_confidence_is_the_probability_of_the_label(model):
    said = model.predict([TALKS])
    frame = analyze([TALKS], model)
    assert frame["confidence"][0] == said.label_proba[0, model.labels.index(frame["label"][0])]


@pytest.mark.parametrize("blank", ["", "  \n\t ", None, float("nan")])
def test_a_blank_row_gives_a_row_without_a_label(model, blank):
    records = [{"id": 1, "text": TALKS}, {"id": 2, "text": blank}, {"id": 3, "text": BOMB}]
    frame = analyze(records, model)
    assert frame["id"].tolist() == [1, 2, 3]
    empty = frame.iloc[1]
    assert empty[["sentence", "label", *NUMBERS]].isna().all()
    assert (empty["text"], empty["start"], empty["end"], empty["abstained"]) == ("", 0, 0, True)
    assert frame["label"].notna().tolist() == [True, False, True]
    assert (probabilities(frame)[[0, 2]] == probabilities(analyze([TALKS, BOMB], model))).all()


def test_every_row_of_the_input_comes_out_once_in_its_place(model):
    records = [{"n": n, "text": "" if n % 7 == 3 else f"Row {n} names the Taliban"} for n in range(100)]
    frame = analyze(records, model, pre_split=True)
    assert frame["n"].tolist() == list(range(100))


# -- the input's own columns -----------------------------------------------------------------------------------------


def test_own_columns_pass_through_and_taken_names_get_a_prefix(model):
    record = {"speaker": "RUS", "label": "mine", "start": "2018", "p_engage": "high", "text": TALKS, "n": 7}
    frame = analyze([record], model)
    assert frame.columns.tolist() == [*SCHEMA, "speaker", "input_label", "input_start", "input_p_engage", "n"]
    own = frame.iloc[0][["speaker", "input_label", "input_start", "input_p_engage", "n"]]
    assert own.tolist() == ["RUS", "mine", "2018", "high", 7]
    assert frame["label"][0] in model.labels


@pytest.mark.parametrize("names", [["label", "input_label"], ["input_label", "label"]])
def test_no_own_column_is_lost_to_the_prefix(model, names):
    values = {"label": "a", "input_label": "b"}
    frame = analyze([{"text": TALKS, **{name: values[name] for name in names}}], model)
    assert frame["input_label"].tolist() == ["b"]
    assert frame["input_input_label"].tolist() == ["a"]


def test_a_result_can_be_analysed_again_and_again(model):
    once = analyze([{"text": TALKS, "year": 2018}], model)
    twice = analyze(once, model)
    thrice = analyze(twice, model)
    assert (probabilities(once) == probabilities(twice)).all()
    assert (probabilities(once) == probabilities(thrice)).all()
    assert thrice["year"].tolist() == [2018]
    assert thrice.columns.is_unique
    assert thrice["input_input_label"].tolist() == once["label"].tolist()


def test_rows_with_different_fields_share_one_frame(model):
    frame = analyze([{"text": TALKS, "a": 1}, {"text": BOMB, "b": 2}], model)
    assert frame.columns.tolist() == [*SCHEMA, "a", "b"]
    assert frame["b"].isna().tolist() == [True, False]


# -- context ---------------------------------------------------------------------------------------------------------


def contexts_seen(model, monkeypatch, documents, **options):
    """Return text and context of every sentence that reaches the classifier."""
    seen = []
    real = type(model).predict

    def predict(self, texts, contexts=None, targets=None):
        seen.extend(zip(texts, contexts, strict=True))
        return real(self, texts, contexts, targets)

    monkeypatch.setattr(type(model), "predict", predict)
    frame = analyze(documents, model, **options)
    return seen, frame


def test_a_sentence_has_the_one_before_it_as_context(model, monkeypatch):
    seen, _ = contexts_seen(model, monkeypatch, [f"{TALKS} {THEY} It snowed.", "A new text."], gate="off")
    assert seen == [(TALKS, ""), (THEY, TALKS), ("It snowed.", THEY), ("A new text.", "")]


def test_rows_of_one_document_are_each_others_context_also_interleaved(model, monkeypatch):
    rows = [("a", TALKS), ("b", "It snowed."), ("a", THEY), ("b", ""), ("b", "They skied."), ("a", "End.")]
    records = [{"doc": document, "text": text} for document, text in rows]
    seen, frame = contexts_seen(model, monkeypatch, records, columns=Columns(document="doc"), gate="off")
    assert seen == [
        (TALKS, ""),
        ("It snowed.", ""),
        (THEY, TALKS),
        ("They skied.", "It snowed."),
        ("End.", THEY),
    ]
    assert frame["document"].tolist() == ["a", "b", "a", "b", "b", "a"]
    assert frame["sentence"].tolist() == [0, 0, 1, pd.NA, 1, 2]
    whole = analyze([f"{TALKS} {THEY} End."], model)
    assert (probabilities(frame[frame["document"] == "a"]) == probabilities(whole)).all()


def test_context_matters(model):
    named, not_named = (analyze([f"{before} {THEY}"], model, gate="off").iloc[1] for before in (TALKS, "It snowed."))
    assert named["text"] == not_named["text"] == THEY
    assert named["p_terrorist"] > not_named["p_terrorist"]


def test_an_explicit_context_column_takes_the_place_of_the_row_before(model, monkeypatch):
    rows = [(THEY, TALKS), ("They left. They came back.", ""), (THEY, None)]
    records = [{"doc": "a", "text": text, "before": before} for text, before in rows]
    columns = Columns(document="doc", context="before")
    seen, frame = contexts_seen(model, monkeypatch, records, columns=columns)
    assert seen == [(THEY, TALKS), ("They left.", ""), ("They came back.", "They left."), (THEY, "")]
    assert frame["before"].tolist()[:2] == [TALKS, ""]
    assert frame["p_terrorist"].iloc[0] == analyze([f"{TALKS} {THEY}"], model)["p_terrorist"][1]


def test_memory_of_documents_is_bounded(model, monkeypatch):
    monkeypatch.setattr(pipeline, "_REMEMBERED_DOCUMENTS", 2)
    rows = [{"doc": document, "text": "The Taliban."} for document in "abaca"] + [{"doc": "b", "text": "The Taliban."}]
    frame = analyze(rows, model, columns=Columns(document="doc"))
    assert frame["sentence"].tolist() == [0, 0, 1, 0, 2, 0]


# -- sentences and their places --------------------------------------------------------------------------------------


def test_pre_split_keeps_texts_whole(model):
    frame = analyze([f"  {TALKS} {THEY}\n"], model, pre_split=True)
    assert frame["text"].tolist() == [f"{TALKS} {THEY}"]
    assert frame[["start", "end"]].values.tolist() == [[2, 3 + len(TALKS) + len(THEY)]]
    assert len(analyze([f"  {TALKS} {THEY}\n"], model)) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("pre_split", [False, True])
def test_offsets_are_exact_for_files(model, tmp_path, end, mark, pre_split):
    text = end.join(["Žižek – “quoted” 🙂.", "", f"   {TALKS} {THEY}", "Кабул молчит. 喀布尔。", ""])
    path = tmp_path / "a.txt"
    path.write_bytes((mark + text).encode())
    frame = analyze(path, model, pre_split=pre_split)
    cut = [text[start:stop] for start, stop in zip(frame["start"], frame["end"], strict=True)]
    assert cut == frame["text"].tolist()
    assert set(frame["document"]) == {"a"}
    assert frame["sentence"].dropna().tolist() == list(range(frame["sentence"].notna().sum()))
    covered = "".join("".join(cut).split())
    assert covered == "".join(text.split())


def test_offsets_in_a_table_are_those_of_the_cell(model, tmp_path):
    cell = f"{TALKS}\nThey left."
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": cell}) + "\n" + json.dumps({"text": cell}) + "\n")
    frame = analyze(tmp_path / "t.jsonl", model)
    assert [cell[a:b] for a, b in zip(frame["start"], frame["end"], strict=True)] == [TALKS, "They left."] * 2
    assert frame["document"].tolist() == ["t:1", "t:1", "t:2", "t:2"]


# -- abstaining ------------------------------------------------------------------------------------------------------


def test_nothing_abstains_unless_asked(model):
    assert not analyze(EXAMPLE, model)["abstained"].any()


def test_lower_coverage_and_lower_risk_abstain_more(model):
    everything = analyze(EXAMPLE, model)
    by_coverage = [analyze(EXAMPLE, model, coverage=share)["abstained"].sum() for share in (1.0, 0.6, 0.1)]
    by_risk = [analyze(EXAMPLE, model, max_risk=share)["abstained"].sum() for share in (1.0, 0.05, 0.0)]
    for counts in (by_coverage, by_risk):
        assert counts == sorted(counts)
        assert counts[0] == 0
        assert counts[-1] > counts[0]
    some = analyze(EXAMPLE, model, coverage=0.6)
    assert some[some["abstained"]]["confidence"].max() < some[~some["abstained"]]["confidence"].min()
    pd.testing.assert_frame_equal(some.drop(columns="abstained"), everything.drop(columns="abstained"))


@pytest.mark.parametrize("options", [{"coverage": 80}, {"max_risk": -1}])
def test_a_share_out_of_range_is_refused(model, options):
    with pytest.raises(DataError, match="give a share between 0 and 1"):
        analyze([TALKS], model, **options)


# -- every kind of input ---------------------------------------------------------------------------------------------


def test_every_kind_of_input_gives_the_same_answers(model, tmp_path):
    texts = [f"{TALKS} {THEY}", "", BOMB, EXAMPLE.read_text(encoding="utf-8")]
    frame = pd.DataFrame({"text": texts})
    records = frame.to_dict("records")
    frame.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "files").mkdir()
    for i, text in enumerate(texts):
        (tmp_path / "files" / f"{i}.txt").write_text(text, encoding="utf-8", newline="")
    expected = analyze(texts, model)
    for documents in (frame, frame["text"], records, (text for text in texts), tmp_path / "files"):
        pd.testing.assert_frame_equal(analyze(documents, model), expected)
    pd.testing.assert_frame_equal(analyze([tmp_path / "files" / f"{i}.txt" for i in range(4)], model), expected)
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        found = analyze(tmp_path / name, model)
        assert found["document"].iloc[0] == "a:1"
        pd.testing.assert_frame_equal(found.drop(columns="document"), expected.drop(columns="document"))
    streamed = pd.DataFrame(list(Labeller(model).rows(passages_of(texts))), columns=SCHEMA)
    assert streamed["text"].tolist() == expected["text"].tolist()
    assert (probabilities(streamed)[:2] == probabilities(expected)[:2]).all()


def test_a_model_may_be_named(model):
    pd.testing.assert_frame_equal(analyze([TALKS], "fast"), analyze([TALKS], model))
    pd.testing.assert_frame_equal(analyze([TALKS]), analyze([TALKS], "accurate"))


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (TALKS, "single str; give a sequence"),
        (b"bytes", "single bytes; give a sequence"),
        ({"text": TALKS}, "single dict; give a sequence"),
        ([TALKS, 3], "item 1 is a int"),
        ([{"a": 1, "b": 2}], "record 0: no column 'text'"),
        ([{"text": 3}], "record 0: column 'text' holds"),
    ],
)
def test_what_cannot_be_read_is_told(model, documents, message):
    with pytest.raises(DataError, match=message):
        analyze(documents, model)


def test_a_missing_file_is_told(model, tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        analyze(tmp_path / "nothing.txt", model)


# -- batches ---------------------------------------------------------------------------------------------------------


def test_a_text_gets_the_same_numbers_whatever_the_batch(model, monkeypatch):
    together = analyze([EXAMPLE], model)
    for size in (1, 3):
        monkeypatch.setattr(pipeline, "_BATCH", size)
        pd.testing.assert_frame_equal(analyze([EXAMPLE], model), together, check_exact=True)
    assert len(together) > 10
    alone = [analyze([text], model, pre_split=True, gate="off") for text in together["text"]]
    batch = analyze(together["text"].tolist(), model, pre_split=True, gate="off")
    assert (probabilities(pd.concat(alone)) == probabilities(batch)).all()


def test_rows_come_before_the_input_has_ended(model, monkeypatch):
    monkeypatch.setattr(pipeline, "_BATCH", 3)

    def endless():
        while True:
            yield TALKS

    rows = Labeller(model).rows(passages_of(endless()))
    assert [next(rows)["document"] for _ in range(7)] == list("0123456")


# -- several targets -------------------------------------------------------------------------------------------------


def test_predictions_follow_the_target_of_the_row(two_targets):
    records = [{"text": "open it", "about": about} for about in ("bridge", "ferry", "bridge")]
    frame = analyze(records, two_targets, columns=Columns(target="about"))
    assert frame["label"].tolist() == ["for", "against", "for"]
    assert frame["about"].tolist() == ["bridge", "ferry", "bridge"]


def test_an_unknown_or_missing_target_is_told_with_its_row(two_targets):
    columns = Columns(target="about")
    records = [{"text": "open it", "about": about} for about in ("bridge", "tunnel")]
    with pytest.raises(DataError, match=r"record 1: target 'tunnel' is unknown to .* it knows bridge, ferry"):
        analyze(records, two_targets, columns=columns)
    with pytest.raises(DataError, match=r"text 0: no target given, and several in model .*--target-column"):
        analyze(["open it"], two_targets)


def test_a_blank_row_needs_no_target(two_targets):
    records = [{"text": "open it", "about": "ferry"}, {"text": "", "about": ""}]
    frame = analyze(records, two_targets, columns=Columns(target="about"))
    assert frame["label"].isna().tolist() == [False, True]


def test_a_model_without_named_targets_takes_any(model):
    records = [{"text": TALKS, "about": "Taliban"}]
    frame = analyze(records, model, columns=Columns(target="about"))
    assert (probabilities(frame) == probabilities(analyze([TALKS], model))).all()
