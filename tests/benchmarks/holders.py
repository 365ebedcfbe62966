"""How well the shipped models tell whose position it is, given the label.

Run ``python tests/benchmarks/holders.py [CSV]``: on the held-out documents of the corpus, and on a file of real
sentences if one is given (columns speech, country, year, prev, text, label, holder). Micro-F1 over (sentence, actor,
position) with 95 % intervals by document, beside two baselines.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stance.codebook import load_codebook  # noqa: E402
from stance.corpus.files import CorpusColumns, read_corpus  # noqa: E402
from stance.model.artifact import load_model, shipped_models  # noqa: E402
from stance.model.holders import examples_of, measure_holders  # noqa: E402
from stance.shipped import shipped  # noqa: E402

BOOK = load_codebook()


def main() -> None:
    """Print a table."""
    measured = {"held-out documents": read_corpus(shipped("data", "corpus")).only("split", "test")}
    if len(sys.argv) > 1:
        real = read_corpus(sys.argv[1], columns=CorpusColumns(document="speech", context="prev"))
        real = replace(real, columns={**real.columns, "speaker": real.columns["country"]})
        measured["real speeches"] = real
    for title, corpus in measured.items():
        for name in shipped_models():
            attributor = load_model(name).attributor(BOOK)
            assert attributor is not None
            found = measure_holders(examples_of(corpus, attributor), attributor, corpus.documents)
            print(f"{title}, {name}: {found['n']} sentences; reachable {found['reachable']:.3f}")
            for row in ("holders", "always speaker", "nearest actor"):
                f = found[row]
                interval = f"{f['f1']:.3f} [{f['low']:.3f}, {f['high']:.3f}]"
                print(f"  {row:<16} {interval}  precision {f['precision']:.3f}, recall {f['recall']:.3f}")


if __name__ == "__main__":
    main()
