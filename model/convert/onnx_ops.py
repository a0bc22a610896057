"""Operations of the network that torch's exporter cannot translate to ONNX, in terms of those that ONNX has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset18

op: Any = opset18
"""Without types: what is translated are symbols, and lists become constants."""


def stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    """`torch.sort`, stable: ONNX's TopK keeps the order of equal values."""
    count = op.Slice(op.Shape(values), [dim], [dim + 1])
    sorted_values, indices = op.TopK(values, count, axis=dim, largest=int(descending), sorted=1)
    return sorted_values, indices


def cummax(values: Any, dim: int) -> tuple[Any, Any]:
    """`torch.cummax` of int64 along an axis counted from the first, with n x n comparisons."""
    count = op.Squeeze(op.Slice(op.Shape(values), [dim], [dim + 1]))
    place = op.Range(op.Constant(value_int=0), count, op.Constant(value_int=1))
    earlier = op.LessOrEqual(place, op.Unsqueeze(place, [1]))
    behind = list(range(2, 1 + len(values.shape) - dim))
    earlier = op.Unsqueeze(earlier, behind) if behind else earlier
    lowest = op.Constant(value_int=torch.iinfo(torch.int64).min)
    compared = op.Where(earlier, op.Unsqueeze(values, [dim]), lowest)
    return op.ReduceMax(compared, [dim + 1], keepdims=0), op.ArgMax(compared, axis=dim + 1, keepdims=0)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.sort.stable: stable_sort,
    torch.ops.aten.cummax.default: cummax,
}
