"""`StanceClassifier`: scikit-learn's contract, both kinds of codebook, context, determinism."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from stance.codebook import parse_codebook
from stance.errors import DataError
from stance.model.classifier import StanceClassifier

# a codebook that has nothing to do with Afghanistan
BRIDGE = {
    "name": "A bridge over the bay",
    "target": [{"name": "bridge", "aliases": ["bridge", "crossing"]}],
    "position": [{"name": "build"}, {"name": "refuse"}],
}
GOOD = [
    "build the bridge now",
    "the crossing would bring work",
    "we want this bridge",
    "open the bridge to all",
]
BAD = ["stop the bridge", "the crossing would ruin the bay", "we refuse this bridge", "no bridge, no debt"]
REST = ["the ferry was late", "fish was sold at noon", "the council met", "it rained on the pier"]
TEXTS = [f"{t}, said the {who}" for who in ("mayor", "clerk", "baker", "pilot", "nurse") for t in (*GOOD, *BAD, *REST)]
TEXTS += [f"{g}, but others say: {b}" for g, b in zip(GOOD, BAD, strict=True)] * 2
LABELS = (["build"] * 4 + ["refuse"] * 4 + ["none"] * 4) * 5 + ["both"] * 8
DOCUMENTS = [f"d{i // 4}" for i in range(len(TEXTS))]


class OnNumbers(StanceClassifier):
    """The classifier on rows of numbers: each number becomes a word, so that scikit-learn's checks can run."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        return tags

    def _texts(self, X):
        from sklearn.utils.validation import validate_data

        rows = validate_data(self, X, reset=not hasattr(self, "scorer_"))
        # a word for every bin up to a column's value: near values share most words
        return [
            " ".join(f"c{j}b{b}" for j, v in enumerate(row) for b in range(-12, int(np.clip(v, -6, 6) * 2) + 1))
            for row in rows
        ]


_WEIGHTS = "inverse document frequency counts rows and ignores weights"
_MOVED = "thresholds are moved for macro-F1, so the likeliest label is not always the predicted one"
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}
EXPECTED_FAILURES_TUNED = {**EXPECTED_FAILURES, "check_classifiers_train": _MOVED}


@parametrize_with_checks(
    [OnNumbers(folds=2), OnNumbers(folds=2, tune_thresholds=False)],
    expected_failed_checks=lambda model: EXPECTED_FAILURES_TUNED if model.tune_thresholds else EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_tags_say_that_it_takes_texts():
    tags = StanceClassifier().__sklearn_tags__().input_tags
    assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)


@pytest.fixture(scope="module")
def combining():
    book = parse_codebook(BRIDGE)
    return StanceClassifier(codebook=book).fit(TEXTS, LABELS, groups=DOCUMENTS)


def test_another_codebook_with_labels_that_combine(combining):
    assert combining.classes_.tolist() == ["both", "build", "none", "refuse"]
    said = combining.predict(["build this crossing", "we refuse the crossing", "the ferry met the council"])
    assert said.tolist() == ["build", "refuse", "none"]
    proba = combining.predict_proba(TEXTS)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_another_codebook_with_labels_that_exclude():
    book = parse_codebook({**BRIDGE, "exclusive": True})
    kept = [i for i, label in enumerate(LABELS) if label != "both"]
    model = StanceClassifier(codebook=book).fit([TEXTS[i] for i in kept], [LABELS[i] for i in kept])
    assert model.classes_.tolist() == ["build", "none", "refuse"]
    assert model.predict(["build this crossing", "we refuse the crossing", "the ferry was late"]).tolist() == [
        "build",
        "refuse",
        "none",
    ]


def test_probabilities_are_those_of_scikit_learns_estimator(combining):
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    from stance.model.heads import informative

    scorer = combining.scorer_
    rows = scorer.features.transform(TEXTS)
    matrix = csr_matrix((rows.data, rows.indices, rows.indptr), (len(rows), rows.n_features))
    scores = np.empty((len(TEXTS), len(scorer.scores)))
    for k, name in enumerate(scorer.scores):
        truth = np.array([name in scorer.codebook.positions_of(label) for label in LABELS], dtype=int)
        scaled = matrix.multiply(informative(matrix, truth)).tocsr()
        fitted = LogisticRegression(C=combining.chosen_["C"], max_iter=2000).fit(scaled, truth)
        scores[:, k] = fitted.decision_function(scaled)
    np.testing.assert_allclose(
        combining.predict_proba(TEXTS), scorer.calibrator.label_proba(scores, scorer.members), atol=1e-6
    )


def test_a_single_text_gets_the_answer_of_the_batch(combining):
    together = combining.predict_proba(TEXTS)
    alone = np.concatenate([combining.predict_proba([text]) for text in TEXTS])
    assert (together == alone).all()


