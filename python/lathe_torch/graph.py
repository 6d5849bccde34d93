"""Turns a graph into one Python function over tensors.

The function is generated as source text: a call of `operations` for each node, and a `del` for each value
after its last use, so that its memory is free for the next one. `torch.compile` reads the same text.
"""

from __future__ import annotations

import json
import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from .kernels import KERNELS
from .operations import OPERATIONS, PREPARATIONS, TAKES_NUMBERS, unpack_int4

Step = Callable[[list[Tensor]], list[Tensor]]
Adapt = Callable[[str, Callable[..., Any]], Callable[..., Any]]


class GraphError(Exception):
    """A graph that this version cannot execute, with the node that it lacks."""

    def __init__(self, message: str, node: str) -> None:
        super().__init__(message)
        self.node = node


@dataclass(frozen=True)
class Node:
    """One operation. Values are numbered: inputs first, then constants, then nodes as they are executed."""

    operation: str
    inputs: tuple[int, ...]
    attributes: dict[str, Any]
    value: int
    outputs: tuple[tuple[int, int], ...] = ()
    """Of a composite operation: the number of each output that the graph reads, and its value."""

    @property
    def values(self) -> tuple[int, ...]:
        """The values that the node computes."""
        return tuple(value for _, value in self.outputs) or (self.value,)


@dataclass(frozen=True)
class Graph:
    """A graph as the parent process sends it."""

    inputs: list[str]
    types: list[tuple[str, tuple[int, ...]]]
    """dtype and shape of each value."""
    constants: dict[int, Tensor]
    nodes: list[Node]
    outputs: list[int]
    computed: tuple[int, ...] = ()
    """Values that come from another graph, as inputs after the others."""

    @staticmethod
    def parse(message: dict[str, Any], constants: Sequence[Tensor]) -> Graph:
        """Reads the header of a message and the tensors of its constants."""
        inputs = [each["name"] for each in message["inputs"]]
        typed = [*message["inputs"], *message["constants"], *message["nodes"]]
        first = len(inputs) + len(constants)
        return Graph(
            inputs=inputs,
            types=[(each["dtype"], tuple(each["shape"])) for each in typed],
            constants={len(inputs) + i: each for i, each in enumerate(constants)},
            nodes=[
                Node(each["op"], tuple(each["inputs"]), each["attrs"], first + i)
                for i, each in enumerate(message["nodes"])
            ],
            outputs=message["outputs"],
        )


_programs = count(1)


@dataclass
class Function:
    """A graph as a function, with the place of each node in its source."""

    step: Step
    """Takes the inputs in a list, which it empties: an input that nobody else holds is freed early."""
    file_name: str
    nodes_by_line: dict[int, str]
    source: str

    def find_node(self, traceback: TracebackType | None) -> str | None:
        """The node that raised an error, as in the graph's listing, for example `12.matmul`."""
        node = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self.file_name:
                node = self.nodes_by_line.get(traceback.tb_lineno)
            traceback = traceback.tb_next
        return node


@dataclass
class _Writer:
    graph: Graph
    device: torch.device
    adapt: Adapt
    names: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    nodes_by_line: dict[int, str] = field(default_factory=dict)

    def literal(self, node: Node, place: int) -> str | None:
        """A constant of one element as a number, where the operation takes one."""
        value = node.inputs[place]
        constant = self.graph.constants.get(value)
        if constant is None or constant.dim() > 0 or node.operation not in TAKES_NUMBERS:
            return None
        first = len(node.inputs) - 2
        if place < first:
            return None
        other = node.inputs[2 * first + 1 - place]
        # Numbers have no dtype of their own: two of them would become a tensor of torch's default one.
        if other in self.graph.constants:
            return None
        number = constant.item()
        return repr(number) if number == number and abs(number) != float("inf") else None

    def operand(self, node: Node, place: int) -> str:
        literal = self.literal(node, place)
        if literal is not None:
            return literal
        value = node.inputs[place]
        dtype, shape = self.graph.types[value]
        return f"v{value}" if dtype != "int4" else f"unpack_int4(v{value}, {shape!r})"

    def write(self, node: Node) -> None:
        """Adds the lines that compute a node."""
        call = self.call(node)
        if node.outputs:
            self.lines.append(f"    results = {call}")
        else:
            self.lines.append(f"    v{node.value} = {call}")
        self.nodes_by_line[len(self.lines)] = f"{node.value}.{node.operation}"
        for index, value in node.outputs:
            self.lines.append(f"    v{value} = results[{index}]")
        if node.outputs:
            self.lines.append("    del results")

    def call(self, node: Node) -> str:
        kernel = KERNELS.get(node.operation)
        function = OPERATIONS.get(node.operation) if kernel is None else kernel.function
        if function is None:
            raise GraphError(
                f"lathe_torch has no operation {node.operation}", f"{node.value}.{node.operation}"
            )
        attributes = {to_snake_case(key): each for key, each in node.attributes.items()}
        prepare = PREPARATIONS.get(node.operation)
        if prepare is not None:
            shapes = [self.graph.types[each][1] for each in node.inputs]
            attributes = prepare({**attributes, "shapes": shapes}, self.device)
        arguments = [self.operand(node, place) for place in range(len(node.inputs))]
        for key, each in attributes.items():
            arguments.append(f"{key}={self.attribute(f'{key}{node.value}', each)}")
        name = f"op_{node.operation}"
        self.names[name] = self.adapt(node.operation, function)
        return f"{name}({', '.join(arguments)})"

    def attribute(self, name: str, attribute: Any) -> str:
        if isinstance(attribute, list):
            return repr(tuple(attribute))
        if not isinstance(attribute, Tensor):
            return repr(attribute)
        self.names[name] = attribute
        return name


