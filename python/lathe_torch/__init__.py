"""PyTorch as an engine of Lathe: executes the graphs that Lathe builds. Nothing of a model is written here.

This file is also read by interpreters that are too old for the rest, so it uses the syntax of every version.
"""

import sys

# Changes with every incompatible change of the messages; equals `protocolVersion` in torchDevices.ts.
PROTOCOL_VERSION = 1

if sys.version_info < (3, 10):  # noqa: UP036
    sys.stdout.write('\nlathe-torch:{"python": "%d.%d.%d"}\n' % sys.version_info[:3])  # noqa: UP031
    sys.exit(0)
