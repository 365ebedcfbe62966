"""Documents out of files, folders, web pages, tables and standard input."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.errors import DataError
from stance.text.readers import Columns, passages_of, read_documents


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def documents(*args, **options) -> list[str]:
    return [passage.document for passage in read_documents(*args, **options)]


# -- files and folders -----------------------------------------------------------------------------------------------


def test_a_text_file_is_one_passage_with_its_line_ends(tmp_path):
    file = write(tmp_path / "speech.txt", "\ufeffFirst.\r\n\r\nسلام\u2028\n")
    (passage,) = read_documents(file)
    assert (passage.document, passage.text, passage.where) == ("speech", "First.\r\n\r\nسلام\u2028\n", str(file))


def test_folders_are_read_in_the_order_of_names_whatever_order_they_were_made_in(tmp_path):
    for name in ["z.txt", "b/2.txt", "b/10.txt", "a.txt", "B/1.csv"]:
        write(tmp_path / name, "text\nx\n")
    assert documents(tmp_path) == ["B/1:1", "a", "b/10", "b/2", "z"]


def test_hidden_files_and_folders_and_other_kinds_of_file_are_passed_over(tmp_path):
    for name in ["a.txt", "._a.txt", ".ipynb_checkpoints/a.txt", "picture.png"]:
        write(tmp_path / name, "x")
    assert documents(tmp_path) == ["a"]


def test_a_readme_in_a_folder_is_no_document_unless_it_is_named(tmp_path):
    write(tmp_path / "a.txt", "x")
    readme = write(tmp_path / "README.md", "About these files.")
    assert documents(tmp_path) == ["a"]
    assert documents([readme]) == ["README"]


def test_two_files_of_one_name_are_two_documents(tmp_path):
    files = [write(tmp_path / folder / "speech.txt", folder) for folder in ("2016", "2017")]
    assert documents(files) == ["speech", "speech~2"]


def test_a_corpus_of_the_general_debate_gives_speaker_session_and_year(tmp_path):
    write(tmp_path / "Session 72 - 2017" / "PAK_72_2017.txt", "Peace.")
    write(tmp_path / "Session 01 - 1946" / "EU_01_1946.txt", "Peace.")
    first, second = read_documents(tmp_path)
    assert first.columns == {"speaker": "EU", "session": 1, "year": 1946}
    assert second.columns == {"speaker": "PAK", "session": 72, "year": 2017}
    assert second.document == "Session 72 - 2017/PAK_72_2017"


@pytest.mark.parametrize("name", ["pak_72_2017.txt", "PAK_72_2017_draft.txt", "PAK-72-2017.txt"])
def test_other_names_tell_nothing(tmp_path, name):
    (passage,) = read_documents(write(tmp_path / name, "x"))
    assert passage.columns == {}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.just("\r\n")))
def test_lines_stand_where_they_say(pieces):
    text = "".join(pieces).removeprefix("\ufeff")
    lines = list(read_documents("-", stdin=io.BytesIO(text.encode()), by_line=True))
    assert [text[line.start : line.start + len(line.text)] for line in lines] == [line.text for line in lines]
    assert [line.text for line in lines] == [line.rstrip("\r\n") for line in io.StringIO(text, newline="")]


def test_lines_are_numbered_in_one_document(tmp_path):
    file = write(tmp_path / "a.txt", "one\n\u2028two\r\n\r\nfour")
    assert [(p.document, p.text, p.where, p.start) for p in read_documents(file, by_line=True)] == [
        ("a", "one", f"{file}:1", 0),
        ("a", "\u2028two", f"{file}:2", 4),
        ("a", "", f"{file}:3", 10),
        ("a", "four", f"{file}:4", 12),
    ]


# -- standard input --------------------------------------------------------------------------------------------------


def test_standard_input_is_text_unless_another_format_is_named():
    (passage,) = read_documents("-", stdin=io.BytesIO(b"Talk to them.\n"))
    assert (passage.document, passage.text, passage.where) == ("stdin", "Talk to them.\n", "standard input")
    rows = list(read_documents(["-"], stdin=io.BytesIO(b"text,n\na,1\nb,2\n"), input_format="csv"))
    assert [(row.document, row.text, row.columns) for row in rows] == [
        ("stdin:1", "a", {"n": "1"}),
        ("stdin:2", "b", {"n": "2"}),
    ]


def test_standard_input_stands_in_the_order_of_sources(tmp_path):
    file = write(tmp_path / "a.txt", "x")
    assert documents([file, "-", file], stdin=io.BytesIO(b"y")) == ["a", "stdin", "a~2"]


def test_bytes_on_standard_input_that_are_no_text_are_named():
    with pytest.raises(DataError, match=r"standard input: byte 3 \(0xe9\) is not utf-8; .*--encoding cp1252"):
        documents("-", stdin=io.BytesIO(b"caf\xe9"))
    (passage,) = read_documents("-", stdin=io.BytesIO(b"caf\xe9"), encoding="latin-1")
    assert passage.text == "café"


# -- tables ----------------------------------------------------------------------------------------------------------

ROW = {"speech": "S1", "sentence": "Talk.", "about": "Taliban", "who": "PAK", "before": "Peace.", "year": 2017}
NAMED = Columns(text="sentence", document="speech", target="about", speaker="who", context="before")


def test_columns_are_taken_by_the_names_given(tmp_path):
    (passage,) = read_documents(write(tmp_path / "t.jsonl", json.dumps(ROW)), columns=NAMED)
    assert (passage.document, passage.text, passage.target, passage.context) == ("S1", "Talk.", "Taliban", "Peace.")
    assert passage.columns["speaker"] == "PAK"
    assert passage.columns["year"] == 2017
    assert not {"speech", "sentence", "who"} & passage.columns.keys()


def test_a_missing_document_context_or_target_is_none_of_the_neighbours(tmp_path):
    lines = [{**ROW, "speech": blank, "before": blank, "about": blank} for blank in (None, "", float("nan"))]
    file = write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, lines)))
    found = [(p.document, p.context, p.target) for p in read_documents(file, columns=NAMED)]
    assert found == [("t:1", "", ""), ("t:2", "", ""), ("t:3", "", "")]


def test_without_a_context_column_the_context_is_left_to_the_order_of_passages(tmp_path):
    (passage,) = read_documents(write(tmp_path / "t.csv", "text\nx\n"))
    assert passage.context is None


def test_the_only_column_is_the_text(tmp_path):
    assert [p.text for p in read_documents(write(tmp_path / "t.csv", "Tweet\nx\ny\n"))] == ["x", "y"]


def test_a_blank_cell_is_a_passage_without_text(tmp_path):
    file = write(tmp_path / "t.jsonl", '{"text": null}\n{"text": ""}\n{"text": "x"}\n')
    assert [p.text for p in read_documents(file)] == ["", "", "x"]


def test_a_column_named_speaker_gives_way_to_the_one_asked_for_and_is_kept(tmp_path):
    rows = [{"text": "x", "speaker": "chair", "who": "PAK"}, {"text": "x", "speaker": "chair", "input_speaker": "old"}]
    rows[1]["who"] = "RUS"
    file = write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))
    first, second = read_documents(file, columns=Columns(speaker="who"))
    assert first.columns == {"speaker": "PAK", "input_speaker": "chair"}
    assert second.columns == {"speaker": "RUS", "input_speaker": "old", "input_speaker~2": "chair"}
    (same, _) = read_documents(file, columns=Columns(speaker="speaker"))
    assert same.columns == {"speaker": "chair", "who": "PAK"}


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        ('{"text": "x"}\n{"note": "y"}', Columns(), "t.jsonl:2: no column 'text'; there are note"),
        ('{"tweet": "x"}\n{"text": "y"}', Columns(), "t.jsonl:2: no column 'tweet'; there are text"),
        ('{"a": "x", "b": "y"}', Columns(), "t.jsonl:1: no column 'text'; there are a, b; .*--text-column"),
        ("{}", Columns(), "no column 'text'; there are none"),
        ('{"text": "x"}\n{"Text": "x"}', Columns(text="text"), "t.jsonl:2: no column 'text'; there are Text"),
        ('{"text": "x"}', Columns(document="speech"), "t.jsonl:1: no column 'speech'; there are text; say"),
        ('{"text": 17}', Columns(), "t.jsonl:1: column 'text' holds 17, not text; put it in quotation marks"),
    ],
)
def test_a_row_that_lacks_something_is_named(tmp_path, content, columns, said):
    file = write(tmp_path / "t.jsonl", content)
    with pytest.raises(DataError, match=said):
        documents(file, columns=columns)


# -- what cannot be read ---------------------------------------------------------------------------------------------


def test_a_file_of_unknown_kind_names_the_remedy_and_is_read_with_it(tmp_path):
    file = write(tmp_path / "speech.doc", "x")
    with pytest.raises(DataError, match=r"speech\.doc: unknown kind of file '\.doc'; .*--input-format txt"):
        documents(file)
    assert documents(file, input_format="txt") == ["speech"]


def test_an_unknown_format_lists_those_that_are_known(tmp_path):
    with pytest.raises(DataError, match="unknown input format 'xlsx'; known are csv, html, json"):
        documents(write(tmp_path / "a.txt", "x"), input_format="xlsx")


def test_what_is_not_there_and_a_folder_with_nothing_to_read_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        documents(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no file of a known kind in this folder; known are \.txt"):
        documents(tmp_path)


@pytest.mark.parametrize("by_line", [False, True])
def test_a_binary_file_is_no_text(tmp_path, by_line):
    file = write(tmp_path / "a.txt", "text".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"a\.txt: it holds a null byte.*--encoding utf-16-le"):
        documents(file, by_line=by_line)
    (passage,) = read_documents(file, by_line=by_line, encoding="utf-16-le")
    assert passage.text == "text"


# -- web pages -------------------------------------------------------------------------------------------------------

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Moscow hosts talks on Kabul</title>
<style>p {color: red}</style><script>var hidden = "script";</script></head><body>
<nav><a href="/">Home</a> <a href="/world">World news menu</a></nav>
<article><h1>Moscow hosts talks on Kabul</h1>
<p>Russia received a delegation of the Taliban on Friday &amp; called on every side to come to the table.</p>
<p>The envoy said that nobody would be helped by another year of war in the provinces of the north.</p>
<p>India, which sent two retired diplomats, said that it had taken part at a level that was not official.</p>
</article><footer>Copyright, all rights reserved, cookie settings</footer></body></html>"""


