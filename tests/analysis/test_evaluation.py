"""A reader of the report finds every row, every figure named, and what the model must beat."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stance.analysis.evaluation import PERIOD_ENDS, Evaluation, evaluate, period_of
from stance.codebook import Codebook, Position, load_codebook
from stance.corpus.files import Corpus
from stance.errors import DataError
from stance.model.artifact import StanceModel
from stance.model.baselines import Baselines
from stance.model.metrics import measure
from stance.model.scorer import Prediction

BOOK = load_codebook()
EXCLUSIVE = Codebook("x", (Position("FAVOR"), Position("AGAINST")), exclusive=True, none_label="NONE")
WORDS = {"both": "talks terror", "engage": "talks", "terrorist": "terror", "none": "weather"}
WORDS |= {"FAVOR": "yes", "AGAINST": "never", "NONE": "weather"}


@dataclass
class FakeModel:
    """Says the label that a text starts with, being surer of early rows."""

    codebook: Codebook
    labels: tuple[str, ...]
    baselines: Mapping[str, Baselines]
    name: str = "fake"

    def predict(
        self,
        texts: Sequence[str],
        contexts: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
    ) -> Prediction:
        said = [text.split()[0] for text in texts]
        sure = np.linspace(0.9, 0.5, len(texts))
        proba = np.repeat((1 - sure)[:, None] / (len(self.labels) - 1), len(self.labels), axis=1)
        proba[np.arange(len(said)), [self.labels.index(label) for label in said]] = sure
        book = self.codebook
        has = np.array([[p in book.positions_of(label) for p in book.position_names] for label in self.labels])
        return Prediction(said, proba @ has.astype(float), proba, sure)


def fake(book: Codebook = BOOK, targets: Sequence[str] = ("",), labels: tuple[str, ...] | None = None) -> StanceModel:
    texts = [f"{WORDS.get(label, label)} {i}" for i in range(9) for label in book.labels]
    baselines = {target: Baselines.fit(texts, list(book.labels) * 9, book) for target in targets}
    return cast(StanceModel, FakeModel(book, labels or book.labels, baselines))


def corpus_of(n: int, book: Codebook = BOOK, seed: int = 0, n_documents: int = 40, **columns: Any) -> Corpus:
    """Return rows of which the model gets some seven in ten right; words of the text give the label away."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(book.labels), size=n)
    said = np.where(rng.random(n) < 0.6, y, rng.choice(len(book.labels), size=n))
    labels = [book.labels[i] for i in y]
    texts = tuple(f"{book.labels[s]} {WORDS.get(label, label)}" for s, label in zip(said, labels, strict=True))
    documents = tuple(f"d{i % n_documents}" for i in range(n))
    where = tuple(f"c.jsonl:{i}" for i in range(n))
    return Corpus(documents, texts, tuple(labels), ("",) * n, ("",) * n, where, columns)


def with_columns(n: int = 400) -> Corpus:
    rng = np.random.default_rng(3)
    genres = tuple("speech" if i % 2 else "treaty" if i % 20 else None for i in range(n))
    speakers = tuple(f"speaker {k}" for k in np.minimum(rng.geometric(0.05, n), 60))
    return corpus_of(n, genre=genres, year=tuple(1995 + i % 30 for i in range(n)), speaker=speakers)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(with_columns(), fake())


class TestOverall:
    def test_is_what_measure_says_of_the_predictions(self, evaluation: Evaluation) -> None:
        corpus, model = with_columns(), fake()
        said = model.predict(corpus.texts)
        assert evaluation.overall == measure(BOOK, corpus.labels, said, model.labels, corpus.documents)
        assert evaluation.overall["accuracy"]["value"] == pytest.approx(0.7, abs=0.06)

    def test_is_ready_for_json(self, evaluation: Evaluation) -> None:
        data = evaluation.as_dict()
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert set(data) == {"model", "definitions", "overall", "baselines", "groups"}

    def test_takes_draws_and_seed(self) -> None:
        corpus = corpus_of(60)
        found = evaluate(corpus, fake(), draws=50, seed=7).overall
        assert (found["draws"], found["seed"]) == (50, 7)

    def test_loads_a_model_by_its_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        paths: list[str] = []

        def load_model(path: str) -> StanceModel:
            paths.append(path)
            return fake()

        loaded = SimpleNamespace(load_model=load_model)
        monkeypatch.setitem(sys.modules, "stance.model.artifact", cast(Any, loaded))
        assert evaluate(corpus_of(30), "models/mine", draws=0).model == "fake"
        assert paths == ["models/mine"]


class TestRefuses:
    def test_labels_that_the_model_cannot_say(self) -> None:
        corpus = corpus_of(40)
        n = corpus.labels.count("both")
        with pytest.raises(DataError) as caught:
            evaluate(corpus, fake(labels=("engage", "none", "terrorist")))
        assert f"'both' ({n} rows)" in str(caught.value)
        assert "engage, none, terrorist" in str(caught.value)

    def test_an_empty_corpus(self) -> None:
        with pytest.raises(DataError, match="no labelled rows"):
            evaluate(Corpus((), (), (), (), (), ()), fake())


