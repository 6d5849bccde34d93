"""`python -m lathe_torch --device cpu`: executes graphs of a parent process until standard input ends.

Each request with a number gets one reply with that number, in order. Standard output carries nothing but
these messages.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from . import PROTOCOL_VERSION
from .frames import BrokenMessage, Frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .session import Session


def main() -> int:
    """Runs the loop of messages and returns the exit status."""
    parser = argparse.ArgumentParser(prog="lathe_torch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--threads", type=int, default=0, help="processor threads per operation; 0: torch's default"
    )
    parser.add_argument("--processes", type=int, default=1, help="processes that torchrun starts together")
    parser.add_argument("--sharding", default="none", help="what they divide: none, optimizer or full")
    options = parser.parse_args()
    # Ctrl-C reaches every process of a terminal; the parent process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    is_shared = options.processes > 1
    is_first = not is_shared or os.environ.get("RANK") == "0"
    frames = Frames() if is_first else None
    if not is_first:
        # Standard output belongs to the messages of the first process.
        os.dup2(2, 1)

    import torch

    if options.threads > 0:
        torch.set_num_threads(options.threads)
    # Moments of rare tokens decay into denormal numbers, which some processors multiply many times slower.
    torch.set_flush_denormal(True)
    if is_shared:
        from .distributed import serve_together

        return serve_together(frames, options.device, options.sharding, serve)
    from .session import Session

    assert frames is not None
    return serve(frames, Session(torch.device(options.device)), frames.read)


def serve(
    frames: Frames,
    session: Session,
    read: Callable[[], tuple[dict[str, Any], list[Tensor]] | None],
    can_continue: Callable[[int, str], bool] = lambda _request, _message: True,
) -> int:
    """Replies to requests until standard input ends, or until a failure from which it cannot continue."""
    import torch

    from .kernels import list_kernels
    from .session import RequestError

    frames.write(
        {
            "kind": "ready",
            "protocol": PROTOCOL_VERSION,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "kernels": list_kernels(session.device.type),
            "pid": os.getpid(),
        }
    )
    while True:
        try:
            message = read()
        except BrokenMessage:
            return 0
        if message is None:
            return 0
        header, buffers = message
        try:
            reply = session.handle(header, buffers)
            if reply is not None:
                content, tensors = reply
                frames.write({**content, "request": header["request"]}, tensors)
            continue
        except RequestError as error:
            failure = {"reason": error.reason, "message": str(error), "node": error.node}
        except BrokenPipeError:
            return 0
        except Exception as error:
            # A mistake of this program, reported with its place.
            traceback.print_exc(file=sys.stderr)
            failure = {"reason": "internal", "message": f"{type(error).__name__}: {error}", "node": None}
        goes_on = can_continue(header.get("request", 0), str(failure["message"]))
        frames.write({"request": header["request"], "error": failure})
        if not goes_on:
            return 1


if __name__ == "__main__":
    sys.exit(main())
