"""Many processes: the rows of one, by joblib and Dask; workers that die, broken input, Ctrl-C, wrong usage."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from joblib.externals.loky import get_reusable_executor

import stance
from stance.analysis import parts
from stance.analysis import settings as settings_module
from stance.analysis.parts import DONE
from stance.analysis.settings import Settings
from stance.apps.cli import stance as cli
from stance.apps.distributed import run
from stance.errors import StanceError
from stance.text.readers import Columns

ROOT = Path(stance.__file__).parents[1]
SMALL = 3000
CODE = f"""
from stance.analysis import parts
parts._BYTES = {SMALL}
from stance.apps.cli import main
main()
"""
SAID = (
    *("Moscow hosted the Taliban for talks.", "It rained on the delegates.", "Wheat prices fell again in 2017."),
    *("The Taliban are terrorists and must be destroyed.", "Pakistan said that they must be part of a settlement."),
    *("The café was open until nine.", "No peace is possible without an inclusive government."),
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "_BYTES", SMALL)


@pytest.fixture(autouse=True, scope="module")
def no_processes_left():
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as found:
        yield found


def speech(n, length=5):
    return " ".join(SAID[(n * 3 + k * (1 + n % 2)) % len(SAID)] for k in range(length))


def texts(path, n):
    """Write a folder of texts, of which some ten make a part."""
    path.mkdir()
    for i in range(n):
        (path / f"{i:04}.txt").write_text(speech(i, 7), encoding="utf-8")
    return path, Settings("fast")


def table(path, n):
    """Write a table whose documents' rows stand far apart; some ten rows make a part."""
    path = path.with_suffix(".csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "page"])
        rows.writerows((f"d{i % 7}", speech(i, 2) if i % 11 else "", i) for i in range(n))
    return path, Settings("fast", columns=Columns(document="id"))


def part_files(folder):
    return sorted(folder.glob("part-*.parquet"))


def rows_of(folder):
    return pa.concat_tables([pq.read_table(file).replace_schema_metadata() for file in part_files(folder)])


def of_one_process(folder, source, settings):
    run(source, folder, settings)
    return rows_of(folder)


def command(*arguments):
    return [sys.executable, "-c", CODE, "predict", "--model", "fast", *map(str, arguments)]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def told(*arguments, code=0):
    """Run ``stance predict`` in a process of its own, which a hang fails; return what it says."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, env=environment(), check=False
    )
    assert done.returncode == code, done.stderr
    return done.stderr


def killer(pids):
    """Return a callback of progress that kills a worker with the first finished part."""
    waiting = list(pids[:1])

    def kill(_):
        if waiting:
            os.kill(waiting.pop(), signal.SIGKILL)

    return kill


def in_time(function, seconds=90):
    """Call a function; one that hangs fails the test."""
    found = []

    def call():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it hangs"
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


# -- the rows of one process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [texts, table], ids=lambda make: make.__name__)
@pytest.mark.parametrize("how", ["joblib", "dask", "scheduler"])
def test_rows_do_not_depend_on_who_computes_them(tmp_path, make, how, cluster):
    source, settings = make(tmp_path / "in", 150)
    options = {
        "joblib": {"jobs": 2},
        "dask": {"engine": "dask", "jobs": 2},
        "scheduler": {"scheduler": cluster.scheduler_address},
    }
    whole = of_one_process(tmp_path / "one", source, settings)
    seen = []
    tally, _ = run(source, tmp_path / "out", settings, progress=seen.append, **options[how])
    assert rows_of(tmp_path / "out").equals(whole)
    assert (tmp_path / "out" / DONE).read_text() == (tmp_path / "one" / DONE).read_text()
    assert len(part_files(tmp_path / "out")) > 8
    assert sorted(done.number for done in seen) == list(range(len(seen)))
    assert tally.sentences == len(whole) - whole["sentence"].null_count


def test_resuming_by_dask_what_joblib_began(tmp_path, cluster):
    source, settings = texts(tmp_path / "in", 100)
    out = tmp_path / "out"
    run(source, out, settings, jobs=2)
    whole, kept = rows_of(out), part_files(out)[2:]
    for name in ("part-00000.parquet", "part-00001.parquet", DONE):
        (out / name).unlink()
    before = [file.stat().st_mtime_ns for file in kept]
    run(source, out, settings, scheduler=cluster.scheduler_address, resume=True)
    assert rows_of(out).equals(whole)
    assert [file.stat().st_mtime_ns for file in kept] == before


def test_the_model_is_loaded_once_for_many_parts(tmp_path, monkeypatch):
    loads, load = [], Settings._load
    monkeypatch.setattr(Settings, "_load", lambda self: loads.append(self) or load(self))
    settings_module._loaded.clear()
    source, settings = texts(tmp_path / "in", 100)
    run(source, tmp_path / "out", settings)
    assert len(part_files(tmp_path / "out")) > 8
    assert len(loads) == 1


def test_a_worker_loads_the_model_once(tmp_path, cluster):
    from distributed import Client

    source, settings = texts(tmp_path / "in", 200)
    loads = tmp_path / "loads"
    loads.mkdir()

    def note_loads(folder):
        from stance.analysis import settings

        load = settings.load_model

        def noted(*arguments, **options):
            (folder / f"{os.getpid()}-{time.time_ns()}").touch()
            return load(*arguments, **options)

        settings._loaded.clear()
        settings.load_model = noted
        return lambda: setattr(settings, "load_model", load)

    with Client(cluster) as client:
        client.run(note_loads, loads)
        run(source, tmp_path / "out", settings, scheduler=cluster.scheduler_address)
    workers = [file.name.split("-")[0] for file in loads.iterdir()]
    assert len(part_files(tmp_path / "out")) > 15
    assert len(workers) == len(set(workers)) == 2


def test_a_scheduler_whose_workers_run_elsewhere_finds_relative_paths(tmp_path, monkeypatch, cluster):
    source, settings = texts(tmp_path / "in", 30)
    monkeypatch.chdir(tmp_path)  # the workers were started in another folder
    run("in", Path("out"), settings, scheduler=cluster.scheduler_address)
    assert rows_of(tmp_path / "out").equals(of_one_process(tmp_path / "one", source, settings))


def test_no_scheduler_is_told(tmp_path):
    source, _ = texts(tmp_path / "in", 3)
    found = told(source, "-o", f"{tmp_path / 'out'}/", "--scheduler", "nonsense://", code=1)
    assert found.startswith("stance: nonsense://: no Dask scheduler answers there")
    assert "Traceback" not in found


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_broken_row_is_one_line_and_resume_goes_on(tmp_path, jobs):
    file, out = tmp_path / "rows.csv", tmp_path / "out"
    rows = [f"d{i % 3},{SAID[i % 7]}" for i in range(1000)]
    file.write_text("\n".join(["id,text", *rows[:899], "d1,a,b", *rows[900:]]), encoding="utf-8")
    arguments = [file, "--document-column", "id", "-o", f"{out}/", "--jobs", jobs]
    assert told(*arguments, code=1) == (
        f"stance: {file}: row 900 (line 901) has 3 fields, the header 2; quote fields that hold the delimiter\n"
    )
    finished = part_files(out)
    assert len(finished) > 20
    assert rows_of(out).num_rows < 900
    assert not (out / DONE).exists()
    before = [part.stat().st_mtime_ns for part in finished]
    file.write_text("\n".join(["id,text", *rows]), encoding="utf-8")
    settings = Settings("fast", columns=Columns(document="id"))
    in_time(lambda: run(file, out, settings, jobs=jobs, resume=True))
    assert [part.stat().st_mtime_ns for part in finished] == before
    assert rows_of(out).equals(of_one_process(tmp_path / "one", file, settings))


@pytest.mark.parametrize("more", [("--jobs", "1"), ("--jobs", "2"), ("--engine", "dask", "--jobs", "2")], ids=" ".join)
def test_an_unreadable_file_is_one_line_and_resume_goes_on(tmp_path, more):
    source, settings = texts(tmp_path / "in", 200)
    out = tmp_path / "out"
    (source / "0150.txt").write_bytes(b"caf\xe9")
    arguments = [source, "-o", f"{out}/", *more]
    found = told(*arguments, code=1).splitlines()
    assert [line for line in found if line.startswith("stance: ")] == found[-1:]
    assert f"{source / '0150.txt'}: " in found[-1]
    assert "Traceback" not in "\n".join(found)
    assert rows_of(out).num_rows > 0
    assert not (out / DONE).exists()
    (source / "0150.txt").write_text("The Taliban came.")
    in_time(lambda: run(source, out, settings, jobs=2, resume=True))
    assert rows_of(out).equals(of_one_process(tmp_path / "one", source, settings))


def test_a_dask_worker_that_is_killed_loses_nothing(tmp_path):
    distributed = pytest.importorskip("distributed")
    source, settings = texts(tmp_path / "in", 500)
    whole = of_one_process(tmp_path / "one", source, settings)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as own,
        distributed.Client(own) as client,
    ):
        pids = list(client.run(os.getpid).values())
        address = own.scheduler_address
        in_time(lambda: run(source, tmp_path / "out", settings, scheduler=address, progress=killer(pids)))
        assert not psutil.pid_exists(pids[0]) or psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE
    assert len(part_files(tmp_path / "out")) > 30
    assert rows_of(tmp_path / "out").equals(whole)
    assert (tmp_path / "out" / DONE).exists()


def workers_of_joblib():
    """Return the processes of joblib that run; the one that tracks their files is none."""
    running = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return [child.pid for child in running if "LokyProcess" in " ".join(child.cmdline())]


def test_a_process_of_joblib_that_is_killed_is_told_and_resume_goes_on(tmp_path):
    source, settings = texts(tmp_path / "in", 500)
    out, killed = tmp_path / "out", []

    def kill(done):
        while not killed:
            killed.extend(workers_of_joblib()[:1])
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(StanceError, match=r"a process was killed.*go on with --resume") as error:
        in_time(lambda: run(source, out, settings, jobs=2, progress=kill))
    assert "\n" not in str(error.value)
    assert not (out / DONE).exists()
    before = {file: file.stat().st_mtime_ns for file in part_files(out)}
    assert 0 < len(before) < 40
    in_time(lambda: run(source, out, settings, jobs=2, resume=True))
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert rows_of(out).equals(of_one_process(tmp_path / "one", source, settings))


@pytest.mark.parametrize("more", [("--jobs", "1"), ("--jobs", "2"), ("--engine", "dask", "--jobs", "2")], ids=" ".join)
def test_ctrl_c_leaves_whole_parts(tmp_path, more):
    source, settings = texts(tmp_path / "in", 900)
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(source, "-o", f"{out}/", *more),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(),
    )
    try:
        until = time.monotonic() + 60
        while not part_files(out) and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert "Traceback" not in said, said
    assert "go on with --resume" in said.splitlines()[-1]
    assert part_files(out)
    assert not (out / DONE).exists()
    assert all(pq.read_table(file).num_rows for file in part_files(out))
    before = {file: file.stat().st_mtime_ns for file in part_files(out)}
    run(source, out, settings, resume=True)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert rows_of(out).equals(of_one_process(tmp_path / "one", source, settings))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--jobs", "2", "-o", "a.jsonl"], "--jobs needs a folder to write parts to, such as -o labelled/"),
        (["--jobs", "-1"], "--jobs needs a folder"),
        (["--resume", "-o", "a.parquet"], "--resume needs a folder"),
        (["--engine", "dask"], "--engine needs a folder"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler needs a folder"),
        (["--format", "csv", "-o", "labelled/"], "parts are parquet; for csv name a file, such as -o labelled.csv"),
        (
            ["--scheduler", "tcp://a:1", "--engine", "joblib", "-o", "labelled/"],
            "--scheduler is of Dask, not of joblib",
        ),
        (["--jobs", "0", "-o", "labelled/"], "0 processes do nothing; give 1 or more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_told_in_one_line(tmp_path, arguments, told, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(cli, ["predict", str(texts(tmp_path / "in", 1)[0]), *arguments])
    said = found.stderr.splitlines()
    assert found.exit_code == 2
    assert [line for line in said if line.startswith("Error: ")] == said[-1:]
    assert told in said[-1]
    assert not (tmp_path / "labelled").exists()


def test_a_link_to_nowhere_is_told(tmp_path):
    source, _ = texts(tmp_path / "in", 5)
    (source / "0003.txt").unlink()
    (source / "0003.txt").symlink_to(tmp_path / "nowhere")
    assert "0003.txt: No such file" in told(source, "-o", f"{tmp_path / 'out'}/", code=1)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    source, _ = texts(tmp_path / "in", 1)
    (tmp_path / "out").write_text("mine")
    assert "out: " in told(source, "-o", f"{tmp_path / 'out'}/", code=1)
    assert (tmp_path / "out").read_text() == "mine"
