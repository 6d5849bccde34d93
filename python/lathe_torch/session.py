"""Tensors and programs of one parent process, and what each of its requests does with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .graph import Function, Graph, GraphError, build_function
from .operations import DTYPES
from .precision import use_bfloat16

SMALL = 1024
"""Outputs of at most this many numbers travel with the reply of their run."""


@dataclass(frozen=True)
class Program:
    """A compiled graph."""

    function: Function
    dtypes: list[torch.dtype]
    """Of the outputs."""
    consumed: frozenset[int]
    """Places of the inputs that are the state of a training: a run consumes their tensors."""
    next_of: dict[int, int]
    """Place of an output that replaces the state → place of the input."""
    donates: bool
    """Whether a run frees the state as soon as it has read it, which a run that fails cannot undo."""
    placements: tuple[str, ...]
    """Of each input, `divided` or `copied`, if several processes share the program."""


class RequestError(Exception):
    """A failure that the parent process reports to its user."""

    def __init__(self, reason: str, message: str, node: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.node = node


@dataclass(frozen=True)
class FailedUpload:
    """In place of a tensor that could not be stored; the run that reads it reports the reason."""

    error: RequestError


class Session:
    """Everything that the parent process has stored here. Tensors are named by its numbers."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._tensors: dict[int, Tensor | FailedUpload] = {}
        self._programs: dict[int, Program] = {}

    def handle(
        self, header: dict[str, Any], buffers: list[Tensor]
    ) -> tuple[dict[str, Any], list[Tensor]] | None:
        """Executes a request and returns the content of its reply; an upload and a release have none."""
        for number in header.get("free", ()):
            self._tensors.pop(number, None)
        kind = header["kind"]
        if kind == "upload":
            return self._upload(header, buffers)
        if kind == "release":
            for number in header.get("programs", ()):
                self._programs.pop(number, None)
            return None
        try:
            if kind == "compile":
                return self._compile(header, buffers)
            if kind == "run":
                return self._run(header)
            if kind == "read":
                return {}, [to_host(self._find(header["tensor"]))]
        except torch.OutOfMemoryError as error:
            raise RequestError("memory", str(error)) from error
        raise RequestError("protocol", f"unknown request {kind}")

    def _upload(self, header: dict[str, Any], buffers: list[Tensor]) -> None:
        try:
            tensor: Tensor | FailedUpload = self._store(header, buffers[0])
        except Exception as error:  # reported by the run that reads the tensor
            tensor = FailedUpload(explain(error))
        self._tensors[header["tensor"]] = tensor

    def _store(self, header: dict[str, Any], buffer: Tensor) -> Tensor:
        """uint8 [bytes] → a tensor of the dtype and shape in the header, on the device."""
        tensor = buffer.view(DTYPES[header["dtype"]])
        if header["dtype"] != "int4":
            tensor = tensor.reshape(header["shape"])
        return tensor.to(self.device)

    def _find(self, number: int) -> Tensor:
        tensor = self._tensors.get(number)
        if tensor is None:
            raise RequestError("protocol", f"there is no tensor {number}")
        if isinstance(tensor, FailedUpload):
            raise tensor.error
        return tensor

    def _compile(self, header: dict[str, Any], buffers: list[Tensor]) -> tuple[dict[str, Any], list[Tensor]]:
        message = header["graph"]
        constants = [
            self._share(self._store(each, buffer))
            for each, buffer in zip(message["constants"], buffers, strict=True)
        ]
        graph = Graph.parse(message, constants)
        names: list[str] = message["outputNames"]
        state = {names.index(output): graph.inputs.index(name) for output, name in header["state"].items()}
        written = state if header["donates"] else {}
        typed = use_bfloat16(graph) if header["precision"] == "bfloat16" else graph
        try:
            compiled = written if header["compiled"] else None
            function = build_function(typed, self.device, compiled, self._adapt)
        except GraphError as error:
            raise RequestError("graph", str(error), error.node) from error
        self._programs[header["program"]] = Program(
            function=function,
            dtypes=[DTYPES[graph.types[each][0]] for each in graph.outputs],
            consumed=frozenset(state.values()),
            next_of=state,
            donates=header["donates"],
            placements=tuple(header.get("placements", ())),
        )
        return {}, []

    def _share(self, constant: Tensor) -> Tensor:
        """A constant as the functions of this session read it."""
        return constant

    def _adapt(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function of an operation as this session runs it."""
        return function

    def _place_feeds(self, program: Program, numbers: list[int]) -> None:
        """Moves the tensors with these numbers to where the program reads them."""

    def _place_results(self, program: Program, results: list[Tensor]) -> list[Tensor]:
        """Moves results to where the next run reads them."""
        return results

    def _run(self, header: dict[str, Any]) -> tuple[dict[str, Any], list[Tensor]]:
        program = self._programs[header["program"]]
        numbers: list[int] = header["feeds"]
        self._place_feeds(program, numbers)
        feeds = [self._find(each) for each in numbers]
        if program.donates:
            for place in program.consumed:
                del self._tensors[numbers[place]]
        try:
            with torch.no_grad():
                results = self._place_results(program, program.function.step(feeds))
        except Exception as error:
            if is_compiler_error(error):
                raise RequestError("compiler", find_reason(error)) from error
            raise explain(error, program.function.find_node(error.__traceback__)) from error
        if not program.donates:
            for place in program.consumed:
                del self._tensors[numbers[place]]
        outputs: list[int] = header["outputs"]
        for number, result, dtype in zip(outputs, results, program.dtypes, strict=True):
            self._tensors[number] = result.to(dtype)
        small = [
            place
            for place, result in enumerate(results)
            if place not in program.next_of and result.numel() <= SMALL
        ]
        return {"small": small}, [to_host(self._find(outputs[place])) for place in small]


def to_host(tensor: Tensor) -> Tensor:
    """The tensor in host memory, contiguous. A tensor that processes share is collected from all of them."""
    whole = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole.detach().to("cpu").contiguous()


def is_compiler_error(error: Exception) -> bool:
    """Whether `torch.compile` failed, by the module of the error: importing its classes takes a second."""
    return any(
        each.__module__.startswith(("torch._dynamo", "torch._inductor")) for each in type(error).__mro__
    )


def find_reason(error: BaseException) -> str:
    """The first line of what the compiler reports, such as a C++ compiler that is missing."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {str(cause).strip().splitlines()[0]}"


def explain(error: Exception, node: str | None = None) -> RequestError:
    """The error as a request error: running out of host memory has no type of its own in torch."""
    if isinstance(error, RequestError):
        return error
    message = str(error) or type(error).__name__
    is_memory = (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "not enough memory" in message
        or "can't allocate memory" in message
    )
    return RequestError("memory" if is_memory else "operation", message.strip().splitlines()[0], node)
