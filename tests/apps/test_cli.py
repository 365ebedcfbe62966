"""The command line: every input in every format, errors in one line, exit codes, terminals and pipes."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import stance
from stance.apps.cli import main
from stance.apps.cli import stance as cli
from stance.text.readers import Columns

ROOT = Path(stance.__file__).parents[1]
COMMAND = [sys.executable, "-c", "from stance.apps.cli import main; main()"]
TEXT = (
    'Moscow hosted the Taliban, "for talks".\n\nThe café was\topen. The Taliban are terrorists and must be destroyed.'
)
SECOND = "They met again.\r\nIt rained."
RECORDS = [
    {"id": 1, "text": TEXT, "who": "Ann, of Kabul"},
    {"id": 2, "text": "", "who": None},
    {"id": 3, "text": SECOND, "who": "Bob"},
]
BODY = "They met the Taliban. " * 9
PAGE = f"<html><head><title>A visit</title></head><body><article><p>{BODY}</p></article></body></html>"
KINDS = ("txt", "html", "csv", "tsv", "jsonl", "parquet", "folder")
FORMATS = ("csv", "tsv", "jsonl", "parquet")
ISLAND = ["--text-column", "Tweet", "--target-column", "Target"]
LABELLED = [*ISLAND, "--label-column", "Stance"]


def run(*arguments, ok=True, **options):
    """Run a command in this process; a failure shows what it printed."""
    found = CliRunner().invoke(cli, [str(a) for a in arguments], **options)
    assert not ok or found.exit_code == 0, found.output + repr(found.exception)
    return found


def failing(capsys, monkeypatch, *arguments):
    """Run `main` as the installed script does; return the exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["stance", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, *capsys.readouterr()


def process(*arguments, **options):
    """Run a command in a process of its own, from a folder that is not the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment, **options)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A file of each kind, and a folder of several."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "a.txt").write_text(TEXT, encoding="utf-8", newline="")
    (folder / "a.html").write_text(PAGE, encoding="utf-8")
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (folder / f"a.{suffix}").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, RECORDS[0], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(RECORDS)
    lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    pd.DataFrame(RECORDS).to_parquet(folder / "a.parquet")
    (folder / "folder" / "Session 72 - 2017").mkdir(parents=True)
    (folder / "folder" / "Session 72 - 2017" / "PAK_72_2017.txt").write_text(TEXT, encoding="utf-8")
    (folder / "folder" / "Session 72 - 2017" / "RUS_72_2017.txt").write_text(SECOND, encoding="utf-8")
    return {kind: folder / ("folder" if kind == "folder" else f"a.{kind}") for kind in KINDS}


@pytest.fixture(scope="module")
def tweets(tmp_path_factory):
    """A small corpus of two targets with labels of its own, and three rows that nobody has labelled."""
    words = {"FAVOR": "love support welcome", "AGAINST": "hate oppose refuse", "NONE": "see pass count"}
    rows = [
        {"Tweet": f"we {verb} the {target} on day {day}", "Target": target, "Stance": label}
        for target in ("airport", "harbour")
        for label, verbs in words.items()
        for day, verb in enumerate(verbs.split() * 2)
    ]
    rows += [{"Tweet": f"nobody has read this, {i}", "Target": "airport", "Stance": ""} for i in range(3)]
    path = tmp_path_factory.mktemp("tweets") / "tweets.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(tweets):
    """The folder of a model, its pickle, and what the training printed."""
    folder = tweets.parent
    found = run(
        "train", tweets, *LABELLED, "--none-label", "NONE", "-o", folder / "mine", "--joblib", folder / "mine.joblib",
        "--jobs", 1,
    )  # fmt: skip
    return folder / "mine", folder / "mine.joblib", found


# -- rows ------------------------------------------------------------------------------------------------------------


def plain(row):
    """Return a row in one form, whatever it was read from: missing is None, the input's own columns are text."""
    made = {}
    for name, value in row.items():
        if value is None or value == "" or (not isinstance(value, str) and pd.isna(value)):
            made[name] = "" if name == "text" else None
        elif name in {"sentence", "start", "end"}:
            made[name] = int(value)
        elif name.startswith("p_") or name == "confidence":
            made[name] = float(value)
        elif name in {"abstained", "gated"}:
            made[name] = str(value).lower() == "true"
        else:
            made[name] = str(value)
    return made


def parsed(text, kind):
    if kind == "jsonl":
        return [plain(json.loads(line)) for line in text.splitlines()]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if kind == "tsv" else ",")
    return [plain(row) for row in reader]


