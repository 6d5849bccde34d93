"""Several processes that execute the same requests, each on its part of the tensors.

`torchrun` starts them. The first one talks to the parent process and passes each request on; the others have
no other input. Tensors are distributed when a program first reads them: the first process sends each of the
others its part.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from .frames import Frames, view_memory
from .operations import DTYPES
from .partition import DIVIDED, WHOLE, Partition
from .session import Program, Session

BACKENDS = {"cpu": "gloo", "cuda": "nccl", "xpu": "xccl"}
SMALL_BYTES = 65536
"""Uploads of at most this size are sent to every process together with the requests."""
GRACE_SECONDS = 5.0
"""How long a process that failed waits for the others to fail in the same way."""

Message = tuple[dict[str, Any], list[Tensor]]


def count_processes() -> int:
    """Processes that torchrun or a scheduler has started together; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@dataclass(frozen=True)
class Group:
    """The processes that share the tensors."""

    partition: Partition
    device: torch.device
    control: dist.ProcessGroup
    store: dist.Store

    @property
    def is_first(self) -> bool:
        return self.partition.rank == 0

    def send(self, messages: list[Message] | None) -> None:
        """Passes messages on from the first process; None ends the others."""
        payload = pack(messages) if messages is not None else bytearray()
        self._broadcast(torch.tensor([len(payload)]))
        if payload:
            self._broadcast(torch.frombuffer(payload, dtype=torch.uint8))

    def receive(self) -> list[Message] | None:
        """The messages that the first process has passed on."""
        length = self._broadcast(torch.zeros(1, dtype=torch.int64))
        size = int(length.item())
        return unpack(self._broadcast(torch.empty(size, dtype=torch.uint8))) if size > 0 else None

    def _broadcast(self, tensor: Tensor) -> Tensor:
        dist.broadcast(tensor, src=0, group=self.control)
        return tensor

    def distribute(self, whole: Tensor | None, pending: Pending, divides: bool) -> DTensor:
        """Sends each process its rows of a tensor of the first process, or all of it."""
        dtype, shape = pending.dtype, list(pending.shape)
        if divides:
            shape[0] //= self.partition.size
        local = torch.empty(shape, dtype=dtype, device=self.device)
        # Collectives do not support every dtype, so memory is sent as bytes.
        part = local.reshape(-1).view(torch.uint8)
        memory = None if whole is None else whole.to(self.device).reshape(-1).view(torch.uint8)
        if divides:
            dist.scatter(part, list(memory.chunk(self.partition.size)) if memory is not None else None, src=0)
        elif part.numel() > 0:
            if memory is not None:
                part.copy_(memory)
            dist.broadcast(part, src=0)
        return self.partition.wrap(local, DIVIDED if divides else WHOLE)

    def has_failed_everywhere(self, request: int) -> bool:
        """Called by a process that failed: whether all others fail in this request too, and can continue."""
        key = f"failed/{request}"
        failed = self.store.add(key, 1)
        end = time.monotonic() + GRACE_SECONDS
        while failed < self.partition.size and time.monotonic() < end:
            time.sleep(0.05)
            failed = self.store.add(key, 0)
        return failed >= self.partition.size


@dataclass(frozen=True)
class Pending:
    """A tensor that no program has read yet. Only the first process has its values."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    values: Tensor | None


def pack(messages: list[Message]) -> bytearray:
    """Messages as bytes: for each the length of its header (uint32), the header and its buffers."""
    payload = bytearray()
    for header, buffers in messages:
        text = json.dumps({**header, "buffers": [each.numel() for each in buffers]}).encode()
        payload += struct.pack("<I", len(text)) + text
        for each in buffers:
            payload += view_memory(each)
    return payload


def unpack(payload: Tensor) -> list[Message]:
    memory = view_memory(payload)
    messages: list[Message] = []
    start = 0
    while start < len(memory):
        (length,) = struct.unpack_from("<I", memory, start)
        start += 4
        header = json.loads(bytes(memory[start : start + length]))
        start += length
        buffers = []
        for size in header["buffers"]:
            # A copy, so that the memory of a tensor is aligned.
            buffers.append(payload[start : start + size].clone())
            start += size
        messages.append((header, buffers))
    return messages


def open_group(device: str, sharding: str) -> Group:
    """Joins the processes. Each has a card of its own, or a share of the processor."""
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    own = torch.device(device, local_rank) if device != "cpu" else torch.device(device)
    if device != "cpu":
        count = torch.get_device_module(device).device_count()
        if local_rank >= count:
            fail(f"it has no card: the machine has {count} of the kind {device}, and every process needs one")
        torch.get_device_module(device).set_device(own)
    store, rank, size = next(dist.rendezvous("env://"))
    dist.init_process_group(BACKENDS[device], store=store, rank=rank, world_size=size)
    # A run may be paused for days between two requests.
    control = dist.new_group(backend="gloo", timeout=timedelta(days=365))
    mesh = init_device_mesh(device, (size,))
    partition = Partition(mesh, size, rank, divides_sums=sharding != "none")
    return Group(partition, own, control, dist.PrefixStore("lathe", store))


def watch_parent() -> None:
    """Ends this process when the one that started it has ended, so that none is left behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if sys.platform != "win32":
        threading.Thread(target=watch, daemon=True).start()