class TestBaselines:
    def test_are_measured_on_the_same_rows(self, evaluation: Evaluation) -> None:
        corpus = with_columns()
        majority, keywords = evaluation.baselines["majority"], evaluation.baselines["keywords"]
        expected = f1_score(corpus.labels, ["both"] * len(corpus), average="macro")  # the first of equals
        assert majority["macro_f1_labels"]["value"] == pytest.approx(expected, abs=1e-6)
        assert keywords["macro_f1_positions"]["value"] == 1.0
        assert "favg" not in keywords

    def test_are_compared_with_the_model(self, evaluation: Evaluation) -> None:
        model = evaluation.overall["macro_f1_positions"]["value"]
        for figures in evaluation.baselines.values():
            ahead = figures["model_ahead_by"]
            assert ahead["value"] == pytest.approx(model - figures["macro_f1_positions"]["value"], abs=2e-6)
            assert ahead["low"] <= ahead["value"] <= ahead["high"]
        assert evaluation.baselines["keywords"]["model_ahead_by"]["share_of_draws_above_0"] == 0.0

    def test_each_target_has_its_own(self) -> None:
        model = fake(EXCLUSIVE, ("a", "b"))
        model.baselines["b"].keywords.update(FAVOR=(), AGAINST=())
        corpus = corpus_of(200, EXCLUSIVE)
        corpus = replace(corpus, targets=tuple("ab"[i % 2] for i in range(200)))
        favg = evaluate(corpus, model, draws=20).baselines["keywords"]["favg"]
        assert favg["per_target"]["a"]["value"] == 1.0
        assert favg["per_target"]["b"]["value"] == 0.0
        assert favg["mean_over_targets"]["value"] == 0.5

    def test_of_a_single_target_serve_a_corpus_that_names_it(self) -> None:
        corpus = replace(corpus_of(40), targets=("Afghan Taliban",) * 40)
        assert evaluate(corpus, fake(), draws=0).baselines["keywords"]["accuracy"]["value"] == 1.0


class TestGroups:
    def test_hold_every_row(self, evaluation: Evaluation) -> None:
        assert set(evaluation.groups) == {"genre", "period", "speaker"}
        for found in evaluation.groups.values():
            assert sum(figures["n"] for figures in found.values()) == 400

    def test_are_in_order(self, evaluation: Evaluation) -> None:
        assert list(evaluation.groups["period"]) == ["up to 2001", "2002-2012", "2013-2020", "2021 on"]
        assert list(evaluation.groups["genre"]) == ["speech", "treaty", "(not given)"]

    def test_have_the_figures_of_their_rows(self, evaluation: Evaluation) -> None:
        corpus = with_columns()
        rows = [i for i, genre in enumerate(corpus.columns["genre"]) if genre == "treaty"]
        truth, said = ([values[i] for i in rows] for values in (corpus.labels, fake().predict(corpus.texts).labels))
        found = evaluation.groups["genre"]["treaty"]
        assert found["n"] == len(rows)
        assert found["n_documents"] == len({corpus.documents[i] for i in rows})
        alone = measure(BOOK, truth, said, BOOK.labels, [corpus.documents[i] for i in rows])
        assert found["macro_f1_positions"] == alone["macro_f1_positions"]
        assert found["accuracy"] == alone["accuracy"]

    def test_small_ones_are_pooled(self) -> None:
        genres = ("speech",) * 50 + ("treaty",) * 20 + ("memoir",) * 19 + ("ode",) * 11
        found = evaluate(corpus_of(100, genre=genres), fake(), draws=0).groups["genre"]
        assert {name: figures["n"] for name, figures in found.items()} == {
            "speech": 50,
            "treaty": 20,
            "(fewer than 20 rows)": 30,
        }

    def test_fifteen_speakers_stand_alone_at_most(self) -> None:
        speakers = tuple(f"s{i % 18:02}" for i in range(18 * 20)) + ("s17",) + ("rare",) * 5
        found = evaluate(corpus_of(len(speakers), speaker=speakers), fake(), draws=0).groups["speaker"]
        assert list(found) == [
            "s17",
            *(f"s{i:02}" for i in range(14)),
            "(all others)",
            "(fewer than 20 rows)",
        ]
        assert [figures["n"] for figures in found.values()] == [21, *[20] * 14, 60, 5]

    def test_targets_are_groups_if_there_are_several(self) -> None:
        corpus = replace(corpus_of(80, EXCLUSIVE), targets=("a", "b") * 40)
        assert set(evaluate(corpus, fake(EXCLUSIVE, ("a", "b")), draws=0).groups["target"]) == {"a", "b"}

    def test_a_corpus_without_columns_has_none(self) -> None:
        assert evaluate(corpus_of(30), fake(), draws=0).groups == {}

    @pytest.mark.parametrize(
        ("year", "period"),
        [
            (1979, "up to 2001"),
            (2001, "up to 2001"),
            ("2002", "2002-2012"),
            (2012.0, "2002-2012"),
            (np.int64(2013), "2013-2020"),
            (" 2020 ", "2013-2020"),
            (2021, "2021 on"),
            ("", "(not given)"),
            (None, "(not given)"),
            (float("nan"), "(not given)"),
            ("about 2005", "(not given)"),
        ],
    )
    def test_periods(self, year: object, period: str) -> None:
        assert period_of(year) == period
        assert PERIOD_ENDS == (2001, 2012, 2020)


