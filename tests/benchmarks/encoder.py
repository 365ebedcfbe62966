"""How many sentences a second the encoder takes, beside what is under it and what one would use instead.

Run ``python tests/benchmarks/encoder.py`` with the extra ``finetune`` installed. In one run, in turns, best round: the
encoder from sentences to vectors; the bare ONNX Runtime session on the same batches, already token identifiers; and
sentence-transformers on torch with a network of the same size (as many layers of the public encoder it started from).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stance.corpus.files import read_corpus  # noqa: E402
from stance.model.artifact import load_model  # noqa: E402
from stance.model.encoder import Encoder, batches  # noqa: E402
from stance.shipped import shipped  # noqa: E402

SENTENCES = 256
ROUNDS = 3


def bare_session(encoder: Encoder, texts: list[str], contexts: list[str], target: object) -> Callable[[], object]:
    """Return the session's own work on batches that are ready."""
    rows = encoder._reader(target).read(texts, contexts)  # type: ignore[arg-type]
    session = encoder._started()
    ready = []
    for batch in batches([len(ids) for ids, _ in rows]):
        longest = max(len(rows[i][0]) for i in batch)
        ids = np.full((len(batch), longest), encoder.spec.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for j, i in enumerate(batch):
            ids[j, : len(rows[i][0])] = rows[i][0]
            mask[j, : len(rows[i][0])] = 1
        given = {"input_ids": ids, "attention_mask": mask}
        ready.append({**given, "token_type_ids": np.zeros_like(ids)} if encoder.spec.segments else given)
    return lambda: [session.run(None, given) for given in ready]


def sentence_transformers(layers: int, texts: list[str]) -> Callable[[], object]:
    """Return the public encoder, cut to as many layers, run by sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    from stance.model.weights import base_folder

    with tempfile.TemporaryDirectory() as work:
        model = SentenceTransformer(str(base_folder("mpnet", Path(work))), device="cpu")
    body = model[0].auto_model
    body.encoder.layer = body.encoder.layer[:layers]
    return lambda: model.encode(texts, batch_size=32, show_progress_bar=False)


def main() -> None:
    """Measure and print."""
    model = load_model("accurate")
    encoder, target = model.encoder, next(iter(model.scorers.values())).features.target
    assert encoder is not None
    layers = int(model.about["encoder"]["recipe"]["layers"])
    corpus = read_corpus(shipped("data", "corpus"))
    at = np.random.default_rng(0).permutation(len(corpus))[:SENTENCES]
    texts, contexts = [corpus.texts[i] for i in at], [corpus.contexts[i] for i in at]
    joined = [f"{text} {context}" for text, context in zip(texts, contexts, strict=True)]
    tasks = {
        "stance, sentences to vectors": lambda: encoder.embed(texts, contexts, target),
        "bare ONNX Runtime session": bare_session(encoder, texts, contexts, target),
        f"sentence-transformers on torch, {layers} layers": sentence_transformers(layers, joined),
    }
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            begin = time.perf_counter()
            task()
            best[name] = min(best[name], time.perf_counter() - begin)
    ours, *_ = best.values()
    for name, seconds in best.items():
        print(f"{name:<48}{SENTENCES / seconds:>8.0f} sentences/s{seconds / ours:>8.2f}x")


if __name__ == "__main__":
    main()