def fail(message: str) -> None:
    """Ends this process, which ends the others. The parent process reads the line."""
    rank = os.environ.get("RANK", "0")
    sys.stderr.write(f"\nlathe-process {rank}: {message.strip().splitlines()[0]}\n")
    sys.stderr.flush()
    os._exit(1)


class SharedSession(Session):
    """A session whose tensors several processes share. Every process handles every request."""

    def __init__(self, group: Group) -> None:
        super().__init__(group.device)
        self._group = group

    def _upload(self, header: dict[str, Any], buffers: list[Tensor]) -> None:
        dtype = DTYPES[header["dtype"]]
        shape = (-1,) if header["dtype"] == "int4" else tuple(header["shape"])
        values = buffers[0].view(dtype).reshape(shape) if buffers else None
        if values is not None and header.get("isShared"):
            tensor: Any = self._group.partition.wrap(values.to(self.device), WHOLE)
        else:
            size = tuple(header["size"]) if shape == (-1,) else shape
            tensor = Pending(dtype, size, values)
        self._tensors[header["tensor"]] = tensor

    def _share(self, constant: Tensor) -> Tensor:
        return self._group.partition.wrap(constant, WHOLE)

    def _adapt(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._group.partition.adapt(name, function)

    def _place_feeds(self, program: Program, numbers: list[int]) -> None:
        for place, number in enumerate(numbers):
            tensor: Any = self._tensors.get(number)
            divides = program.placements[place] == "divided"
            if isinstance(tensor, Pending):
                self._tensors[number] = self._group.distribute(tensor.values, tensor, divides)
            elif isinstance(tensor, DTensor) and (place in program.consumed or tensor.numel() <= SMALL_BYTES):
                self._tensors[number] = self._group.partition.place(tensor, DIVIDED if divides else WHOLE)

    def _place_results(self, program: Program, results: list[Tensor]) -> list[Tensor]:
        placed = []
        for place, result in enumerate(results):
            source = program.next_of.get(place)
            if source is None:
                placed.append(result)
                continue
            divides = program.placements[source] == "divided"
            placed.append(self._group.partition.place(result, DIVIDED if divides else WHOLE))
        return placed

    def _find(self, number: int) -> Tensor:
        tensor: Any = self._tensors.get(number)
        if not isinstance(tensor, Pending):
            return super()._find(number)
        # Read before any program has: the first process replies with what it was sent.
        return tensor.values if tensor.values is not None else torch.empty(0)


class Leader:
    """The messages of the first process: each one that it reads is passed on to the others."""

    def __init__(self, group: Group, read: Callable[[], Message | None]) -> None:
        self._group = group
        self._read = read
        self._waiting: list[Message] = []

    def read(self) -> Message | None:
        """The next message of the parent process; None at its end."""
        message = self._read()
        if message is None:
            return None
        header, buffers = message
        if header["kind"] == "upload":
            size = buffers[0].numel()
            header = {**header, "isShared": size <= SMALL_BYTES, "size": [size]}
            self._waiting.append((header, buffers if header["isShared"] else []))
        else:
            self._waiting.append((header, buffers))
        # Uploads wait for the request that reads them.
        if "request" in header:
            self._group.send(self._waiting)
            self._waiting = []
        return header, buffers

    def check_others(self, request: int, message: str) -> bool:
        """After a failure: whether the others can continue. Ends this process if the cause is their end."""
        if self._group.has_failed_everywhere(request):
            return True
        if any(word in message for word in ("onnection", "gloo", "Gloo", "NCCL", "peer")):
            fail(f"it lost the others: {message}")
        return False


def follow(group: Group, session: SharedSession) -> int:
    """The loop of every other process. Its replies are those of the first one."""
    while True:
        messages = group.receive()
        if messages is None:
            return 0
        for header, buffers in messages:
            try:
                session.handle(header, buffers)
            except Exception as error:
                if not group.has_failed_everywhere(header.get("request", 0)):
                    fail(str(error) or type(error).__name__)


def serve_together(frames: Frames | None, device: str, sharding: str, serve: Callable[..., int]) -> int:
    """Serves the parent process, to which the first one has `frames`. Returns the exit status."""
    watch_parent()
    group = open_group(device, sharding)
    session = SharedSession(group)
    if frames is None:
        status = follow(group, session)
    else:
        leader = Leader(group, frames.read)
        status = serve(frames, session, leader.read, leader.check_others)
        if status == 0:
            group.send(None)
    if status != 0:
        # The others wait for this process, so nothing can be closed in order.
        os._exit(status)
    dist.destroy_process_group()
    return status
