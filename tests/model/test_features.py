"""N-grams as scikit-learn counts them, mentions, context, and rows that do not depend on their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from stance.codebook import load_codebook
from stance.model.features import Features, FeatureSpec

TEXTS = [
    "We must talk to them, and talk again.",
    "No talks with killers!",
    "The harvest failed; the rivers are dry, the rivers are low.",
    "Talk is cheap, they say, but war isn’t.",
    "",
]


def dense(rows) -> np.ndarray:
    return csr_matrix((rows.data, rows.indices, rows.indptr), (len(rows), rows.n_features)).toarray()


def named(features: Features, block: str) -> set[str]:
    return {name.removeprefix(f"{block}:") for name in features.names if name.startswith(f"{block}:")}


@pytest.mark.parametrize("block", ["word", "char"])
def test_ngrams_weigh_what_scikit_learn_says(block):
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = tuple(float(name == block) for name in ("word", "char", "near", "about", "before", "mention"))
    features = Features(FeatureSpec(min_df=1, weights=weights)).fit(TEXTS)
    how = {
        "word": {"ngram_range": (1, 2), "token_pattern": r"\w+(?:['’]\w+)*|[?!]"},
        "char": {"ngram_range": (2, 5), "analyzer": "char_wb"},
    }
    theirs = TfidfVectorizer(
        sublinear_tf=True,
        **how[block],
        preprocessor=lambda text: text.lower().replace("’", "'"),
    )
    expected = theirs.fit_transform(TEXTS).toarray()
    assert named(features, block) == set(theirs.get_feature_names_out())
    columns = [theirs.vocabulary_[name.removeprefix(f"{block}:")] for name in features.names]
    np.testing.assert_allclose(dense(features.transform(TEXTS)), expected[:, columns], atol=1e-6)


def test_names_of_the_target_are_one_word():
    features = Features(target=load_codebook().targets[0])
    spellings = [
        "Talk to the Taliban.",
        "Talk to the Taleban.",
        "Talk to the Islamic Emirate.",
        "Talk to the Haqqani network.",
    ]
    features.fit(spellings * 2)
    rows = dense(features.transform(spellings))
    assert (rows == rows[0]).all()


def test_mentions_here_before_and_nowhere_differ():
    features = Features(target=load_codebook().targets[0])
    texts = [
        "They must be talked to.",
        "The Taliban must be talked to.",
        "The Pakistani Taliban must be talked to.",
    ]
    features.fit(texts * 2, [""] * 6)
    mention = [i for i, name in enumerate(features.names) if name.startswith("mention:")]

    def flags(text: str, before: str = "") -> set[str]:
        row = dense(features.transform([text], [before]))[0]
        return {features.names[i].removeprefix("mention:") for i in mention if row[i]}

    assert flags(texts[1]) == {"named"}
    assert flags(texts[2]) == {"not named", "look-alike"}
    assert flags(texts[0]) == {"not named", "referred to"}
    assert flags(texts[0], "The Taliban are here.") == {"named before", "referred to, named before"}


def test_words_near_the_target_are_told_from_others():
    features = Features(target=load_codebook().targets[0]).fit(["Fight the Taliban now", "Fight the flood now"] * 2)
    assert {"<fight", "<the", ">now"} == named(features, "near")


def test_the_sentence_before_counts():
    features = Features().fit(["It rained."] * 4, ["The war went on.", "Peace came."] * 2)
    a, b = dense(features.transform(["It rained.", "It rained."], ["The war went on.", "Peace came."]))
    assert (a != b).any()


def test_without_a_target_there_are_no_mention_features():
    features = Features().fit(["The Taliban came."] * 2)
    assert not [name for name in features.names if name.startswith(("mention:", "near:", "about:"))]


@given(st.lists(st.sampled_from([*TEXTS, "unseen words only", "...", "?"]), min_size=1, max_size=6))
def test_a_row_does_not_depend_on_its_neighbours(texts):
    features = _FITTED
    together = dense(features.transform(texts))
    alone = np.concatenate([dense(features.transform([text])) for text in texts])
    assert (together == alone).all()
    coef = np.linspace(-1, 1, 2 * len(features.names)).reshape(-1, 2)
    assert (
        features.transform(texts).dot(coef) == np.concatenate([features.transform([t]).dot(coef) for t in texts])
    ).all()


_FITTED = Features(FeatureSpec(min_df=1)).fit(TEXTS)


def test_empty_batch_and_empty_text():
    assert dense(_FITTED.transform([])).shape == (0, len(_FITTED.names))
    assert not dense(_FITTED.transform([""])).any()
