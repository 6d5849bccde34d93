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

from . import PROTOCOL_VERSION
from .frames import BrokenMessage, Frames


def main() -> int:
    """Runs the loop of messages and returns the exit status."""
    parser = argparse.ArgumentParser(prog="lathe_torch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--threads", type=int, default=0, help="processor threads per operation; 0: torch's default"
    )
    options = parser.parse_args()
    frames = Frames()
    # Ctrl-C reaches every process of a terminal; the parent process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    import torch

    from .kernels import list_kernels
    from .session import RequestError, Session

    if options.threads > 0:
        torch.set_num_threads(options.threads)
    # Moments of rare tokens decay into denormal numbers, which some processors multiply many times slower.
    torch.set_flush_denormal(True)
    session = Session(torch.device(options.device))
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
            message = frames.read()
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
        except RequestError as error:
            failure = {"reason": error.reason, "message": str(error), "node": error.node}
            frames.write({"request": header["request"], "error": failure})
        except BrokenPipeError:
            return 0
        except Exception as error:  # a mistake of this program, reported with its place
            traceback.print_exc(file=sys.stderr)
            failure = {"reason": "internal", "message": f"{type(error).__name__}: {error}", "node": None}
            frames.write({"request": header["request"], "error": failure})


if __name__ == "__main__":
    sys.exit(main())
