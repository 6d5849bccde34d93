"""Rewrites a graph so that its products are computed in bfloat16.

Weights, moments, sums, norms and losses stay float32, as with `torch.autocast`; unlike there, other
arithmetic on the results of products is in float32 too. The cast of a weight is a node, so that each weight
is cast once a step.
"""

from __future__ import annotations

from dataclasses import replace

from .graph import Graph, Node
from .kernels import KERNELS

PRODUCTS = {"matmul": (0, 1), "affine": (0, 1, 2), "softmaxMatmul": (1,)}
"""Operations with a bfloat16 result, by the places of their operands. Sums are accumulated in float32."""

CARRIERS = frozenset({"reshape", "transpose", "slice", "pad", "expand", "select", "detach"})
"""Operations that move elements of either type."""

ACTIVATIONS = frozenset({"geluTanh", "silu", "relu"})
"""Operations of one tensor that compute in float32 and round only their result."""

MIXERS = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "where"})
"""Operations that read both types at once, with a float32 result."""


def use_bfloat16(graph: Graph) -> Graph:
    """The same graph, with bfloat16 products. Outputs are float32 again where the caller stores them."""
    types = list(graph.types)
    nodes: list[Node] = []
    casts: dict[tuple[int, str], int] = {}
    results: dict[int, tuple[str, ...]] = {}

    def convert(value: int, dtype: str) -> int:
        """The value as `dtype` if it is a float of the other type."""
        if types[value][0] not in ("float32", "bfloat16") or types[value][0] == dtype:
            return value
        known = casts.get((value, dtype))
        if known is not None:
            return known
        number = len(types)
        types.append((dtype, types[value][1]))
        nodes.append(Node("cast", (value,), {"to": dtype}, number))
        casts[value, dtype] = number
        return number

    for node in graph.nodes:
        inputs = node.inputs
        if node.operation == "output":
            call, index = inputs[0], node.attributes["index"]
            types[node.value] = (results[call][index] if call in results else "float32", types[node.value][1])
            nodes.append(node)
            continue
        kernel = KERNELS.get(node.operation)
        if kernel is not None and kernel.reduced is not None:
            inputs = tuple(
                convert(each, "bfloat16") if place in kernel.reduced.inputs else each
                for place, each in enumerate(inputs)
            )
            results[node.value] = kernel.reduced.results
            types[node.value] = (kernel.reduced.results[0], types[node.value][1])
            nodes.append(replace(node, inputs=inputs))
            continue
        dtypes = {types[each][0] for each in inputs}
        is_product = node.operation in PRODUCTS
        passes = "bfloat16" in dtypes and (
            node.operation in CARRIERS
            or node.operation in ACTIVATIONS
            or (node.operation == "concat" and dtypes == {"bfloat16"})
        )
        if is_product:
            operands = PRODUCTS[node.operation]
            inputs = tuple(
                convert(each, "bfloat16") if place in operands else each for place, each in enumerate(inputs)
            )
        elif not passes and "bfloat16" in dtypes and not mixes(node, types):
            inputs = tuple(convert(each, "float32") for each in inputs)
        if is_product or passes:
            types[node.value] = ("bfloat16", types[node.value][1])
        nodes.append(replace(node, inputs=inputs))
    return replace(graph, types=types, nodes=nodes)


def mixes(node: Node, types: list[tuple[str, tuple[int, ...]]]) -> bool:
    """Whether torch promotes the operands to float32; tensors without axes do not count for that."""
    return node.operation in MIXERS and any(
        dtype == "float32" and len(shape) > 0 for dtype, shape in (types[each] for each in node.inputs)
    )
