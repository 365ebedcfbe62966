"""The exports of annotation tools, as the tools write them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from stance.corpus.exports import Skipped, plain_record
from stance.corpus.files import CorpusColumns, read_corpus
from stance.errors import DataError


def refusal(record: dict, **options) -> Skipped:
    with pytest.raises(Skipped) as caught:
        plain_record(record, **options)
    return caught.value


def as_csv(*rows: dict) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_plain_record_comes_back_as_it_is():
    record = {"text": "Talk.", "label": "engage", "answer": {"a": 1}, "data": "x", "annotation": None}
    assert plain_record(record) == record


# -- doccano ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "label"),
    [
        ({"id": 1, "text": "Talk.", "label": ["engage"], "Comments": []}, "engage"),
        ({"id": 1, "text": "Talk.", "label": ["terrorist", "engage"]}, "engage+terrorist"),
        ({"id": 1, "data": "Talk.", "label": ["engage"]}, "engage"),
        ({"id": 1, "text": "Talk.", "labels": ["engage"]}, "engage"),
        ({"id": "1", "text": "Talk.", "label": "terrorist#engage"}, "engage+terrorist"),
        ({"id": "1", "data": "Talk.", "label": "engage"}, "engage"),
    ],
)
def test_doccano(record, label):
    found = plain_record(record)
    assert (found["text"], found["label"]) == ("Talk.", label)
    assert not {"labels", "data"} & found.keys()


@pytest.mark.parametrize("label", [[], "", [""]])
def test_doccano_without_a_label_is_skipped(label):
    assert str(refusal({"id": 1, "text": "Talk.", "label": label})) == "no label"


def test_a_sharp_in_the_label_of_another_table_stays():
    assert plain_record({"text": "x", "label": "c#", "year": 2001})["label"] == "c#"


def test_doccano_files(tmp_path):
    (tmp_path / "all.jsonl").write_text(
        '{"id": 7, "text": "Talk.", "label": ["engage"], "year": 2017}\n{"id": 8, "text": "Hm.", "label": []}\n'
    )
    (tmp_path / "all.csv").write_text(as_csv({"id": 9, "text": "Talk,\nand fight.", "label": "terrorist#engage"}))
    corpus = read_corpus(tmp_path)
    assert list(zip(corpus.texts, corpus.labels, strict=True)) == [
        ("Talk,\nand fight.", "engage+terrorist"),
        ("Talk.", "engage"),
    ]
    assert corpus.columns["id"] == ("9", 7)
    assert corpus.skipped == {"no label": 1}


# -- Label Studio ----------------------------------------------------------------------------------------------------


def annotation(*choices: str, by=1, question: str = "stance", **more) -> dict:
    result = {"type": "choices", "from_name": question, "to_name": "text", "value": {"choices": list(choices)}}
    return {"id": 5, "completed_by": by, "was_cancelled": False, "result": [result], **more}


def task(*annotations: dict) -> dict:
    return {
        "id": 3,
        "data": {"text": "Talk.", "document": "S1"},
        "annotations": list(annotations),
        "predictions": [annotation("terrorist")],
    }


def test_a_label_studio_task():
    assert plain_record(task(annotation("engage"))) == {"text": "Talk.", "document": "S1", "label": "engage"}
    assert plain_record(task(annotation("terrorist", "engage")))["label"] == "engage+terrorist"


def test_most_annotators_decide():
    voted = task(annotation("engage"), annotation("terrorist", by=2), annotation("engage", by=3))
    assert plain_record(voted)["label"] == "engage"


def test_a_tie_is_no_label_and_the_record_is_told():
    reason = refusal(task(annotation("engage"), annotation("terrorist", by=2)))
    assert str(reason) == "annotators disagree"
    assert reason.record == {"text": "Talk.", "document": "S1"}


@pytest.mark.parametrize("name", ["2", "ann@example.org"])
def test_one_annotator_may_be_chosen_by_number_or_address(name):
    voted = task(
        annotation("engage"), annotation("engage", by=3), annotation("none", by={"id": 2, "email": "ann@example.org"})
    )
    assert plain_record(voted, annotator=name)["label"] == "none"


def test_an_annotator_who_said_nothing_here_leaves_no_label():
    assert str(refusal(task(annotation("engage")), annotator="9")) == "no label"


@pytest.mark.parametrize(
    "others", [[], [annotation("engage", was_cancelled=True)], [annotation()], [{"completed_by": 1, "result": []}]]
)
def test_a_label_studio_task_that_nobody_finished_is_skipped(others):
    assert str(refusal(task(*others))) == "no label"


def test_an_empty_answer_does_not_undo_the_others():
    assert plain_record(task(annotation(), annotation("engage", by=2)))["label"] == "engage"


def test_of_several_questions_one_must_be_named():
    both = task(annotation("engage"), annotation("news", question="genre"))
    assert "several questions (genre, stance): name one with --label-column" in str(refusal(both))
    assert plain_record(both, label="genre")["genre"] == "news"


def test_label_studio_files(tmp_path):
    tasks = [task(annotation("engage")), task(annotation("engage"), annotation("none", by=2)), task(annotation("none"))]
    tasks = [{**t, "data": {"text": f"Text {n}.", "document": "S1"}} for n, t in enumerate(tasks)]
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    corpus = read_corpus(tmp_path / "project.json")
    assert corpus.labels == ("engage", "none")
    assert corpus.skipped == {"annotators disagree": 1}
    assert corpus.contexts == ("", "Text 1.")
    assert read_corpus(tmp_path, annotator="1").labels == ("engage", "engage", "none")
    assert read_corpus(tmp_path, annotator="2").labels == ("none",)


FLAT = {"text": "Talk.", "id": 3, "annotator": 1, "annotation_id": 5, "lead_time": 2.5}


@pytest.mark.parametrize("question", ["stance", "label"])
def test_label_studio_min_and_csv_files(tmp_path, question):
    several = {"choices": ["terrorist", "engage"]}
    rows = [{**FLAT, question: "engage"}, {**FLAT, question: several}, {**FLAT, question: "none", "annotator": 2}]
    (tmp_path / "min.json").write_text(json.dumps(rows))
    (tmp_path / "min.csv").write_text(as_csv(*({**row, question: _cell(row[question])} for row in rows)))
    columns = CorpusColumns(label=question)
    for name in ("min.json", "min.csv"):
        assert read_corpus(tmp_path / name, columns=columns).labels == ("engage", "engage+terrorist", "none")
        chosen = read_corpus(tmp_path / name, columns=columns, annotator="2")
        assert chosen.labels == ("none",)
        assert chosen.skipped == {"not annotated by 2": 2}


def _cell(said) -> str:
    return said if isinstance(said, str) else json.dumps(said)


def test_a_label_that_only_looks_like_choices_stays():
    assert plain_record({"text": "x", "label": '{"choices" broken'})["label"] == '{"choices" broken'


# -- Prodigy ---------------------------------------------------------------------------------------------------------

CHOICE = {
    "text": "Talk.",
    "options": [{"id": "engage", "text": "Engage"}],
    "accept": ["engage"],
    "answer": "accept",
    "meta": {"document": "S1"},
    "_input_hash": 1,
    "_session_id": "news-ann",
    "_annotator_id": "news-ann",
}


def test_a_prodigy_choice():
    assert plain_record(CHOICE) == {"text": "Talk.", "document": "S1", "label": "engage"}
    assert plain_record({**CHOICE, "accept": ["terrorist", "engage"]})["label"] == "engage+terrorist"


def test_a_prodigy_binary_task():
    assert plain_record({"text": "Talk.", "label": "engage", "answer": "accept"})["label"] == "engage"


@pytest.mark.parametrize("answer", ["reject", "ignore"])
@pytest.mark.parametrize("said", [{"accept": ["engage"]}, {"label": "engage"}])
def test_what_was_rejected_or_ignored_in_prodigy_is_skipped(answer, said):
    reason = refusal({"text": "Talk.", "answer": answer, **said})
    assert str(reason) == f"answered {answer!r}"
    assert reason.record == {"text": "Talk."}


def test_a_prodigy_choice_of_nothing_is_skipped():
    assert str(refusal({**CHOICE, "accept": []})) == "no label"


def test_prodigy_files(tmp_path):
    rows = [CHOICE, {**CHOICE, "answer": "ignore"}, {**CHOICE, "accept": ["none"], "_annotator_id": "news-bob"}]
    rows[2]["_session_id"] = "news-bob"
    (tmp_path / "news.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_corpus(tmp_path).labels == ("engage", "none")
    chosen = read_corpus(tmp_path, annotator="news-bob")
    assert (chosen.labels, chosen.skipped) == (("none",), {"not annotated by news-bob": 2})


# -- Argilla ---------------------------------------------------------------------------------------------------------


def argilla(*said, **more) -> dict:
    responses = {"stance": [{"value": value, "user_id": f"u{n}"} for n, value in enumerate(said, 1)]} if said else {}
    return {
        "id": "1",
        "fields": {"text": "Talk."},
        "metadata": {"year": 2017},
        "suggestions": {"stance": {"value": "terrorist"}},
        "responses": responses,
        **more,
    }


def test_argilla_2():
    assert plain_record(argilla("engage")) == {"text": "Talk.", "year": 2017, "label": "engage"}
    assert plain_record(argilla(["terrorist", "engage"]))["label"] == "engage+terrorist"
    assert plain_record(argilla("none", "engage", "none"))["label"] == "none"
    assert plain_record(argilla("none", "engage", "none"), annotator="u2")["label"] == "engage"
    assert plain_record(argilla(4))["label"] == "4"


def test_argilla_2_without_a_decision_is_skipped():
    assert str(refusal(argilla("none", "engage"))) == "annotators disagree"
    assert str(refusal(argilla())) == "no label"
    assert str(refusal(argilla("none"), annotator="u9")) == "no label"
    assert str(refusal(argilla(responses=None))) == "no label"


def test_drafts_and_discarded_responses_do_not_count():
    responses = {"stance": [{"value": "none", "status": s} for s in ("draft", "discarded")]}
    responses["stance"].append({"value": "engage", "status": "submitted"})
    assert plain_record(argilla(responses=responses))["label"] == "engage"


def test_argilla_with_several_questions_needs_the_name_of_one():
    responses = {"stance": [{"value": "engage"}], "note": [{"value": "clear"}]}
    assert "several questions (note, stance)" in str(refusal(argilla(responses=responses)))
    assert plain_record(argilla(responses=responses), label="stance")["stance"] == "engage"


def test_argilla_with_a_list_of_responses():
    responses = [
        {"user_id": "u1", "status": "submitted", "values": {"stance": {"value": "engage"}}},
        {"user_id": "u2", "status": "discarded", "values": {"stance": {"value": "none"}}},
        {"user_id": "u3", "status": "discarded", "values": None},
    ]
    assert plain_record(argilla(responses=responses))["label"] == "engage"


ARGILLA_1 = {
    "text": "Talk.",
    "inputs": {"text": "Talk."},
    "prediction": [["terrorist", 0.9]],
    "annotation": "engage",
    "annotation_agent": "ann",
    "status": "Validated",
    "metadata": {"document": "S1"},
}


def test_argilla_1():
    assert plain_record(ARGILLA_1) == {"text": "Talk.", "document": "S1", "label": "engage"}
    several = {**ARGILLA_1, "inputs": None, "annotation": ["terrorist", "engage"]}
    assert plain_record(several, annotator="ann")["label"] == "engage+terrorist"


@pytest.mark.parametrize(
    ("change", "annotator", "why"),
    [
        ({"annotation": None}, "", "not annotated"),
        ({"status": "Discarded"}, "", "discarded"),
        ({}, "bob", "not annotated by bob"),
    ],
)
def test_argilla_1_without_a_label_is_skipped(change, annotator, why):
    assert str(refusal({**ARGILLA_1, **change}, annotator=annotator)) == why


def test_argilla_files(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([argilla("engage", "none", "engage"), argilla("none", "engage")]))
    (tmp_path / "b.json").write_text(json.dumps([ARGILLA_1]))
    corpus = read_corpus(tmp_path)
    assert corpus.labels == ("engage", "engage")
    assert corpus.columns["year"] == (2017, None)
    assert corpus.skipped == {"annotators disagree": 1}


def test_an_export_in_which_nothing_is_decided_says_why(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [argilla("a", "b"), argilla(), argilla()])))
    with pytest.raises(
        DataError, match=r"a\.jsonl: nothing labelled \(1 rows: annotators disagree, 2 rows: no label\)"
    ):
        read_corpus(tmp_path / "a.jsonl")


# -- malformed exports -----------------------------------------------------------------------------------------------

GOOD = {"type": "choices", "from_name": "stance", "value": {"choices": ["engage"]}}


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({**FLAT, "label": {"choices": None}}, "label"),
        ({**FLAT, "label": {"choices": "engage"}}, "label"),
        ({**FLAT, "label": '{"choices": null}'}, "label"),
        ({**FLAT, "label": '{"choices": "engage"}'}, "label"),
        ({**FLAT, "label": {"other": ["engage"]}}, "label"),
        ({"id": 1, "text": "Talk.", "label": [[0, 5, "ORG"]]}, "label"),
        ({"id": 1, "text": "Talk.", "label": [None]}, "label"),
        ({"id": 1, "text": "Talk.", "label": [{"start": 0, "label": "ORG"}]}, "label"),
        ({"data": {"text": "x"}, "annotations": [1, 2]}, "annotations"),
        (task({"result": "engage"}), "result"),
        (task({"result": [{"type": "choices", "from_name": "stance"}]}), "value"),
        (task({"result": [{**GOOD, "value": {"choices": "engage"}}]}), "label"),
        (task({"result": [{**GOOD, "value": {"choices": None}}]}), "label"),
        ({**CHOICE, "accept": {"engage": True}}, "label"),
        (argilla(responses=3), "responses"),
        (argilla(responses={"stance": ["engage"]}), "responses"),
        (argilla(responses={"stance": [{"user_id": "u1"}]}), "response"),
        (argilla(responses=[{"values": {"stance": "engage"}}]), "values"),
        (argilla([{"start": 0, "end": 4, "label": "engage"}]), "label"),
        (argilla("engage", metadata="none"), "metadata"),
        ({**ARGILLA_1, "annotation": [["ORG", 0, 5]]}, "label"),
    ],
)
def test_a_malformed_record_is_named_with_its_row(tmp_path, record, what):
    good = {"id": 1, "text": "Talk.", "label": ["engage"]}
    (tmp_path / "a.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(record))
    with pytest.raises(DataError, match=rf"a\.jsonl:2: '{what}' in this export is .*, not (an?) .*anew$"):
        read_corpus(tmp_path / "a.jsonl")


def test_what_does_not_count_may_be_without_a_value():
    responses = {"stance": [{"status": "draft"}, {"value": "engage", "status": "submitted"}]}
    assert plain_record(argilla(responses=responses))["label"] == "engage"


def test_a_rating_of_nought_is_a_label():
    assert plain_record(argilla(0, 0, 1))["label"] == "0"