def test_context_is_used():
    texts = ["They should have it."] * 40
    before = ["About the bridge we agree.", "About the tax we do not agree."] * 20
    labels = ["build", "none"] * 20
    book = parse_codebook(BRIDGE)
    model = StanceClassifier(codebook=book).fit(texts, labels, contexts=before)
    assert model.predict(texts[:2], before[:2]).tolist() == ["build", "none"]


def test_cross_validation_keeps_documents_whole(combining):
    folds = {}
    for document, fold in zip(DOCUMENTS, combining.fold_of_, strict=True):
        assert folds.setdefault(document, fold) == fold
    assert len(set(combining.fold_of_)) == combining.chosen_["folds"]


def test_jobs_do_not_change_the_result():
    book = parse_codebook(BRIDGE)
    one, two = (StanceClassifier(codebook=book, n_jobs=n).fit(TEXTS, LABELS, groups=DOCUMENTS).scorer_ for n in (1, 2))
    assert (one.coef == two.coef).all()
    assert (one.calibrator, one.thresholds, one.abstention) == (
        two.calibrator,
        two.thresholds,
        two.abstention,
    )


def test_clone_and_params():
    model = StanceClassifier(min_df=3, C=(1.0, 2.0))
    assert clone(model).get_params() == model.get_params()


def test_empty_input(combining):
    assert combining.predict([]).shape == (0,)
    assert combining.predict_proba([]).shape == (0, 4)
    with pytest.raises(DataError, match="nothing to learn from"):
        StanceClassifier().fit([], [])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("build it", "single string"),
        (["a", 3], r"X\[1\] is 3 of type int"),
        (["a", None], r"X\[1\] is None"),
        (np.array([["a", "b"]]), r"shape \(1, 2\)"),
    ],
)
def test_what_is_no_sequence_of_texts_is_refused(combining, texts, message):
    with pytest.raises(DataError, match=message):
        combining.predict(texts)


def test_a_frame_is_refused_and_its_column_taken(combining):
    import pandas as pd

    frame = pd.DataFrame({"text": TEXTS[:3], "n": [1, 2, 3]})
    with pytest.raises(DataError, match="give one column"):
        combining.predict(frame)
    assert len(combining.predict(frame["text"])) == 3


def test_labels_must_fit():
    with pytest.raises(DataError, match="one class only"):
        StanceClassifier().fit(["a b", "c d"], ["x", "x"])
    with pytest.raises(DataError, match="2 texts but 1 labels"):
        StanceClassifier().fit(["a b", "c d"], ["x"])
    with pytest.raises(ValueError, match="'maybe' is not in the codebook"):
        StanceClassifier(codebook=parse_codebook(BRIDGE)).fit(TEXTS, ["maybe", *LABELS[1:]])
    with pytest.raises(ValueError, match="none label 'NONE'"):
        StanceClassifier(none_label="NONE").fit(TEXTS, LABELS)


def test_numbers_as_labels_keep_their_order():
    texts = [f"word{n} word{n}" for n in range(12)] * 3
    model = StanceClassifier(folds=2).fit(texts, list(range(12)) * 3)
    assert model.predict(texts[:12]).tolist() == list(range(12))
    assert model.predict_proba(texts[:12]).argmax(axis=1).tolist() == list(range(12))


def test_truth_values_as_labels():
    model = StanceClassifier(folds=2).fit(["good good", "bad bad"] * 4, [True, False] * 4)
    assert model.predict(["good", "bad"]).tolist() == [True, False]


def test_joined_positions_are_the_codebooks_label(combining):
    joined = [label.replace("both", "refuse+build") for label in LABELS]
    model = StanceClassifier(codebook=parse_codebook(BRIDGE)).fit(TEXTS, joined, groups=DOCUMENTS)
    assert (model.predict_proba(TEXTS) == combining.predict_proba(TEXTS)).all()


def test_three_positions_that_combine():
    book = parse_codebook({"position": [{"name": name} for name in ("boat", "bridge", "tunnel")]})
    words = {
        "boat": "sail row",
        "bridge": "span cross",
        "tunnel": "dig bore",
        "none": "rain fell",
        "boat+tunnel": "sail dig",
    }
    texts = [f"{words[label]} {i}" for label in words for i in range(8)]
    labels = [label for label in words for _ in range(8)]
    model = StanceClassifier(codebook=book).fit(texts, labels)
    assert model.predict(["sail row", "sail dig", "rain fell"]).tolist() == ["boat", "boat+tunnel", "none"]
    assert model.predict(["sail span row cross dig bore"])[0] in model.classes_


def test_few_documents_give_a_model_without_cross_validation():
    model = StanceClassifier(none_label="c").fit(["a a", "b b", "c c"], ["a", "b", "c"])
    assert model.cross_validated_ is None
    assert model.chosen_["folds"] == 0
    assert model.predict(["b b"]).tolist() == ["b"]
