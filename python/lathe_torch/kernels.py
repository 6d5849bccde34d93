"""Kernels of composite operations, by the name in the graph catalog.

A composite operation without a kernel arrives as the primitives of its body, so that this table decides speed
and never what can be run. A kernel returns all outputs of the operation, changes no input, and may return
None for an output that the graph does not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Results = tuple["Tensor | None", ...]


@dataclass(frozen=True)
class Reduced:
    """What a kernel takes and returns if products are in bfloat16."""

    inputs: tuple[int, ...]
    """Places of the inputs that are cast to bfloat16; the others come as they are."""
    results: tuple[str, ...]
    """The dtype of each output."""


@dataclass(frozen=True)
class Kernel:
    """A function of the inputs of an operation, with its attributes by name."""

    function: Callable[..., Results]
    devices: frozenset[str]
    """Types of devices that it is fast on; empty: all."""
    reduced: Reduced | None
    """None: its inputs and outputs are float32 in either precision."""


KERNELS: dict[str, Kernel] = {}


def kernel(
    name: str, *, devices: tuple[str, ...] = (), reduced: Reduced | None = None
) -> Callable[[Callable[..., Results]], Callable[..., Results]]:
    """Registers a function as the kernel of a composite operation."""

    def register(function: Callable[..., Results]) -> Callable[..., Results]:
        KERNELS[name] = Kernel(function, frozenset(devices), reduced)
        return function

    return register


def list_kernels(device: str) -> list[str]:
    """The composite operations that a type of device has kernels for."""
    return [name for name, each in KERNELS.items() if not each.devices or device in each.devices]
