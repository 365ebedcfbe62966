"""A model measured on a corpus: overall, by groups, and against what it must beat."""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from stance.codebook import Codebook
from stance.corpus.files import Corpus
from stance.errors import CodebookError, DataError
from stance.model.metrics import measure, paired_difference

if TYPE_CHECKING:
    from stance.model.artifact import StanceModel

__all__ = ["PERIOD_ENDS", "Evaluation", "evaluate", "period_of"]

PERIOD_ENDS = (2001, 2012, 2020)
NOT_GIVEN, FEW, OTHERS = "(not given)", "(fewer than 20 rows)", "(all others)"
_FEWEST_ROWS = 20
_MOST_SPEAKERS = 15
_FEW_DOCUMENTS = 30  # simulated 95 % intervals covered 83 % of the time with 5, 91 to 93 % with 10 to 30
_WIDTH = 100
_WIDEST = 40  # cell of a table
_FIGURES = {
    "macro-F1 over positions": "macro_f1_positions",
    "macro-F1 over labels": "macro_f1_labels",
    "accuracy": "accuracy",
}
_YEAR = re.compile(r"(\d{4})(?:\.0)?")


class _Bootstrap(TypedDict):
    draws: int
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    model
        The model's name.
    codebook
        The model's codebook: it says what is averaged.
    overall
        As `stance.model.metrics.measure` returns it.
    baselines
        For ``majority`` and ``keywords`` the figures of labels on the same rows, and ``model_ahead_by``: the
        model's macro-F1 over positions less theirs, and the share of draws in which that is above 0.
    groups
        For each of genre, period, speaker and target that the corpus has, the figures of its groups.
    """

    model: str
    codebook: Codebook
    overall: Mapping[str, Any]
    baselines: Mapping[str, Any]
    groups: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ready for JSON: no NaN."""
        return {
            "model": self.model,
            "definitions": _definitions(self.codebook, self.overall),
            "overall": dict(self.overall),
            "baselines": dict(self.baselines),
            "groups": dict(self.groups),
        }

    def render(self) -> str:
        """Return a report in plain text, at most 100 columns wide."""
        sections = {
            "Headline": _headline(self.overall),
            "Definitions": _paragraphs(_definitions(self.codebook, self.overall)),
            "Positions": _each(self.overall["positions"], "position"),
            "Labels": _each(self.overall["labels"], "label"),
            "Confusion (rows: truth; columns: said)": _confusion(self.overall["confusion"]),
            "Calibration": _calibration(self.overall["calibration"]),
            "Risk and coverage": _risk_coverage(self.overall["risk_coverage"]),
            "Baselines": _baselines(self.baselines),
            **{f"Groups by {column}": _groups(found) for column, found in self.groups.items()},
        }
        title = textwrap.shorten(f"Evaluation of {self.model}", _WIDTH, placeholder="…")
        return "\n\n".join([title, *(f"{name}\n{'-' * len(name)}\n{body}" for name, body in sections.items())])


def evaluate(corpus: Corpus, model: StanceModel | str | Path, *, draws: int = 1000, seed: int = 0) -> Evaluation:
    """Measure a model on a corpus, with intervals by a bootstrap of documents.

    Parameters
    ----------
    corpus
        Labelled sentences that the model was not trained on.
    model
        A model, or the name or folder of one.
    draws, seed
        Of the bootstrap.

    Raises
    ------
    DataError
        If the corpus is empty, or has a label or target that the model does not know.

    Examples
    --------
    >>> from stance.model.artifact import load_model
    >>> text = "We must negotiate with the Taliban."
    >>> corpus = Corpus(("a",), (text,), ("engage",), ("",), ("",), ("a.jsonl:1",))
    >>> evaluate(corpus, load_model()).overall["accuracy"]["value"]
    1.0
    """
    if isinstance(model, (str, Path)):
        from stance.model.artifact import load_model

        model = load_model(model)
    corpus = replace(corpus, labels=tuple(_canonical(label, model.codebook) for label in corpus.labels))
    _require_labels(corpus.labels, model.labels)
    targets = corpus.targets if any(corpus.targets) else None
    prediction = model.predict(corpus.texts, corpus.contexts, targets)
    book, bootstrap = model.codebook, _Bootstrap(draws=draws, seed=seed)
    overall = measure(
        book, corpus.labels, prediction, model.labels, corpus.documents, targets=corpus.targets, **bootstrap
    )
    baselines = {
        name: _against(book, corpus, prediction.labels, said, bootstrap)
        for name, said in _said_by_baselines(corpus, model).items()
    }
    groups = {
        name: _by_group(book, corpus, prediction.labels, values, bootstrap)
        for name, values in _groupings(corpus).items()
    }
    return Evaluation(model.name, book, overall, baselines, groups)


