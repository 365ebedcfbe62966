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

from stance.analysis.familiarity import UnfamiliarTextWarning, Watch
from stance.analysis.holding import COLUMNS, Holding
from stance.codebook import Codebook
from stance.errors import DataError
from stance.model.artifact import DEFAULT_MODEL, StanceModel, load_model
from stance.model.gating import Gating
from stance.text.readers import Columns, Passage, passages_of, read_documents
from stance.text.relevance import Gate
from stance.text.sentences import split_sentences

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Labeller", "Row", "Sentence", "Tally", "analyze", "columns_of", "framed"]

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
    gate: str = "",
    relevant: bool = False,
) -> pd.DataFrame:
    """Label every sentence of some documents.

    Parameters
    ----------
    documents
        Texts (strings are texts, never paths), records or a frame with a text column, or paths of files and folders.
    model
        A model, or the name or folder of one.
    columns, pre_split
        Which columns of tables mean what; whether each text is one sentence already.
    coverage, max_risk
        Abstain so that about this share of sentences is decided, or that at most this share of the decided is wrong.
    speaker, date
        Who speaks, and when (``2018-03``), where the columns ``speaker`` and ``date`` or ``year`` do not tell.
    codebook
        Whose actors and blocs are looked for; by default the shipped one's.
    gate
        Which sentences are classified, and not just called none: ``named`` (those near a name of the target),
        ``topic`` (or near a word of its topics), ``off`` (all); by default as the model was measured to lose little.
    relevant
        Leave the others, and blank texts, out.

    Returns
    -------
    pandas.DataFrame
        One row for each sentence, in order: document, sentence (its number there, from 0), start and end (in characters
        of the text), text, label, p_<position>, confidence (the probability of the label), abstained, gated (not
        classified: probabilities are shares of such sentences in the corpus), those of `stance.analysis.holding`; then
        the input's own, those whose name is taken with ``input_`` before it. A blank text gives a row without a label.

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
    >>> analyze(["Moscow hosted the Taliban for talks. It snowed."])["label"].tolist()
    ['engage', 'none']
    """
    model = model if isinstance(model, StanceModel) else load_model(model)
    if isinstance(documents, (str, bytes, Mapping)):
        raise DataError(
            f"documents is a single {type(documents).__name__}; give a sequence of texts, such as [text], or a "
            "pathlib.Path"
        )
    passages = _passages(documents, columns, pre_split=pre_split)
    labeller = Labeller(
        model,
        Holding(model.attributor(codebook), speaker, date),
        Gating.of(model, gate),
        pre_split=pre_split,
        coverage=coverage,
        max_risk=max_risk,
        relevant=relevant,
    )
    watch = Watch()
    rows = list(watch.through(labeller.rows(passages)))
    for reason in watch.strangeness(model, left_out=labeller.left_out):
        warnings.warn(reason, UnfamiliarTextWarning, stacklevel=2)
    return framed(rows, model, list(dict.fromkeys([*columns_of(model), *(name for row in rows for name in row)])))


