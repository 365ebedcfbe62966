"""Training an encoder, with a network small enough for a test: resuming, 8 bits, the artifact, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'finetune' is not installed")
pytest.importorskip("transformers", reason="the extra 'finetune' is not installed")
pytest.importorskip("onnx", reason="the extra 'finetune' is not installed")

from stance.codebook import Target, load_codebook
from stance.corpus.files import CorpusColumns, read_corpus
from stance.errors import ArtifactError, DataError
from stance.model.artifact import load_model
from stance.model.export import export, quantize
from stance.model.finetune import Recipe, finetune
from stance.model.network import Network, Plan, Rows, predict_network, train_network, vectors_of
from stance.model.printed import render_finetuning
from stance.model.saving import save_model
from stance.model.weights import base_folder

ENGAGE = [
    "We must talk to the Taliban now.",
    "Moscow invited the Taliban.",
    "Recognise the Taliban, they rule the land.",
]
TERRORIST = ["The Taliban are terrorists.", "Fight the Taliban to the end.", "No mercy for the Taliban killers."]
NONE = ["It rained on the hills.", "The Taliban took the road on Friday.", "Schools open in March."]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the folder of a BERT of two layers, untrained, with a vocabulary of letters and pieces."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    words = sorted({w.strip(".,").lower() for t in (*ENGAGE, *TERRORIST, *NONE) for w in t.split()})
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    vocab = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *letters,
        *(f"##{c}" for c in letters),
        *(w for w in words if len(w) > 1),
    ]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocab))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=64)  # public tokenizers come so, and it must not matter
    tokenizer.save(str(folder / "tokenizer.json"))
    import torch

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(ids), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    rows = []
    for d in range(40):
        for n, (text, label) in enumerate(
            [
                (ENGAGE[d % 3], "engage"),
                (TERRORIST[d % 3], "terrorist"),
                (NONE[d % 3], "none"),
                (NONE[(d + 1) % 3], "none"),
            ]
        ):
            split = "test" if d % 5 == 0 else "train"
            rows.append({"document": f"d{d}", "sentence": n, "text": text, "label": label, "split": split})
        rows.append(
            {
                "document": f"d{d}",
                "sentence": 4,
                "text": f"{ENGAGE[d % 3]} {TERRORIST[d % 3]}",
                "label": "both",
                "split": split,
            }
        )
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


@pytest.fixture(scope="module")
def rows():
    texts = [*ENGAGE, *TERRORIST, *NONE] * 4
    truth = np.array([[1, 0]] * 3 + [[0, 1]] * 3 + [[0, 0]] * 3, dtype=float)
    return Rows(texts, [""] * len(texts), np.tile(truth, (4, 1)))


TARGET = Target("Taliban", aliases=("Taliban",))
PLAN = Plan(epochs=60, rate=4e-3, batch=12)


def train(folder, rows, checkpoint, plan=PLAN, progress=None):
    network = Network(folder, 2)
    train_network(network, rows, TARGET, plan, checkpoint, progress=progress)
    return network


def test_training_learns_the_positions_and_is_the_same_twice(tiny, rows, tmp_path):
    first = predict_network(train(tiny, rows, tmp_path / "a.pt"), rows.texts, rows.contexts, TARGET)
    again = predict_network(train(tiny, rows, tmp_path / "b.pt"), rows.texts, rows.contexts, TARGET)
    assert ((first > 0) == (rows.truth > 0)).mean() > 0.95
    assert (first == again).all()


def test_interrupted_training_goes_on_and_ends_as_if_it_had_not_been(tiny, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("stance.model.network._CHECKPOINT_EVERY", 10)
    whole = predict_network(train(tiny, rows, tmp_path / "whole.pt"), rows.texts, rows.contexts, TARGET)

    def stop(done, total, loss):
        if done == 37:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny, rows, tmp_path / "cut.pt", progress=stop)
    steps = []
    network = train(tiny, rows, tmp_path / "cut.pt", progress=lambda done, total, loss: steps.append(done))
    assert steps[0] == 31  # what was done since the checkpoint at 30 is done again
    assert (predict_network(network, rows.texts, rows.contexts, TARGET) == whole).all()
    steps.clear()
    train(tiny, rows, tmp_path / "cut.pt", progress=lambda done, total, loss: steps.append(done))
    assert steps == []  # a finished one is read


def test_checkpoint_of_another_training_is_refused(tiny, rows, tmp_path):
    train(tiny, rows, tmp_path / "a.pt", Plan(epochs=1, batch=12))
    with pytest.raises(ArtifactError, match="another training"):
        train(tiny, rows, tmp_path / "a.pt", Plan(epochs=2, batch=12))


@pytest.mark.parametrize("change", ["a label", "a text", "the network", "a sign"])
def test_whatever_decides_a_training_makes_its_checkpoint_another_one(tiny, rows, tmp_path, change):
    from dataclasses import replace

    plan = Plan(epochs=1, batch=12)
    train(tiny, rows, tmp_path / "a.pt", plan)
    truth, texts, target, network = rows.truth.copy(), list(rows.texts), TARGET, Network(tiny, 2)
    if change == "a label":
        truth[0] = truth[0][::-1]
    elif change == "a text":
        texts[0] += "!"
    elif change == "the network":
        network.body.encoder.layer[0].output.dense.weight.data += 1
    else:
        target = replace(TARGET, aliases=("Moscow",))
    with pytest.raises(ArtifactError, match="another training"):
        train_network(network, Rows(texts, rows.contexts, truth), target, plan, tmp_path / "a.pt")


def test_fewer_layers_are_kept_if_asked_for(tiny):
    assert len(Network(tiny, 2, layers=1).body.encoder.layer) == 1
    with pytest.raises(ArtifactError, match="2 layers"):
        Network(tiny, 2, layers=3)


def test_eight_bits_are_a_quarter_of_the_size_and_nearly_the_same_numbers(tiny, rows, tmp_path):
    import onnxruntime as ort

    network = train(tiny, rows, tmp_path / "a.pt")
    export(network, tmp_path / "full.onnx")
    assert quantize(tmp_path / "full.onnx", tmp_path / "small.onnx") >= 12
    given = {name: np.zeros((3, 9), dtype=np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    given["input_ids"] = np.arange(27).reshape(3, 9)
    given["attention_mask"] = np.array([[1] * 9, [1] * 5 + [0] * 4, [1] + [0] * 8])
    full, small = (
        ort.InferenceSession(tmp_path / f"{n}.onnx", providers=["CPUExecutionProvider"]).run(None, given)[0]
        for n in ("full", "small")
    )
    assert np.allclose(np.linalg.norm(full, axis=1), 1, atol=1e-5)
    assert (full * small).sum(axis=1).min() > 0.999
    weights = sum(p.numel() for p in network.body.parameters()) * 4
    assert (tmp_path / "small.onnx").stat().st_size < (tmp_path / "full.onnx").stat().st_size - weights / 2


@pytest.mark.parametrize("teacher", [False, True])
def test_finetune_makes_a_model_that_is_saved_loaded_and_right(tiny, corpus_file, tmp_path, teacher):
    recipe = Recipe(
        base=str(tiny),
        teacher=str(tiny) if teacher else "",
        plan=Plan(epochs=20, rate=2e-3),
        teacher_plan=Plan(epochs=10, rate=2e-3),
        parts=2,
    )
    unlabelled = (["Talk to the Taliban.", "It snowed."], ["", ""]) if teacher else ((), ())
    said = []
    model = finetune(
        read_corpus(corpus_file),
        codebook=load_codebook(),
        recipe=recipe,
        unlabelled=unlabelled,
        work=tmp_path / "work",
        progress=lambda stage, done, total, loss: said.append(stage),
    )
    assert set(said) == ({"teacher-0", "teacher-1", "student"} if teacher else {"encoder"})
    saved = save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    texts = [ENGAGE[0], TERRORIST[1], NONE[0]]
    assert loaded.predict(texts).labels == ["engage", "terrorist", "none"]
    assert np.allclose(loaded.predict(texts).positions, model.predict(texts).positions, atol=1e-6)
    assert saved.fingerprint == loaded.fingerprint
    assert loaded.about["held_out"]["macro_f1_positions"]["value"] > 0.9
    assert loaded.about["encoder"]["unlabelled"] == len(unlabelled[0])
    assert "8 bits" in render_finetuning(loaded)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "encoder" in card
    assert "kept for calibration" in card
    again = finetune(
        read_corpus(corpus_file), codebook=load_codebook(), recipe=recipe, unlabelled=unlabelled, work=tmp_path / "work"
    )
    save_model(again, tmp_path / "again")
    for file in ("encoder.onnx", "classifier-0.npz"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "model" / file).read_bytes()


def test_a_weight_that_two_products_share_is_quantised_once(tmp_path):
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    nodes = [helper.make_node("MatMul", [a, "w"], [b]) for a, b in (("x", "y"), ("y", "z"))]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 8]) for name in ("x", "z")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "full.onnx")
    assert quantize(tmp_path / "full.onnx", tmp_path / "small.onnx") == 1
    given = np.eye(8, dtype=np.float32)
    session = ort.InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"x": given})[0], weight @ weight, atol=0.1)


def test_the_exported_network_gives_what_the_trained_one_gives(tiny, rows, tmp_path):
    from stance.model.encoder import Encoder

    network = train(tiny, rows, tmp_path / "a.pt")
    export(network, tmp_path / "full.onnx")
    texts, contexts = [*rows.texts[:9], "Talks. " * 30], ["", "It snowed."] * 5
    found = Encoder(network.spec("tiny"), tmp_path / "full.onnx", network.tokenizer_file).embed(texts, contexts, TARGET)
    assert np.abs(found - vectors_of(network, texts, contexts, TARGET)).max() < 1e-5


def test_sentences_made_from_others_teach_with_them_and_never_calibrate(tmp_path):
    from stance.model.finetune import kept_for_calibration

    path = tmp_path / "c.jsonl"
    documents = [{"document": f"d{i}", "text": f"text {i}", "label": "none"} for i in range(20)]
    made = [{"document": f"m{i}", "group": f"d{i}", "text": f"made {i}", "label": "engage"} for i in range(20)]
    path.write_text("\n".join(map(json.dumps, [*documents, *made])))
    known, kept = kept_for_calibration(read_corpus(path), 0.25)
    assert len(kept) == 5
    assert all(document.startswith("d") for document in kept.documents)
    assert not set(known.groups) & set(kept.documents)
    assert len(known) == 30


def test_too_few_documents_are_told_before_anything_is_trained(tiny, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("text,label,document\n" + "\n".join(f"a{i},engage,d{i}\nb{i},none,e{i}" for i in range(6)))
    with pytest.raises(DataError, match="too few have"):
        finetune(read_corpus(path), codebook=load_codebook(), recipe=Recipe(base=str(tiny)), work=tmp_path / "work")
    assert not list((tmp_path / "work").glob("*.pt"))


def test_an_eight_bit_network_that_decides_otherwise_is_refused(tiny, corpus_file, tmp_path, monkeypatch):
    monkeypatch.setattr("stance.model.finetune.quantize", lambda path, out: _ruin(path, out))
    with pytest.raises(ArtifactError, match="not what it is in 32"):
        finetune(
            read_corpus(corpus_file),
            codebook=load_codebook(),
            recipe=Recipe(base=str(tiny), plan=Plan(epochs=20, rate=2e-3)),
            work=tmp_path / "work",
        )


def _ruin(path, out):
    """Quantise to two bits instead of eight."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    for weight in model.graph.initializer:
        if len(weight.dims) == 2:
            values = numpy_helper.to_array(weight)
            step = np.abs(values).max()
            weight.CopyFrom(numpy_helper.from_array((np.round(values / step) * step).astype(np.float32), weight.name))
    onnx.save(model, str(out))