def _canonical(label: str, book: Codebook) -> str:
    """Return a label as the codebook writes it; one that is none of its comes back for `_require_labels`."""
    try:
        return book.canonical(label)
    except CodebookError:
        return label


def _require_labels(found: Sequence[str], labels: Sequence[str]) -> None:
    if strange := sorted(set(found) - set(labels)):
        counts = Counter(found)
        named = ", ".join(f"{s!r} ({counts[s]} {'row' if counts[s] == 1 else 'rows'})" for s in strange)
        raise DataError(
            f"label {named} is none of the model's labels, which are {', '.join(labels)}; "
            "leave these rows out, or train a model on a corpus that has the label"
        )


def _said_by_baselines(corpus: Corpus, model: StanceModel) -> dict[str, list[str]]:
    """Return the labels of each baseline; a target's rows are labelled by the baselines of that target."""
    said = {"majority": [""] * len(corpus), "keywords": [""] * len(corpus)}
    for target in sorted(set(corpus.targets)):
        rows = [i for i, name in enumerate(corpus.targets) if name == target]
        known = model.baselines
        found = next(iter(known.values())) if len(known) == 1 else known[target]
        by_words = found.predict_keywords([corpus.texts[i] for i in rows], model.codebook)
        for i, label in zip(rows, by_words, strict=True):
            said["majority"][i], said["keywords"][i] = found.majority, label
    return said


def _against(
    book: Codebook, corpus: Corpus, by_model: Sequence[str], said: Sequence[str], bootstrap: _Bootstrap
) -> dict[str, Any]:
    """Return the figures of a baseline, and how far the model is ahead of it."""
    truth, documents = corpus.labels, corpus.documents
    names = sorted({*truth, *said})
    found = measure(book, truth, said, names, documents, targets=corpus.targets, **bootstrap)
    ahead, share = paired_difference(book, truth, by_model, said, documents, **bootstrap)
    kept: dict[str, Any] = {key: found[key] for key in (*_FIGURES.values(), "favg") if key in found}
    return {**kept, "model_ahead_by": {**asdict(ahead), "share_of_draws_above_0": share}}


def _by_group(
    book: Codebook, corpus: Corpus, said: Sequence[str], values: Sequence[str], bootstrap: _Bootstrap
) -> dict[str, Any]:
    found = {}
    for group in _in_order(values):
        inside = [value == group for value in values]
        truth, answers, documents = (list(compress(c, inside)) for c in (corpus.labels, said, corpus.documents))
        figures = measure(book, truth, answers, sorted({*truth, *answers}), documents, **bootstrap)
        found[group] = {k: figures[k] for k in ("n", "n_documents", "macro_f1_positions", "accuracy")}
    return found


def _groupings(corpus: Corpus) -> dict[str, list[str]]:
    """Return for each way of grouping the group of each row; none is left out."""
    given, several = corpus.columns, len(set(corpus.targets)) > 1
    sources: dict[str, tuple[Sequence[Any] | None, Callable[[object], str]]] = {
        "genre": (given.get("genre"), _name),
        "period": (given.get("year"), period_of),
        "speaker": (given.get("speaker"), _name),
        "target": (corpus.targets if several else None, _name),
    }
    found = {k: [name(value) for value in values] for k, (values, name) in sources.items() if values is not None}
    return {k: _pool(names, _MOST_SPEAKERS if k == "speaker" else None) for k, names in found.items()}


def _name(value: object) -> str:
    missing = value is None or value != value or not str(value).strip()  # NaN differs from itself
    return NOT_GIVEN if missing else str(value).strip()


