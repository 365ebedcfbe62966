"""Training an encoder with torch: the network, one resumable loop, and its way to ONNX (extra `finetune`)."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Target
from stance.errors import ArtifactError, DataError, missing_extra
from stance.model.encoder import EncoderSpec, Reader, batches

try:
    import torch
    from torch import nn
except ImportError as error:
    raise missing_extra("training an encoder", "finetune") from error

__all__ = ["Network", "Plan", "Rows", "quantize", "train_network"]

Floats = NDArray[np.float64]
Progress = Callable[[int, int, float], None]
_CHUNK = 20  # batches that are sorted by length together
_CHECKPOINT_EVERY = 100


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes
    ----------
    epochs
        How often each row is seen.
    rate
        The learning rate of the highest layer at its peak; it rises for a tenth of the steps and falls linearly.
    decay
        What the rate is multiplied by for each layer further down (Howard & Ruder 2018).
    smoothing
        How far the targets are drawn towards one half (Szegedy et al. 2016).
    batch
        Rows a step.
    seed
        Decides the order of rows, the head's start and dropout.
    """

    epochs: float = 2.0
    rate: float = 3e-5
    decay: float = 0.9
    smoothing: float = 0.04
    batch: int = 32
    seed: int = 0


@dataclass(frozen=True)
class Rows:
    """Sentences in context with the probability of each position, shape (n, n_positions)."""

    texts: Sequence[str]
    contexts: Sequence[str]
    truth: Floats


