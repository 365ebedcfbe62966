"""Folders of parts: the rows of one file, whatever the input; resuming; what is refused, in one line."""

from __future__ import annotations

import csv
import io
import json
from functools import cache

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import stance
from stance.analysis import parts, settings
from stance.analysis.parts import DONE
from stance.analysis.pipeline import analyze
from stance.analysis.settings import Settings
from stance.apps.cli import stance as cli
from stance.apps.distributed import run
from stance.codebook import load_codebook
from stance.errors import DataError, StanceError
from stance.model.artifact import load_model
from stance.text.readers import Columns

SAID = (
    *("Moscow hosted the Taliban for talks.", "It rained on the delegates.", "Wheat prices fell again in 2017."),
    *("The Taliban are terrorists and must be destroyed.", "Pakistan said that they must be part of a settlement."),
    *("The café was open until nine.", "No peace is possible without an inclusive government."),
)


def speech(n, length=5):
    return " ".join(SAID[(n * 3 + k * (1 + n % 2)) % len(SAID)] for k in range(length))


def write_csv(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def folder_of_texts(path):
    (path / "b" / "c").mkdir(parents=True)
    for i in range(12):
        where = path / ("b" if i % 3 else "b/c")
        (where / f"speech {i}.txt").write_text(speech(i), encoding="utf-8")
    (path / "b" / "blank.txt").write_text(" \n ")
    (path / "z.md").write_text("No document.")
    return [path]


def general_debate(path):
    for year in (2016, 2017, 2018):
        session = path / f"Session {year - 1945} - {year}"
        session.mkdir(parents=True)
        for country in ("AFG", "PAK", "RUS"):
            (session / f"{country}_{year - 1945}_{year}.txt").write_text(speech(year + ord(country[0])))
    return [path]


def table(path):
    """Write a table whose documents' rows stand far apart, some of them blank."""
    path.mkdir()
    texts = (speech(i, 2) if i % 11 else " " for i in range(60))
    rows = [(f"d{i % 7}", text, "Pakistan" if i % 2 else "", i) for i, text in enumerate(texts)]
    write_csv(path / "rows.csv", ["id", "text", "who", "page"], rows)
    return [path / "rows.csv", "--document-column", "id", "--speaker-column", "who"]


def json_lines(path):
    path.mkdir()
    records = [
        {"id": i % 5, "text": speech(i, 3), "n": i, "share": None if i % 4 else i / 8, "tags": ["a", i], "label": "x"}
        for i in range(40)
    ]
    (path / "rows.jsonl").write_text("\n".join(map(json.dumps, records)))
    return [path / "rows.jsonl", "--document-column", "id"]


def lines(path):
    path.mkdir()
    for name in "ab":
        text = "".join(SAID[i % 7] + ("\r\n" if i % 5 else "\n\n") for i in range(40))
        (path / f"{name}.txt").write_text(text, newline="", encoding="utf-8")
    return [path, "--pre-split"]


def mixed(path):
    path.mkdir()
    write_csv(path / "a.csv", ["text", "who"], [(speech(i, 2), "Ann") for i in range(9)])
    for name in "bcef":
        (path / f"{name}.txt").write_text(speech(ord(name)), encoding="utf-8")
    (path / "d.jsonl").write_text("\n".join(json.dumps({"text": speech(i, 2)}) for i in range(9)))
    return [path]


def of_two_tables(path):
    """Write tables that share a document: the second goes on with it."""
    path.mkdir()
    for name in "ab":
        write_csv(path / f"{name}.csv", ["id", "text"], [(f"d{i % 2}", speech(i, 2)) for i in range(9)])
    return [path, "--document-column", "id"]


def a_table_after_a_text(path):
    path.mkdir()
    (path / "a.txt").write_text(speech(1))
    write_csv(path / "b.csv", ["text", "who"], [(speech(i, 2), "Ann") for i in range(9)])
    return [path]


read_model, read_codebook = cache(load_model), cache(load_codebook)
INPUTS = (folder_of_texts, general_debate, table, json_lines, lines, mixed, of_two_tables, a_table_after_a_text)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "_BYTES", 1500)
    monkeypatch.setattr(parts, "_FILES", 4)
    monkeypatch.setattr(settings, "load_model", read_model)
    monkeypatch.setattr(settings, "load_codebook", read_codebook)