def period_of(year: object) -> str:
    """Return the period of a year, a number or text; `PERIOD_ENDS` are the last years of all periods but one.

    Examples
    --------
    >>> period_of(2001), period_of("2015"), period_of(2024), period_of(None)
    ('up to 2001', '2013-2020', '2021 on', '(not given)')
    """
    match = _YEAR.fullmatch(str(year).strip())
    return _periods()[bisect_left(PERIOD_ENDS, int(match[1]))] if match else NOT_GIVEN


def _periods() -> list[str]:
    between = [f"{start + 1}-{end}" for start, end in pairwise(PERIOD_ENDS)]
    return [f"up to {PERIOD_ENDS[0]}", *between, f"{PERIOD_ENDS[-1] + 1} on"]


def _pool(values: Sequence[str], most: int | None) -> list[str]:
    """Return the groups with the small ones pooled, and all but the `most` largest if there are more."""
    counts = Counter(values)
    large = sorted((v for v in counts if counts[v] >= _FEWEST_ROWS), key=lambda v: (-counts[v], v))
    own = set(large[:most])
    return [v if v in own else OTHERS if counts[v] >= _FEWEST_ROWS else FEW for v in values]


def _in_order(values: Sequence[str]) -> list[str]:
    """Return the groups: periods as they followed each other, others by size, what was pooled at the end."""
    counts, periods, last = Counter(values), _periods(), (OTHERS, FEW, NOT_GIVEN)

    def rank(group: str) -> tuple[int, int, str]:
        early = periods.index(group) if group in periods else -counts[group]
        return (last.index(group) + 1 if group in last else 0, early, group)

    return sorted(counts, key=rank)


def _definitions(book: Codebook, overall: Mapping[str, Any]) -> dict[str, str]:
    """Return what the figures are, by name."""
    positions, labels, calibration = (overall[key] for key in ("positions", "labels", "calibration"))
    averaged = [name for name, figures in labels.items() if figures["f1"]["value"] is not None]
    several = "" if book.exclusive else "; a sentence of several positions counts for each"
    found = {
        "macro-F1 over positions": f"mean F1 of {_listed(positions)}, each of its yes-answers{several}.",
        "macro-F1 over labels": f"mean F1 of {_listed(averaged)}, those that are true or said somewhere.",
        "accuracy": "share of sentences whose label is right.",
        "average precision": "mean precision at the ranks of the true sentences, by the probability of yes.",
        "ECE": f"gaps between confidence and accuracy, weighted, in {calibration['bins']} bins; "
        f"{calibration['scheme']}. Its interval is biased upwards.",
        "Brier score": "squared distance of the probabilities from the truth, summed over labels: 0 to 2.",
        "log loss": "mean negative log-probability of the true label, in nats.",
        "error": "share of wrong labels among the sentences of which the model is most confident.",
        "baselines": "the most frequent label of the training data; the most telling words of each position.",
    }
    if "favg" in overall:
        found["Favg"] = f"(F1 of {' + F1 of '.join(positions)}) / 2: here the same as macro-F1 over positions."
    return found


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _headline(overall: Mapping[str, Any]) -> str:
    rows = [(name, overall[key]) for name, key in _FIGURES.items()]
    if favg := overall.get("favg"):
        rows.append(("Favg, all rows pooled", favg["pooled"]))
    if favg and "per_target" in favg:
        rows.append(("Favg, mean over targets", favg["mean_over_targets"]))
        rows += [(f"Favg, {_name(target)}", figure) for target, figure in favg["per_target"].items()]
    about = (
        f"{overall['n']:,} sentences in {overall['n_documents']:,} documents. In brackets: "
        f"{overall['level']:.0%} percentile bootstrap intervals of {overall['draws']:,} draws of documents, "
        f"seed {overall['seed']}."
    )
    if overall["n_documents"] < _FEW_DOCUMENTS:
        about += f" From fewer than {_FEW_DOCUMENTS} documents, intervals come out too narrow."
    return f"{textwrap.fill(about, _WIDTH)}\n\n{_table(None, [(name, _figure(f)) for name, f in rows])}"


def _each(found: Mapping[str, Mapping[str, Any]], kind: str) -> str:
    heads = {"f1": f"F1 of {kind}", "average_precision": "average precision", "support": "true"}
    order = ("precision", "recall", "f1", "average_precision", "support", "said")
    keys = [key for key in order if key in next(iter(found.values()))]
    rows = [(name, *(_cell(figures[key]) for key in keys)) for name, figures in found.items()]
    return _table([kind, *(heads.get(key, key) for key in keys)], rows)