def test_a_web_page_gives_its_title_and_its_article(tmp_path):
    pytest.importorskip("trafilatura")
    (passage,) = read_documents(write(tmp_path / "page.html", PAGE))
    lines = passage.text.splitlines()
    assert lines[0] == "Moscow hosts talks on Kabul"
    assert lines.count(lines[0]) == 1
    assert "Russia received a delegation of the Taliban on Friday & called on" in passage.text
    assert "not official." in passage.text
    assert not [word for word in ("menu", "script", "color", "cookie", "<p>") if word in passage.text]


def test_a_web_page_without_an_article_is_refused(tmp_path):
    pytest.importorskip("trafilatura")
    with pytest.raises(DataError, match=r"page\.html: no article found in this page; save its text"):
        documents(write(tmp_path / "page.html", "<html><head><title>x</title></head><body></body></html>"))


# -- what is in memory -----------------------------------------------------------------------------------------------


def test_texts_and_records_in_memory_are_numbered():
    found = list(passages_of(["a", {"text": "b", "n": 1}]))
    assert [(p.document, p.text, p.columns) for p in found] == [("0", "a", {}), ("1", "b", {"n": 1})]


def test_records_in_memory_have_the_documents_they_name():
    rows = [{"text": "a", "speech": "S"}, {"text": "b", "speech": None}]
    assert [p.document for p in passages_of(rows, Columns(document="speech"))] == ["S", "record 1"]


def test_the_text_column_of_records_in_memory_is_that_of_the_first():
    with pytest.raises(DataError, match="record 2: no column 'tweet'; there are text"):
        list(passages_of(["a", {"tweet": "b"}, {"text": "c"}]))


def test_each_file_has_a_text_column_of_its_own(tmp_path):
    files = [write(tmp_path / "a.csv", "tweet\nx\n"), write(tmp_path / "b.csv", "text,n\ny,1\n")]
    assert [p.text for p in read_documents(files)] == ["x", "y"]


def test_what_is_neither_text_nor_record_is_named():
    with pytest.raises(DataError, match="item 1 is a float; give texts"):
        list(passages_of(["a", 1.5]))