def to_snake_case(name: str) -> str:
    """`transposeA` → `transpose_a`."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def remove_duplicates(graph: Graph) -> Graph:
    """Computes equal operations on equal inputs once."""
    same: dict[int, int] = {}
    kept: dict[tuple[Any, ...], int] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(same.get(each, each) for each in node.inputs)
        key = (node.operation, inputs, json.dumps(node.attributes, sort_keys=True))
        if key in kept:
            same[node.value] = kept[key]
            continue
        kept[key] = node.value
        nodes.append(replace(node, inputs=inputs))
    outputs = [same.get(each, each) for each in graph.outputs]
    return replace(graph, nodes=nodes, outputs=outputs)


def join_outputs(graph: Graph) -> Graph:
    """Gives each call of a kernel the outputs that the graph reads, in place of nodes that select them."""
    read: dict[int, list[tuple[int, int]]] = {
        node.value: [(0, node.value)] for node in graph.nodes if node.operation in KERNELS
    }
    for node in graph.nodes:
        if node.operation == "output":
            read[node.inputs[0]].append((node.attributes["index"], node.value))
    nodes = [
        replace(node, outputs=tuple(read.get(node.value, ())))
        for node in graph.nodes
        if node.operation != "output"
    ]
    return replace(graph, nodes=nodes)


def split_integers(graph: Graph) -> tuple[Graph, Graph]:
    """The part that computes with whole numbers alone, such as the masks of dropout, and the rest.

    A mask is a long chain of operations that use their operands twice. The compiler would repeat each of them
    for every use, in a time that doubles with each. The rest reads the results of the first part as inputs.
    """
    whole = {
        value
        for value, (dtype, _) in enumerate(graph.types)
        if dtype in ("int32", "bool") and (value < len(graph.inputs) or value in graph.constants)
    }
    first: list[Node] = []
    for node in graph.nodes:
        if graph.types[node.value][0] in ("int32", "bool") and all(each in whole for each in node.inputs):
            whole.add(node.value)
            first.append(node)
    made = {node.value for node in first}
    rest = [node for node in graph.nodes if node.value not in made]
    read = {each for node in rest for each in node.inputs} | set(graph.outputs)
    computed = tuple(sorted(made & read))
    return (
        replace(graph, nodes=first, outputs=list(computed)),
        replace(graph, nodes=rest, computed=computed),
    )


def find_last_uses(graph: Graph) -> dict[int, list[int]]:
    """The values that are dead after each node."""
    last: dict[int, int] = {}
    for node in graph.nodes:
        for each in (*node.inputs, *node.values):
            last[each] = node.value
    dead: dict[int, list[int]] = {}
    for value, node in last.items():
        if value not in graph.outputs and value not in graph.constants:
            dead.setdefault(node, []).append(value)
    return dead


def build_function(
    graph: Graph,
    device: torch.device,
    compiled: Mapping[int, int] | None = None,
    adapt: Adapt = lambda _, function: function,
) -> Function:
    """Writes and loads the function of a graph. Raises GraphError where an operation is unknown.

    With `compiled`, the compiler translates it at its first call. It holds the places of outputs that are
    written into the memory of inputs, by output: what is compiled cannot free its inputs. `adapt` may replace
    the function of an operation, given its name.
    """
    graph = remove_duplicates(graph)
    first = graph
    if compiled is not None:
        first, graph = split_integers(graph)
    graph = join_outputs(graph)
    writer = _Writer(graph, device, adapt)
    writer.names["unpack_int4"] = unpack_int4
    dead = find_last_uses(graph)
    used = {each for node in graph.nodes for each in node.inputs} | set(graph.outputs)
    lines = writer.lines
    inputs = "".join(f"v{i}, " for i in (*range(len(graph.inputs)), *graph.computed))
    if compiled is None:
        lines.append("def step(feeds):")
        if graph.inputs:
            lines.append(f"    {inputs}= feeds")
            unused = [f"v{i}" for i in range(len(graph.inputs)) if i not in used]
            if unused:
                lines.append(f"    del {', '.join(unused)}")
        lines.append("    feeds.clear()")
    else:
        lines.append(f"def step({inputs}):")
        dead = {}
    for node in graph.nodes:
        writer.write(node)
        if node.value in dead:
            lines.append(f"    del {', '.join(f'v{each}' for each in dead[node.value])}")
    results = [f"v{each}" for each in graph.outputs]
    for output, place in (compiled or {}).items():
        lines.append(f"    v{place}.copy_({results[output]})")
        results[output] = f"v{place}"
    lines.append(f"    return [{', '.join(results)}]")
    source = "\n".join(lines) + "\n"
    names = {**writer.names, **{f"v{value}": tensor for value, tensor in graph.constants.items()}}
    file_name = f"<graph {next(_programs)}>"
    # Lets tracebacks and the compiler show the lines.
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)
    exec(compile(source, file_name, "exec"), names)
    step: Step = names["step"]
    if compiled is not None:
        step = compile_step(names["step"], build_function(first, device, adapt=adapt).step)
    return Function(step, file_name, writer.nodes_by_line, source)


def compile_step(function: Callable[..., list[Tensor]], first: Step) -> Step:
    """Translates the function of a graph whose last inputs are the results of `first`."""
    translated = torch.compile(function, dynamic=False)
    return lambda feeds: translated(*feeds, *first(list(feeds)))
