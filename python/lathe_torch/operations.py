"""One function for each operation of Lathe's graph catalog.

The functions compute what `src/backend/graph/ops` defines, over tensors of any device. They change no input.
A result may share memory with an input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Number = int | float | bool
Operand = Tensor | Number
"""A tensor, or a constant of one element as a number."""

IGNORED_LABEL = -100

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
    "int64": torch.int64,
    "int32": torch.int32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
    # Two numbers per byte, the first in the low nibble; `unpack_int4` yields them.
    "int4": torch.uint8,
}

OPERATIONS: dict[str, Callable[..., Tensor]] = {}
"""By the name in the graph catalog."""

PREPARATIONS: dict[str, Callable[[dict[str, Any], torch.device], dict[str, Any]]] = {}
"""Operation → a function that computes attributes once, when the graph is compiled."""

TAKES_NUMBERS = frozenset({"add", "sub", "mul", "div", "less", "lessOrEqual", "greater", "equal", "where"})
"""Operations whose last two inputs may be a tensor and a number."""


def operation(name: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Registers a function under the name of an operation of the graph catalog."""

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        OPERATIONS[name] = function
        return function

    return register


def unpack_int4(packed: Tensor, shape: Sequence[int]) -> Tensor:
    """uint8 [bytes], two numbers per byte → int8 of `shape`, between -8 and 7."""
    pairs = torch.stack((packed & 15, packed >> 4), dim=-1).flatten()[: math.prod(shape)]
    return ((pairs.to(torch.int8) ^ 8) - 8).reshape(tuple(shape))


# Elementwise, with broadcasting.


@operation("add")
def add(a: Operand, b: Operand) -> Tensor:
    return a + b


@operation("sub")
def sub(a: Operand, b: Operand) -> Tensor:
    return a - b


@operation("mul")
def mul(a: Operand, b: Operand) -> Tensor:
    return a * b


@operation("div")
def div(a: Operand, b: Operand) -> Tensor:
    """a / b; quotients of integers are truncated toward zero."""
    tensor = a if isinstance(a, Tensor) else b
    if tensor.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


@operation("neg")
def neg(x: Tensor) -> Tensor:
    return -x


@operation("exp")
def exp(x: Tensor) -> Tensor:
    return torch.exp(x)


@operation("log")
def log(x: Tensor) -> Tensor:
    return torch.log(x)


@operation("sqrt")
def sqrt(x: Tensor) -> Tensor:
    return torch.sqrt(x)


@operation("reciprocal")
def reciprocal(x: Tensor) -> Tensor:
    return torch.reciprocal(x)


@operation("tanh")
def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


