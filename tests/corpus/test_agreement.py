"""Agreement is what the textbooks and the other packages say, and its intervals know documents."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.corpus.agreement import (
    agreement,
    cohen_kappa,
    krippendorff_alpha,
    percent_agreement,
    specific_agreement,
)
from stance.errors import DataError

LABELS = ("both", "engage", "none", "terrorist")


def two_passes(n: int, noise: float, seed: int = 0) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    first = rng.choice(LABELS, n, p=[0.05, 0.3, 0.45, 0.2])
    second = np.where(rng.random(n) < noise, rng.choice(LABELS, n), first)
    return first.tolist(), second.tolist()


def by_package(coders: list[list[str | None]]) -> float:
    import krippendorff

    data = np.array([[math.nan if x is None else LABELS.index(x) for x in coder] for coder in coders])
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))


def test_kappa_of_a_worked_example() -> None:
    # Yes/yes 20, yes/no 5, no/yes 10, no/no 15: observed 0.7, expected 0.5.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert percent_agreement(first, second) == pytest.approx(0.7)
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert specific_agreement(first, second) == pytest.approx({"yes": 40 / 55, "no": 30 / 45})


def test_alpha_of_krippendorffs_own_example() -> None:
    # Krippendorff 2011, part C: four observers, twelve units, missing values; nominal alpha is 0.743.
    rows = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    coders = [[None if value == "." else value for value in row] for row in rows]
    assert krippendorff_alpha(coders) == pytest.approx(0.743, abs=5e-4)


@given(
    st.lists(st.tuples(*[st.sampled_from([*LABELS, None])] * 3), min_size=3, max_size=30).filter(
        lambda units: len({x for u in units if sum(v is not None for v in u) > 1 for x in u if x}) > 1
    )
)
@settings(max_examples=50, deadline=None)
def test_alpha_is_that_of_the_krippendorff_package(units: list[tuple[str | None, ...]]) -> None:
    coders = [list(coder) for coder in zip(*units, strict=True)]
    assert krippendorff_alpha(coders) == pytest.approx(by_package(coders), abs=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.2, 1.0])
def test_kappa_and_f1_are_those_of_scikit_learn(noise: float) -> None:
    from sklearn.metrics import cohen_kappa_score, f1_score

    first, second = two_passes(300, noise)
    found = agreement(first, second, [str(i // 5) for i in range(300)], draws=10)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.kappa.value == pytest.approx(cohen_kappa(first, second))
    assert found.macro_f1.value == pytest.approx(f1_score(first, second, average="macro"))
    f1 = f1_score(first, second, average=None, labels=LABELS)
    assert [found.labels[label].specific.value for label in LABELS] == pytest.approx(f1.tolist())


def test_agreement_says_what_the_single_measures_say() -> None:
    first, second = two_passes(200, 0.3)
    found = agreement(first, second, [str(i // 4) for i in range(200)], draws=50)
    assert (found.n, found.n_documents) == (200, 50)
    assert found.percent.value == percent_agreement(first, second)
    assert found.alpha.value == pytest.approx(krippendorff_alpha([first, second]))
    assert {name: label.specific.value for name, label in found.labels.items()} == specific_agreement(first, second)
    assert found.labels["engage"].first == first.count("engage")
    assert found.labels["engage"].second == second.count("engage")


def test_sentences_that_one_pass_left_out_do_not_count() -> None:
    first, second = ["a", "b", None, "a", "b"], ["a", "a", "b", None, "b"]
    found = agreement(first, second, ["1", "2", "3", "4", "5"], draws=20)
    assert (found.n, found.n_documents) == (3, 3)
    assert found.percent.value == pytest.approx(2 / 3)
    assert found.alpha.value == pytest.approx(krippendorff_alpha([first, second]))


def test_intervals_are_wider_when_sentences_cluster_in_documents() -> None:
    # Twenty documents of twenty sentences; the passes part on all of five documents and on nothing else.
    first = ["engage", "none"] * 200
    second = ["none", "engage"] * 50 + first[100:]
    clustered = agreement(first, second, [str(i // 20) for i in range(400)])
    single = agreement(first, second, [str(i) for i in range(400)])
    assert clustered.kappa.value == single.kappa.value
    for name in ("percent", "kappa", "alpha", "macro_f1"):
        wide, narrow = getattr(clustered, name), getattr(single, name)
        assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
        assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_intervals_are_those_of_drawing_documents_one_by_one() -> None:
    first, second = two_passes(120, 0.3)
    documents = [i // 6 for i in range(120)]
    rng, kappas = np.random.default_rng(9), []
    for _ in range(1500):
        rows = [6 * d + i for d in rng.integers(0, 20, 20) for i in range(6)]
        kappas.append(cohen_kappa([first[i] for i in rows], [second[i] for i in rows]))
    found = agreement(first, second, [str(d) for d in documents], draws=4000, level=0.9).kappa
    assert (found.low, found.high) == pytest.approx(np.quantile(kappas, [0.05, 0.95]).tolist(), abs=0.01)


def test_intervals_repeat_with_the_seed_and_narrow_with_the_level() -> None:
    first, second = two_passes(100, 0.3)
    documents = [str(i // 3) for i in range(100)]
    found = agreement(first, second, documents)
    assert found == agreement(first, second, documents)
    assert found.kappa != agreement(first, second, documents, seed=1).kappa
    narrow = agreement(first, second, documents, level=0.5).kappa
    assert found.kappa.low < narrow.low < narrow.high < found.kappa.high


def test_what_is_not_defined_is_nan_and_null_in_json() -> None:
    found = agreement(["none"] * 6, ["none"] * 6, list("aabbcc"), draws=20)
    assert found.percent.value == found.percent.low == 1.0
    assert math.isnan(found.kappa.value)
    assert math.isnan(found.alpha.high)
    plain: dict[str, Any] = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["kappa"] == {"value": None, "low": None, "high": None}
    assert plain["labels"]["none"] == {
        "first": 6,
        "second": 6,
        "specific": {"value": 1.0, "low": 1.0, "high": 1.0},
    }


def test_a_draw_without_a_rare_label_does_not_count_it_as_missed() -> None:
    labels = ["engage"] + ["none", "terrorist"] * 10
    found = agreement(labels, labels, [str(i) for i in range(21)])
    assert found.macro_f1.low == found.labels["engage"].specific.low == 1.0


def test_one_document_gives_no_interval() -> None:
    found = agreement(["a", "b", "a"], ["a", "b", "b"], ["x", "x", "x"])
    assert found.percent.value == pytest.approx(2 / 3)
    assert math.isnan(found.percent.low)
    assert math.isnan(found.percent.high)


def test_input_that_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="2 and 1 labels"):
        cohen_kappa(["a", "b"], ["a"])
    with pytest.raises(DataError, match="no sentence has a label in both"):
        percent_agreement(["a", None], [None, "a"])
    with pytest.raises(DataError, match="2 labels but 1 documents"):
        agreement(["a", "b"], ["a", "b"], ["x"])
    with pytest.raises(DataError, match="two coders or more"):
        krippendorff_alpha([["a"]])
    with pytest.raises(DataError, match="differ in length: 2, 1"):
        krippendorff_alpha([["a", "b"], ["a"]])
    with pytest.raises(DataError, match="double coding"):
        krippendorff_alpha([["a", None], [None, "a"]])
    with pytest.raises(ValueError, match="level between 0 and 1"):
        agreement(["a"], ["a"], ["x"], level=95)
