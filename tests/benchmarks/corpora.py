"""Whole corpora: what a job costs beside fastText and scikit-learn, by processes, by Dask, and as the corpus grows.

Run ``python tests/benchmarks/corpora.py FOLDER`` with the extras ``benchmark`` and ``dask``, where FOLDER holds text
files such as the speeches of the UN General Debate Corpus (Jankin, Baturo & Dasandi 2017). Jobs are whole processes, by
the clock: start, reading, splitting, gate, labels, holders, parquet. fastText and scikit-learn have learned the same
sentences, are loaded already, and get the sentences ready in a list. Tasks take turns, and the best round counts.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))
from throughput import ROOT, STANCE, fasttext, scikit_learn

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    del os.environ[_name]

from stance.corpus.files import Corpus, read_corpus  # noqa: E402
from stance.model.training import split_of  # noqa: E402
from stance.shipped import shipped  # noqa: E402
from stance.text.readers import read_documents  # noqa: E402
from stance.text.sentences import split_sentences  # noqa: E402

ROUNDS = 2
DENSE = 60_000
GROWING = (1_000, 10_000, 100_000, 1_000_000)


def job(*arguments: str) -> tuple[float, float]:
    """Run ``stance predict`` into a new folder of parts; return its seconds, and the peak of its memory in MB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        begin, peak = time.perf_counter(), 0
        process = psutil.Popen([*STANCE, "predict", *arguments, "-o", f"{folder}/parts/"], env=environment)
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            except psutil.Error:
                pass
            time.sleep(0.05)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, arguments)
        return time.perf_counter() - begin, peak / 1e6


def best(tasks: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the seconds of the best round of each task; the tasks take turns."""
    found = dict.fromkeys(tasks, float("inf"))
    for number in range(1, rounds + 1):
        for name, task in tasks.items():
            print(f"\rround {number} of {rounds}: {name:<50}", end="", file=sys.stderr)
            found[name] = min(found[name], task())
    print("\r\033[K", end="", file=sys.stderr)
    return found


def timed(task: Callable[[], object]) -> float:
    """Return the seconds of a task."""
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def real_text(folder: Path, training: Corpus) -> None:
    """Print how long jobs on a folder of speeches take beside fastText alone."""
    texts = [p.text[a:b] for p in read_documents(folder) for a, b in split_sentences(p.text)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    rival = fasttext(training, texts)
    tasks: dict[str, Callable[[], float]] = {"fastText's predict alone": lambda: timed(rival)}
    for model in ("fast", "auto", "accurate"):
        for gate in ("topic", "named"):
            options = ["--model", model, "--gate", gate, "--relevant"]
            tasks[f"{model}, gate {gate}, relevant sentences"] = lambda o=options: job(str(folder), *o)[0]
    tasks["fast, all sentences written"] = lambda: job(str(folder), "--model", "fast")[0]
    tasks["fast, gate off"] = lambda: job(str(folder), "--model", "fast", "--gate", "off")[0]
    found = best(tasks)
    first = next(iter(found.values()))
    print(f"\n{folder.name}: {len(texts)} sentences, {size:.1f} MB; best of {ROUNDS} rounds")
    print(f"{'':<44}{'seconds':>9}{'MB/s':>8}{'x fastText':>12}")
    for name, seconds in found.items():
        print(f"{name:<44}{seconds:>9.2f}{size / seconds:>8.2f}{first / seconds:>12.2f}")


def dense_text(corpus: Corpus, training: Corpus, folder: Path) -> None:
    """Print what every sentence costs if all are relevant: beside scikit-learn, and by processes and workers."""
    rows = list(zip(corpus.documents, corpus.texts, strict=True))
    rows = (rows * (DENSE // len(rows) + 1))[:DENSE]
    texts = [text for _, text in rows]
    for part in range(60):  # files, so that workers read them
        with (folder / f"{part}.txt").open("w", encoding="utf-8") as file:
            file.write("\n\n".join(" ".join(text.split()) for text in texts[part::60]))
    table = folder / "rows.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["document", "text"])
        writer.writerows((f"{i // 20}", text) for i, text in enumerate(texts))
    files = [str(path) for path in sorted(folder.glob("*.txt"))]
    rival = scikit_learn(training, texts)
    fast = ["--model", "fast", "--gate", "off"]
    rows_of = [str(table), "--pre-split", "--document-column", "document", *fast]
    tasks = {
        "scikit-learn's predict_proba alone": lambda: timed(rival),
        "one process, files": lambda: job(*files, *fast)[0],
        "two processes, files": lambda: job(*files, *fast, "--jobs", "2")[0],
        "two Dask workers, files": lambda: job(*files, *fast, "--jobs", "2", "--engine", "dask")[0],
        "one process, csv": lambda: job(*rows_of)[0],
        "two processes, csv": lambda: job(*rows_of, "--jobs", "2")[0],
        "two Dask workers, csv": lambda: job(*rows_of, "--jobs", "2", "--engine", "dask")[0],
    }
    found = best(tasks)
    print(f"\n{DENSE} sentences of the corpus, model fast, gate off; best of {ROUNDS} rounds")
    print(f"{'':<44}{'seconds':>9}{'sentences/s':>13}")
    for name, seconds in found.items():
        print(f"{name:<44}{seconds:>9.2f}{DENSE / seconds:>13,.0f}")
    for kind in ("files", "csv"):
        one, two, dask = (found[f"{who}, {kind}"] for who in ("one process", "two processes", "two Dask workers"))
        print(f"{kind}: two processes {one / two:.2f} times one; Dask {two / dask:.2f} times two processes")


def growing(folder: Path, made: Path) -> None:
    """Print how seconds and memory grow with the corpus: copies of the same speeches."""
    passages = list(read_documents(folder))
    lengths = [len(split_sentences(passage.text)) for passage in passages]
    print("\nmodel fast, two processes, all sentences written; copies of the speeches")
    print(f"{'sentences':>12}{'seconds':>10}{'sentences/s':>14}{'peak MB':>10}")
    for wanted in GROWING:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        written = count = 0
        while written < wanted:
            text, n = passages[count % len(passages)].text, lengths[count % len(passages)]
            (made / f"{count:07d}.txt").write_text(text, encoding="utf-8")
            written, count = written + n, count + 1
        seconds, peak = job(str(made), "--model", "fast", "--jobs", "2")
        print(f"{written:>12,}{seconds:>10.1f}{written / seconds:>14,.0f}{peak:>10.0f}", flush=True)


def main() -> None:
    """Measure and print."""
    folder = Path(sys.argv[1])
    wanted = sys.argv[2:] or ["real", "dense", "growing"]
    corpus = read_corpus(shipped("data", "corpus"))
    training, _ = split_of(corpus)
    with tempfile.TemporaryDirectory() as made:
        if "real" in wanted:
            real_text(folder, training)
        if "dense" in wanted:
            dense_text(corpus, training, Path(made))
        if "growing" in wanted:
            growing(folder, Path(made, "copies"))


if __name__ == "__main__":
    main()
