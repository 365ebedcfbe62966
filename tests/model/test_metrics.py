"""Figures are what scikit-learn and a hand's count say they are; intervals cover what they should."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from stance.codebook import Codebook, Position, load_codebook
from stance.errors import DataError
from stance.model.metrics import Measured, measure, paired_difference
from stance.model.scorer import Prediction

BOOK = load_codebook()
LABELS = BOOK.labels
Rows = tuple[list[str], Prediction]
Found = dict[str, Any]
EXCLUSIVE = Codebook("x", (Position("FAVOR"), Position("AGAINST")), exclusive=True, none_label="NONE")


def predicted(proba: Any, book: Codebook = BOOK, said: list[str] | None = None) -> Prediction:
    p = np.array(proba, dtype=float)
    has = np.array([[name in book.positions_of(label) for name in book.position_names] for label in book.labels])
    chosen = p.argmax(axis=1) if said is None else np.array([book.labels.index(label) for label in said])
    return Prediction([book.labels[i] for i in chosen], p @ has.astype(float), p, p[np.arange(len(p)), chosen])


def random_rows(n: int, book: Codebook = BOOK, seed: int = 0) -> Rows:
    """Return labels, and probabilities that know something of them; three digits make ties."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(book.labels), size=n)
    proba = rng.dirichlet(np.ones(len(book.labels)), n).round(2) + 0.001
    proba[np.arange(n), y] += 0.3
    proba /= proba.sum(axis=1, keepdims=True)
    return [book.labels[i] for i in y], predicted(proba, book)


def one_each(n: int) -> list[str]:
    return [f"d{i}" for i in range(n)]


def parts(figure: Measured) -> tuple[float, float, float]:
    assert figure.low is not None and figure.value is not None and figure.high is not None  # noqa: PT018
    return figure.low, figure.value, figure.high


def value(figure: dict[str, float]) -> float:
    return figure["value"]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return random_rows(500)


@pytest.fixture(scope="module")
def found(rows: Rows) -> Found:
    return measure(BOOK, rows[0], rows[1], LABELS, one_each(500), draws=200)


class TestAgainstScikitLearn:
    def test_labels(self, rows: Rows, found: Found) -> None:
        truth, said = rows[0], rows[1].labels
        expected = precision_recall_fscore_support(truth, said, labels=LABELS)
        for k, label in enumerate(LABELS):
            figures = found["labels"][label]
            got = (figures["precision"], figures["recall"], value(figures["f1"]), figures["support"])
            assert got == pytest.approx(tuple(column[k] for column in expected), abs=1e-6)
        assert value(found["macro_f1_labels"]) == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-6)
        assert value(found["accuracy"]) == pytest.approx(accuracy_score(truth, said), abs=1e-6)
        assert found["confusion"]["counts"] == confusion_matrix(truth, said, labels=LABELS).tolist()

    def test_positions(self, rows: Rows, found: Found) -> None:
        each = []
        for k, name in enumerate(BOOK.position_names):
            truth, said = ([name in BOOK.positions_of(label) for label in ls] for ls in (rows[0], rows[1].labels))
            precision, recall, f1, _ = precision_recall_fscore_support(truth, said, average="binary")
            figures = found["positions"][name]
            got = (
                figures["precision"],
                figures["recall"],
                value(figures["f1"]),
                figures["average_precision"],
            )
            ap = average_precision_score(truth, rows[1].positions[:, k])
            assert got == pytest.approx((precision, recall, f1, ap), abs=1e-6)
            assert figures["support"] == sum(truth)
            each.append(f1)
        assert value(found["macro_f1_positions"]) == pytest.approx(np.mean(each), abs=1e-6)

    def test_probabilities(self, rows: Rows, found: Found) -> None:
        truth, proba = rows[0], rows[1].label_proba
        calibration = found["calibration"]
        assert value(calibration["log_loss_nats"]) == pytest.approx(log_loss(truth, proba, labels=LABELS), abs=1e-6)
        brier = brier_score_loss(truth, proba, labels=LABELS, scale_by_half=False)
        assert value(calibration["brier_sum_0_2"]) == pytest.approx(brier, abs=1e-6)

    def test_average_precision_with_ties(self) -> None:
        truth = ["engage", "none", "engage", "none"]
        proba = [[0, p, 1 - p, 0] for p in (0.9, 0.4, 0.4, 0.1)]
        found = measure(BOOK, truth, predicted(proba), LABELS, one_each(4), draws=0)
        expected = average_precision_score([1, 0, 1, 0], [0.9, 0.4, 0.4, 0.1])
        assert found["positions"]["engage"]["average_precision"] == pytest.approx(expected, abs=1e-6)


