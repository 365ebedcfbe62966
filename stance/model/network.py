"""Training an encoder with torch: the network, and one resumable loop (extra `finetune`)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codebook import Target
from stance.errors import ArtifactError, missing_extra
from stance.model.encoder import EncoderSpec, Ids, Reader, batches

try:
    import torch
    from torch import nn
    from transformers import AutoModel
except ImportError as error:
    raise missing_extra("training an encoder", "finetune") from error

__all__ = ["Network", "Plan", "Rows", "predict_network", "train_network", "vectors_of"]

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
        The learning rate of the highest layer; it rises for a tenth of the steps while it falls linearly. The head's is
        ten times as large.
    decay
        What the rate is multiplied by for each layer further down (Howard & Ruder 2018).
    smoothing
        How far the targets are drawn towards one half (Szegedy et al. 2016).
    batch
        Rows a step.
    """

    epochs: float = 2.0
    rate: float = 3e-5
    decay: float = 0.9
    smoothing: float = 0.04
    batch: int = 32


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
        from transformers.utils import logging

        logging.disable_progress_bar()
        super().__init__()
        self.body = AutoModel.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, attn_implementation="eager"
        ).float()
        stack = getattr(getattr(self.body, "encoder", None), "layer", ())
        if not 0 <= layers <= len(stack) or not len(stack):
            raise ArtifactError(f"{folder}: an encoder of {len(stack)} layers like BERT's; {layers} cannot be kept")
        if layers:
            self.body.encoder.layer = stack[:layers]
            self.body.config.num_hidden_layers = layers
        # words that the corpus lacks keep their sense
        self.body.embeddings.word_embeddings.weight.requires_grad_(False)
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
    network: Network,
    rows: Rows,
    target: Target,
    plan: Plan,
    checkpoint: Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Train a network in place; a run that was interrupted goes on from its checkpoint.

    Parameters
    ----------
    checkpoint
        A file that holds the state every 100 steps and at the end. A finished one is read, and nothing is trained.
    seed
        Decides the order of rows, the head's start and dropout.
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
    order = _order([len(ids) for ids, _ in read], plan, seed)
    torch.manual_seed(seed)
    network.head.reset_parameters()
    optimizer = torch.optim.AdamW(_groups(network, plan), weight_decay=0.01, fused=True)
    identity = _identity(network, read, rows.truth, f"{plan} {seed}")
    start = _resume(network, optimizer, checkpoint, identity)
    network.train()
    for step in range(start, len(order)):
        torch.manual_seed(seed * 1_000_003 + step)  # dropout does not depend on where a run was resumed
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
    with _precision():
        return _run(network, network, network.head.out_features, texts, contexts, target)


def vectors_of(network: Network, texts: Sequence[str], contexts: Sequence[str], target: Target) -> Floats:
    """Return the vectors of sentences in single precision, shape (n, dimension): what its ONNX form has to give."""
    return _run(network, network.vectors, network.dimension, texts, contexts, target)


def _run(
    network: Network, of: Callable[..., Any], width: int, texts: Sequence[str], contexts: Sequence[str], target: Target
) -> Floats:
    read = Reader(network.spec(""), network.tokenizer, target).read(texts, contexts)
    out = np.empty((len(read), width))
    network.eval()
    with torch.no_grad():
        for batch in batches([len(ids) for ids, _ in read]):
            out[batch] = of(*_tensors([read[i] for i in batch], network)).float().numpy()
    return out


def _order(lengths: Sequence[int], plan: Plan, seed: int) -> list[list[int]]:
    """Return the batches of all epochs: shuffled, then sorted by length within chunks, so that little is padded."""
    rng = np.random.default_rng(seed)
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


def _loss(network: Network, read: list[tuple[Ids, int]], truth: torch.Tensor) -> torch.Tensor:
    with _precision():
        scores = network(*_tensors(read, network))
    return nn.functional.binary_cross_entropy_with_logits(scores.float(), truth)


def _precision() -> Any:
    """Return bfloat16 where the processor multiplies in it, else single precision."""
    return torch.autocast("cpu", torch.bfloat16, enabled=_fast())


def _fast() -> bool:
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def _tensors(read: list[tuple[Ids, int]], network: Network) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = -(-max(len(ids) for ids, _ in read) // 8) * 8  # few shapes: each costs a plan of its own
    ids = torch.full((len(read), longest), int(network.body.config.pad_token_id or 0))
    mask, segments = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, (row, first) in enumerate(read):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
        segments[i, first : len(row)] = 1
    return ids, mask, segments


def _identity(network: Network, read: list[tuple[Ids, int]], truth: Floats, plan: str) -> str:
    """Return a digest of all that decides a training: what is read, the truth, the plan, and the network as it is."""
    digest = hashlib.sha256(f"{plan} {torch.__version__} {_fast()} {network.spec('')}".encode())
    digest.update(repr(read).encode())
    digest.update(truth.tobytes())
    for name, values in network.state_dict().items():
        if not name.startswith("head."):
            digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()


def _resume(network: Network, optimizer: Any, checkpoint: Path, identity: str) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state.get("identity") != identity:
        raise ArtifactError(f"{checkpoint} is of another training; remove it, or use another work folder")
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
    made.replace(checkpoint)