@operation("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


@operation("erf")
def erf(x: Tensor) -> Tensor:
    return torch.erf(x)


@operation("relu")
def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


@operation("abs")
def absolute(x: Tensor) -> Tensor:
    return torch.abs(x)


@operation("cos")
def cos(x: Tensor) -> Tensor:
    return torch.cos(x)


@operation("sin")
def sin(x: Tensor) -> Tensor:
    return torch.sin(x)


@operation("maximum")
def maximum(a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(a, b)


@operation("minimum")
def minimum(a: Tensor, b: Tensor) -> Tensor:
    return torch.minimum(a, b)


@operation("less")
def less(a: Operand, b: Operand) -> Tensor:
    return a < b


@operation("lessOrEqual")
def less_or_equal(a: Operand, b: Operand) -> Tensor:
    return a <= b


@operation("greater")
def greater(a: Operand, b: Operand) -> Tensor:
    return a > b


@operation("equal")
def equal(a: Operand, b: Operand) -> Tensor:
    return a == b


@operation("and")
def logical_and(a: Tensor, b: Tensor) -> Tensor:
    return torch.logical_and(a, b)


@operation("not")
def logical_not(x: Tensor) -> Tensor:
    return torch.logical_not(x)


@operation("where")
def where(condition: Tensor, a: Operand, b: Operand) -> Tensor:
    return torch.where(condition, a, b)


@operation("cast")
def cast(x: Tensor, *, to: str) -> Tensor:
    """Floats are truncated toward zero."""
    return x.to(DTYPES[to])


@operation("round")
def round_to_even(x: Tensor) -> Tensor:
    """The nearest whole numbers, and the even one of two that are equally near."""
    return torch.round(x)


@operation("geluTanh")
def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


@operation("silu")
def silu(x: Tensor) -> Tensor:
    return F.silu(x)


@operation("waitFor")
def wait_for(gate: Tensor, x: Tensor, after: Tensor) -> Tensor:
    """x. Nodes run in the order of the graph, so `after` is computed; a compiler needs the dependency."""
    return torch.where(gate, x, after) if torch.compiler.is_compiling() else x


@operation("detach")
def detach(x: Tensor) -> Tensor:
    return x


# Movement.


@operation("reshape")
def reshape(x: Tensor, *, shape: Sequence[int]) -> Tensor:
    return x.reshape(shape)


@operation("transpose")
def transpose(x: Tensor, *, perm: Sequence[int]) -> Tensor:
    return x.permute(perm)


@operation("slice")
def slice_axis(x: Tensor, *, axis: int, start: int, end: int) -> Tensor:
    return x.narrow(axis, start, end - start)


@operation("pad")
def pad(x: Tensor, *, axis: int, before: int, after: int) -> Tensor:
    """Adds zeros along one axis."""
    return F.pad(x, [0, 0] * (x.dim() - 1 - axis) + [before, after])


@operation("concat")
def concat(*tensors: Tensor, axis: int) -> Tensor:
    return torch.cat(tensors, axis)


@operation("expand")
def expand(x: Tensor, *, shape: Sequence[int]) -> Tensor:
    return x.expand(shape)


# Products.


@operation("matmul")
def matmul(a: Tensor, b: Tensor, *, transpose_a: bool, transpose_b: bool, scale: float) -> Tensor:
    """scale · A·B over the last two axes; the others broadcast: [..., m, k] × [..., k, n] → [..., m, n]."""
    left = a.mT if transpose_a else a
    right = b.mT if transpose_b else b
    product = torch.matmul(left, right)
    return product if scale == 1 else product * scale


@operation("affine")
def affine(
    a: Tensor, b: Tensor, bias: Tensor, *, transpose_a: bool, transpose_b: bool, scale: float
) -> Tensor:
    """scale · A·B + bias: [m, k] × [k, n] + [n] → [m, n]."""
    return torch.addmm(bias, a.t() if transpose_a else a, b.t() if transpose_b else b, alpha=scale)


@operation("softmaxMatmul")
def softmax_matmul(scores: Tensor, values: Tensor) -> Tensor:
    """softmax(scores) · values: [..., n, m] × [..., m, d] → [..., n, d]."""
    weights = torch.softmax(scores, -1, dtype=torch.float32)
    return torch.matmul(weights.to(values.dtype), values)


@operation("dequantize")
def dequantize(codes: Tensor, scales: Tensor, zeros: Tensor | None = None, *, block: int) -> Tensor:
    """(code - zero) · scale: codes [inputs, outputs]; others [inputs / block, outputs] or [outputs]."""
    inputs, outputs = codes.shape
    groups = codes.reshape(-1, inputs if scales.dim() == 1 else block, outputs).to(scales.dtype)
    shape = (groups.shape[0], 1, outputs)
    if zeros is not None:
        groups = groups - zeros.reshape(shape).to(scales.dtype)
    return (groups * scales.reshape(shape)).reshape(inputs, outputs)


def unpack_codes(packed: Tensor, bits: int, count: int) -> Tensor:
    """uint8 [..., bytes] → uint8 [..., count]: bytes, or nibbles with the first in the low half."""
    if bits == 8:
        return packed
    return torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)[..., :count]


@operation("packedProduct")
def packed_product(
    x: Tensor, codes: Tensor, scales: Tensor, zeros: Tensor, *, bits: int, block: int
) -> Tensor:
    """x·W with W[k, n] = (code - zero) · scale.

    x [rows, inputs], uint8 codes [outputs, blocks, bytes], scales [outputs, blocks], uint8 zeros
    [outputs, bytes] → [rows, outputs].
    """
    outputs, blocks = scales.shape
    whole = unpack_codes(codes, bits, block).to(scales.dtype)
    zero = unpack_codes(zeros, bits, blocks).to(scales.dtype)
    weight = (whole - zero.unsqueeze(-1)) * scales.unsqueeze(-1)
    return F.linear(x, weight.reshape(outputs, blocks * block))


# Reductions. An empty list of axes reduces nothing, other than in torch.


@operation("sum")
def total(x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    return torch.sum(x, list(axes), keep_dims, dtype=x.dtype) if axes else x


@operation("mean")
def mean(x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    return torch.mean(x, list(axes), keep_dims) if axes else x


@operation("max")
def largest(x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    return torch.amax(x, list(axes), keep_dims) if axes else x


@operation("sumSquares")
def sum_squares(x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    """Σ x², without a tensor of the squares."""
    if not axes:
        return x * x
    return torch.linalg.vector_norm(x, 2, list(axes), keep_dims).square()


@operation("logSumExp")
def log_sum_exp(x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    return torch.logsumexp(x, list(axes), keep_dims) if axes else x


@operation("cumulativeSum")
def cumulative_sum(x: Tensor, *, axis: int) -> Tensor:
    return torch.cumsum(x, axis, dtype=x.dtype)


@operation("softmax")
def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


@operation("logSoftmax")
def log_softmax(x: Tensor) -> Tensor:
    return torch.log_softmax(x, -1)


@operation("layerNorm")
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, *, epsilon: float) -> Tensor:
    """Over the last axis; weight and bias are [width]."""
    return F.layer_norm(x, weight.shape, weight, bias, epsilon)


@operation("rmsNorm")
def rms_norm(x: Tensor, weight: Tensor, *, epsilon: float) -> Tensor:
    """Over the last axis; weight is [width]."""
    return F.rms_norm(x, weight.shape, weight, epsilon)


@operation("crossEntropy")
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label] of each row: [n, classes], int32 [n] → [n]; zero if the label is -100."""
    return F.cross_entropy(logits, labels.long(), reduction="none", ignore_index=IGNORED_LABEL)


# Indexing, with int32 indices.


@operation("gather")
def gather(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table: [rows, width…] by int32 [n…] → [n…, width…]."""
    if table.dim() == 2 and table.is_floating_point():
        return F.embedding(index, table)
    return table.index_select(0, index.flatten()).reshape(*index.shape, *table.shape[1:])


@operation("scatterRows")
def scatter_rows(index: Tensor, updates: Tensor, *, rows: int) -> Tensor:
    """Adds rows to a table of zeros: int32 [n…], [n…, width…] → [rows, width…]."""
    width = updates.shape[index.dim() :]
    flat = updates.reshape(index.numel(), *width)
    return flat.new_zeros(rows, *width).index_add(0, index.flatten(), flat)


@operation("tally")
def tally(index: Tensor, amounts: Tensor, *, size: int) -> Tensor:
    """Adds amounts at indices of a vector of zeros: int32 [n], [n] → [size]."""
    return amounts.new_zeros(size).index_add(0, index, amounts)


@operation("select")
def select(table: Tensor, *, at: Tensor, has_zeros: bool) -> Tensor:
    """Rows of a table in a fixed order, with zeros where the index is -1: [n, width…] → [rows, width…]."""
    source = torch.cat((table, table.new_zeros(1, *table.shape[1:]))) if has_zeros else table
    return source.index_select(0, at)


def prepare_select(attributes: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The rows as a tensor; -1 is the row of zeros that is added after the last one."""
    rows: Sequence[int] = attributes["rows"]
    count: int = attributes["shapes"][0][0]
    at = torch.tensor([count if row < 0 else row for row in rows], dtype=torch.int64, device=device)
    return {"at": at, "has_zeros": -1 in rows}


PREPARATIONS["select"] = prepare_select


@operation("replaceRows")
def replace_rows(table: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    """[rows, width], int32 [n], [n, width] → [rows, width]."""
    return table.index_copy(0, index.long(), updates)


@operation("pick")
def pick(x: Tensor, index: Tensor) -> Tensor:
    """One element of each row: [n, width] by int32 [n] → [n]."""
    return x.gather(1, index.long().unsqueeze(1)).squeeze(1)


@operation("place")
def place(index: Tensor, updates: Tensor, *, width: int) -> Tensor:
    """int32 [n], [n] → [n, width], zero elsewhere."""
    zeros = updates.new_zeros(updates.shape[0], width)
    return zeros.scatter(1, index.long().unsqueeze(1), updates.unsqueeze(1))


@operation("put")
def put(x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    """Replaces one element of each row: [n, width], int32 [n], [n] → [n, width]."""
    return x.scatter(1, index.long().unsqueeze(1), updates.unsqueeze(1))