class TestByHand:
    def test_both_counts_for_each_position(self) -> None:
        truth = ["both", "engage", "none", "terrorist"]
        said = ["engage", "engage", "terrorist", "terrorist"]
        found = measure(BOOK, truth, said, LABELS, one_each(4), draws=0)
        # engage: 2 hits, 2 true, 2 said; terrorist: 1 hit, 2 true, 2 said
        assert value(found["positions"]["engage"]["f1"]) == 1.0
        assert value(found["positions"]["terrorist"]["f1"]) == 0.5
        assert value(found["macro_f1_positions"]) == 0.75
        # labels: both 0, engage 2/3, none 0, terrorist 2/3
        assert value(found["macro_f1_labels"]) == pytest.approx(1 / 3, abs=1e-6)
        assert value(found["accuracy"]) == 0.5

    def test_ece_and_reliability(self) -> None:
        said = ["engage"] * 4
        proba = [[0, 0.95, 0.05, 0], [0, 0.95, 0.05, 0], [0, 0.6, 0.4, 0], [0, 0.55, 0.45, 0]]
        truth = ["engage", "none", "engage", "engage"]
        found = measure(BOOK, truth, predicted(proba, said=said), LABELS, one_each(4), draws=0)["calibration"]
        # (0.9, 1]: 2 rows, .95 sure, .5 right; (0.5, 0.6]: 2 rows, .575 sure, 1 right
        assert value(found["ece_equal_width"]) == pytest.approx(0.5 * 0.45 + 0.5 * 0.425, abs=1e-6)
        assert found["bins"] == 10
        assert found["reliability"] == [
            {"above": 0.5, "up_to": 0.6, "n": 2, "confidence": 0.575, "accuracy": 1.0},
            {"above": 0.9, "up_to": 1.0, "n": 2, "confidence": 0.95, "accuracy": 0.5},
        ]

    def test_equal_mass_bins_are_finer_where_the_rows_are(self) -> None:
        confidence = np.where(np.arange(400) < 200, 0.905, 0.925)  # in one bin of equal width, and its errors cancel
        right = np.arange(400) % 200 < np.where(np.arange(400) < 200, 200, 166)
        proba = [[0, c, 1 - c, 0] for c in confidence]
        truth = np.where(right, "engage", "none").tolist()
        found = measure(BOOK, truth, predicted(proba), LABELS, one_each(400), draws=0)["calibration"]
        assert value(found["ece_equal_width"]) == pytest.approx(0, abs=1e-6)
        assert value(found["ece_equal_mass"]) == pytest.approx(0.095, abs=1e-6)

    def test_fewer_bins_for_fewer_rows(self) -> None:
        for n, bins in ((299, 10), (300, 15)):
            truth, prediction = random_rows(n)
            assert measure(BOOK, truth, prediction, LABELS, one_each(n), draws=0)["calibration"]["bins"] == bins

    def test_risk_falls_with_coverage_of_a_good_confidence(self) -> None:
        confidence = np.linspace(0.95, 0.5, 10)
        truth = ["engage"] * 7 + ["none"] * 3
        proba = [[0, c, 1 - c, 0] for c in confidence]
        found = measure(BOOK, truth, predicted(proba, said=["engage"] * 10), LABELS, one_each(10), draws=0)
        rows = found["risk_coverage"]
        assert [row["share"] for row in rows] == [1.0, 0.9, 0.8, 0.5]
        assert [value(row["error"]) for row in rows] == pytest.approx([0.3, 2 / 9, 1 / 8, 0], abs=1e-6)
        assert value(rows[1]["macro_f1_positions"]) == pytest.approx(14 / 16, abs=1e-6)
        assert rows[2]["confidence"] == pytest.approx(0.6)

    def test_rows_of_one_confidence_are_kept_together(self) -> None:
        truth, proba = ["engage", "none"] * 5, [[0, 0.8, 0.2, 0]] * 10
        rows = measure(BOOK, truth, predicted(proba), LABELS, one_each(10), draws=0)["risk_coverage"]
        assert [(row["share"], value(row["error"])) for row in rows] == [(1.0, 0.5)] * 4

    def test_abstentions_stand_apart(self) -> None:
        truth = ["engage", "engage", "none", "none"]
        said = ["engage", "none", "none", "engage"]
        refused = [False, True, False, True]
        found = measure(BOOK, truth, said, LABELS, one_each(4), abstained=refused, draws=0)
        assert value(found["accuracy"]) == 0.5
        abstention = found["abstention"]
        assert (abstention["n"], abstention["decided"]["share"]) == (2, 0.5)
        assert value(abstention["decided"]["error"]) == 0.0
        assert value(abstention["error_had_it_decided"]) == 1.0
        assert "abstention" not in measure(BOOK, truth, said, LABELS, one_each(4), draws=0)


