"""Predicting takes as much memory for many rows as for few."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system tells no peak of memory")

CODE = """
import re, sys
from pathlib import Path
from stance.apps.cli import stance
try:
    stance(sys.argv[1:])
except SystemExit:
    pass
# not ru_maxrss, which a child takes over from the process that started it
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def peak_of(*command) -> int:
    """Return the peak of a command's memory in kilobytes."""
    done = subprocess.run([sys.executable, "-c", CODE, *command], capture_output=True, text=True, check=True)
    return int(done.stderr)


def peak_kilobytes(path, n: int, model: str) -> int:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["document", "text"])
        rows.writerows(
            [f"d{i // 20}", f"In year {i} the Taliban were named by delegate {i % 977}, who left."] for i in range(n)
        )
    command = [
        "predict",
        str(path),
        "--document-column",
        "document",
        "--pre-split",
        "--model",
        model,
        "-o",
        str(path.with_suffix(".jsonl")),
    ]
    peak = peak_of(*command)
    with path.with_suffix(".jsonl").open(encoding="utf-8") as out:
        assert sum(1 for _ in out) == n
    return peak


def test_memory_does_not_grow_with_rows(tmp_path):
    few, many = (peak_kilobytes(tmp_path / f"{n}.csv", n, "fast") for n in (5_000, 60_000))
    assert many < few + 40_000, (few, many)


def test_memory_does_not_grow_with_rows_of_the_encoder(tmp_path):
    few, many = (peak_kilobytes(tmp_path / f"{n}.csv", n, "accurate") for n in (300, 1_500))
    assert many < few + 200_000, (few, many)  # what ONNX Runtime keeps differs by 0.1 GB from run to run


def test_parts_of_many_rows_take_little_memory(tmp_path):
    n, path, out = 200_000, tmp_path / "rows.csv", tmp_path / "out"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["document", "text"])
        for i in range(n):
            what = "the Taliban were named" if i % 40 == 0 else "the price of wheat was named"
            rows.writerow([f"d{i // 50}", f"In year {i} {what} by delegate {i % 977}, who left."])
    columns = ["--document-column", "document", "--pre-split"]
    assert peak_of("predict", str(path), *columns, "--model", "fast", "-o", f"{out}/") < 700_000
    parts = [pq.read_metadata(file).num_rows for file in out.glob("part-*.parquet")]
    assert sum(parts) == n
    assert len(parts) > 5
    assert (out / "_SUCCESS").exists()
