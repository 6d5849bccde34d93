"""Messages over a pair of streams.

A message is the length of its header (uint32, little-endian), the header (JSON in UTF-8) and its buffers,
whose lengths in bytes the header lists as `buffers`. Tensors travel as their little-endian memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

import torch
from torch import Tensor


class BrokenMessage(Exception):
    """The other side ended in the middle of a message."""


def view_memory(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor in host memory, without a copy and without NumPy."""
    size = tensor.numel() * tensor.element_size()
    if size == 0:
        return memoryview(b"")
    return memoryview((ctypes.c_uint8 * size).from_address(tensor.data_ptr())).cast("B")


class Frames:
    """Reads requests from standard input and writes replies to standard output, which nothing else uses."""

    def __init__(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            for descriptor in (0, 1):
                msvcrt.setmode(descriptor, os.O_BINARY)
        self._input: BinaryIO = os.fdopen(os.dup(0), "rb", buffering=0)
        self._output: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
        # Libraries that print, and child processes, write to standard error.
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def read(self) -> tuple[dict[str, Any], list[Tensor]] | None:
        """The next message, with each buffer as uint8 [bytes]; None at the end of the stream."""
        head = bytearray(4)
        if not self._fill(memoryview(head), may_end=True):
            return None
        text = bytearray(struct.unpack("<I", head)[0])
        self._fill(memoryview(text))
        header: dict[str, Any] = json.loads(text)
        buffers = [torch.empty(size, dtype=torch.uint8) for size in header.get("buffers", ())]
        for buffer in buffers:
            self._fill(view_memory(buffer))
        return header, buffers

    def write(self, header: dict[str, Any], tensors: Sequence[Tensor] = ()) -> None:
        """Sends a message with the memory of contiguous tensors in host memory."""
        buffers = [view_memory(each) for each in tensors]
        text = json.dumps({**header, "buffers": [len(each) for each in buffers]}).encode()
        self._drain(memoryview(struct.pack("<I", len(text)) + text))
        for buffer in buffers:
            self._drain(buffer)

    def _fill(self, target: memoryview, *, may_end: bool = False) -> bool:
        start = 0
        while start < len(target):
            size = self._input.readinto(target[start:])  # type: ignore[attr-defined]
            if not size:
                if may_end and start == 0:
                    return False
                raise BrokenMessage
            start += size
        return True

    def _drain(self, source: memoryview) -> None:
        start = 0
        while start < len(source):
            start += self._output.write(source[start:]) or 0
