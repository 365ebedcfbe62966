"""Predicting takes as much memory for many rows as for few."""

from __future__ import annotations

import csv
import subprocess
import sys

CODE = """
import resource, sys
from stance.apps.cli import stance
try:
    stance(sys.argv[1:])
except SystemExit:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


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
    done = subprocess.run([sys.executable, "-c", CODE, *command], capture_output=True, text=True, check=True)
    with path.with_suffix(".jsonl").open(encoding="utf-8") as out:
        assert sum(1 for _ in out) == n
    return int(done.stderr)


def test_memory_does_not_grow_with_rows(tmp_path):
    few, many = (peak_kilobytes(tmp_path / f"{n}.csv", n, "fast") for n in (5_000, 60_000))
    assert many < few + 40_000, (few, many)


def test_memory_of_the_encoder_is_bounded(tmp_path):
    # 0.6 to 0.85 GB were measured: weights in single precision, and what ONNX Runtime keeps of the largest batches
    assert peak_kilobytes(tmp_path / "rows.csv", 1_500, "accurate") < 1_500_000
