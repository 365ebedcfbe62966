"""How well the shipped models tell whose position it is, given the label.

Run ``python tests/benchmarks/holders.py [CSV]``: on the held-out documents of the corpus, and on a file of real
sentences if one is given (columns speech, country, year, prev, text, label, holder). Micro-F1 over (sentence, actor,
position) with 95 % intervals by document, beside two baselines; then how long it takes, in one run.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stance.analysis.holding import Holding  # noqa: E402
from stance.analysis.pipeline import Labeller  # noqa: E402
from stance.codebook import load_codebook  # noqa: E402
from stance.corpus.files import CorpusColumns, read_corpus  # noqa: E402
from stance.model.artifact import load_model, shipped_models  # noqa: E402
from stance.model.holders import examples_of, measure_holders  # noqa: E402
from stance.shipped import shipped  # noqa: E402
from stance.text.mentions import actor_matcher  # noqa: E402
from stance.text.readers import Passage  # noqa: E402

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
    speed(measured["held-out documents"].texts)


def speed(texts: tuple[str, ...]) -> None:
    """Print how fast actors are found, and what share holders add to the time of predicting dense text."""
    matcher, joined = actor_matcher(BOOK), "\n".join(texts) * 4
    start = time.process_time()
    found = sum(1 for _ in matcher.find(joined))
    print(f"actors: {found} found, {len(joined.encode()) / 1e6 / (time.process_time() - start):.0f} MB/s")
    passages = [Passage(str(i), text, str(i)) for i, text in enumerate(texts[:1000])]
    for name in shipped_models():
        model, seconds = load_model(name), []
        for holding in (Holding(None), Holding(model.attributor(BOOK))) * 3:
            start = time.process_time()
            list(Labeller(model, holding, pre_split=True).rows(passages))
            seconds.append(time.process_time() - start)
        without, with_holders = min(seconds[::2]), min(seconds[1::2])
        print(f"{name}: holders add {with_holders / without - 1:.0%} to the time of 1,000 held-out sentences")


if __name__ == "__main__":
    main()