def written(path):
    if path.suffix == ".parquet":
        return [plain(row) for row in pq.read_table(path).to_pylist()]
    return parsed(path.read_bytes().decode(), path.suffix[1:])


def frame_rows(frame):
    return [plain(row) for row in frame.to_dict("records")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_gives_the_rows_of_python_in_every_format(kind, inputs, tmp_path):
    expected = frame_rows(stance.analyze(inputs[kind]))
    assert len({row["text"] for row in expected}) >= (2 if kind == "html" else 3)
    for output_format in FORMATS:
        file = tmp_path / f"rows.{output_format}"
        found = run("predict", inputs[kind], "-o", file)
        assert (found.stdout, found.stderr) == ("", "")
        assert written(file) == expected
        if output_format != "parquet":
            found = run("predict", inputs[kind], "--format", output_format)
            assert found.stderr == ""
            assert parsed(found.stdout_bytes.decode(), output_format) == expected


def test_format_wins_over_the_suffix_of_the_output(inputs, tmp_path):
    run("predict", inputs["txt"], "--format", "csv", "-o", tmp_path / "rows.txt")
    assert parsed((tmp_path / "rows.txt").read_bytes().decode(), "csv") == frame_rows(stance.analyze(inputs["txt"]))


@pytest.mark.parametrize("arguments", [[], ["-"], ["-o", "-"]])
def test_standard_input_gives_the_rows_of_the_file(arguments, inputs):
    from_file = parsed(run("predict", inputs["txt"]).stdout, "jsonl")
    from_pipe = parsed(run("predict", *arguments, input=inputs["txt"].read_bytes()).stdout, "jsonl")
    assert from_pipe == [{**row, "document": "stdin"} for row in from_file]


@pytest.mark.parametrize("kind", ["html", "csv", "tsv", "jsonl"])
def test_standard_input_of_any_format_but_parquet(kind, inputs):
    from_file = parsed(run("predict", inputs[kind]).stdout, "jsonl")
    given = run("predict", "-", "--input-format", kind, input=inputs[kind].read_bytes())
    from_pipe = parsed(given.stdout, "jsonl")
    assert [{**row, "document": row["document"].replace("stdin", "a")} for row in from_pipe] == from_file


def test_table_shows_each_sentence_and_counts_the_labels(inputs):
    rows = parsed(run("predict", inputs["folder"]).stdout, "jsonl")
    shown = run("predict", inputs["folder"], "--format", "table").stdout
    assert "\x1b" not in shown
    *body, total = shown.splitlines()
    assert {row["document"] for row in rows} <= set(body)
    n, counts = re.fullmatch(r"(\d+) sentences: (.*)", total).groups()
    assert int(n) == len(rows)
    assert {label: int(n) for n, label in (part.split() for part in counts.split(", "))} == Counter(
        row["label"] for row in rows
    )
    for row in rows:
        line = next(line for line in body if " ".join(row["text"].split()) in line)
        assert line.split()[:2] == [row["label"], f"{row['confidence']:.2f}"]


def test_table_lets_no_text_command_the_terminal():
    shown = run("predict", "--format", "table", input="It \x1b[2Jrained\x07 on\x9b31m them.").stdout
    assert not set(shown) & set("\x1b\x07\x9b")


def test_abstained_rows_say_so_and_keep_their_label(inputs):
    rows = parsed(run("predict", inputs["txt"], "--coverage", 0.2).stdout, "jsonl")
    assert rows == frame_rows(stance.analyze(inputs["txt"], coverage=0.2))
    assert any(row["abstained"] and row["label"] for row in rows)
    assert "abstained" in run("predict", inputs["txt"], "--coverage", 0.2, "--format", "table").stdout


def test_columns_of_the_users_table_are_named_by_options(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "speech,said,by,before\nA,We must talk.,Ann,The Taliban won.\nA,It rained.,Ann,\n", encoding="latin-1"
    )
    options = [
        "--text-column",
        "said",
        "--document-column",
        "speech",
        "--speaker-column",
        "by",
        "--context-column",
        "before",
    ]
    found = run("predict", tmp_path / "rows.csv", *options, "--pre-split", "--encoding", "latin-1")
    columns = Columns(text="said", document="speech", speaker="by", context="before")
    expected = frame_rows(stance.analyze(tmp_path / "rows.csv", columns=columns, pre_split=True))
    assert parsed(found.stdout, "jsonl") == expected
    assert [(row["document"], row["sentence"], row["speaker"]) for row in expected] == [
        ("A", 0, "Ann"),
        ("A", 1, "Ann"),
    ]


def test_numbers_that_json_lacks_are_null_and_lists_stay_lists(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "It rained.", "score": NaN, "deep": {"tags": ["a", Infinity]}}\n')
    line = run("predict", tmp_path / "rows.jsonl").stdout
    assert "NaN" not in line
    assert "Infinity" not in line
    row = json.loads(line)
    assert (row["score"], row["deep"]) == (None, {"tags": ["a", None]})


def test_a_file_name_that_is_no_text_has_question_marks_in_every_format(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("It rained.")
    for output_format in FORMATS:
        run("predict", tmp_path, "-o", tmp_path / f"out.{output_format}", "--input-format", "txt")
        assert [row["document"] for row in written(tmp_path / f"out.{output_format}")] == ["caf?"]
        (tmp_path / f"out.{output_format}").unlink()
    assert "caf?" in run("predict", tmp_path, "--format", "table").stdout


# -- the gate --------------------------------------------------------------------------------------------------------


def test_a_table_counts_gated_sentences_as_none_and_machine_formats_mark_them(tmp_path):
    (tmp_path / "a.txt").write_text("It rained. The Taliban are terrorists. They must be destroyed.")
    command = ["predict", tmp_path / "a.txt", "--model", "fast", "--format"]
    for kind in ("csv", "tsv", "jsonl"):
        rows = parsed(run(*command, kind).stdout, kind)
        assert [row["gated"] for row in rows] == [True, False, False]
        assert (rows[0]["label"], rows[0]["holder"]) == ("none", None)
    assert [type(json.loads(line)["gated"]) for line in run(*command, "jsonl").stdout.splitlines()] == [bool] * 3
    assert "3 sentences: 2 terrorist, 1 none" in run(*command, "table").stdout
    run(*command, "parquet", "-o", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["gated"].to_pylist() == [True, False, False]


@pytest.mark.parametrize(
    ("options", "gate", "relevant"),
    [
        ([], "", False),
        (["--all-sentences"], "", False),
        (["--relevant"], "", True),
        (["--gate", "named"], "named", False),
        (["--gate", "named", "--relevant"], "named", True),
        (["--gate", "off"], "off", False),
    ],
)
def test_options_of_the_gate_give_the_rows_of_python(options, gate, relevant, tmp_path):
    sentences = ["It rained.", "Kabul fell.", *["It rained."] * 9, "The Taliban are terrorists.", "It rained."]
    rows = [{"id": i, "doc": "a", "text": text} for i, text in enumerate(sentences)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = run("predict", tmp_path / "a.jsonl", "--model", "fast", "--document-column", "doc", *options)
    columns = Columns(document="doc")
    expected = stance.analyze(tmp_path / "a.jsonl", "fast", columns=columns, gate=gate, relevant=relevant)
    assert parsed(found.stdout, "jsonl") == frame_rows(expected)
    numbers = {"": 1 + 8 + 2, "named": 2, "off": len(rows)}
    assert len(expected) == (numbers[gate] if relevant else len(rows))
    assert (~expected["gated"]).sum() == numbers[gate]


@pytest.mark.parametrize("output_format", FORMATS)
def test_nothing_relevant_gives_a_file_without_rows(output_format, tmp_path):
    (tmp_path / "a.txt").write_text("It rained. It snowed.")
    output = tmp_path / f"out.{output_format}"
    run("predict", tmp_path / "a.txt", "--model", "fast", "--relevant", "-o", output)
    assert written(output) == []
    if output_format != "jsonl":
        empty = (
            pq.read_table(output).column_names
            if output_format == "parquet"
            else re.split("[,\t\n]", output.read_text())
        )
        assert "gated" in empty


def test_a_gate_that_a_model_cannot_have_is_told_in_one_line(trained, tweets, monkeypatch, capsys):
    arguments = ["predict", tweets, *ISLAND, "--model", trained[1], "--trust-pickle", "--gate", "named"]
    code, out, err = failing(capsys, monkeypatch, *arguments)
    assert (code, out) == (1, "")
    assert re.fullmatch(r"stance: model '.*' has no gate 'named': .*say gate off\n", err)


# -- what is wrong is said in one line -------------------------------------------------------------------------------


@pytest.fixture
def faulty(tmp_path):
    (tmp_path / "latin.txt").write_bytes("The café is open.".encode("latin-1"))
    (tmp_path / "null.txt").write_bytes(b"a\0b")
    (tmp_path / "image.txt").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "broken.jsonl").write_text('{"text": "It rained."}\nno json\n')
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "good.txt").write_text("It rained.")
    (tmp_path / "pickle.joblib").write_bytes(b"\x80\x04N.")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.txt"], ["missing.txt", "no such file"]),
        (["rows.csv"], ["rows.csv:1", "'text'", "--text-column", "a, b"]),
        (["rows.csv", "--text-column", "said"], ["rows.csv:1", "'said'", "a, b"]),
        (["latin.txt"], ["latin.txt", "byte 7", "--encoding cp1252"]),
        (["good.txt", "--encoding", "martian"], ["martian"]),
        (["null.txt"], ["null.txt", "null byte"]),
        (["image.txt"], ["image.txt"]),
        (["image.png"], ["image.png", "--input-format"]),
        (["broken.parquet"], ["broken.parquet", "parquet"]),
        (["broken.jsonl"], ["broken.jsonl", "line 2"]),
        (["good.txt", "--model", "nobody"], ["nobody", "fast"]),
        (["good.txt", "--model", "pickle.joblib"], ["pickle.joblib", "--trust-pickle"]),
        (["good.txt", "--model", "pickle.joblib", "--trust-pickle"], ["pickle.joblib", "no fitted"]),
        (["good.txt", "--format", "parquet"], ["-o"]),
        (["good.txt", "-o", "."], ["folder"]),
        (["good.txt", "-o", "nowhere/rows.csv"], ["nowhere"]),
        (["good.txt", "-o", "rows.xlsx"], ["rows.xlsx", "'.xlsx'", ".csv", "--format"]),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_1(arguments, says, faulty, monkeypatch, capsys):
    monkeypatch.chdir(faulty)
    before = sorted(faulty.iterdir())
    code, out, err = failing(capsys, monkeypatch, "predict", *arguments)
    assert code == 1
    assert err.startswith("stance: ")
    assert err.count("\n") == 1
    for words in says:
        assert words in err
    assert out == "" or arguments == ["broken.jsonl"]
    assert sorted(faulty.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "a.txt", "--format", "xml"],
        ["predict", "a.txt", "--coverage", "2"],
        ["predict", "a.txt", "--nonsense"],
        ["predict", "a.txt", "--gate", "open"],
        ["train", "a.csv"],
        ["train", "-o", "mine"],
        ["train", "a.csv", "-o", "mine", "--codebook", "book.toml", "--none-label", "NONE"],
        ["check", "a.csv", "--codebook", "book.toml", "--none-label", "NONE"],
        ["train", "a.csv", "-o", "mine", "--jobs", "0"],
        ["train", "a.csv", "-o", "mine", "--seed", "-1"],
        ["train", "a.csv", "-o", "mine", "--seed", str(2**32)],
        ["check", "a.csv", "--jobs", "0"],
        ["check", "a.csv", "--seed", "-1"],
        ["evaluate", "a.csv", "--seed", "-1"],
        ["evaluate", "a.csv", "--codebook", "book.toml"],
        ["evaluate", "a.csv", "--none-label", "NONE"],
        ["evaluate", "a.csv", "--min-macro-f1", "high"],
        ["nonsense"],
    ],
)
def test_wrong_usage_exits_2(arguments):
    found = run(*arguments, ok=False)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert "Usage: " in found.stderr
    assert "Error: " in found.stderr