class TestReport:
    def test_has_its_sections_and_fits_the_page(self, evaluation: Evaluation) -> None:
        report = evaluation.render()
        titles = re.findall(r"^(.+)\n-+$", report, re.MULTILINE)
        assert titles == [
            "Headline",
            "Definitions",
            "Positions",
            "Labels",
            "Confusion (rows: truth; columns: said)",
            "Calibration",
            "Risk and coverage",
            "Baselines",
            "Groups by genre",
            "Groups by period",
            "Groups by speaker",
        ]
        assert max(map(len, report.splitlines())) <= 100

    def test_shows_figures_with_their_intervals(self, evaluation: Evaluation) -> None:
        figure = evaluation.overall["macro_f1_positions"]
        shown = f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"
        assert re.search(rf"^macro-F1 over positions +{re.escape(shown)}$", evaluation.render(), re.MULTILINE)
        assert "400 sentences in 40 documents" in evaluation.render()

    def test_names_what_each_f1_is_of(self, evaluation: Evaluation) -> None:
        report = " ".join(evaluation.render().split())
        assert "macro-F1 over positions: mean F1 of engage and terrorist" in report
        assert "macro-F1 over labels: mean F1 of both, engage, none and terrorist" in report
        after = {match[1] for match in re.finditer(r"F1\S* (\S+)", report)}
        assert after <= {"of", "over"}

    def test_confusion_shows_truth_in_rows(self) -> None:
        corpus = corpus_of(2)
        corpus = replace(corpus, labels=("engage", "engage"), texts=("engage talks", "none talks"))
        body = evaluate(corpus, fake(), draws=0).render().split("Confusion")[1]
        row = next(line for line in body.splitlines() if line.startswith("engage "))
        assert row.split() == ["engage", "0", "1", "1", "0", "2"]

    def test_says_when_intervals_are_missing_or_doubtful(self) -> None:
        assert "[no interval]" in evaluate(corpus_of(30, n_documents=1), fake()).render()
        assert "too narrow" in evaluate(corpus_of(30, n_documents=29), fake(), draws=20).render()
        assert "too narrow" not in evaluate(corpus_of(30, n_documents=30), fake(), draws=20).render()

    def test_undefined_figures_are_called_so(self) -> None:
        corpus = replace(corpus_of(3), labels=("none",) * 3, texts=("none weather",) * 3)
        report = evaluate(corpus, fake(), draws=20).render()
        assert re.search(r"^macro-F1 over positions +undefined$", report, re.MULTILINE)
        assert "nan" not in report.lower()

    def test_exclusive_codebooks_show_favg(self) -> None:
        corpus = replace(corpus_of(80, EXCLUSIVE), targets=("atheism", "climate") * 40)
        report = evaluate(corpus, fake(EXCLUSIVE, ("atheism", "climate")), draws=20).render()
        for name in ("Favg, all rows pooled", "Favg, mean over targets", "Favg, atheism"):
            assert re.search(rf"^{name} +\d\.\d\d \[", report, re.MULTILINE)
        assert "Favg: (F1 of FAVOR + F1 of AGAINST) / 2" in report

    def test_long_names_and_many_labels_stay_on_the_page(self) -> None:
        positions = tuple(Position(f"a position with a long name, number {k}") for k in range(9))
        book = Codebook("x", positions, exclusive=True)
        y = [book.labels[i % 10] for i in range(60)]
        corpus = replace(corpus_of(60, genre=("a genre " * 30,) * 60), labels=tuple(y), texts=("w",) * 60)
        model = cast(Any, fake(book))
        proba = np.full((60, 10), 0.1)
        model.predict = lambda *_: Prediction(y, proba[:, :9], proba, proba[:, 0])
        report = evaluate(corpus, model, draws=20).render()
        assert max(map(len, report.splitlines())) <= 100
        assert report.count("number 8") >= 2


def test_ten_thousand_documents_take_seconds() -> None:
    rng = np.random.default_rng(0)
    speakers = tuple(f"s{k}" for k in rng.integers(0, 30, 10_000))
    years = tuple(1995 + i % 30 for i in range(10_000))
    corpus, model = corpus_of(10_000, n_documents=10_000, speaker=speakers, year=years), fake()
    start = time.process_time()
    evaluate(corpus, model)
    assert time.process_time() - start < 9  # some 1.5 s of an idle machine