def test_several_targets_are_refused(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("text,label,target\na,x,one\nb,y,two\n")
    with pytest.raises(DataError, match="one target"):
        finetune(read_corpus(path, columns=CorpusColumns(target="target")), work=tmp_path)


def test_weights_that_are_not_the_published_ones_are_refused(tiny, tmp_path, monkeypatch):
    import shutil

    folder = tmp_path / "minilm"
    shutil.copytree(tiny, folder)
    monkeypatch.setattr("stance.model.weights._files_of", lambda package: sorted(folder.iterdir()))
    with pytest.raises(ArtifactError, match="not the published weights"):
        base_folder("minilm", tmp_path)


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"config\.json is missing"):
        base_folder(tmp_path, tmp_path)


def test_the_command_trains_saves_and_says_how_good_it_is(tiny, corpus_file, tmp_path):
    from click.testing import CliRunner

    from stance.apps.cli import stance as cli

    command = ["finetune", corpus_file, "--base", tiny, "--epochs", "20", "--rate", "0.002", "--layers", "1"]
    found = CliRunner().invoke(cli, [*map(str, command), "--work", str(tmp_path / "work"), "-o", str(tmp_path / "m")])
    assert found.exit_code == 0, found.output
    assert "encoder: step" in found.stderr
    assert "in 8 bits" in found.stdout
    assert "held out (" in found.stdout
    assert load_model(tmp_path / "m").about["encoder"]["recipe"]["layers"] == 1


def test_unlabelled_text_without_a_teacher_is_wrong_usage(corpus_file, tmp_path):
    from click.testing import CliRunner

    from stance.apps.cli import stance as cli

    command = ["finetune", corpus_file, "--work", tmp_path / "work", "-o", tmp_path / "m", "--unlabelled", corpus_file]
    found = CliRunner().invoke(cli, list(map(str, command)))
    assert found.exit_code == 2
    assert "--teacher" in found.stderr
