"""How fast, and in how much memory, the command labels a folder of speeches; and whether it loses a character.

Run ``python tests/benchmarks/ungdc.py PATH``, where PATH holds text files such as those of the UN General Debate
Corpus (Jankin, Baturo & Dasandi 2017). It exits 1 if a character that is no white space is in no row, or in two.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STANCE = [sys.executable, "-c", "from stance.apps.cli import main; main()"]


def predict(folder: Path, output: Path) -> tuple[float, float, float]:
    """Label a folder in a process of its own; return its seconds, those of the processor, and its peak memory in MB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begin = time.perf_counter()
    subprocess.run([*STANCE, "predict", str(folder), "--model", "fast", "-o", str(output)], env=environment, check=True)
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def faults_of(text: str, spans: list[tuple[int, int, str]]) -> list[str]:
    """Return what is wrong with the rows of a document: a character left out, in two rows, or another one."""
    faults, at = [], 0
    for start, end, sentence in sorted(spans):
        if start < at:
            faults.append(f"characters {start} to {at} are in two rows")
        if left := text[at:start].strip():
            faults.append(f"characters {at} to {start} are in no row: {left[:60]!r}")
        if text[start:end] != sentence:
            faults.append(f"row {start} to {end} is {sentence[:60]!r}, the file has {text[start:end][:60]!r}")
        at = max(at, end)
    if left := text[at:].strip():
        faults.append(f"characters {at} to the end are in no row: {left[:60]!r}")
    return faults


def main() -> None:
    """Measure, check, print."""
    import pyarrow.parquet as pq

    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as made:
        output = Path(made, "out.parquet")
        seconds, processor, peak = predict(folder, output)
        columns = pq.read_table(output, columns=["document", "start", "end", "text"]).to_pydict()
    spans: dict[str, list[tuple[int, int, str]]] = {}
    for document, *span in zip(*columns.values(), strict=True):
        spans.setdefault(document, []).append(tuple(span))
    files = sorted(path for path in folder.rglob("*.txt") if not path.name.startswith("."))
    faults, characters = [], 0
    for path in files:
        text = path.read_bytes().decode("utf-8-sig")
        characters += len(text)
        document = path.relative_to(folder).with_suffix("").as_posix()
        faults += [f"{path}: {fault}" for fault in faults_of(text, spans.pop(document, []))]
    faults += [f"{document}: there is no such file" for document in spans]
    size = sum(path.stat().st_size for path in files) / 1e6
    rows = len(columns["document"])
    print(f"{len(files)} files, {size:.1f} MB, {characters} characters: {rows} rows")
    print(f"{seconds:.1f} s ({processor:.1f} s of processor), {size / seconds:.2f} MB/s, {rows / seconds:,.0f} rows/s")
    print(f"peak memory {peak:.0f} MB")
    for fault in faults[:20]:
        print(fault)
    if faults:
        sys.exit(f"{len(faults)} faults")
    print("every character that is no white space is in exactly one row")


if __name__ == "__main__":
    main()