def test_a_process_reports_an_error_on_standard_error_only(tmp_path):
    done = process("predict", "none.txt", cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.communicate() == ("", "stance: none.txt: no such file or folder\n")
    assert done.returncode == 1


# -- files are written whole or not at all ---------------------------------------------------------------------------


@pytest.mark.parametrize("output_format", FORMATS)
def test_an_error_midway_leaves_the_old_output(output_format, tmp_path, monkeypatch, capsys):
    given, output = tmp_path / "rows.jsonl", tmp_path / f"rows.{output_format}.out"
    given.write_text('{"text": "Rain."}\n' * 2100 + "no json\n")  # more than a batch: rows were written before
    output.write_text("old")
    arguments = ["predict", given, "--gate", "off", "--format", output_format, "-o", output]
    code, _, err = failing(capsys, monkeypatch, *arguments)
    assert code == 1
    assert "line 2101" in err
    assert output.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {given.name, output.name}


@pytest.mark.parametrize("output_format", ["csv", "tsv"])
def test_a_column_that_the_first_row_lacks_is_an_error(output_format, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.jsonl").write_text('{"text": "Rain."}\n{"text": "Snow.", "depth": 3}\n')
    output = tmp_path / f"a.{output_format}"
    code, _, err = failing(capsys, monkeypatch, "predict", tmp_path / "a.jsonl", "-o", output)
    assert code == 1
    assert "'depth'" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert json.loads(run("predict", tmp_path / "a.jsonl").stdout.splitlines()[1])["depth"] == 3


def test_output_follows_a_link_and_leaves_a_pipe_in_place(tmp_path, inputs):
    (tmp_path / "real.jsonl").write_text("old")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    run("predict", inputs["txt"], "-o", tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert written(tmp_path / "real.jsonl") == frame_rows(stance.analyze(inputs["txt"]))
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run("predict", inputs["txt"], "-o", tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert parsed(os.read(reader, 1 << 16).decode(), "jsonl") == written(tmp_path / "real.jsonl")
    os.close(reader)


# -- terminals and pipes ---------------------------------------------------------------------------------------------


def on_a_terminal(*arguments, **environment):
    """Run a command whose standard input and output are a terminal; return what that shows, and the exit code."""
    master, slave = pty.openpty()
    running = process(*arguments, stdin=slave, stdout=slave, stderr=slave, env={"NO_COLOR": "", **environment})
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 1 << 16):
            shown += part
    except OSError:  # how Linux says that the other side was closed
        pass
    os.close(master)
    return shown.decode(), running.wait()


def test_a_terminal_gets_a_coloured_table(inputs):
    shown, code = on_a_terminal("predict", inputs["txt"])
    assert code == 0
    assert "\x1b[33m\x1b[1mterrorist" in shown
    assert "sentences: " in shown


def test_no_color_is_honoured(inputs):
    shown, code = on_a_terminal("predict", inputs["txt"], NO_COLOR="1")
    assert code == 0
    assert "\x1b" not in shown
    assert "  terrorist " in shown


def test_a_terminal_with_nothing_piped_gets_help():
    shown, code = on_a_terminal("predict")
    assert code == 2
    assert "Usage: " in shown


@pytest.mark.parametrize("codec", ["utf-8", "ascii"])
def test_a_pipe_gets_json_lines_in_utf_8_whatever_the_locale(codec, inputs):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": {"PYTHONIOENCODING": codec}}
    out, err = process("predict", inputs["txt"], **options).communicate()
    assert err == b""
    assert parsed(out.decode("utf-8"), "jsonl") == frame_rows(stance.analyze(inputs["txt"]))


@pytest.mark.parametrize("output_format", ["jsonl", "table"])
def test_a_broken_pipe_is_silent(output_format, tmp_path):
    (tmp_path / "a.txt").write_text("It rained again in Kabul today.\n" * 4000)  # far more than a pipe holds
    command = [*COMMAND, "predict", "a.txt", "--format", output_format]
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; echo "${PIPESTATUS[0]}"', "-", *command],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    first, code = done.stdout.splitlines()
    assert first == "a" if output_format == "table" else json.loads(first)["sentence"] == 0
    assert (done.stderr, code) == ("", "0")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line(inputs):
    with Path("/dev/full").open("wb") as full:
        done = process("predict", inputs["txt"], stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.communicate()[1] == "stance: cannot write: No space left on device\n"
    assert done.returncode == 1


# -- a corpus of one's own -------------------------------------------------------------------------------------------


def test_training_says_what_it_left_out_and_what_it_found(trained):
    folder, pickle, found = trained
    assert found.stderr == "stance: left out 3 rows: no label\n"
    assert "36 sentences" in found.stdout
    assert found.stdout.splitlines()[-1] == f"saved to {folder}"
    assert {path.name for path in folder.iterdir()} >= {"model.json", "README.md"}
    assert pickle.is_file()


def test_predicting_with_a_model_of_several_targets(trained, tweets, tmp_path, monkeypatch, capsys):
    found = run("predict", tweets, *ISLAND, "--model", trained[0], "--format", "csv")
    rows = parsed(found.stdout, "csv")
    labelled = [row for row in rows if row["Stance"]]
    assert len(labelled) == 36
    assert [row["label"] for row in labelled] == [row["Stance"] for row in labelled]
    assert set(rows[0]) >= {"p_AGAINST", "p_FAVOR", "Target"}
    assert "p_NONE" not in rows[0]
    (tmp_path / "a.csv").write_text("Tweet,Target\nwe love it,moon\n")
    code, _, err = failing(capsys, monkeypatch, "predict", tmp_path / "a.csv", *ISLAND, "--model", trained[0])
    assert code == 1
    assert err.count("\n") == 1
    for words in ("a.csv:1", "'moon'", "airport, harbour", "--target-column"):
        assert words in err


def test_a_pickle_predicts_what_its_folder_does_if_it_is_trusted(trained, tweets):
    folder, pickle, _ = trained
    command = ["predict", tweets, *ISLAND, "--gate", "off", "--model"]  # of a gate a pickle knows nothing
    of_folder = parsed(run(*command, folder).stdout, "jsonl")
    of_pickle = parsed(run(*command, pickle, "--trust-pickle").stdout, "jsonl")
    assert [row["label"] for row in of_pickle] == [row["label"] for row in of_folder]
    assert [row["p_FAVOR"] for row in of_pickle] == pytest.approx([row["p_FAVOR"] for row in of_folder], abs=1e-6)


def test_a_model_is_replaced_only_if_asked(trained, tweets, tmp_path, monkeypatch, capsys):
    folder = trained[0]
    again = ["train", tweets, *LABELLED, "--none-label", "NONE", "--jobs", 1, "-o"]
    code, out, err = failing(capsys, monkeypatch, *again, folder)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "--force" in err
    (tmp_path / "letters").mkdir()
    code, _, err = failing(capsys, monkeypatch, *again, tmp_path / "letters", "--force")
    assert code == 1
    assert "no model" in err
    before = (folder / "model.json").read_bytes()
    run(*again, folder, "--force")
    assert (folder / "model.json").read_bytes() == before  # the same corpus and seed make the same model


def test_a_pickle_that_has_no_place_is_refused_before_training(tweets, tmp_path, monkeypatch, capsys):
    wrong = tmp_path / "nowhere" / "a.joblib"
    code, _, err = failing(capsys, monkeypatch, "train", tweets, *LABELLED, "-o", tmp_path / "m", "--joblib", wrong)
    assert code == 1
    assert "nowhere" in err
    assert list(tmp_path.iterdir()) == []


def test_evaluating_prints_a_report_or_json(trained, tweets):
    text = run("evaluate", tweets, *LABELLED, "--model", trained[0], "--draws", 20)
    assert text.stderr.splitlines() == [
        "stance: left out 3 rows: no label",
        "stance: these are the sentences the model was trained on; the figures say little",
    ]
    assert re.search(r"^macro-F1 over positions +1\.00", text.stdout, re.MULTILINE)
    found = json.loads(run("evaluate", tweets, *LABELLED, "--model", trained[0], "--draws", 20, "--json").stdout)
    assert found["overall"]["macro_f1_positions"]["value"] == 1.0
    assert set(found["overall"]["favg"]["per_target"]) == {"airport", "harbour"}


def test_evaluating_warns_only_of_the_sentences_of_the_training(trained, tweets, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(tweets.read_text() + "we love this airport,airport,FAVOR\n")
    found = run("evaluate", other, *LABELLED, "--model", trained[0], "--draws", 20)
    assert found.stderr == "stance: left out 3 rows: no label\n"


@pytest.mark.parametrize(
    ("row", "says"), [("we love it,moon,FAVOR", "target 'moon'"), ("we love it,,FAVOR", "no target")]
)
def test_evaluating_names_the_row_of_a_strange_target(row, says, trained, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text(f"Tweet,Target,Stance\nunread,airport,\nwe hate it,airport,AGAINST\n{row}\n")
    code, out, err = failing(capsys, monkeypatch, "evaluate", tmp_path / "a.csv", *LABELLED, "--model", trained[0])
    assert (code, out) == (1, "")
    for words in ("stance: a.csv:3: ", says, "airport, harbour", "--target-column"):
        assert words in err.splitlines()[-1]


def test_a_gate_that_is_missed_exits_3_after_the_report(trained, tweets, tmp_path):
    turned = tmp_path / "turned.csv"
    turned.write_text(tweets.read_text().replace("FAVOR", "x").replace("AGAINST", "FAVOR").replace("x", "AGAINST"))
    gate = ["--model", trained[0], "--draws", 20, "--json", "--min-macro-f1"]
    missed = run("evaluate", turned, *LABELLED, *gate, 0.5, ok=False)
    assert missed.exit_code == 3
    assert json.loads(missed.stdout)["overall"]["macro_f1_positions"]["value"] < 0.5
    assert "below 0.5" in missed.stderr.splitlines()[-1]
    assert run("evaluate", tweets, *LABELLED, *gate, 0.5).exit_code == 0


def test_evaluating_one_side_of_the_split(trained, tweets, tmp_path, monkeypatch, capsys):
    rows = pd.read_csv(tweets).assign(split=lambda f: ["test" if i % 2 else "train" for i in range(len(f))])
    rows.to_csv(tmp_path / "split.csv", index=False)
    arguments = [
        "evaluate",
        tmp_path / "split.csv",
        *LABELLED,
        "--model",
        trained[0],
        "--draws",
        20,
        "--json",
        "--split",
    ]
    assert json.loads(run(*arguments, "test").stdout)["overall"]["n"] == 18
    code, out, err = failing(capsys, monkeypatch, *arguments, "dev")
    assert (code, out) == (1, "")
    assert "test, train" in err


def test_checking_exits_3_if_the_corpus_has_an_error(tweets, tmp_path):
    good = run("check", tweets, *LABELLED, "--none-label", "NONE", "--no-suspicious")
    assert good.stderr == "stance: left out 3 rows: no label\n"
    assert not [line for line in good.stdout.splitlines() if line.startswith("error")]
    twice = "The very same sentence about the airport stands here twice"
    (tmp_path / "a.csv").write_text(f"{tweets.read_text()}{twice},airport,FAVOR\n{twice},airport,AGAINST\n")
    found = run("check", tmp_path / "a.csv", *LABELLED, "--none-label", "NONE", "--jobs", 1, ok=False)
    assert found.exit_code == 3
    [line] = [line for line in found.stdout.splitlines() if line.startswith("error")]
    assert "conflict" in line
    assert "AGAINST and FAVOR" in line


def test_checking_finds_all_there_is_to_find_also_with_strange_labels_and_rows_without_text(tmp_path):
    rows = [f"We must talk to the Taliban on day {day},engage" for day in range(6)]
    rows += ["They must be fought,enemy", ",terrorist", "It rained over the whole of the city today,none"]
    rows += ["It rained over the whole of the city today,engage"]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows, ""]))
    found = run("check", tmp_path / "a.csv", "--codebook", ROOT / "data" / "codebook.toml", ok=False)
    assert found.exit_code == 3
    errors = {line.split(":")[0]: line for line in found.stdout.splitlines() if line.startswith("error")}
    assert set(errors) == {"error label", "error empty", "error conflict"}
    assert "'enemy'" in errors["error label"]
    assert "a.csv:7" in errors["error label"]
    assert "a.csv:8" in errors["error empty"]
    [line] = found.stderr.splitlines()
    assert "1 of 10 rows have a label outside the codebook and 1 of 10 rows have no text" in line


@pytest.mark.parametrize(("options", "trains"), [([], True), (["--no-suspicious"], False)])
def test_checking_a_sound_corpus_trains_unless_told_not_to(options, trains, tweets, monkeypatch):
    calls = []
    monkeypatch.setattr("stance.model.training.out_of_fold", lambda *_, **__: calls.append(1))
    found = run("check", tweets, *LABELLED, *options)
    assert found.stderr == "stance: left out 3 rows: no label\n"
    assert bool(calls) is trains


def test_info_shows_the_card_everything_and_the_heaviest_features(trained):
    folder = trained[0]
    card = run("info", "--model", folder).stdout
    assert card.rstrip() == (folder / "README.md").read_text(encoding="utf-8").rstrip()
    found = json.loads(run("info", "--model", folder, "--json").stdout)
    assert found["name"] == "mine"
    assert found["corpus"]["labels"] == {"AGAINST": 12, "FAVOR": 12, "NONE": 12}
    listed = run("info", "--model", folder, "--features", 2).stdout[len(card) :].splitlines()
    assert len(listed) == 6
    assert re.fullmatch(r"heaviest features of airport: AGAINST: '\S.*' \+\d\.\d\d, '.*' \+\d\.\d\d", listed[0])


def test_info_of_the_shipped_model_and_of_a_pickle(trained):
    assert json.loads(run("info", "--json").stdout)["name"] == "accurate"
    listed = run("info", "--speed").stdout.splitlines()[:3]
    assert [line.split(":")[0] for line in listed] == ["accurate (default)", "auto", "fast"]
    assert all(re.search(r"macro-F1 over positions 0\.\d\d", line) for line in listed)
    assert all(re.search(r"[1-9][\d,]* sentences/s here$", line) for line in listed)
    assert "airport" in run("info", "--model", trained[1], "--trust-pickle").stdout


def test_output_must_not_replace_what_is_read(tmp_path):
    own = tmp_path / "own.csv"
    own.write_text("text\nThe Taliban came.\n")
    for source in (own, tmp_path):
        done = CliRunner().invoke(cli, ["predict", str(source), "-o", str(own)])
        assert "is among the input" in str(done.exception)
    assert own.read_text() == "text\nThe Taliban came.\n"


def test_a_csv_of_semicolons_is_refused(tmp_path):
    (tmp_path / "semi.csv").write_text("id;text\n1;The Taliban came.\n")
    done = CliRunner().invoke(cli, ["predict", str(tmp_path / "semi.csv")])
    assert "separated by ';'" in str(done.exception)


def test_finetune_without_its_extra_is_told_in_one_line(tmp_path, capsys, monkeypatch, tweets):
    for name in ("onnx", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails, installed or not
    for name in ("network", "export", "finetune"):
        monkeypatch.delitem(sys.modules, f"stance.model.{name}", raising=False)
    code, out, err = failing(
        capsys, monkeypatch, "finetune", tweets, *LABELLED, "--work", tmp_path / "w", "-o", tmp_path / "m"
    )
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "pip install 'stance-bloc[finetune]'" in err
