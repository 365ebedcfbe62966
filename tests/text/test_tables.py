"""Records out of tables: what was written is read, and what cannot be read says where and what to do."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.errors import DataError
from stance.text.tables import files_of, open_text, read_records, written_whole

CHUNK = 1 << 16
TRICKY = [
    "a\nb",
    "a\r\nb",
    "a\rb",
    'say "no"',
    "a,b\tc",
    "a\u2028b\u0085c\u2029",
    "\ufeffmid",
    " طالبان ",
    "𝔘🇦🇫",
    "",
    "#",
    "\0",
]
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(TRICKY)
TABLES = st.lists(st.tuples(CELLS, CELLS), max_size=6)


def rows_of(data: bytes, kind: str, **options) -> list[dict]:
    return [dict(record) for _, record in read_records(io.BytesIO(data), kind, name="file", **options)]


def delimited(rows, delimiter: str = ",", line_end: str = "\r\n") -> str:
    out = io.StringIO(newline="")
    # before Python 3.13 the writer leaves a lone "\r" bare if lines end in "\n" only; no reader can tell that
    quoting = csv.QUOTE_MINIMAL if line_end == "\r\n" else csv.QUOTE_ALL
    csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows([("text", "label"), *rows])
    return out.getvalue()


def records(rows) -> list[dict]:
    return [dict(zip(("text", "label"), row, strict=True)) for row in rows]


def message(data: bytes, kind: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        rows_of(data, kind, **options)
    return str(caught.value)


# -- round trips -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(TABLES, st.sampled_from(["csv", "tsv"]), st.sampled_from(["\r\n", "\n"]), st.sampled_from(["", "\ufeff"]))
def test_what_the_csv_module_writes_is_read_back(rows, kind, line_end, mark):
    text = mark + delimited(rows, {"csv": ",", "tsv": "\t"}[kind], line_end)
    assert rows_of(text.encode(), kind) == records(rows)


@settings(deadline=None)
@given(TABLES, st.booleans(), st.sampled_from(["\r\n", "\n"]), st.sampled_from(["", "\ufeff"]))
def test_json_lines_are_read_back(rows, ascii_only, line_end, mark):
    lines = [json.dumps(record, ensure_ascii=ascii_only) + line_end for record in records(rows)]
    assert rows_of((mark + "".join(lines)).encode(), "jsonl") == records(rows)


@settings(deadline=None)
@given(TABLES, st.sampled_from([None, 1]))
def test_a_list_of_objects_is_read_back(rows, indent):
    assert rows_of(json.dumps(records(rows), indent=indent).encode(), "json") == records(rows)


def test_parquet_is_read_back(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    written = [{"text": text, "n": n, "tags": [text], "none": None} for n, text in enumerate(TRICKY * 800)]
    pq.write_table(pa.Table.from_pylist(written), tmp_path / "t.parquet")
    read = list(read_records(tmp_path / "t.parquet", "parquet"))
    assert [record for _, record in read] == written
    assert read[-1][0] == f"{tmp_path / 't.parquet'}:{len(written)}"


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.text(st.characters(max_codepoint=0xFF), max_size=9)] * 2), max_size=5))
def test_latin_1_is_read_if_asked_for(rows):
    assert rows_of(delimited(rows).encode("latin-1"), "csv", encoding="latin-1") == records(rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf8", "UTF-8-SIG"])
def test_the_byte_order_mark_is_no_part_of_the_first_column_however_utf_8_is_spelt(encoding):
    assert rows_of(b"\xef\xbb\xbftext\nx\n", "csv", encoding=encoding) == [{"text": "x"}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "gb18030"])
def test_other_encodings_are_read(encoding):
    rows = [("ٹ字\n" * 30_000, "é")]
    assert rows_of(delimited(rows).encode(encoding), "csv", encoding=encoding) == records(rows)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_are_counted_without_the_header_and_blank_lines(kind):
    data = {"csv": b'text,n\n\n"a\nb",1\n\nc,2', "jsonl": b'{"text": "a"}\n\n  \n{"text": "c"}'}[kind]
    assert [where for where, _ in read_records(io.BytesIO(data), kind, name="f")] == ["f:1", "f:2"]


@pytest.mark.parametrize("before", range(CHUNK - 3, CHUNK + 2))
def test_line_ends_and_characters_on_the_edge_of_a_chunk_are_kept(before):
    text = "x" * before + "\r\nﺕ\ry\n"
    with open_text(io.BytesIO(text.encode()), "utf-8", "f") as file:
        assert list(file) == ["x" * before + "\r\n", "ﺕ\r", "y\n"]


def test_a_stream_stays_open():
    stream = io.BytesIO(b"text\na\n")
    assert len(list(read_records(stream, "csv"))) == 1
    assert not stream.closed


# -- bytes that are no text ------------------------------------------------------------------------------------------

LONG = "ü".encode() * CHUNK


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
@pytest.mark.parametrize("before", [b"", b"x" * (CHUNK - 1), b"x" * CHUNK, LONG, b"x" + LONG], ids=len)
@pytest.mark.parametrize(
    ("bad", "what"),
    [(b"\xff", "ff"), (b"\xe2\x82", "e2"), (b"\xe2\x82\nmore", "e2"), (b"\xed\xa0\xbd", "ed")],
)
def test_the_first_byte_that_is_no_text_is_named(mark, before, bad, what):
    head = mark + b"text\n" + before
    assert f"file: byte {len(head)} (0x{what}) is not utf-8; say" in message(head + bad, "csv")


@pytest.mark.parametrize("split", [1, 2, 3])
def test_a_character_broken_over_two_chunks_is_named_by_its_first_byte(split):
    head = b"text\n" + b"x" * (CHUNK - 5 - split)
    assert f"byte {len(head)} (0xf0)" in message(head + "🇦".encode()[:3] + b"|", "csv")


def test_bytes_outside_another_encoding_are_named():
    assert "file: byte 6 (0x81) is not cp1252" in message(b"text\nx\x81", "csv", encoding="cp1252")


def test_utf_16_without_its_mark_names_the_remedy():
    assert "--encoding utf-16-le" in message("text\nx".encode("utf-16-le"), "csv", encoding="utf-16")


@pytest.mark.parametrize("encoding", ["klingon", "hex", "undefined"])
def test_what_is_no_encoding_of_text_is_refused(encoding):
    assert f"{encoding!r} is unknown; try utf-8" in message(b"text\n61", "csv", encoding=encoding)


# -- tables that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"text,label\nok,x\na,b,c\n", ["file: row 2 (line 3)", "3 fields, the header 2", "quote fields"]),
        (b"text,label\nonly\n", ["file: row 1 (line 2)", "1 fields, the header 2"]),
        (b'text,label\nok,x\n"never\nclosed,x\n', ["file: row 2 (line 4)", "not closed", "double the quotation marks"]),
        (b'text\n"a"b\n', ["file: row 1 (line 2)", "double the quotation marks"]),
        (b"text,n, text\n", ["file: column 'text' stands twice", "rename"]),
        (b"", ["file: empty", "must name the columns"]),
        (b"\r\n\r\n", ["file: empty"]),
    ],
)
def test_a_broken_csv_names_the_row_and_the_remedy(data, said):
    found = message(data, "csv")
    assert [part for part in said if part not in found] == []


def test_a_csv_with_a_header_only_has_no_rows():
    assert rows_of(b"text,label\n", "csv") == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"text": "a"}\n\n{"text": \n', ["file: line 3: not JSON"]),
        (b'{"text": "a"}\n["b"]\n', ["file: line 2: a list, not an object", '{"text": ...}']),
        (b'"a"\n', ["file: line 1: a str, not an object"]),
        (b'{"text": "\\ud83d\\ude00"}\n{"text": ["a", "\\uD83D!"]}\n', ["file: line 2: \\ud83d", "take it out"]),
        (b"[" * 100_000, ["file: line 1: not JSON"]),
    ],
)
def test_a_broken_json_line_is_named(data, said):
    found = message(data, "jsonl")
    assert [part for part in said if part not in found] == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"text": "a"}\n{"text": "b"}\n', ["file: not JSON", ".jsonl"]),
        (b"", ["file: not JSON"]),
        (b'[{"text": "a"}, "b"]', ["file: item 2: a str, not an object", '{"text": ...}']),
        (b"3", ["file: item 1: a int"]),
        (b'[{"text": "a"}, {"text": "\\udc00"}]', ["file: item 2: \\udc00"]),
    ],
)
def test_a_broken_json_file_is_named(data, said):
    found = message(data, "json")
    assert [part for part in said if part not in found] == []


def test_a_broken_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match=r"t\.parquet: not a readable parquet file"):
        list(read_records(tmp_path / "t.parquet", "parquet"))


def test_parquet_with_a_column_twice_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), tmp_path / "t")
    with pytest.raises(DataError, match="column 'text' stands twice"):
        list(read_records(tmp_path / "t", "parquet"))


def test_parquet_with_text_that_is_none_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": pa.array([b"a\xff"]).view(pa.string())}), tmp_path / "t")
    with pytest.raises(DataError, match="row 1 or after: text that is not utf-8"):
        list(read_records(tmp_path / "t", "parquet"))


def test_parquet_is_not_read_from_a_stream():
    assert "give the file" in message(b"PAR1", "parquet")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        list(read_records(tmp_path / "none.csv", "csv"))


# -- which files, and writing them -----------------------------------------------------------------------------------


def test_files_of_a_folder_come_in_the_order_of_their_paths_without_hidden_ones(tmp_path):
    for name in ["z.csv", "b/2.CSV", "a.csv", "a.txt", ".h/a.csv", "b/.a.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()
    found = [file.relative_to(tmp_path).as_posix() for file in files_of(tmp_path, {".csv": "csv"})]
    assert found == ["a.csv", "b/2.CSV", "z.csv"]
    assert list(files_of(tmp_path / "a.txt", {".csv"})) == [tmp_path / "a.txt"]
    with pytest.raises(DataError, match=r"no file of a known kind in this folder; known are \.xyz"):
        list(files_of(tmp_path, {".xyz"}))
    with pytest.raises(DataError, match="none: no such file or folder"):
        list(files_of(tmp_path / "none", {".csv"}))


def test_files_of_a_folder_come_in_the_order_that_sorting_their_paths_gives(tmp_path):
    for name in ["a/z.csv", "a.b/c.csv", "a-b.csv", "a.csv", "ab/1/2.csv", "ab/1.csv", "B.csv", "é/x.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked").symlink_to(tmp_path / "ab", target_is_directory=True)
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    found = list(files_of(tmp_path, {".csv"}))
    assert found == sorted(found)
    assert len(found) == 9
    assert not any("linked" in file.parts for file in found)


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with written_whole(file) as made:
        made.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("error", "seen"), [(KeyError, KeyError), (BrokenPipeError, BrokenPipeError), (OSError, DataError)]
)
def test_a_file_that_could_not_be_finished_stays_as_it_was(tmp_path, error, seen):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def write() -> None:
        with written_whole(file) as made:
            made.write_text("ne")
            raise error("no room")

    with pytest.raises(seen):
        write()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("place", ["nowhere/a.txt", "file/a.txt"])
def test_a_file_in_no_folder_names_the_remedy(tmp_path, place):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match=f"{place}: .*; name a file in a folder that exists"),
        written_whole(tmp_path / place) as made,
    ):
        made.write_text("x")


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "a").mkdir()
    for folder in (tmp_path / "a", Path("/")):
        with pytest.raises(DataError, match="name another file"), written_whole(folder) as made:
            made.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
