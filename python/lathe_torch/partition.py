"""How each operation is computed by several processes that share a graph.

A graph is the program over the whole batch. Its values are DTensors: divided along the first axis
(`Shard(0)`) or whole on each process (`Replicate()`). An operation that works row by row runs on the rows of
each process. A sum over rows that are divided is added up at once, and DTensor's `redistribute` does all
communication. Operations without a form here run on whole tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard

Function = Callable[..., Any]
Form = Callable[["Partition", Function, list[Any], dict[str, Any]], Any]

WHOLE = Replicate()
DIVIDED = Shard(0)


def is_divided(value: Any) -> bool:
    return isinstance(value, DTensor) and value.placements[0] == DIVIDED


@dataclass(frozen=True)
class Partition:
    """The processes that share a graph."""

    mesh: DeviceMesh
    size: int
    rank: int
    divides_sums: bool
    """Whether sums over the batch, such as gradients, are divided where their first axis allows it."""

    def wrap(self, local: Tensor, placement: Placement) -> DTensor:
        """The part of this process, as a part of the whole."""
        return DTensor.from_local(local, self.mesh, [placement], run_check=False)

    def can_divide(self, shape: Sequence[int]) -> bool:
        return len(shape) > 0 and shape[0] >= self.size and shape[0] % self.size == 0

    def whole(self, value: Any) -> Any:
        """The whole tensor, on every process."""
        return value.redistribute(placements=[WHOLE]).to_local() if isinstance(value, DTensor) else value

    def rows(self, value: DTensor) -> Tensor:
        """The rows of this process: [n, …] → [n / processes, …]."""
        if is_divided(value):
            return value.to_local()
        count = value.shape[0] // self.size
        return self.whole(value).narrow(0, self.rank * count, count)

    def place(self, value: DTensor, placement: Placement) -> DTensor:
        return value if value.placements[0] == placement else value.redistribute(placements=[placement])

    def settle(self, local: Tensor, reduction: str) -> DTensor:
        """Adds up the parts of all processes: one communication, whoever reads the result later."""
        divides = self.divides_sums and self.can_divide(local.shape)
        wide = local.float() if local.dtype == torch.bfloat16 else local
        settled = self.place(self.wrap(wide, Partial(reduction)), DIVIDED if divides else WHOLE)
        return settled if wide is local else settled.to(local.dtype)

    def divide(self, local: Tensor) -> DTensor:
        """A tensor that every process has computed whole; each keeps its rows."""
        if not self.can_divide(local.shape):
            return self.wrap(local, WHOLE)
        count = local.shape[0] // self.size
        return self.wrap(local.narrow(0, self.rank * count, count).clone(), DIVIDED)

    def adapt(self, name: str, function: Function) -> Function:
        """The function over DTensors."""
        form = FORMS.get(name, on_whole)

        def run(*values: Any, **attributes: Any) -> Any:
            return form(self, function, list(values), attributes)

        return run


def wrap_all(partition: Partition, result: Any, placement: Placement) -> Any:
    if isinstance(result, Tensor):
        return partition.wrap(result, placement)
    # A kernel leaves out what the graph does not read.
    return tuple(None if each is None else partition.wrap(each, placement) for each in result)


def on_whole(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
    """Every process computes everything. A result from divided values is divided again."""
    result = function(*(partition.whole(each) for each in values), **attributes)
    if not any(is_divided(each) for each in values):
        return wrap_all(partition, result, WHOLE)
    if isinstance(result, Tensor):
        return partition.divide(result)
    return tuple(None if each is None else partition.divide(each) for each in result)


def elementwise(
    partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]
) -> Any:
    """Values broadcast; the rows are those of the result."""
    tensors = [each for each in values if isinstance(each, DTensor)]
    axes = max(each.dim() for each in tensors)
    count = max(each.shape[0] for each in tensors if each.dim() == axes) if axes > 0 else 0
    has_rows = [
        axes > 0 and isinstance(each, DTensor) and each.dim() == axes and each.shape[0] == count
        for each in values
    ]
    if not any(has and is_divided(each) for has, each in zip(has_rows, values, strict=True)):
        return wrap_all(partition, function(*(partition.whole(each) for each in values), **attributes), WHOLE)
    parts = [
        partition.rows(each) if has else partition.whole(each)
        for has, each in zip(has_rows, values, strict=True)
    ]
    return wrap_all(partition, function(*parts, **attributes), DIVIDED)


def by_rows(*places: int) -> Form:
    """Row by row of the values at some places; the others are read whole."""

    def run(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
        if not any(is_divided(values[place]) for place in places if place < len(values)):
            return on_whole(partition, function, values, attributes)
        return wrap_all(partition, function(*split(partition, values, places), **attributes), DIVIDED)

    return run


def split(partition: Partition, values: list[Any], places: Sequence[int]) -> list[Any]:
    return [
        partition.rows(each) if place in places else partition.whole(each)
        for place, each in enumerate(values)
    ]


def summed_over_rows(*places: int) -> Form:
    """A sum over the rows of the values at some places."""

    def run(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
        if not any(is_divided(values[place]) for place in places):
            return on_whole(partition, function, values, attributes)
        return partition.settle(function(*split(partition, values, places), **attributes), "sum")

    return run


def norm_gradient(
    partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]
) -> Any:
    """x [n, …, width], weight [width], dy like x → dx by rows, and sums over all rows."""
    if not (is_divided(values[0]) or is_divided(values[2])):
        return on_whole(partition, function, values, attributes)
    first, *sums = function(*split(partition, values, (0, 2)), **attributes)
    return (partition.wrap(first, DIVIDED), *(partition.settle(each, "sum") for each in sums))


def attend(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
    """Attention and its gradient: each sequence by itself. Only a bias may have no axis of sequences."""
    sequences = values[0].shape[0]
    places = [
        place
        for place, each in enumerate(values)
        if isinstance(each, DTensor) and each.dim() == 4 and each.shape[0] == sequences
    ]
    return by_rows(*places)(partition, function, values, attributes)


def multiply(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
    """Products. That of two matrices along their rows is a sum over the rows of all processes."""
    a, b, *bias = values
    if a.dim() > 2 or b.dim() > 2:
        if a.dim() == b.dim() and a.shape[0] == b.shape[0]:
            return by_rows(0, 1)(partition, function, values, attributes)
        is_shared = a.dim() > b.dim() or (a.dim() == b.dim() and b.shape[0] == 1)
        return (by_rows(0) if is_shared else on_whole)(partition, function, values, attributes)
    transposes = (attributes.get("transpose_a", False), attributes.get("transpose_b", False))
    if transposes == (True, False) and not bias and (is_divided(a) or is_divided(b)):
        return summed_over_rows(0, 1)(partition, function, values, attributes)
    if transposes[0] or not is_divided(a):
        whole = [partition.whole(each) for each in values]
        return partition.wrap(function(*whole, **attributes), WHOLE)
    return by_rows(0)(partition, function, values, attributes)


def reduce_with(reduction: str | None) -> Form:
    """Over other axes row by row, and over the rows in each process and then over all processes."""

    def run(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
        (x,) = values
        if 0 not in [axis % max(1, x.dim()) for axis in attributes["axes"]]:
            return by_rows(0)(partition, function, values, attributes)
        if reduction is None or not is_divided(x):
            whole = function(partition.whole(x), **attributes)
            return partition.wrap(whole, WHOLE)
        local = function(x.to_local(), **attributes)
        if reduction == "mean":
            return partition.settle(local / partition.size, "sum")
        return partition.settle(local, reduction)

    return run


def reshape(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
    """The rows of a process are consecutive in memory, whatever the shape."""
    (x,), shape = values, list(attributes["shape"])
    if not is_divided(x) or not partition.can_divide(shape):
        return partition.wrap(function(partition.whole(x), shape=shape), WHOLE)
    return partition.wrap(function(x.to_local(), shape=[shape[0] // partition.size, *shape[1:]]), DIVIDED)


def expand(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
    (x,), shape = values, list(attributes["shape"])
    if not is_divided(x) or x.dim() != len(shape):
        return partition.wrap(function(partition.whole(x), shape=shape), WHOLE)
    return partition.wrap(function(x.to_local(), shape=[shape[0] // partition.size, *shape[1:]]), DIVIDED)


def transpose(partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]) -> Any:
    if attributes["perm"] and attributes["perm"][0] == 0:
        return by_rows(0)(partition, function, values, attributes)
    return on_whole(partition, function, values, attributes)


def along_axis(
    partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]
) -> Any:
    """An operation along one axis, which is row by row unless that axis is the first."""
    if attributes["axis"] == 0:
        return on_whole(partition, function, values, attributes)
    return by_rows(*range(len(values)))(partition, function, values, attributes)


def first_value(
    partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]
) -> Any:
    return values[0]


def second_value(
    partition: Partition, function: Function, values: list[Any], attributes: dict[str, Any]
) -> Any:
    return values[1]


ELEMENTWISE = (
    *(
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "exp",
        "log",
        "sqrt",
        "reciprocal",
        "tanh",
        "sigmoid",
        "erf",
        "relu",
    ),
    *("abs", "cos", "sin", "maximum", "minimum", "less", "lessOrEqual", "greater", "equal", "and", "not"),
    *(
        "where",
        "cast",
        "round",
        "geluTanh",
        "silu",
        "gelu",
        "geluGradient",
        "geluTanhGradient",
        "siluGradient",
    ),
    "adamw",
)

FORMS: dict[str, Form] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    "waitFor": second_value,
    "detach": first_value,
    "reshape": reshape,
    "transpose": transpose,
    "expand": expand,
    "slice": along_axis,
    "pad": along_axis,
    "concat": along_axis,
    "cumulativeSum": along_axis,
    "matmul": multiply,
    "affine": multiply,
    "softmaxMatmul": multiply,
    "packedProduct": by_rows(0),
    "sum": reduce_with("sum"),
    "sumSquares": reduce_with("sum"),
    "mean": reduce_with("mean"),
    "max": reduce_with("max"),
    "logSumExp": reduce_with(None),
    "softmax": by_rows(0),
    "logSoftmax": by_rows(0),
    "layerNorm": by_rows(0),
    "rmsNorm": by_rows(0),
    "layerNormGradient": norm_gradient,
    "rmsNormGradient": norm_gradient,
    "crossEntropy": by_rows(0, 1),
    "crossEntropyGradient": by_rows(0, 1, 2),
    "dotProductAttention": attend,
    "dotProductAttentionGradient": attend,
    "gather": by_rows(1),
    "scatterRows": summed_over_rows(0, 1),
    "tally": summed_over_rows(0, 1),
    "pick": by_rows(0, 1),
    "place": by_rows(0, 1),
    "put": by_rows(0, 1, 2),
}
"""By the name of the operation. The others, such as choices of rows, need all of their values."""