def _confusion(found: Mapping[str, Any]) -> str:
    rows = zip(found["labels"], found["counts"], strict=True)
    return _table(["", *found["labels"], "sum"], [(name, *map(_cell, n), _cell(sum(n))) for name, n in rows])


def _calibration(found: Mapping[str, Any]) -> str:
    figures = {
        f"ECE, {found['bins']} bins of equal width": found["ece_equal_width"],
        f"ECE, {found['bins']} bins of equal mass": found["ece_equal_mass"],
        "Brier score, sum over labels (0 to 2)": found["brier_sum_0_2"],
        "log loss, nats": found["log_loss_nats"],
    }
    rows = [(name, _figure(figure, 3)) for name, figure in figures.items()]
    rows += [(f"ECE of {name}, equal width", f"{v:.3f}") for name, v in found["ece_equal_width_per_label"].items()]
    bins = [
        (f"{b['above']:.2f} to {b['up_to']:.2f}", *(_cell(b[key]) for key in ("n", "confidence", "accuracy")))
        for b in found["reliability"]
    ]
    head = ["confidence above, up to", "sentences", "mean confidence", "accuracy"]
    return f"{_table(None, rows)}\n\n{_table(head, bins)}"


def _risk_coverage(found: Sequence[Mapping[str, Any]]) -> str:
    head = ["coverage asked for", "share decided", "least confidence", "error", "macro-F1 over positions"]
    keys = ("share", "confidence", "error", "macro_f1_positions")
    return _table(head, [(f"{row['coverage']:.0%}", *(_cell(row[key]) for key in keys)) for row in found])


def _baselines(found: Mapping[str, Mapping[str, Any]]) -> str:
    columns = {head: [f[key] for f in found.values()] for head, key in _FIGURES.items()}
    if all("mean_over_targets" in f.get("favg", {}) for f in found.values()):
        columns["Favg, mean over targets"] = [f["favg"]["mean_over_targets"] for f in found.values()]
    rows = [(name, *map(_cell, row)) for name, row in zip(found, zip(*columns.values(), strict=True), strict=True)]
    ahead = {name: figures["model_ahead_by"] for name, figures in found.items()}
    lead = [(name, _figure(d, sign="+"), _cell(d["share_of_draws_above_0"])) for name, d in ahead.items()]
    head = ["", "model ahead by, in macro-F1 over positions", "share of draws above 0"]
    return f"{_table(['', *columns], rows)}\n\n{_table(head, lead)}"


def _groups(found: Mapping[str, Any]) -> str:
    head = ["", "sentences", "documents", "macro-F1 over positions", "accuracy"]
    keys = ("n", "n_documents", "macro_f1_positions", "accuracy")
    return _table(head, [(name, *(_cell(figures[key]) for key in keys)) for name, figures in found.items()])


def _cell(value: Mapping[str, float | None] | float | None) -> str:
    if isinstance(value, Mapping):
        return _figure(value)
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _figure(figure: Mapping[str, float | None], digits: int = 2, sign: str = "") -> str:
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None:
        return "undefined"
    ends = "no interval" if low is None else f"{low:z.{digits}f}, {high:z.{digits}f}"
    return f"{value:{sign}z.{digits}f} [{ends}]"


def _paragraphs(texts: Mapping[str, str]) -> str:
    return "\n".join(textwrap.fill(f"{name}: {text}", _WIDTH, subsequent_indent="  ") for name, text in texts.items())


def _table(head: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns, in several blocks if they are wider together than the page."""
    table = [[_short(cell) for cell in row] for row in ([] if head is None else [head]) + [*rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    blocks: list[list[int]] = [[]]
    for k in range(1, len(widths)):
        if sum(widths[j] + 2 for j in [0, *blocks[-1], k]) - 2 > _WIDTH:
            blocks.append([])
        blocks[-1].append(k)
    return "\n\n".join("\n".join(_line(row, widths, block) for row in table) for block in blocks)


def _line(row: Sequence[str], widths: Sequence[int], block: Sequence[int]) -> str:
    return "  ".join([row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in block)]).rstrip()


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
