"""The encoder: what it reads, the same numbers whatever the batch, and files that are no encoder's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.codebook import Target, load_codebook
from stance.errors import ArtifactError, DataError
from stance.model.artifact import load_model
from stance.model.classifier import StanceClassifier
from stance.model.encoder import Encoder, EncoderSpec, Reader, batches
from stance.model.saving import save_model

TARGET = Target("Taliban", aliases=("Taliban",), lookalikes=("Pakistani Taliban",), references=("they",))
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "@", "#", *"abcdefghij", "taliban", "pakistani", "they"]
SPEC = EncoderSpec((1,), (2,), (2,), 0, True, 4, sentence_tokens=8, context_tokens=3)


@pytest.fixture
def reader():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=99)
    tokenizer.enable_truncation(max_length=2)
    return Reader(SPEC, tokenizer, TARGET)


def words(reader, text, context=""):
    [(ids, first)] = reader.read([text], [context])
    return " ".join(WORDS[i] for i in ids[:first]), " ".join(WORDS[i] for i in ids[first:])


def test_target_is_signed_and_its_look_alike_otherwise(reader):
    assert words(reader, "a Taliban b")[0] == "[CLS] a @ taliban @ b [SEP]"
    assert words(reader, "a Pakistani Taliban b")[0] == "[CLS] a # pakistani taliban # b [SEP]"
    assert words(reader, "they a")[0] == "[CLS] they a [SEP]"


def test_the_end_of_the_sentence_before_comes_second(reader):
    assert words(reader, "a b", "c d e f g") == ("[CLS] a b [SEP]", "e f g [SEP]")
    assert words(reader, "a b") == ("[CLS] a b [SEP]", "[SEP]")


def test_of_a_long_sentence_what_surrounds_the_target_is_read(reader):
    assert words(reader, "a b c d e f g h i j")[0] == "[CLS] a b c d e f g h [SEP]"
    assert words(reader, "a b c d e f g h Taliban i j")[0] == "[CLS] e f g h @ taliban @ i [SEP]"
    assert words(reader, "a b c d e f Taliban g h i j")[0] == "[CLS] c d e f @ taliban @ g [SEP]"


def test_line_breaks_in_a_sentence_are_blanks(reader):
    assert words(reader, "a\nb", "c\nd") == words(reader, "a b", "c d")


@given(st.lists(st.integers(1, 200), max_size=60), st.integers(1, 500), st.integers(1, 7))
def test_batches_hold_every_row_once_within_their_bounds(lengths, tokens, rows):
    found = list(batches(lengths, tokens, rows))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens
    longest = [lengths[batch[0]] for batch in found]
    assert longest == sorted(longest, reverse=True)


@pytest.fixture(scope="module")
def accurate():
    return load_model("accurate")


def test_one_sentence_alone_and_among_a_thousand_gets_the_same(accurate):
    others = [f"Sentence number {i} says {'much ' * (i % 40)}of the Taliban." for i in range(999)]
    one, before = "We should sit down with the Taliban.", "The minister spoke last."
    alone = accurate.predict([one], [before])
    among = accurate.predict([*others[:500], one, *others[500:]], [*others[:500], before, *others[500:]])
    assert among.labels[500] == alone.labels[0]
    assert np.abs(among.label_proba[500] - alone.label_proba[0]).max() < 1e-5
    assert abs(among.confidence[500] - alone.confidence[0]) < 1e-5


def test_vectors_have_length_one_and_know_the_sentence_before(accurate):
    target = load_codebook().targets[0]
    texts = ["They must be destroyed."] * 2
    found = accurate.encoder.embed(texts, ["The Taliban attacked again.", "The old huts are unsafe."], target)
    assert found.shape == (2, accurate.encoder.spec.dimension)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_no_sentence_gives_no_vector(accurate):
    assert accurate.encoder.embed([]).shape == (0, accurate.encoder.spec.dimension)


def test_prediction_needs_neither_torch_nor_scikit_learn():
    code = (
        "import sys\nfrom stance.apps.cli import stance\n"
        "try: stance(['predict', 'data/examples/moscow-format.txt', '--model', 'accurate'])\nexcept SystemExit: pass\n"
        "loaded = {m.split('.')[0] for m in sys.modules}\n"
        "print('@@', sorted(loaded & {'torch', 'transformers', 'sklearn', 'pandas', 'onnx'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.rstrip().endswith("@@ []")


@pytest.mark.parametrize("which", ["network", "tokenizer"])
def test_files_that_are_no_encoder_are_refused(accurate, tmp_path, which):
    bad = tmp_path / "bad"
    bad.write_bytes(b"no network, no tokenizer")
    files = {"network": accurate.encoder.network, "tokenizer": accurate.encoder.tokenizer, which: bad}
    with pytest.raises(ArtifactError, match=str(bad)):
        Encoder(accurate.encoder.spec, **files).embed(["a"])


def test_a_network_of_another_size_is_refused(accurate):
    spec = replace(accurate.encoder.spec, dimension=5)
    with pytest.raises(ArtifactError, match="expected"):
        Encoder(spec, accurate.encoder.network, accurate.encoder.tokenizer).embed(["a"])


@pytest.mark.parametrize(
    "change", [{"dimension": 0}, {"pad": -1}, {"sentence_tokens": 10**9}, {"target_sign": 3}, {"nonsense": 1}]
)
def test_settings_that_are_no_encoders_are_refused(change):
    with pytest.raises((ValueError, TypeError)):
        EncoderSpec.from_dict({**SPEC.as_dict(), **change})


def test_settings_survive_being_plain_data():
    assert EncoderSpec.from_dict(SPEC.as_dict()) == SPEC


@pytest.mark.parametrize("features", ["encoder", "both"])
def test_classifier_on_the_frozen_encoder_is_saved_and_loaded(accurate, tmp_path, features):
    from stance.corpus.files import Corpus, CorpusColumns, read_corpus
    from stance.model.training import train

    rows = ["text,label,document"]
    for i in range(6):
        rows += [
            f"Build the bridge number {i}.,for,d{i}",
            f"Stop that bridge {i}.,against,d{i}",
            f"It rains {i}.,none,d{i}",
        ]
    path = tmp_path / "corpus.csv"
    path.write_text("\n".join(rows) + "\n")
    corpus: Corpus = read_corpus(path, columns=CorpusColumns())
    trained = train(corpus, none_label="none", features=features)
    save_model(trained.model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    texts = ["We want the bridge built.", "No more bridges!", "The sun shines."]
    assert np.allclose(loaded.predict(texts).label_proba, trained.model.predict(texts).label_proba, atol=1e-6)
    assert loaded.encoder.sha256 == accurate.encoder.sha256
    assert loaded.about["encoder"]["seen"] == 0
    assert "as it is" in (tmp_path / "model" / "README.md").read_text()
    (tmp_path / "model" / "encoder.onnx").write_bytes(b"changed")
    with pytest.raises(ArtifactError, match="sha256"):
        load_model(tmp_path / "model")


def test_vectors_beat_words_where_no_word_is_shared():
    model = StanceClassifier(features="encoder", encoder=load_model("accurate").encoder, none_label="none")
    texts = ["We are in favour of it.", "I am against it.", "What time is it?"] * 4
    model.fit(texts, ["for", "against", "none"] * 4)
    assert model.predict(["Everybody supports this plan.", "They oppose the idea strongly."]).tolist() == [
        "for",
        "against",
    ]


def test_an_unknown_choice_and_a_missing_encoder_are_told():
    with pytest.raises(DataError, match="must be one of"):
        StanceClassifier(features="words").fit(["a", "b"], ["x", "y"])
    with pytest.raises(DataError, match="needs an encoder"):
        StanceClassifier(features="both").fit(["a", "b"], ["x", "y"])


def test_train_refuses_a_model_without_encoder(tmp_path):
    from stance.corpus.files import read_corpus
    from stance.model.training import train

    path = tmp_path / "c.csv"
    path.write_text("text,label\n" + "\n".join(f"a{i},x\nb{i},y" for i in range(4)))
    with pytest.raises(DataError, match="has no encoder"):
        train(read_corpus(path), encoder_of="fast")