class Network(nn.Module):  # type: ignore[misc]  # torch is not there for the type checker
    """A public encoder with mean pooling, vectors of length 1, and a linear head of the positions.

    Parameters
    ----------
    folder
        The encoder's configuration, weights and tokenizer.
    n_positions
        Outputs of the head.
    layers
        How many layers are kept, from below; 0 keeps all.
    """

    def __init__(self, folder: Path, n_positions: int, layers: int = 0) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        super().__init__()
        self.body = AutoModel.from_pretrained(str(folder), local_files_only=True, attn_implementation="eager")
        stack = self.body.encoder.layer
        if layers and layers < len(stack):
            self.body.encoder.layer = stack[:layers]
            self.body.config.num_hidden_layers = layers
        self.body.embeddings.word_embeddings.weight.requires_grad_(
            False
        )  # words that the corpus lacks keep their sense
        self.tokenizer_file = folder / "tokenizer.json"
        self.tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        self.tokenizer.no_padding()
        self.dimension = int(self.body.config.hidden_size)
        self.head = nn.Linear(self.dimension, n_positions)
        self.drop = nn.Dropout(0.1)
        self.segments = self.body.config.model_type == "bert"

    def spec(self, base: str) -> EncoderSpec:
        """Return the form of its input, read from how the tokenizer joins two texts."""
        pair = self.tokenizer.encode("a", "b")
        ids, own = pair.ids, [i for i, part in enumerate(pair.sequence_ids) if part is not None]
        first, last = own[0], own[-1]
        return EncoderSpec(
            tuple(ids[:first]),
            tuple(ids[first + 1 : last]),
            tuple(ids[last + 1 :]),
            int(self.body.config.pad_token_id or 0),
            self.segments,
            self.dimension,
            base=base,
        )

    def vectors(self, ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Return vectors of length 1, shape (n, dimension)."""
        more = {"token_type_ids": segments} if self.segments else {}
        hidden = self.body(input_ids=ids, attention_mask=mask, **more).last_hidden_state.float()
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=-1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Return the log-odds of the positions, shape (n, n_positions)."""
        return self.head(self.drop(self.vectors(ids, mask, segments) * math.sqrt(self.dimension)))

    def head_of_vectors(self) -> tuple[Floats, Floats]:
        """Return the head's coefficients for vectors of length 1, shape (dimension, n_positions), and intercepts."""
        coef = self.head.weight.detach().double().numpy().T * math.sqrt(self.dimension)
        return coef, self.head.bias.detach().double().numpy()


# -- training --------------------------------------------------------------------------------------------------------


def train_network(
    network: Network, rows: Rows, target: Target, plan: Plan, checkpoint: Path, progress: Progress | None = None
) -> None:
    """Train a network in place; a run that was interrupted goes on from its checkpoint.

    Parameters
    ----------
    checkpoint
        A file that holds the state every 100 steps and at the end. A finished one is read, and nothing is trained.
    progress
        Called with the steps done, the steps to do, and the loss.

    Raises
    ------
    ArtifactError
        If the checkpoint is one of another plan or other rows.
    """
    reader = Reader(network.spec(""), network.tokenizer, target)
    read = reader.read(rows.texts, rows.contexts)
    truth = torch.tensor(rows.truth * (1 - plan.smoothing) + plan.smoothing / 2, dtype=torch.float32)
    order = _order([len(ids) for ids, _ in read], plan)
    torch.manual_seed(plan.seed)
    network.head.reset_parameters()
    optimizer = torch.optim.AdamW(_groups(network, plan), weight_decay=0.01, fused=True)
    identity = f"{plan}, {len(rows.texts)} rows, {float(rows.truth.sum()):.6f}"
    start = _resume(network, optimizer, checkpoint, identity)
    network.train()
    for step in range(start, len(order)):
        torch.manual_seed(plan.seed * 1_000_003 + step)  # dropout does not depend on where a run was resumed
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(step, len(order))
        loss = _loss(network, [read[i] for i in order[step]], truth[order[step]])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        done = step + 1
        if progress is not None:
            progress(done, len(order), loss.item())
        if done % _CHECKPOINT_EVERY == 0 and done < len(order):
            _save(network, optimizer, checkpoint, identity, done)
    if start < len(order):
        _save(network, None, checkpoint, identity, len(order))
    network.eval()


def predict_network(network: Network, texts: Sequence[str], contexts: Sequence[str], target: Target) -> Floats:
    """Return the log-odds of the positions, shape (n, n_positions)."""
    reader = Reader(network.spec(""), network.tokenizer, target)
    read = reader.read(texts, contexts)
    out = np.empty((len(read), network.head.out_features))
    network.eval()
    with torch.no_grad(), _precision():
        for batch in batches([len(ids) for ids, _ in read]):
            out[batch] = network(*_tensors([read[i] for i in batch], network)).float().numpy()
    return out


def _order(lengths: Sequence[int], plan: Plan) -> list[list[int]]:
    """Return the batches of all epochs: shuffled, then sorted by length within chunks, so that little is padded."""
    rng = np.random.default_rng(plan.seed)
    made: list[list[int]] = []
    for _ in range(math.ceil(plan.epochs)):
        shuffled = rng.permutation(len(lengths)).tolist()
        size = plan.batch * _CHUNK
        cut = []
        for i in range(0, len(shuffled), size):
            chunk = sorted(shuffled[i : i + size], key=lambda i: lengths[i])
            cut += [chunk[j : j + plan.batch] for j in range(0, len(chunk), plan.batch)]
        made += [cut[i] for i in rng.permutation(len(cut))]
    return made[: max(1, round(plan.epochs * math.ceil(len(lengths) / plan.batch)))]


def _groups(network: Network, plan: Plan) -> list[dict[str, Any]]:
    layers = int(network.body.config.num_hidden_layers)
    groups = [{"params": list(network.head.parameters()), "peak": plan.rate * 10}]
    for name, parameter in network.body.named_parameters():
        number = next((int(part) for part in name.split(".") if part.isdigit()), -1)
        if parameter.requires_grad:
            groups.append({"params": [parameter], "peak": plan.rate * plan.decay ** (layers - 1 - number)})
    return [{**group, "lr": group["peak"]} for group in groups]


def _schedule(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / (0.1 * steps)) * (steps - step) / steps


def _loss(network: Network, read: list[tuple[list[int], int]], truth: torch.Tensor) -> torch.Tensor:
    with _precision():
        scores = network(*_tensors(read, network))
    return nn.functional.binary_cross_entropy_with_logits(scores.float(), truth)


def _precision() -> Any:
    """Return bfloat16 where the processor multiplies in it, else single precision."""
    fast = bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)


