"""Annotated corpora: what is read, what is left out and why, and what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.corpus.files import Corpus, CorpusColumns, read_corpus, write_corpus
from stance.errors import DataError

NAMED = CorpusColumns(text="Tweet", label="Stance", document="Thread", target="Target", context="Before")
READ_BACK = CorpusColumns(target="target", context="context")


def write(path: Path, *rows: dict | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def row(text: str = "Talk.", label: object = "engage", **more) -> dict:
    return {"text": text, "label": label, **more}


def failure(*args, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_corpus(*args, **options)
    return str(caught.value)


# -- columns ---------------------------------------------------------------------------------------------------------


def test_columns_are_taken_by_the_names_given(tmp_path):
    file = write(tmp_path / "t.csv", "Thread,Tweet,Target,Stance,Before,lang", "7,Talk.,Taliban,FAVOR,Peace.,en")
    corpus = read_corpus(file, columns=NAMED)
    assert corpus == Corpus(
        documents=("7",),
        texts=("Talk.",),
        labels=("FAVOR",),
        contexts=("Peace.",),
        targets=("Taliban",),
        where=("t.csv:1",),
        columns={"lang": ("en",)},
        skipped={},
    )


def test_the_usual_names_need_no_naming_and_other_columns_are_kept(tmp_path):
    corpus = read_corpus(write(tmp_path / "a.jsonl", row(document="S1", target="Taliban"), row(document="S1", year=2)))
    assert corpus.documents == ("S1", "S1")
    assert corpus.targets == ("", "")
    assert corpus.columns == {"target": ("Taliban", None), "year": (None, 2)}


def test_targets_are_listed(tmp_path):
    file = write(tmp_path / "a.jsonl", row(topic="b"), row(topic="a"), row(topic="b"), row(topic=None))
    corpus = read_corpus(file, columns=CorpusColumns(target="topic"))
    assert corpus.targets == ("b", "a", "b", "")
    assert corpus.target_names == ("", "a", "b")


def test_labels_that_are_numbers_are_names(tmp_path):
    assert read_corpus(write(tmp_path / "a.jsonl", row(label=0), row(label=" 1 "))).labels == ("0", "1")


@pytest.mark.parametrize(
    ("asked", "column"),
    [("text", "Tweet"), ("label", "Stance"), ("document", "Thread"), ("target", "Target"), ("context", "Before")],
)
def test_a_column_that_is_asked_for_must_be_there(tmp_path, asked, column):
    file = write(tmp_path / "a.jsonl", row(), row())
    found = failure(file, columns=CorpusColumns(**{asked: column}))
    assert f"a.jsonl:1: no column '{column}'; there are text, label; name it with --{asked}-column" in found


@pytest.mark.parametrize(("missing", "kept"), [("text", "label"), ("label", "text")])
def test_a_corpus_needs_texts_and_labels(tmp_path, missing, kept):
    found = failure(write(tmp_path / "a.jsonl", row(), {kept: "x"}))
    assert f"a.jsonl:2: no column '{missing}'; there are {kept}; name it with --{missing}-column" in found


# -- documents and contexts ------------------------------------------------------------------------------------------


def test_the_context_is_the_sentence_before_in_the_same_document(tmp_path):
    rows = [row(text, document=text[0]) for text in ("a1", "b1", "a2", "c1", "b2", "a3")]
    assert read_corpus(write(tmp_path / "a.jsonl", *rows)).contexts == ("", "", "a1", "", "b1", "a2")


def test_a_document_may_go_on_in_the_next_file(tmp_path):
    files = [write(tmp_path / name, row(name, document="S")) for name in ("1.jsonl", "2.jsonl")]
    assert read_corpus(files).contexts == ("", "1.jsonl")


def test_without_documents_each_row_is_one(tmp_path):
    corpus = read_corpus(write(tmp_path / "a.jsonl", row("x"), row("y")))
    assert corpus.documents == ("a:1", "a:2")
    assert corpus.contexts == ("", "")


@pytest.mark.parametrize("blank", [None, "", " ", float("nan")])
def test_rows_with_a_blank_document_do_not_follow_on_each_other(tmp_path, blank):
    corpus = read_corpus(write(tmp_path / "a.jsonl", row("x", document=blank), row("y", document=blank)))
    assert corpus.documents == ("a:1", "a:2")
    assert corpus.contexts == ("", "")


def test_rows_of_two_files_of_one_name_do_not_follow_on_each_other(tmp_path):
    files = [write(tmp_path / folder / "data.jsonl", row(folder)) for folder in ("train", "test")]
    corpus = read_corpus(files)
    assert corpus.documents == ("data:1", "data~2:1")
    assert corpus.contexts == ("", "")


TARGET = CorpusColumns(target="target")


def of_targets(*pairs: str) -> list[dict]:
    return [row(text, document="D", target=target) for text, target in (pair.split("/") for pair in pairs)]


@pytest.mark.parametrize(
    ("pairs", "contexts"),
    [
        (["S1/A", "S1/B", "S2/A", "S2/B"], ("", "", "S1", "S1")),
        (["S1/A", "S2/A", "S1/B", "S2/B"], ("", "S1", "", "S1")),
        (["S1/", "S2/A", "S3/", "S4/B"], ("", "S1", "S1", "S3")),
    ],
)
def test_the_context_is_the_sentence_before_of_the_same_target_or_of_none(tmp_path, pairs, contexts):
    corpus = read_corpus(write(tmp_path / "a.jsonl", *of_targets(*pairs)), columns=TARGET)
    assert corpus.contexts == contexts
    write_corpus(corpus, tmp_path / "b.jsonl")
    assert "context" not in (tmp_path / "b.jsonl").read_text()
    assert_same(read_corpus(tmp_path / "b.jsonl", columns=TARGET), corpus)


@pytest.mark.parametrize("blank", [None, "", float("nan")])
def test_a_context_column_is_taken_as_it_stands(tmp_path, blank):
    file = write(tmp_path / "a.jsonl", row("x", document="S", before="p"), row("y", document="S", before=blank))
    assert read_corpus(file, columns=CorpusColumns(context="before")).contexts == ("p", "")


def test_a_row_without_a_label_is_still_what_the_next_one_follows_on(tmp_path):
    rows = [row("1", document="S"), row("2", None, document="S"), row("3", document="S")]
    assert read_corpus(write(tmp_path / "a.jsonl", *rows)).contexts == ("", "2")


# -- rows left out, and files that are none --------------------------------------------------------------------------


def test_rows_without_a_label_are_counted(tmp_path):
    rows = [row(), row(label=None), row(label=""), row(label=" "), row(label=float("nan")), row("", None), row("end")]
    corpus = read_corpus(write(tmp_path / "a.jsonl", *rows))
    assert corpus.texts == ("Talk.", "end")
    assert corpus.where == ("a.jsonl:1", "a.jsonl:7")
    assert corpus.skipped == {"no label": 5}


def test_a_corpus_without_gaps_has_skipped_nothing(tmp_path):
    assert read_corpus(write(tmp_path / "a.jsonl", row())).skipped == {}


@pytest.mark.parametrize(
    ("text", "what"), [("", "nothing"), (" \n", "nothing"), (None, "nothing"), (17, "17, which is no text")]
)
def test_a_label_without_a_text_is_refused(tmp_path, text, what):
    found = failure(write(tmp_path / "a.jsonl", row(), row(text)))
    assert f"a.jsonl:2: the text of a labelled row holds {what}; give it a text, or take out its label" in found


@pytest.mark.parametrize("text", ["", " \n", None, 17])
def test_a_label_without_a_text_is_kept_for_the_checks_if_asked_for(tmp_path, text):
    rows = [row("One.", document="S"), row(text, document="S"), row("Two.", document="S"), row(text, None)]
    corpus = read_corpus(write(tmp_path / "a.jsonl", *rows), lenient=True)
    assert corpus.texts == ("One.", "", "Two.")
    assert corpus.contexts == ("", "One.", "One.")
    assert corpus.where[1] == "a.jsonl:2"
    assert corpus.skipped == {"no label": 1}


def test_a_corpus_in_which_nothing_is_labelled_is_refused(tmp_path):
    file = write(tmp_path / "a.csv", "text,label", "x,", "y,")
    assert "a.csv: nothing labelled (2 rows: no label); give rows a label, or say which column" in failure(file)
    assert "nothing labelled (no rows)" in failure([write(tmp_path / "b.csv", "text,label")])


def test_files_that_are_no_corpus_are_named(tmp_path):
    assert failure(tmp_path / "none.csv").endswith("none.csv: no such file or folder")
    assert "no file of a known kind in this folder; known are .csv" in failure(tmp_path)
    assert "unknown kind of corpus file '.xlsx'; known are .csv" in failure(write(tmp_path / "a.xlsx", "x"))
    assert "e.csv: empty" in failure(write(tmp_path / "e.csv"))


def test_bytes_that_are_no_text_are_named_and_read_with_the_right_encoding(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("text,label\ncafé,x\n".encode("latin-1"))
    assert "a.csv: byte 14 (0xe9) is not utf-8; say how the file is encoded" in failure(file)
    assert read_corpus(file, encoding="latin-1").texts == ("café",)


def test_folders_are_read_in_the_order_of_names_and_hidden_files_passed_over(tmp_path):
    for name in ("b.jsonl", "a/2.jsonl", "a/1.jsonl", ".x.jsonl", ".trash/0.jsonl", "README.md"):
        write(tmp_path / name, row(name))
    (tmp_path / "folder.json").mkdir()
    corpus = read_corpus(tmp_path)
    assert corpus.texts == ("a/1.jsonl", "a/2.jsonl", "b.jsonl")
    assert corpus.where == ("a/1.jsonl:1", "a/2.jsonl:1", "b.jsonl:1")


def test_rows_of_two_files_of_one_name_in_a_folder_are_told_apart_and_a_single_file_has_its_plain_name(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder / "x.jsonl", row(folder))
    assert read_corpus(tmp_path).where == ("a/x.jsonl:1", "b/x.jsonl:1")
    assert read_corpus(tmp_path / "a" / "x.jsonl").where == ("x.jsonl:1",)


# -- parts and fingerprint -------------------------------------------------------------------------------------------

CORPUS = Corpus(
    documents=("S", "S", "T"),
    texts=("One.", "Two.", "Three."),
    labels=("engage", "none", "both"),
    contexts=("", "One.", ""),
    targets=("", "", ""),
    where=("a:1", "a:2", "a:3"),
    columns={"split": ("train", "test", "train"), "year": (2016, 2017, None)},
    skipped={"no label": 4},
)


def test_rows_are_taken_with_their_contexts():
    part = CORPUS.take([2, 1])
    assert part.texts == ("Three.", "Two.")
    assert part.contexts == ("", "One.")
    assert part.columns["split"] == ("train", "test")
    assert len(part) == 2


def test_rows_are_chosen_by_a_column():
    assert CORPUS.only("split", "train").texts == ("One.", "Three.")
    assert CORPUS.only("year", "2017").texts == ("Two.",)


def test_the_sides_of_the_split_are_read_whatever_their_case_and_blanks():
    split = replace(CORPUS, columns={"split": (" Train", "TEST ", None)})
    assert split.sides == ("train", "test", "")
    assert replace(CORPUS, columns={}).sides == ("", "", "")
    assert split.only("split", "Test").texts == ("Two.",)
    with pytest.raises(DataError, match="split = 'dev'; found are test, train"):
        split.only("split", "dev")


def test_a_choice_that_finds_nothing_says_what_there_is():
    with pytest.raises(DataError, match="no column 'genre'; it has split, year"):
        CORPUS.only("genre", "news")
    with pytest.raises(DataError, match="split = 'dev'; found are test, train"):
        CORPUS.only("split", "dev")


@pytest.mark.parametrize("field", ["documents", "texts", "labels", "contexts", "targets"])
@pytest.mark.parametrize("i", [0, 1, 2])
def test_the_fingerprint_changes_with_any_value(field, i):
    values = list(getattr(CORPUS, field))
    values[i] += "x"
    assert replace(CORPUS, **{field: tuple(values)}).fingerprint != CORPUS.fingerprint


def test_the_fingerprint_changes_with_the_order_and_where_one_cell_ends():
    assert CORPUS.take([0, 2, 1]).fingerprint != CORPUS.fingerprint
    assert replace(CORPUS, texts=("One.T", "wo.", "Three.")).fingerprint != CORPUS.fingerprint


def test_the_fingerprint_does_not_change_with_the_place_of_the_file():
    assert replace(CORPUS, where=("b:1", "b:2", "b:3"), skipped={}).fingerprint == CORPUS.fingerprint


# -- round trips -----------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip) | st.sampled_from(
    ["a\nb", "a\r\nb", 'say "no"', "a\u2028b\u0085c", "\ufeffmid", "طالبان", "\\ud83d", "𝔘\0"]
)
LABELS = st.sampled_from(["engage", "terrorist", "both", "none"])
ROWS = st.lists(
    st.tuples(st.sampled_from("ABC"), TEXTS, LABELS, st.sampled_from(["", "a target"]), st.booleans()),
    min_size=1,
    max_size=8,
)


def assert_same(read: Corpus, written: Corpus) -> None:
    for field in ("documents", "texts", "labels", "contexts", "targets", "columns"):
        assert getattr(read, field) == getattr(written, field), field
    assert read.fingerprint == written.fingerprint


@settings(deadline=None)
@given(ROWS)
def test_a_corpus_is_read_back_as_it_was_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("corpus")
    keys = ("document", "text", "label", "target", "flag")
    first = write(folder / "a.jsonl", *(dict(zip(keys, values, strict=True)) for values in rows))
    corpus = read_corpus(first, columns=CorpusColumns(target="target"))
    write_corpus(corpus, folder / "b.jsonl")
    target = "target" if any(corpus.targets) else ""
    assert_same(read_corpus(folder / "b.jsonl", columns=CorpusColumns(target=target)), corpus)


def test_contexts_that_do_not_follow_from_the_rows_are_written(tmp_path):
    part = replace(CORPUS, targets=("a", "b", "a")).take([1, 2])
    write_corpus(part, tmp_path / "part.jsonl")
    assert_same(read_corpus(tmp_path / "part.jsonl", columns=READ_BACK), part)


def test_contexts_that_follow_are_not_written(tmp_path):
    write_corpus(CORPUS, tmp_path / "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()
    assert list(json.loads(lines[0])) == ["document", "text", "label", "split", "year"]
    assert_same(read_corpus(tmp_path / "all.jsonl"), CORPUS)


def test_dates_out_of_parquet_are_written_as_text(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": ["Talk."], "label": ["engage"], "day": pa.array([17_000], pa.date32())})
    pq.write_table(table, tmp_path / "a.parquet")
    write_corpus(read_corpus(tmp_path / "a.parquet"), tmp_path / "b.jsonl")
    assert read_corpus(tmp_path / "b.jsonl").columns["day"] == ("2016-07-18",)


def test_another_column_of_the_same_name_is_not_written_over_the_text(tmp_path):
    file = write(tmp_path / "a.jsonl", {"sentence": "Talk.", "text": "The whole speech.", "label": "engage"})
    corpus = read_corpus(file, columns=CorpusColumns(text="sentence"))
    with pytest.raises(DataError, match="another column 'text'; rename it"):
        write_corpus(corpus, tmp_path / "b.jsonl")


def test_a_corpus_is_written_whole_or_not_at_all(tmp_path):
    file = write(tmp_path / "a.jsonl", "as it was")
    with pytest.raises(UnicodeEncodeError):
        write_corpus(replace(CORPUS, texts=("One.", "Two.", "\ud83d")), file)
    assert file.read_text() == "as it was\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    with pytest.raises(DataError, match="name a file in a folder that exists"):
        write_corpus(CORPUS, tmp_path / "nowhere" / "a.jsonl")
