"""The one path: documents in, one row for each sentence out.

Command line and Python call it, and so get the same columns in the same order.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.analysis.familiarity import LOOKED_AT, UnfamiliarTextWarning, strangeness
from stance.analysis.holding import COLUMNS, Holding
from stance.codebook import Codebook
from stance.errors import DataError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model
from stance.text.readers import Columns, Passage, passages_of, read_documents
from stance.text.sentences import split_sentences

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Row", "analyze", "columns_of", "label_passages"]

Row = dict[str, Any]
_BATCH = 2048
_REMEMBERED_DOCUMENTS = 100_000


def analyze(
    documents: Iterable[str | Mapping[str, Any]] | pd.DataFrame | Path | Sequence[Path],
    model: StanceModel | str | Path = DEFAULT_MODEL,
    *,
    columns: Columns | None = None,
    pre_split: bool = False,
    coverage: float | None = None,
    max_risk: float | None = None,
    speaker: str = "",
    date: str = "",
    codebook: Codebook | None = None,
) -> pd.DataFrame:
    """Label every sentence of some documents.

    Parameters
    ----------
    documents
        Texts (strings are texts, never paths), records or a frame with a text column, or paths of files and folders.
    model
        A model, or the name or folder of one.
    columns
        Which columns of tables mean what; see `Columns`.
    pre_split
        Whether each text is one sentence already.
    coverage, max_risk
        Abstain so that about this share of sentences is decided, or that at most this share of the decided is wrong.
    speaker, date
        Who speaks, and when (``2018-03``), where the columns ``speaker`` and ``date`` or ``year`` do not tell.
    codebook
        Whose actors and blocs are looked for; by default the shipped one's.

    Returns
    -------
    pandas.DataFrame
        One row for each sentence, in order: document, sentence (its number there, from 0), start and end (in characters
        of the text), text, label, p_<position> of each position, confidence (the probability of the label), abstained,
        the columns of `stance.analysis.holding`; then the input's own columns, those whose name is taken with
        ``input_`` before it. A blank text gives one row without a label.

    Raises
    ------
    DataError
        If something cannot be read or a column is missing.

    Warns
    -----
    UnfamiliarTextWarning
        If the first 2,000 sentences do not look like what the model knows; see `stance.analysis.familiarity`.

    Examples
    --------
    >>> frame = analyze(["Moscow hosted the Taliban for talks. It snowed."])
    >>> frame["label"].tolist()
    ['engage', 'none']
    """
    import pandas as pd

    model = model if isinstance(model, StanceModel) else load_model(model)
    if isinstance(documents, (str, bytes, Mapping)):
        raise DataError(
            f"documents is a single {type(documents).__name__}; give a sequence of texts, such as [text], or a "
            "pathlib.Path"
        )
    passages = _passages(documents, columns, pre_split=pre_split)
    holding = Holding(model.attributor(codebook), speaker, date)
    rows = list(label_passages(passages, model, holding, pre_split=pre_split, coverage=coverage, max_risk=max_risk))
    for reason in strangeness([row["text"] for row in rows[:LOOKED_AT]], model):
        warnings.warn(reason, UnfamiliarTextWarning, stacklevel=2)
    names = list(dict.fromkeys([*columns_of(model), *(name for row in rows for name in row)]))
    frame = pd.DataFrame(rows, columns=names)
    numbers = [name for name in columns_of(model) if name.startswith("p_")]
    kinds = {"sentence": "Int64", "start": "int64", "end": "int64", "abstained": "bool", "confidence": "float64"}
    return frame.astype({**kinds, **dict.fromkeys([*numbers, "p_holder"], "float64")})


def _passages(documents: Any, columns: Columns | None, *, pre_split: bool) -> Iterator[Passage]:
    if hasattr(documents, "to_dict") and hasattr(documents, "columns"):
        return passages_of(documents.to_dict("records"), columns)
    if isinstance(documents, Path):
        documents = [documents]
    documents = list(documents)
    if documents and all(isinstance(item, Path) for item in documents):
        return read_documents(documents, columns=columns, by_line=pre_split)
    return passages_of(documents, columns)


def columns_of(model: StanceModel) -> list[str]:
    """Return the names of the columns that every row has."""
    positions = [f"p_{name}" for name in model.codebook.position_names]
    return ["document", "sentence", "start", "end", "text", "label", *positions, "confidence", "abstained", *COLUMNS]


def label_passages(
    passages: Iterable[Passage],
    model: StanceModel,
    holding: Holding | None = None,
    *,
    pre_split: bool = False,
    coverage: float | None = None,
    max_risk: float | None = None,
) -> Iterator[Row]:
    """Yield one row for each sentence, as they come; memory does not grow with the input.

    Of a document whose passages are more than 100,000 other documents apart the sentences are numbered anew. Parameters
    and columns as in `analyze`; without `holding` those of holders are empty.
    """
    least = {target: model.least_confidence(target, coverage=coverage, max_risk=max_risk) for target in model.targets}
    waiting: list[_Sentence] = []
    for sentence in _sentences(passages, pre_split=pre_split):
        waiting.append(sentence)
        if len(waiting) >= _BATCH:
            yield from _label(waiting, model, least, holding)
            waiting = []
    yield from _label(waiting, model, least, holding)


@dataclass(slots=True)
class _Sentence:
    passage: Passage
    number: int | None
    start: int
    end: int
    text: str
    context: str


def _sentences(passages: Iterable[Passage], *, pre_split: bool) -> Iterator[_Sentence]:
    """Yield the sentences of each passage, numbered through its document, each with the one before it."""
    places: OrderedDict[tuple[str, str], tuple[int, str]] = OrderedDict()
    for passage in passages:
        number, before = places.pop((passage.document, passage.target), (0, ""))
        before = before if passage.context is None else passage.context
        spans = _whole(passage.text) if pre_split else split_sentences(passage.text)
        for start, end in spans:
            text = passage.text[start:end]
            yield _Sentence(passage, number, passage.start + start, passage.start + end, text, before)
            number, before = number + 1, text
        if not spans:
            yield _Sentence(passage, None, passage.start, passage.start, "", before)
        places[passage.document, passage.target] = (number, before)
        if len(places) > _REMEMBERED_DOCUMENTS:
            places.popitem(last=False)


def _whole(text: str) -> list[tuple[int, int]]:
    stripped = text.strip()
    if not stripped:
        return []
    start = len(text) - len(text.lstrip())
    return [(start, start + len(stripped))]


def _label(
    sentences: list[_Sentence], model: StanceModel, least: Mapping[str, float], holding: Holding | None
) -> Iterator[Row]:
    full = [s for s in sentences if s.number is not None]
    targets = _targets(full, model)
    texts, contexts = [s.text for s in full], [s.context for s in full]
    said = model.predict(texts, contexts, targets)
    holding = holding or Holding(None)
    held = holding.columns(texts, contexts, said.labels, [s.passage.columns for s in full])
    fixed = columns_of(model)
    results = iter(
        zip(
            said.labels,
            said.positions.tolist(),
            said.confidence.tolist(),
            targets or [""] * len(full),
            held,
            strict=True,
        )
    )
    for sentence in sentences:
        row: Row = dict.fromkeys(fixed)
        row |= {"document": sentence.passage.document, "sentence": sentence.number}
        row |= {"start": sentence.start, "end": sentence.end, "text": sentence.text, "abstained": True}
        if sentence.number is not None:
            row["label"], positions, row["confidence"], target, holders = next(results)
            row |= holders
            row |= {f"p_{name}": p for name, p in zip(model.codebook.position_names, positions, strict=True)}
            row["abstained"] = row["confidence"] < least[target if target in least else model.targets[0]]
        yield row | _own_columns(holding.given(sentence.passage.columns), fixed)


def _own_columns(columns: Mapping[str, Any], fixed: Sequence[str]) -> Row:
    """Return the input's columns; one whose name is taken gets ``input_`` before it, until no other has that name."""
    own: Row = {}
    for name, value in columns.items():
        free = name
        while free in fixed or (free != name and free in columns):
            free = f"input_{free}"
        own[free] = value
    return own


def _targets(sentences: Sequence[_Sentence], model: StanceModel) -> list[str] | None:
    """Return the target of each sentence if the model's have names; the error for a strange one names its row."""
    if model.targets == ("",):
        return None
    for sentence in sentences:
        if sentence.passage.target not in model.targets and (sentence.passage.target or len(model.targets) > 1):
            what = (
                f"target {sentence.passage.target!r} is unknown to"
                if sentence.passage.target
                else "no target given, and several in"
            )
            raise DataError(
                f"{sentence.passage.where}: {what} model {model.name!r}; it knows "
                f"{', '.join(model.targets)}; name the column with --target-column"
            )
    return [sentence.passage.target for sentence in sentences]