def predict(*arguments, code=0):
    """Run ``stance predict``; return what it says, which is one line of standard error if it fails."""
    found = CliRunner().invoke(cli, ["predict", "--model", "fast", *map(str, arguments)])
    if isinstance(found.exception, StanceError):  # `main` prints it and exits 1
        assert code == 1, found.exception
        assert "\n" not in str(found.exception)
        return str(found.exception)
    assert found.exit_code == code, found.output + repr(found.exception)
    return found.stderr


def part_files(folder):
    return sorted(folder.glob("part-*.parquet"))


def rows_of(folder):
    """Return the rows of all parts, in order; pyarrow raises if their schemas are not equal."""
    return pa.concat_tables([pq.read_table(file).replace_schema_metadata() for file in part_files(folder)])


def one_file(path, *arguments):
    predict(*arguments, "-o", path)
    return pq.read_table(path).replace_schema_metadata()


def texts(path, n=10):
    """Write files that make parts of four."""
    path.mkdir()
    for i in range(n):
        (path / f"{i:03}.txt").write_text(speech(i, 3), encoding="utf-8")
    return path


# -- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", INPUTS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("more", [(), ("--relevant", "--coverage", "0.8")], ids=("all", "relevant"))
def test_parts_hold_the_rows_of_one_file(tmp_path, make, more):
    arguments = [*make(tmp_path / "in"), *more]
    whole = one_file(tmp_path / "one.parquet", *arguments)
    predict(*arguments, "-o", f"{tmp_path / 'out'}/")
    found = rows_of(tmp_path / "out")
    assert len(part_files(tmp_path / "out")) > 1
    assert whole.num_rows > 5
    assert found.schema == whole.schema
    assert found.equals(whole)


def test_parts_hold_the_rows_of_analyze(tmp_path):
    general_debate(tmp_path / "in")
    run(tmp_path / "in", tmp_path / "out", Settings("fast", date="2018"))
    found = pd.concat(map(pd.read_parquet, part_files(tmp_path / "out")), ignore_index=True)
    wanted = analyze([tmp_path / "in"], "fast", date="2018")
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_exact=True)
    assert found["session"].dtype == found["year"].dtype == "int64"
    assert found["speaker"].unique().tolist() == ["AFG", "PAK", "RUS"]
    assert found["document"].iloc[0] == "Session 71 - 2016/AFG_71_2016"


def test_standard_input_makes_parts(tmp_path):
    table(tmp_path / "in")
    content = (tmp_path / "in" / "rows.csv").read_bytes()
    settings = Settings("fast", columns=Columns(document="id"))
    run("-", tmp_path / "a", settings, input_format="csv", stdin=io.BytesIO(content))
    run(tmp_path / "in" / "rows.csv", tmp_path / "b", settings)
    assert rows_of(tmp_path / "a").equals(rows_of(tmp_path / "b"))
    assert len(part_files(tmp_path / "a")) > 1


def test_a_document_without_rows_for_it_is_a_part_without_rows(tmp_path):
    texts(tmp_path / "in", 8)
    for file in sorted((tmp_path / "in").iterdir())[:4]:
        file.write_text("It rained. It snowed.")
    run(tmp_path / "in", tmp_path / "out", Settings("fast", relevant=True))
    first, second = part_files(tmp_path / "out")
    assert (pq.read_metadata(first).num_rows, pq.read_metadata(second).num_rows > 0) == (0, True)
    assert pq.read_schema(first).equals(pq.read_schema(second))


# -- files -----------------------------------------------------------------------------------------------------------