class TestFavg:
    TRUTH = ("FAVOR", "FAVOR", "AGAINST", "NONE", "NONE", "AGAINST")
    SAID = ("FAVOR", "NONE", "AGAINST", "AGAINST", "NONE", "AGAINST")
    TARGETS = ("a", "a", "a", "a", "b", "b")

    def test_pooled_by_target_and_mean(self) -> None:
        found = measure(EXCLUSIVE, self.TRUTH, self.SAID, EXCLUSIVE.labels, one_each(6), targets=self.TARGETS)
        favg = found["favg"]
        labels = ["FAVOR", "AGAINST"]
        pooled = f1_score(self.TRUTH, self.SAID, labels=labels, average="macro")
        assert value(favg["pooled"]) == pytest.approx(pooled, abs=1e-6)
        # a: FAVOR 2/3, AGAINST 2/3; b: AGAINST 1, and no FAVOR, neither true nor said
        assert value(favg["per_target"]["a"]) == pytest.approx(2 / 3, abs=1e-6)
        assert value(favg["per_target"]["b"]) == 1.0
        assert value(favg["mean_over_targets"]) == pytest.approx(5 / 6, abs=1e-6)

    def test_none_counts_through_the_others_only(self) -> None:
        said = ["AGAINST" if label == "NONE" else label for label in self.TRUTH]
        found = measure(EXCLUSIVE, self.TRUTH, said, EXCLUSIVE.labels, one_each(6), draws=0)
        assert value(found["favg"]["pooled"]) == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)
        assert value(found["macro_f1_labels"]) == pytest.approx((1 + 2 / 3 + 0) / 3, abs=1e-6)

    @pytest.mark.parametrize(
        "book",
        [
            BOOK,
            Codebook("x", EXCLUSIVE.positions, exclusive=True, none_label=""),
            Codebook("x", (*EXCLUSIVE.positions, Position("QUERY")), exclusive=True, none_label="NONE"),
        ],
        ids=["combining", "no none", "three positions"],
    )
    def test_only_where_it_is_defined(self, book: Codebook) -> None:
        name = book.position_names[0]
        found = measure(book, [name], [name], book.labels, ["d"], draws=0)
        assert "favg" not in found

    def test_one_target_is_not_divided(self) -> None:
        found = measure(EXCLUSIVE, self.TRUTH, self.SAID, EXCLUSIVE.labels, one_each(6), targets=["a"] * 6, draws=0)
        assert set(found["favg"]) == {"pooled"}


