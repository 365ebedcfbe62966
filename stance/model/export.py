"""From a trained network to an encoder that ONNX Runtime runs: export, and weights in 8 bits (extra `finetune`)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from stance.errors import DataError, missing_extra
from stance.model.network import Network

try:
    import onnx
    import torch
    from onnx import helper, numpy_helper
    from torch import nn
except ImportError as error:
    raise missing_extra("writing an encoder", "finetune") from error

__all__ = ["export", "quantize"]


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
    ids, mask = torch.full((2, 8), 5), torch.ones((2, 8), dtype=torch.int64)
    ids[1, 5:], mask[1, 5:] = int(network.body.config.pad_token_id or 0), 0
    network.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of constants that are constant here, and of its own age
        torch.onnx.export(
            _Vectors(network),
            (ids, mask, torch.zeros_like(ids))[: len(names)],
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
    model = onnx.load(str(path))
    graph = model.graph
    weights = {w.name: w for w in graph.initializer}
    nodes, changed = [], set()
    for node in graph.node:
        at = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        name = node.input[at] if at is not None else ""
        if name not in weights or len(weights[name].dims) != 2 or weights[name].data_type != onnx.TensorProto.FLOAT:
            nodes.append(node)
            continue
        new = name not in changed
        if new:
            values = numpy_helper.to_array(weights[name])
            axis = 0 if node.op_type == "MatMul" else 1
            scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
            small = numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}.int8")
            graph.initializer.extend([small, numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale")])
            changed.add(name)
        nodes += _dequantized(node, name, new=new)
    if not changed:
        raise DataError(f"{path}: it has no matrix that can be quantised")
    for name in changed - {name for node in nodes for name in node.input}:
        graph.initializer.remove(weights[name])
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(out))
    return len(changed)


def _dequantized(node: Any, name: str, *, new: bool) -> list[Any]:
    """Return the nodes that stand for a product, or a look-up, with weights in single precision; made once if new."""
    if node.op_type == "MatMul":
        product = helper.make_node("MatMul", [node.input[0], f"{name}.float"], list(node.output), node.name)
        cast = helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], to=1)
        scaled = helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [f"{name}.float"])
        return [cast, scaled, product] if new else [product]
    rows, scales, cast = (f"{node.output[0]}.{part}" for part in ("rows", "scales", "cast"))
    return [
        helper.make_node("Gather", [f"{name}.int8", node.input[1]], [rows], axis=0),
        helper.make_node("Gather", [f"{name}.scale", node.input[1]], [scales], axis=0),
        helper.make_node("Cast", [rows], [cast], to=1),
        helper.make_node("Mul", [cast, scales], list(node.output)),
    ]