def test_each_part_tells_what_it_was_made_of(tmp_path):
    run(texts(tmp_path / "in"), tmp_path / "out", Settings("fast"))
    files = part_files(tmp_path / "out")
    assert [file.name for file in files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    about = [json.loads(pq.read_metadata(file).metadata[b"stance"]) for file in files]
    for each, file in zip(about, files, strict=True):
        assert each.keys() == {"settings", "input", "version", "model", "model_fingerprint", "sentences", "strange"}
        assert (each["version"], each["model"]) == (stance.__version__, "fast")
        assert each["model_fingerprint"] == load_model("fast").fingerprint
        assert each["sentences"]["sentences"] == pq.read_metadata(file).num_rows
    assert len({each["settings"] for each in about}) == 1
    assert len({each["input"] for each in about}) == 3
    done = json.loads((tmp_path / "out" / DONE).read_text())
    assert done["parts"] == 3
    assert done["sentences"]["sentences"] == 30
    assert done["sentences"]["gated"] == sum(each["sentences"]["gated"] for each in about)


def test_parts_stand_one_by_one_and_the_end_is_marked_last(tmp_path):
    out, there = tmp_path / "out", []

    def note(done):
        there.append((done.number, sorted(file.name for file in out.iterdir())))

    run(texts(tmp_path / "in"), out, Settings("fast"), progress=note)
    assert there == [(n, [f"part-{k:05}.parquet" for k in range(n + 1)]) for n in range(3)]
    assert (out / DONE).exists()


def test_pandas_and_aggregate_read_the_folder(tmp_path):
    out = tmp_path / "out"
    predict(texts(tmp_path / "in"), "-o", f"{out}/")
    assert len(pd.read_parquet(out)) == 30
    command = ["aggregate", str(out), "--by", "document", "--floor", "1", "--model", "fast", "--format", "jsonl"]
    found = CliRunner().invoke(cli, command)
    assert found.exit_code == 0, found.output
    assert [json.loads(line)["document"] for line in found.stdout.splitlines()] == [f"{i:03}" for i in range(10)]


# -- resuming --------------------------------------------------------------------------------------------------------


def times(folder):
    return {file.name: file.stat().st_mtime_ns for file in part_files(folder)}


@pytest.mark.parametrize("make", [folder_of_texts, table], ids=lambda make: make.__name__)
def test_resuming_computes_what_is_missing(tmp_path, make):
    arguments, out = [*make(tmp_path / "in"), "-o", f"{tmp_path / 'out'}/"], tmp_path / "out"
    predict(*arguments)
    whole, before, about = rows_of(out), times(out), json.loads((out / DONE).read_text())
    missing = {sorted(before)[0], sorted(before)[-1]}
    for name in (*missing, DONE):
        (out / name).unlink()
    predict(*arguments, "--resume")
    assert rows_of(out).equals(whole)
    assert {name for name, time in times(out).items() if before[name] != time} == missing
    assert json.loads((out / DONE).read_text()) == about


def test_resuming_a_finished_job_changes_nothing(tmp_path):
    out = tmp_path / "out"
    told, _ = run(texts(tmp_path / "in"), out, Settings("fast"), resume=True)
    before = times(out)
    assert run(tmp_path / "in", out, Settings("fast"), resume=True)[0] == told
    assert times(out) == before


def test_only_the_part_of_a_changed_file_is_computed_anew(tmp_path):
    out = tmp_path / "out"
    run(texts(tmp_path / "in"), out, Settings("fast"))
    before = times(out)
    (tmp_path / "in" / "005.txt").write_text("The Taliban came.")
    run(tmp_path / "in", out, Settings("fast"), resume=True)
    assert [name for name, time in times(out).items() if before[name] != time] == ["part-00001.parquet"]
    assert rows_of(out).equals(one_file(tmp_path / "one.parquet", tmp_path / "in"))


def test_only_the_parts_of_changed_rows_are_computed_anew(tmp_path):
    out, file = tmp_path / "out", tmp_path / "in" / "rows.csv"
    settings = Settings("fast", columns=Columns(document="id"))
    table(tmp_path / "in")
    run(file, out, settings)
    before = times(out)
    file.write_text(file.read_text("utf-8").replace(",59\n", ",59b\n"), encoding="utf-8")
    run(file, out, settings, resume=True)
    assert [name for name, time in times(out).items() if before[name] != time] == [max(before)]
    assert rows_of(out)["page"].to_pylist()[-1] == "59b"


def test_files_read_as_another_kind_are_computed_anew(tmp_path):
    source = texts(tmp_path / "in", 1)
    (source / "000.txt").rename(source / "000.html")
    (source / "000.html").write_text(f"<html><body><article><p>{speech(1, 7)}</p></article></body></html>")
    run(source, tmp_path / "out", Settings("fast"), input_format="txt")
    run(source, tmp_path / "out", Settings("fast"), resume=True)
    assert "<p>" not in rows_of(tmp_path / "out")["text"].to_pylist()[0]


def a_speech_of_the_debate(source):
    (source / "zz").mkdir()
    (source / "zz" / "PAK_72_2017.txt").write_text(speech(9))


def a_number_for_nothing(source):
    file = source / "rows.jsonl"
    file.write_text(file.read_text().replace("null", "1", 1))


@pytest.mark.parametrize("change", [a_speech_of_the_debate, a_number_for_nothing], ids=lambda change: change.__name__)
def test_all_parts_have_one_schema_after_the_input_changed(tmp_path, change):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    records = [{"text": speech(i), "n": None} for i in range(20)]
    (source / "rows.jsonl").write_text("\n".join(map(json.dumps, records)))
    run(source, out, Settings("fast"))
    change(source)
    try:
        run(source, out, Settings("fast"), resume=True)
    except DataError as error:
        assert "name another folder" in str(error)  # noqa: PT017
    else:
        assert rows_of(out).equals(one_file(tmp_path / "one.parquet", source))


def test_half_written_files_of_a_killed_process_are_removed(tmp_path):
    out = tmp_path / "out"
    run(texts(tmp_path / "in"), out, Settings("fast"))
    (out / ".part-00001.parquet.123.part").write_bytes(b"PAR1")
    run(tmp_path / "in", out, Settings("fast"), resume=True)
    assert [file.name for file in out.iterdir() if file.name.startswith(".")] == []


def test_parts_of_more_input_than_there_is_are_told(tmp_path):
    out = tmp_path / "out"
    run(texts(tmp_path / "in"), out, Settings("fast"))
    for i in (8, 9):
        (tmp_path / "in" / f"{i:03}.txt").unlink()
    told = predict(tmp_path / "in", "--resume", "-o", f"{out}/", code=1)
    assert "part-00002.parquet is a part of more input than there is now" in told
    assert not (out / DONE).exists()
    (out / "part-00002.parquet").unlink()
    predict(tmp_path / "in", "--resume", "-o", f"{out}/")
    assert rows_of(out).num_rows == 24


@pytest.mark.parametrize(
    "other",
    [("--gate", "off"), ("--model", "accurate"), ("--speaker", "Pakistan"), ("--relevant",), ("--max-risk", "0.1")],
    ids=" ".join,
)
def test_other_settings_are_refused(tmp_path, other):
    arguments = [texts(tmp_path / "in"), "-o", f"{tmp_path / 'out'}/"]
    predict(*arguments)
    before = times(tmp_path / "out")
    told = predict(*arguments, *other, "--resume", code=1)
    assert "part-00000.parquet was made with other settings; name another folder" in told
    assert times(tmp_path / "out") == before
    assert (tmp_path / "out" / DONE).exists()


def test_other_blocs_of_the_same_file_name_are_refused(tmp_path):
    blocs = tmp_path / "blocs.toml"
    blocs.write_text('[[bloc]]\nname = "ours"\nposition = "engage"\nmembers = ["Pakistan"]\nend = "1980-12"\n')
    arguments = [texts(tmp_path / "in"), "--blocs", blocs, "-o", f"{tmp_path / 'out'}/"]
    predict(*arguments)
    predict(*arguments, "--resume")
    blocs.write_text(blocs.read_text().replace("engage", "terrorist"))
    assert "was made with other settings" in predict(*arguments, "--resume", code=1)


def test_a_folder_that_holds_something_is_refused(tmp_path):
    out = tmp_path / "out"
    arguments = [texts(tmp_path / "in"), "-o", f"{out}/"]
    predict(*arguments)
    assert "holds parts of a job; go on with --resume" in predict(*arguments, code=1)
    pq.write_table(pa.table({"a": [1]}), out / "part-00001.parquet")
    assert "part-00001.parquet is no part of a job" in predict(*arguments, "--resume", code=1)
    (out / "part-00001.parquet").write_bytes(b"PAR1")
    predict(*arguments, "--resume")  # a damaged part is computed anew
    assert pq.read_metadata(out / "part-00001.parquet").num_rows > 1
    (out / "notes.txt").write_text("mine")
    for more in ((), ("--resume",)):
        assert "holds 'notes.txt', which is no part of a job" in predict(*arguments, *more, code=1)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_within_the_input_is_not_read(tmp_path):
    source = texts(tmp_path / "in", 12)
    try:
        run(source, source / "out", Settings("fast"))
        run(source, source / "out", Settings("fast"), resume=True)
    except DataError as error:
        assert "among the input" in str(error)  # noqa: PT017
    else:
        assert rows_of(source / "out").num_rows == 36