class TestUndefined:
    def test_absent_positions_and_labels_are_none_and_left_out_of_means(self) -> None:
        found = measure(BOOK, ["engage", "none"], ["engage", "none"], LABELS, ["a", "b"])
        terrorist = found["positions"]["terrorist"]
        assert terrorist["f1"] == {"value": None, "low": None, "high": None}
        assert terrorist["precision"] is terrorist["recall"] is None
        assert value(found["macro_f1_positions"]) == 1.0
        assert value(found["macro_f1_labels"]) == 1.0

    def test_a_position_that_is_never_found_counts_as_zero(self) -> None:
        found = measure(BOOK, ["engage", "terrorist"], ["engage", "none"], LABELS, ["a", "b"], draws=0)
        assert value(found["macro_f1_positions"]) == 0.5
        assert found["positions"]["terrorist"]["precision"] is None

    def test_all_figures_go_through_strict_json(self) -> None:
        found = measure(BOOK, ["none"] * 3, predicted([[0, 0, 1, 0]] * 3), LABELS, ["a", "b", "b"])
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["positions"]["engage"]["average_precision"] is None
        assert value(found["macro_f1_positions"]) is None

    def test_a_certain_error_has_a_finite_loss(self) -> None:
        found = measure(BOOK, ["engage"], predicted([[0, 0, 1, 0]]), LABELS, ["a"])
        assert 30 < value(found["calibration"]["log_loss_nats"]) < 40


class TestRefuses:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"truth": [], "prediction": [], "documents": []}, "no labelled rows"),
            ({"documents": ["a"]}, "1 documents for 2 labelled rows"),
            ({"prediction": ["none"]}, "1 predictions for 2"),
            ({"targets": ["x"]}, "1 targets for 2"),
            ({"abstained": [True]}, "1 abstained for 2"),
            ({"truth": ["none", "maybe"]}, "'maybe' has no column"),
            ({"prediction": ["none", "maybe"]}, "'maybe' has no column"),
        ],
    )
    def test_input_that_does_not_fit(self, change: dict[str, Any], message: str) -> None:
        given = {"truth": ["none", "both"], "prediction": ["none", "none"], "documents": ["a", "b"]} | change
        with pytest.raises(DataError, match=message):
            measure(BOOK, labels=LABELS, **given)


