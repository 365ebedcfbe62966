"""Each fault of a corpus is found, with its place; a corpus without faults raises no alarm."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stance.actors import Actor
from stance.codebook import Codebook, Position
from stance.corpus.checks import Finding, check_corpus, render
from stance.corpus.files import Corpus, read_corpus
from stance.errors import DataError

BOOK = Codebook(
    "x",
    (Position("engage"), Position("terrorist")),
    actors=(Actor("Russia", ("Russian", "Moscow")), Actor("United States", ("US", "Washington"))),
)
EXCLUSIVE = Codebook("x", (Position("FAVOR"), Position("AGAINST")), exclusive=True, none_label="")
NOUNS = [
    a + b
    for a in ("bor", "har", "mar", "ri", "sol", "vil", "win", "let")
    for b in ("der", "vest", "ket", "ver", "lage")
]


def sentence(rng: np.random.Generator) -> str:
    a, b, c, d, e, f = rng.choice(NOUNS, 6)
    return f"The {a} of the {b} and {c} {rng.integers(10**4)} reaches {d} or {e} before the {f} {rng.integers(10**4)}"


def clean(n: int = 240, seed: int = 0) -> Corpus:
    """Return documents of six sentences; nothing in a text says what its label is; every fourth is for testing."""
    rng = np.random.default_rng(seed)
    labels = ["none", "engage", "terrorist", "none", "both", "none"]
    return Corpus(
        documents=tuple(f"d{i // 6}" for i in range(n)),
        texts=tuple(sentence(rng) for _ in range(n)),
        labels=tuple(labels[i % 6] for i in range(n)),
        contexts=("",) * n,
        targets=("",) * n,
        where=tuple(f"c.jsonl:{i + 1}" for i in range(n)),
        columns={"split": tuple("test" if i // 6 % 4 == 0 else "train" for i in range(n))},
    )


def changed(corpus: Corpus, **columns: dict[int, Any]) -> Corpus:
    """Return the corpus with some values of some columns changed."""
    new: dict[str, Any] = {name: list(getattr(corpus, name)) for name in columns}
    for name, values in columns.items():
        for row, value in values.items():
            new[name][row] = value
        new[name] = tuple(new[name])
    return replace(corpus, **new)


def alarms(corpus: Corpus, codebook: Codebook = BOOK, **options: Any) -> list[Finding]:
    return [finding for finding in check_corpus(corpus, codebook, **options) if finding.level != "note"]


def kinds(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.kind) for finding in findings]


def places(*rows: int) -> tuple[str, ...]:
    return tuple(f"c.jsonl:{row + 1}" for row in rows)


def test_a_clean_corpus_raises_no_alarm_and_is_counted() -> None:
    findings = check_corpus(clean(), BOOK)
    assert render(findings) == "note counts: 240 rows in 40 documents: both 40, engage 40, none 120, terrorist 40"


def test_no_rows_is_an_error() -> None:
    assert kinds(check_corpus(clean(0), BOOK)) == [("error", "empty")]


# Rows


def test_empty_rows() -> None:
    (found,) = alarms(changed(clean(), texts={3: "", 8: " \n"}))
    assert (found.level, found.kind, found.where) == ("error", "empty", places(3, 8))


@pytest.mark.parametrize(
    "text",
    [
        "Мы призываем к диалогу с движением Талибан.",
        "ندعو إلى الحوار مع حركة طالبان",
        "12.5 | 34 | 55 | 1,200",
        "Le Conseil de sécurité doit reconnaître que la paix en Afghanistan passe par le dialogue.",
        "El pueblo afgano necesita ayuda humanitaria y no se puede olvidar a las mujeres.",
    ],
)
def test_rows_that_are_not_english_prose(text: str) -> None:
    (found,) = alarms(changed(clean(), texts={7: text}))
    assert (found.level, found.kind, found.where) == ("warning", "language", places(7))


@pytest.mark.parametrize(
    "text", ["Taliban kill two hostages", "Türkiye and Côte d'Ivoire support the peace process.", "Fight them!"]
)
def test_short_rows_and_accents_are_english(text: str) -> None:
    assert alarms(changed(clean(), texts={7: text})) == []


# Labels


def test_labels_outside_the_codebook() -> None:
    findings = alarms(changed(clean(), labels={0: "enemy", 2: "enemy", 3: ""}))
    assert [(f.level, f.kind, f.where) for f in findings] == [
        ("error", "label", places(3)),
        ("error", "label", places(0, 2)),
    ]
    assert "both, engage, none, terrorist" in findings[1].message


def test_two_ways_to_write_a_label_are_one() -> None:
    corpus = clean()
    written = {i: "terrorist+engage" for i, label in enumerate(corpus.labels) if label == "both" and i % 4}
    assert len(written) > 10
    assert check_corpus(changed(corpus, labels=written), BOOK) == check_corpus(corpus, BOOK)
    (found,) = alarms(changed(corpus, labels={16: "engage+terrorist"}, texts={16: corpus.texts[10]}))
    assert corpus.labels[10] == "both"
    assert (found.level, found.kind, found.where) == ("warning", "duplicate", places(10, 16))


def test_a_file_with_empty_rows_and_unknown_labels_is_checked_to_its_end(tmp_path: Path) -> None:
    corpus = clean()
    rows = [
        {"document": d, "text": t, "label": label}
        for d, t, label in zip(corpus.documents, corpus.texts, corpus.labels, strict=True)
    ]
    rows[3]["text"], rows[8]["label"], rows[9] = "", "enemy", {"document": "d1", "text": None, "label": "foe"}
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read = read_corpus(tmp_path / "c.jsonl", lenient=True)
    proba = np.full((240, 6), 1 / 6)
    found = [(f.kind, f.where) for f in check_corpus(read, BOOK, out_of_fold=proba) if f.level == "error"]
    assert found == [("empty", places(3, 9)), ("label", places(8)), ("label", places(9))]


def test_a_label_in_few_documents() -> None:
    corpus = clean()
    corpus = changed(corpus, labels={i: "none" for i in range(24, 240) if corpus.labels[i] == "both"})
    (found,) = alarms(corpus)
    assert (found.level, found.kind, found.where) == ("warning", "few-documents", places(4, 10, 16, 22))
    assert "'both' is in 4 documents" in found.message


def test_a_label_that_nobody_used_is_in_no_document() -> None:
    corpus = clean()
    corpus = changed(corpus, labels={i: "none" for i in range(240) if corpus.labels[i] == "both"})
    (found,) = alarms(corpus)
    assert "'both' is in 0 documents" in found.message


def test_too_few_rows_of_none() -> None:
    corpus = clean()
    corpus = changed(corpus, labels={i: "engage" for i in range(240) if i % 6 in (3, 5)})
    (found,) = alarms(corpus)
    assert (found.level, found.kind) == ("warning", "few-none")
    assert "only 17% of rows are 'none'" in found.message
    assert "sees positions everywhere" in found.message


def test_a_codebook_without_none_needs_no_rows_of_it() -> None:
    corpus = clean()
    corpus = replace(corpus, labels=tuple("FAVOR" if label == "none" else "AGAINST" for label in corpus.labels))
    assert alarms(corpus, EXCLUSIVE) == []


def test_targets_are_counted_apart() -> None:
    corpus = changed(clean(), targets={i: "B" if i >= 30 else "A" for i in range(240)})
    findings = check_corpus(corpus, replace(BOOK, both_label=""))
    counts = [f.message for f in findings if f.kind == "counts"]
    assert [message[-12:] for message in counts] == ["(target 'A')", "(target 'B')"]
    assert counts[0].startswith("30 rows in 5 documents")


# Documents


def test_rows_without_a_document() -> None:
    (found,) = alarms(changed(clean(), documents={5: "", 11: " "}))
    assert (found.level, found.kind, found.where) == ("warning", "document", places(5, 11))


def test_a_document_that_is_resumed_after_another() -> None:
    corpus = clean()
    (found,) = alarms(corpus.take([*range(1, 24), 0, *range(24, 240)]))
    assert (found.level, found.kind, found.where) == ("warning", "interleaved", places(0))


def test_documents_in_one_block_for_each_target_are_in_order() -> None:
    corpus = clean()
    rows = [*range(0, 240, 2), *range(1, 240, 2)]
    blocks = changed(corpus.take(rows), targets={i: "A" if i < 120 else "B" for i in range(240)})
    assert "interleaved" not in [f.kind for f in alarms(blocks)]
    assert "interleaved" in [f.kind for f in alarms(corpus.take(rows))]


def test_a_document_on_both_sides_of_the_split() -> None:
    corpus = clean()
    split = list(corpus.columns["split"])
    split[2] = "train"
    (found,) = alarms(replace(corpus, columns={"split": tuple(split)}))
    assert (found.level, found.kind, found.where) == ("error", "leak", places(0, 1, 2, 3, 4, 5))
    assert "'d0'" in found.message


def test_rows_on_no_side_leak_nothing() -> None:
    corpus = clean()
    split = [None if i % 2 else side for i, side in enumerate(corpus.columns["split"])]
    assert alarms(replace(corpus, columns={"split": tuple(split)})) == []


def test_the_sides_of_a_split_are_told_whatever_their_case() -> None:
    corpus = clean()
    sides = corpus.columns["split"]
    split = [f" {side.upper()}" if i % 2 else side for i, side in enumerate(sides)]
    assert alarms(replace(corpus, columns={"split": tuple(split)})) == []


# Duplicates


def test_the_same_text_twice_with_one_label() -> None:
    corpus = clean()
    (found,) = alarms(changed(corpus, texts={12: f"“{corpus.texts[6].upper()}”  "}))
    assert corpus.labels[6] == corpus.labels[12]
    assert (found.level, found.kind, found.where) == ("warning", "duplicate", places(6, 12))


def test_the_same_text_with_two_labels() -> None:
    corpus = clean()
    (found,) = alarms(changed(corpus, texts={13: corpus.texts[6]}))
    assert (found.level, found.kind, found.where) == ("error", "conflict", places(6, 13))
    assert "engage and none" in found.message


def test_the_same_text_may_have_two_labels_for_two_targets() -> None:
    corpus = changed(clean(), texts={13: clean().texts[6]}, targets={i: "AB"[i % 2] for i in range(240)})
    assert {"conflict", "duplicate"}.isdisjoint(f.kind for f in alarms(corpus))


def test_short_texts_may_recur() -> None:
    assert alarms(changed(clean(), texts={6: "Thank you.", 12: "Thank you.", 13: "Thank you.", 0: "Thank you."})) == []


def test_the_same_text_on_both_sides_of_the_split() -> None:
    corpus = clean()
    (found,) = alarms(changed(corpus, texts={6: corpus.texts[0]}))
    assert (found.level, found.kind, found.where) == ("error", "leak", places(0, 6))


LONG = "the delegation of our republic has always called for a political settlement that includes every party to it now"


def test_nearly_the_same_text_on_one_side_and_on_both() -> None:
    near = LONG.replace("always", "never")  # of 17 phrases 3 differ: 14 shared of 20, just enough
    (one,) = alarms(changed(clean(), texts={6: LONG, 13: near}))
    assert (one.level, one.kind, one.where) == ("warning", "near-duplicate", places(6, 13))
    (both,) = alarms(changed(clean(), texts={0: LONG, 13: near}))
    assert (both.level, both.kind, both.where) == ("error", "leak", places(0, 13))


def test_texts_that_share_less_than_seven_tenths_of_their_phrases_are_not_near() -> None:
    short = LONG.removesuffix(" now")  # 13 of 19
    assert alarms(changed(clean(), texts={6: short, 12: short.replace("always", "never")})) == []


def jaccard(a: str, b: str) -> float:
    def phrases(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return set(zip(words, words[1:], words[2:], strict=False))

    return len(phrases(a) & phrases(b)) / len(phrases(a) | phrases(b))


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_are_those_of_comparing_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = np.array([f"w{chr(97 + i)}" for i in range(20)])
    bases = rng.choice(words, (15, 16))
    texts = []
    for _ in range(120):
        text = bases[rng.integers(15)][: rng.integers(10, 17)].copy()
        text[rng.integers(len(text))] = rng.choice(words)
        texts.append(" ".join(text))
    texts = sorted(set(texts))
    clusters = [{i} for i in range(len(texts))]
    for i, a in enumerate(texts):
        for j in range(i):
            if jaccard(a, texts[j]) >= 0.7 and clusters[i] is not clusters[j]:
                clusters[i] |= clusters[j]
                for k in list(clusters[j]):
                    clusters[k] = clusters[i]
    expected = {tuple(sorted(cluster)) for cluster in clusters if len(cluster) > 1}
    corpus = replace(clean().take(range(len(texts))), texts=tuple(texts), columns={})
    found = [f for f in check_corpus(corpus, BOOK) if f.kind == "near-duplicate"]
    assert len(expected) > 3
    assert {f.where for f in found} == {places(*cluster) for cluster in expected}


def test_a_common_phrase_does_not_hide_near_duplicates() -> None:
    corpus = clean()
    start = "my delegation would like to thank the Council for"
    texts = {i: f"{start} {text}" for i, text in enumerate(corpus.texts)}
    texts[12] = texts[6] + " again"
    findings = check_corpus(changed(corpus, texts=texts), BOOK)
    assert [(f.kind, f.where) for f in findings] == [("near-duplicate", places(6, 12)), ("counts", ())]


def test_a_crowd_of_texts_is_found_within_bounds_and_noted() -> None:
    corpus = clean()
    crowd = changed(corpus, texts={i: f"{LONG} w{i}" for i in range(240)})
    crowd = replace(crowd, columns={})
    findings = check_corpus(crowd, BOOK)
    (near,) = [f for f in findings if f.kind == "near-duplicate"]
    assert near.where == corpus.where
    (capped,) = [f for f in findings if f.kind == "capped"]
    assert (capped.level, "more than 25 texts" in capped.message) == ("note", True)


def test_ten_thousand_rows_take_seconds() -> None:
    corpus = clean(10_002)
    start = time.perf_counter()
    assert alarms(corpus) == []
    assert time.perf_counter() - start < 10


# Suspicious labels


def noisy(n: int = 600, wrong: int = 8) -> tuple[Corpus, NDArray[np.float64], list[int]]:
    """Return a corpus, probabilities that follow its labels, and rows whose labels were then changed."""
    rng = np.random.default_rng(3)
    corpus = clean(n)
    names = sorted(set(corpus.labels))
    own = np.searchsorted(names, corpus.labels)
    proba = rng.dirichlet(np.ones(4), n) * 0.7 + np.eye(4)[own] * 0.3
    rows = sorted(rng.choice(n, wrong, replace=False).tolist())
    proba[rows] = np.eye(4)[own[rows]] * 0.96 + 0.01
    return changed(corpus, labels={row: names[(own[row] + 1) % 4] for row in rows}), proba, rows


def suspicious(corpus: Corpus, proba: NDArray[np.float64]) -> list[Finding]:
    return [f for f in check_corpus(corpus, BOOK, out_of_fold=proba) if f.kind == "suspicious"]


def test_wrong_labels_are_suspicious_the_worst_first_and_at_most_two_in_a_hundred() -> None:
    corpus, proba, rows = noisy()
    found = suspicious(corpus, proba)
    at = [corpus.where.index(f.where[0]) for f in found]
    own = np.searchsorted(sorted(set(corpus.labels)), corpus.labels)
    confidence = proba[at, own[at]]
    assert set(rows) <= set(at)
    assert len(at) == 12
    assert (np.diff(confidence) >= 0).all()
    (message,) = [f.message for f in found if f.where == places(rows[0])]
    now, before = corpus.labels[rows[0]], clean(600).labels[rows[0]]
    assert message.startswith(f"labelled {now!r} (probability 0.01), but models out of fold find {before!r}")
    assert message.endswith("more likely (0.97): read it again")


def test_suspicious_rows_are_those_of_cleanlab() -> None:
    cleanlab = pytest.importorskip("cleanlab.filter")
    corpus, proba, _ = noisy()
    proba = proba / proba.sum(axis=1, keepdims=True)
    own = np.searchsorted(sorted(set(corpus.labels)), corpus.labels)
    theirs = cleanlab.find_label_issues(
        own, proba, filter_by="confident_learning", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    ours = [corpus.where.index(f.where[0]) for f in suspicious(corpus, proba)]
    assert len(theirs) > len(ours) == 12
    assert sorted(theirs[:12]) == sorted(ours)


def test_rows_that_no_model_has_seen_are_passed_over() -> None:
    corpus, proba, rows = noisy()
    proba[rows[0]] = np.nan
    found = {f.where[0] for f in suspicious(corpus, proba)}
    assert places(rows[0])[0] not in found
    assert places(rows[1])[0] in found


def test_labels_that_the_models_share_are_not_suspicious() -> None:
    corpus = clean()
    own = np.searchsorted(sorted(set(corpus.labels)), corpus.labels)
    assert alarms(corpus, out_of_fold=np.eye(4)[own] * 0.8 + 0.05) == []


def test_a_label_above_its_own_threshold_is_not_suspicious() -> None:
    corpus = clean()
    own = np.searchsorted(sorted(set(corpus.labels)), corpus.labels)
    proba = np.eye(4)[own] * 0.2 + 0.2  # the threshold of each label is 0.4
    assert corpus.labels[1] == "engage"
    proba[1] = [0.07, 0.43, 0.45, 0.05]
    assert suspicious(corpus, proba) == []
    proba[1] = [0.07, 0.38, 0.50, 0.05]
    assert [f.where for f in suspicious(corpus, proba)] == [places(1)]


def test_probabilities_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(240, 3\); .* \(240, 4\)"):
        check_corpus(clean(), BOOK, out_of_fold=np.ones((240, 3)))


# Shortcuts


def with_word(word: str, rows: Sequence[int]) -> Corpus:
    corpus = clean()
    return changed(corpus, texts={row: f"{corpus.texts[row]} {word}" for row in rows})


ENGAGE = range(1, 240, 6)


def test_a_word_that_tells_the_label() -> None:
    for word, kind in (("hitherto", "word"), ("Zabul", "name")):
        (found,) = alarms(with_word(word, ENGAGE[:20]))
        assert (found.level, found.kind) == ("warning", "shortcut")
        assert found.message.startswith(f"{kind} '{word.lower()}': 100% of its 20 sentences in 20 documents reflect")
        assert "'engage', 33% of all" in found.message


def test_a_word_in_few_documents_or_with_all_labels_is_no_shortcut() -> None:
    assert alarms(with_word("hitherto", ENGAGE[:9])) == []
    assert alarms(with_word("hitherto", range(0, 240, 5))) == []


def test_a_word_that_goes_with_what_nearly_all_sentences_reflect_is_no_shortcut() -> None:
    corpus = changed(with_word("hitherto", ENGAGE), labels={i: "engage" for i in range(240) if i % 6})
    assert "shortcut" not in [f.kind for f in alarms(corpus)]


def test_a_document_counts_once() -> None:
    # 44 of 48 sentences: sure if they were independent, but they are from twelve documents.
    rows = [i for i in range(72) if i % 6 < 4]
    corpus = changed(with_word("hitherto", rows), labels=dict.fromkeys(rows[4:], "engage"))
    corpus = changed(corpus, labels=dict.fromkeys(rows[:4], "none"))
    assert alarms(corpus) == []
    alone = replace(corpus, documents=tuple(corpus.where), columns={})
    assert [(f.kind, "92% of its 48" in f.message) for f in alarms(alone)] == [("shortcut", True)]


def test_an_actor_whose_name_leans_to_a_position() -> None:
    rows = [*ENGAGE[:36], *range(2, 74, 6), *range(0, 72, 6)]  # 36 of engage, 12 of terrorist, 12 of none
    corpus = clean()
    names = ("Moscow", "Russia", "Russian")
    (found,) = alarms(changed(corpus, texts={row: f"{corpus.texts[row]} {names[row % 3]}" for row in rows}))
    assert found.message.startswith("actor 'Russia': 60% of its 60 sentences in 36 documents reflect 'engage', 33%")
    assert found.message.endswith("add sentences with it that do not")
    few = [*ENGAGE[:12], *range(2, 26, 6), *range(0, 24, 6)]  # the same shares, by chance
    assert alarms(changed(corpus, texts={row: f"{corpus.texts[row]} {names[row % 3]}" for row in few})) == []


def test_an_actor_that_never_goes_with_a_position() -> None:
    rows = [row for i in range(30) for row in (6 * i, 6 * i + 3)]
    corpus = clean()
    texts = {row: f"{corpus.texts[row]} Washington" for row in rows}
    (found,) = alarms(changed(corpus, texts=texts))
    assert found.message.startswith("actor 'United States': 0% of its 60 sentences in 30 documents reflect")
    assert found.message.endswith("add sentences with it that do")


def test_actors_come_before_words_and_there_are_twenty_at_most() -> None:
    corpus = clean()
    words = " ".join(f"word{chr(97 + i)}" for i in range(25))
    texts = {row: f"{corpus.texts[row]} Russia {words}" for row in ENGAGE}
    found = [f for f in alarms(changed(corpus, texts=texts)) if f.kind == "shortcut"]
    assert len(found) == 20
    assert found[0].message.startswith("actor 'Russia'")
    assert found[1].message.startswith("word 'worda'")


# All together


def test_errors_come_first_and_findings_repeat() -> None:
    corpus = clean()
    faulty = changed(corpus, texts={13: corpus.texts[6], 20: ""}, documents={30: ""}, labels={50: "enemy"})
    findings = check_corpus(faulty, BOOK)
    assert [f.level for f in findings] == ["error"] * 3 + ["warning", "note"]
    assert findings == check_corpus(faulty, BOOK)


def test_a_finding_is_one_line_with_five_places_at_most() -> None:
    faulty = changed(clean(), texts=dict.fromkeys(range(7, 24), "Say\x1b[31m this to\nevery one of them."))
    errors = [line for line in render(check_corpus(faulty, BOOK)).split("\n") if line.startswith("error")]
    assert errors == [
        "error conflict: 'Say\\x1b[31m this to every one of them.' is labelled both and engage and none and terrorist:"
        " decide for one (c.jsonl:8, c.jsonl:9, c.jsonl:10, c.jsonl:11, c.jsonl:12, and 12 more)"
    ]
