"""Prints one line of JSON: the versions of Python, PyTorch and the protocol, and the devices of PyTorch.

Lathe runs it as ``python -m lathe_torch.devices`` before it opens a device, and to list devices. The line has
a prefix, because libraries may print lines of their own. A device works if it computes; memory is in bytes.
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from typing import TYPE_CHECKING, Any

from . import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "lathe-torch:"


def describe() -> dict[str, Any]:
    """Returns the answer. ``torch`` is None without PyTorch; ``error`` is why it cannot be loaded."""
    answer: dict[str, Any] = {
        "protocol": PROTOCOL_VERSION,
        "python": platform.python_version(),
        "torch": None,
        "devices": [],
    }
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            answer["error"] = explain(error)
        return answer
    except Exception as error:  # A broken library raises OSError, ImportError and others.
        answer["error"] = explain(error)
        return answer
    answer["torch"] = str(torch.__version__)
    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "cuda": list_cuda_cards,
        "mps": list_mps_cards,
        "xpu": list_xpu_cards,
        "cpu": list_processors,
    }
    answer["devices"] = [examine(kind, list_cards) for kind, list_cards in kinds.items()]
    return answer


def examine(kind: str, list_cards: Callable[[], list[dict[str, Any]]]) -> dict[str, Any]:
    """Lists the cards of one kind and computes on the first. If that fails, ``reason`` states why."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cards = list_cards()
            compute(kind)
            return {"kind": kind, "works": True, "reason": "", "cards": cards}
        except Exception as error:
            # The driver's own reason, such as its version, is in a warning.
            reason = "; ".join([explain(error), *(first_line(str(each.message)) for each in caught)])
            return {"kind": kind, "works": False, "reason": reason, "cards": []}


def compute(kind: str) -> None:
    """Computes 2x + 1, because a card may be listed although this PyTorch has no code for it."""
    import torch

    x = torch.tensor([1.0, 2.0, 3.0, 4.0], device=kind)
    y = (x * 2 + 1).tolist()
    if y != [3.0, 5.0, 7.0, 9.0]:
        raise Unavailable(f"it computed 2x + 1 of 1, 2, 3, 4 as {y}")


class Unavailable(Exception):
    """The reason why a kind of device cannot be used, as a sentence without a period."""


def list_cuda_cards() -> list[dict[str, Any]]:
    """NVIDIA cards, and AMD cards where PyTorch is built for ROCm, which uses the same names."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        raise Unavailable("this PyTorch is built without CUDA")
    if not torch.cuda.is_available():
        raise Unavailable("PyTorch finds no card or no driver for it")
    cards = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        card = {"name": properties.name, "totalBytes": properties.total_memory}
        free = read_free_memory(index)
        cards.append(card if free is None else {**card, "freeBytes": free})
    return cards


def read_free_memory(index: int) -> int | None:
    """None if the card is in exclusive use by another process."""
    import torch

    try:
        return int(torch.cuda.mem_get_info(index)[0])
    except RuntimeError:
        return None


def list_mps_cards() -> list[dict[str, Any]]:
    """The graphics processor of a Mac, which shares the memory of the machine."""
    import torch

    if not torch.backends.mps.is_built():
        raise Unavailable("this PyTorch is built without Metal (MPS), which requires macOS on Apple silicon")
    if not torch.backends.mps.is_available():
        raise Unavailable("PyTorch finds no graphics processor that supports Metal (MPS)")
    return [{"name": "Apple GPU", "totalBytes": int(torch.mps.recommended_max_memory())}]


def list_xpu_cards() -> list[dict[str, Any]]:
    """Intel cards."""
    import torch

    if not torch.xpu.is_available():
        raise Unavailable("PyTorch finds no Intel card, or is built without XPU")
    properties = [torch.xpu.get_device_properties(index) for index in range(torch.xpu.device_count())]
    return [{"name": each.name, "totalBytes": int(each.total_memory)} for each in properties]


def list_processors() -> list[dict[str, Any]]:
    """The processor works wherever PyTorch does. Lathe knows its name and memory already."""
    return []


def explain(error: BaseException) -> str:
    """The first line of an error, with its type unless the text is Lathe's."""
    text = first_line(str(error))
    return text if isinstance(error, Unavailable) else f"{type(error).__name__}: {text}"


def first_line(text: str) -> str:
    """Without a final period, because the line becomes part of a sentence."""
    return text.strip().split("\n", 1)[0].rstrip(".")


if __name__ == "__main__":
    sys.stdout.write(f"\n{PREFIX}{json.dumps(describe())}\n")