def _tensors(read: list[tuple[list[int], int]], network: Network) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = -(-max(len(ids) for ids, _ in read) // 8) * 8  # few shapes: each costs a plan of its own
    ids = torch.full((len(read), longest), int(network.body.config.pad_token_id or 0))
    mask, segments = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, (row, first) in enumerate(read):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
        segments[i, first : len(row)] = 1
    return ids, mask, segments


def _resume(network: Network, optimizer: Any, checkpoint: Path, identity: str) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["identity"] != identity:
        raise ArtifactError(
            f"{checkpoint} is of another training ({state['identity']}); remove it, or use another work folder"
        )
    network.load_state_dict(state["network"])
    if state["optimizer"] is not None:
        optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _save(network: Network, optimizer: Any, checkpoint: Path, identity: str, step: int) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "identity": identity,
        "step": step,
        "network": network.state_dict(),
        "optimizer": None if optimizer is None else optimizer.state_dict(),
    }
    made = checkpoint.with_name(f".{checkpoint.name}")
    torch.save(state, made)
    os.replace(made, checkpoint)  # noqa: PTH105  # the same as Path.replace, and what says that it is atomic


# -- to ONNX ---------------------------------------------------------------------------------------------------------


class _Vectors(nn.Module):  # type: ignore[misc]
    """What is exported: the network without its head, with as many inputs as it has."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, *segments: torch.Tensor) -> torch.Tensor:
        return self.network.vectors(ids, mask, segments[0] if segments else torch.zeros_like(ids))


def export(network: Network, path: Path) -> None:
    """Write the network as ONNX in single precision; its outputs are vectors of length 1."""
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if network.segments else [])]
    example = torch.ones((2, 8), dtype=torch.int64)
    network.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of constants that are constant here, and of its own age
        torch.onnx.export(
            _Vectors(network),
            (example,) * len(names),
            str(path),
            input_names=names,
            output_names=["vectors"],
            dynamic_axes={**{name: {0: "n", 1: "tokens"} for name in names}, "vectors": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )


def quantize(path: Path, out: Path) -> int:
    """Write a network with its weights in 8 bits, and return how many matrices were changed.

    Weights only, symmetric, a scale for each output of a product and each row of an embedding. Activations stay in
    single precision: a scale of theirs would depend on the batch, and a sentence would score differently in another.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    weights = {w.name: w for w in graph.initializer}
    nodes, changed = [], 0
    for node in graph.node:
        at = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        name = node.input[at] if at is not None else ""
        if name not in weights or len(weights[name].dims) != 2 or weights[name].data_type != onnx.TensorProto.FLOAT:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(weights[name])
        axis = 0 if node.op_type == "MatMul" else 1
        scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
        graph.initializer.remove(weights.pop(name))
        graph.initializer.extend(
            [
                numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}.int8"),
                numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"),
            ]
        )
        nodes += _dequantized(helper, node, name)
        changed += 1
    del graph.node[:]
    graph.node.extend(nodes)
    if not changed:
        raise DataError(f"{path}: it has no matrix that can be quantised")
    onnx.checker.check_model(model)
    onnx.save(model, str(out))
    return changed


def _dequantized(helper: Any, node: Any, name: str) -> list[Any]:
    """Return the nodes that stand for a product, or a look-up, with weights in single precision."""
    if node.op_type == "MatMul":
        cast = helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], to=1)
        scaled = helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [f"{name}.float"])
        return [
            cast,
            scaled,
            helper.make_node("MatMul", [node.input[0], f"{name}.float"], list(node.output), node.name),
        ]
    rows, scales, cast = (f"{node.output[0]}.{part}" for part in ("rows", "scales", "cast"))
    return [
        helper.make_node("Gather", [f"{name}.int8", node.input[1]], [rows], axis=0),
        helper.make_node("Gather", [f"{name}.scale", node.input[1]], [scales], axis=0),
        helper.make_node("Cast", [rows], [cast], to=1),
        helper.make_node("Mul", [cast, scales], list(node.output)),
    ]