def framed(rows: Sequence[Row], model: StanceModel, names: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with columns of these names, the pipeline's own of the same types whatever the rows."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(names))
    numbers = [name for name in columns_of(model) if name.startswith("p_")]
    kinds = {"sentence": "Int64", "start": "int64", "end": "int64", "confidence": "float64"}
    kinds |= {"abstained": "bool", "gated": "bool"}
    texts = [name for name in ("document", "text", "label", *COLUMNS) if name != "p_holder"]
    types: dict[str, Any] = {**kinds, **dict.fromkeys([*numbers, "p_holder"], "float64")}
    return frame.astype({**types, **dict.fromkeys(texts, pd.Series([""]).dtype)})


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
    first = ["document", "sentence", "start", "end", "text", "label", *positions]
    return [*first, "confidence", "abstained", "gated", *COLUMNS]


@dataclass(slots=True)
class Tally:
    """How many sentences were labelled, held back by the gate, and read by the encoder."""

    sentences: int = 0
    gated: int = 0
    encoded: int = 0

    def add(self, other: Tally) -> None:
        """Add another one's counts."""
        self.sentences += other.sentences
        self.gated += other.gated
        self.encoded += other.encoded


@dataclass(slots=True)
class Sentence:
    """A sentence of a passage, numbered in its document, with the one before it; a blank passage has one too."""

    passage: Passage
    number: int | None
    start: int
    end: int
    text: str
    context: str
    relevant: bool = True


class Labeller:
    """From passages to rows.

    Parameters
    ----------
    model, holding, gating
        The classifier; what fills the columns of holders; the gates, None for none.
    pre_split, coverage, max_risk, relevant
        As in `analyze`.

    Attributes
    ----------
    tally
        What was labelled so far.
    left_out
        Whether sentences were left out, as not relevant.
    """

    def __init__(
        self,
        model: StanceModel,
        holding: Holding | None = None,
        gating: Gating | None = None,
        *,
        pre_split: bool = False,
        coverage: float | None = None,
        max_risk: float | None = None,
        relevant: bool = False,
    ) -> None:
        self.model, self.holding, self.columns = model, holding or Holding(None), columns_of(model)
        self.tally, self.left_out = Tally(), False
        self._places: OrderedDict[tuple[str, str], tuple[int, str, int | None]] = OrderedDict()
        self._gating, self._pre_split, self._relevant = gating, pre_split, relevant
        self._least = {t: model.least_confidence(t, coverage=coverage, max_risk=max_risk) for t in model.targets}
        self._positions = [f"p_{name}" for name in model.codebook.position_names]

    def rows(self, passages: Iterable[Passage]) -> Iterator[Row]:
        """Yield one row for each sentence, as they come; memory does not grow with the input.

        Of a document whose passages are more than 100,000 other documents apart the sentences are numbered anew.
        """
        return self.label(self.sentences(passages))

    def sentences(self, passages: Iterable[Passage]) -> Iterator[Sentence]:
        """Yield the sentences of each passage, numbered through its document, each with the one before it.

        A document may go on in a later call.
        """
        places = self._places
        for passage in passages:
            key = passage.document, passage.target
            number, before, since = (0, "", None) if passage.whole else places.pop(key, (0, "", None))
            gate = self._gate_of(passage)
            if passage.context is not None:
                before = passage.context
                since = 0 if gate is not None and gate.opens(before) else since
            hints = gate.hints(passage.text) if gate is not None else []
            if gate is not None and self._relevant and passage.whole and not hints and since is None:
                self.left_out |= bool(passage.text.strip())
                continue
            spans = _whole(passage.text) if self._pre_split else split_sentences(passage.text)
            passed, since = (
                ([True] * len(spans), None) if gate is None else gate.relevant(passage.text, spans, since, hints)
            )
            for (start, end), relevant in zip(spans, passed, strict=True):
                text = passage.text[start:end]
                at = passage.start
                yield Sentence(passage, number, at + start, at + end, text, before, relevant)
                number, before = number + 1, text
            if not spans:
                yield Sentence(passage, None, passage.start, passage.start, "", before, relevant=gate is None)
            if passage.whole:
                continue
            places[key] = (number, before, since)
            if len(places) > _REMEMBERED_DOCUMENTS:
                places.popitem(last=False)

    def _gate_of(self, passage: Passage) -> Gate | None:
        """Return the gate of a passage's target; where there is none, `_targets` says what is wrong."""
        if self._gating is None:
            return None
        gates = self._gating.gates
        any_target = set(gates) == {""} or (len(gates) == 1 and not passage.target)
        return next(iter(gates.values())) if any_target else gates.get(passage.target)

    def label(self, sentences: Iterable[Sentence]) -> Iterator[Row]:
        """Yield one row for each sentence; only relevant ones if that is wanted."""
        waiting: list[Sentence] = []
        asked = 0
        for sentence in sentences:
            blank = sentence.number is None
            if self._relevant and (blank or not sentence.relevant):
                self.left_out |= not blank
                continue
            waiting.append(sentence)
            asked += sentence.relevant
            if asked >= _BATCH or len(waiting) >= _BATCH * 8:
                yield from self._label(waiting)
                waiting, asked = [], 0
        yield from self._label(waiting)

    def _label(self, sentences: list[Sentence]) -> Iterator[Row]:
        """Label a batch: the relevant sentences by the model, the others as they are counted in the corpus."""
        asked = [s for s in sentences if s.number is not None and s.relevant]
        targets = _targets(asked, self.model)
        texts, contexts = [s.text for s in asked], [s.context for s in asked]
        said = self.model.predict(texts, contexts, targets)
        held = self.holding.columns(texts, contexts, said.labels, [s.passage.columns for s in asked])
        numbers = said.positions.tolist(), said.confidence.tolist()
        results = iter(zip(said.labels, *numbers, targets or [""] * len(asked), held, strict=True))
        self.tally.add(Tally(len(asked), 0, said.encoded))
        empty: Row = dict.fromkeys(self.columns)
        own: tuple[Any, Row] = (None, {})
        for s in sentences:
            row = empty | {"document": s.passage.document, "sentence": s.number, "start": s.start, "end": s.end}
            row |= {"text": s.text, "abstained": True, "gated": False}
            if s.number is not None:
                gated = not s.relevant
                result = self._of_gated(s) if gated else next(results)
                row["label"], positions, row["confidence"], target, holders = result
                row |= zip(self._positions, positions, strict=True)
                row |= holders
                row["abstained"] = row["confidence"] < self._least.get(target, self._least[self.model.targets[0]])
                row["gated"] = gated
            if own[0] is not s.passage.columns:
                own = s.passage.columns, self.own_columns(s.passage.columns)
            yield row | own[1]

    def own_columns(self, columns: Mapping[str, Any]) -> Row:
        """Return the input's columns of a passage as they stand in its rows."""
        return _own_columns(self.holding.given(columns), self.columns)

    def _of_gated(self, sentence: Sentence) -> tuple[str, Sequence[float], float, str, Row]:
        """Return what is said of a sentence that is not relevant."""
        assert self._gating is not None  # or every sentence would be relevant
        self.tally.add(Tally(1, 1))
        none = self.model.codebook.none_label
        return none, self._gating.positions, self._gating.confidence, sentence.passage.target, {}


def _whole(text: str) -> list[tuple[int, int]]:
    stripped = text.strip()
    if not stripped:
        return []
    start = len(text) - len(text.lstrip())
    return [(start, start + len(stripped))]


def _own_columns(columns: Mapping[str, Any], fixed: Sequence[str]) -> Row:
    """Return the input's columns; one whose name is taken gets ``input_`` before it, until no other has that name."""
    own: Row = {}
    for name, value in columns.items():
        free = name
        while free in fixed or (free != name and free in columns):
            free = f"input_{free}"
        own[free] = value
    return own


def _targets(sentences: Sequence[Sentence], model: StanceModel) -> list[str] | None:
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