class TestIntervals:
    def test_hold_the_figure_and_repeat(self) -> None:
        truth, prediction = random_rows(400)
        documents = [f"d{i // 4}" for i in range(400)]
        found = measure(BOOK, truth, prediction, LABELS, documents)
        for key in ("macro_f1_positions", "macro_f1_labels", "accuracy"):
            figure = found[key]
            assert figure["low"] < figure["value"] < figure["high"]
        assert found == measure(BOOK, truth, prediction, LABELS, documents)
        other = measure(BOOK, truth, prediction, LABELS, documents, seed=1)
        assert found["calibration"]["log_loss_nats"]["low"] != other["calibration"]["log_loss_nats"]["low"]

    def test_do_not_depend_on_the_order_of_rows(self) -> None:
        truth, prediction = random_rows(60)
        documents = [f"d{i // 3}" for i in range(60)]
        back = Prediction(
            prediction.labels[::-1],
            prediction.positions[::-1],
            prediction.label_proba[::-1],
            prediction.confidence[::-1],
        )
        found = measure(BOOK, truth, prediction, LABELS, documents, draws=200)
        assert found == measure(BOOK, truth[::-1], back, LABELS, documents[::-1], draws=200)

    def test_are_as_wide_as_the_binomial_says_for_single_sentences(self) -> None:
        truth, said = ["engage"] * 400, ["engage"] * 300 + ["none"] * 100
        figure = measure(BOOK, truth, said, LABELS, one_each(400), draws=4000)["accuracy"]
        half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
        assert (figure["low"], figure["high"]) == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)

    def test_get_narrower_with_the_level(self) -> None:
        truth, said = ["engage"] * 100, ["engage"] * 70 + ["none"] * 30
        wide, narrow = (measure(BOOK, truth, said, LABELS, one_each(100), level=q)["accuracy"] for q in (0.95, 0.5))
        assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]

    def test_are_wider_for_clustered_rows(self) -> None:
        right = np.random.default_rng(1).random(50) < 0.7  # all ten sentences of a document share its fate
        said = [label for r in right for label in ["engage" if r else "none"] * 10]
        truth = ["engage"] * 500
        by_document, by_row = (
            measure(BOOK, truth, said, LABELS, documents)["accuracy"]
            for documents in ([f"d{i // 10}" for i in range(500)], one_each(500))
        )
        ratio = (by_document["high"] - by_document["low"]) / (by_row["high"] - by_row["low"])
        assert ratio == pytest.approx(10**0.5, rel=0.15)

    def test_one_document_allows_none(self) -> None:
        figure = measure(BOOK, ["engage", "none"], ["engage", "engage"], LABELS, ["d", "d"])["accuracy"]
        assert figure == {"value": 0.5, "low": None, "high": None}

    @pytest.mark.parametrize("key", ["accuracy", "macro_f1_positions"])
    def test_cover_the_truth_if_and_only_if_drawn_by_document(self, key: str) -> None:
        """150 corpora of 60 documents of ten sentences; documents differ in difficulty and labels."""
        rng = np.random.default_rng(0)

        def draw(n_documents: int) -> tuple[list[str], list[str], list[str]]:
            y = (rng.random((n_documents, 10)) < rng.beta(0.5, 0.5, (n_documents, 1))).astype(int)
            wrong = rng.random((n_documents, 10)) < rng.beta(0.4, 1.2, (n_documents, 1))
            names = np.array(["engage", "terrorist"])
            documents = np.repeat(np.arange(n_documents), 10).astype(str)
            return names[y].ravel().tolist(), names[y ^ wrong].ravel().tolist(), documents.tolist()

        truth, said, documents = draw(30_000)
        exact = value(measure(BOOK, truth, said, LABELS, documents, draws=0)[key])
        covered = np.zeros(2)
        for _ in range(150):
            truth, said, documents = draw(60)
            for k, units in enumerate((documents, one_each(600))):
                figure = measure(BOOK, truth, said, LABELS, units, draws=300)[key]
                covered[k] += figure["low"] <= exact <= figure["high"]
        by_document, by_row = covered / 150
        assert 0.89 <= by_document <= 0.99
        assert by_row < 0.8


class TestPairedDifference:
    def test_is_the_difference_of_the_two(self) -> None:
        truth, a = random_rows(300)
        b = ["engage"] * 300
        difference, share = paired_difference(BOOK, truth, a.labels, b, one_each(300))
        apart = [
            value(measure(BOOK, truth, s, LABELS, one_each(300), draws=0)["macro_f1_positions"]) for s in (a.labels, b)
        ]
        assert difference.value == pytest.approx(apart[0] - apart[1], abs=2e-6)
        low, middle, high = parts(difference)
        assert low < middle < high
        assert share == 1.0
        swapped, none = paired_difference(BOOK, truth, b, a.labels, one_each(300))
        assert (swapped.value, none) == (-middle, 0.0)

    def test_equal_answers_differ_by_nothing(self) -> None:
        truth, a = random_rows(50)
        assert paired_difference(BOOK, truth, a.labels, a.labels, one_each(50)) == (
            Measured(0.0, 0.0, 0.0),
            0.0,
        )

    def test_is_narrower_than_two_separate_intervals(self) -> None:
        truth, prediction = random_rows(300)
        a = prediction.labels
        b = [*a[:295], *truth[295:]]
        difference, _ = paired_difference(BOOK, truth, a, b, one_each(300))
        alone = measure(BOOK, truth, a, LABELS, one_each(300))["macro_f1_positions"]
        low, _, high = parts(difference)
        assert high - low < (alone["high"] - alone["low"]) / 2

    def test_one_document_allows_no_interval(self) -> None:
        difference, share = paired_difference(BOOK, ["engage"], ["engage"], ["none"], ["d"])
        assert (difference, share) == (Measured(1.0), None)
