"""Calibration, thresholds, abstention."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.model.calibration import Abstention, Calibrator, choose_offsets, choose_thresholds, log_loss

PAIRS = np.array([[True, True], [True, False], [False, False], [False, True]])  # both, engage, none, terrorist
THREE = np.eye(3, dtype=bool)


def drawn(n: int, sharpness: float, members: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scores that overstate by `sharpness`, and labels drawn from the true log-odds."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 1.5, (n, members.shape[1]))
    logits = true @ members.T
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random((n, 1)) > proba.cumsum(axis=1)).sum(axis=1)
    return true * sharpness, y


@pytest.mark.parametrize(("members", "exclusive"), [(PAIRS, False), (THREE, True)])
def test_overconfident_scores_are_set_right(members, exclusive):
    scores, y = drawn(20_000, 3.0, members)
    found = Calibrator.fit(scores, y, members, exclusive=exclusive)
    np.testing.assert_allclose(found.slope, 1 / 3, rtol=0.05)
    proba = found.label_proba(scores, members)
    top = proba.max(axis=1)
    for low in (0.3, 0.5, 0.7, 0.9):
        at = (top >= low) & (top < low + 0.1)
        assert abs(top[at].mean() - (proba.argmax(axis=1) == y)[at].mean()) < 0.03


def test_positions_that_go_together_less_than_by_chance():
    rng = np.random.default_rng(1)
    y = rng.choice(4, size=10_000, p=[0.01, 0.3, 0.39, 0.3])
    found = Calibrator.fit(np.zeros((10_000, 2)), y, PAIRS, exclusive=False)
    np.testing.assert_allclose(found.label_proba(np.zeros((1, 2)), PAIRS)[0], [0.01, 0.3, 0.39, 0.3], atol=0.02)
    assert found.together < 0


@given(st.lists(st.tuples(st.floats(-700, 700), st.floats(-700, 700)), min_size=1, max_size=5))
def test_probabilities_are_probabilities(scores):
    proba = Calibrator((1.0, 2.0), (0.5, -0.5), -1.0).label_proba(np.array(scores), PAIRS)
    assert np.isfinite(proba).all()
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_threshold_finds_the_best_f1():
    proba = np.concatenate([np.linspace(0, 0.3, 700), np.linspace(0.3, 1.0, 300)])[:, None]
    truth = proba >= 0.3
    assert choose_thresholds(proba, truth)[0] == pytest.approx(0.3, abs=0.01)


def test_offsets_help_the_rare_label_and_leave_balance_alone():
    rng = np.random.default_rng(2)
    y = rng.choice(2, size=4000, p=[0.85, 0.15])
    scores = np.stack([np.zeros(4000), rng.normal(np.where(y == 1, -1.0, -3.0), 1.0)], axis=1)
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    offsets = choose_offsets(proba, y)
    assert offsets[1] > offsets[0]
    sure = np.eye(2)[y] * 0.98 + 0.01
    assert choose_offsets(sure, y) == (0.0, 0.0)


def test_abstention_reaches_coverage_and_risk():
    rng = np.random.default_rng(3)
    confidence = rng.random(5000)
    right = rng.random(5000) < confidence
    curve = Abstention.fit(confidence, right)
    at = curve.least_confidence(coverage=0.3)
    assert (confidence >= at).mean() == pytest.approx(0.3, abs=0.02)
    at = curve.least_confidence(max_risk=0.1)
    assert (~right[confidence >= at]).mean() <= 0.12
    assert curve.least_confidence() == 0
    assert Abstention.fit(np.full(10, 0.9), np.zeros(10, bool)).least_confidence(max_risk=0.1) > 1


def test_log_loss_agrees_with_scikit_learn():
    from sklearn.metrics import log_loss as theirs

    rng = np.random.default_rng(4)
    proba = rng.dirichlet(np.ones(3), 50)
    y = rng.integers(0, 3, 50)
    assert log_loss(proba, y) == pytest.approx(theirs(y, proba, labels=[0, 1, 2]))
