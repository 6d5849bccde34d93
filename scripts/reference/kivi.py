"""Writes the numbers that KIVI's published code has after rounding keys and values, to test/fixtures/kivi.json.

    python scripts/reference/kivi.py FOLDER

FOLDER is a checkout of https://github.com/jy-yuan/KIVI. Its functions for packing without a graphics card are run as they are;
its Triton kernels are not, so Triton need not be installed.
"""

import json
import math
import sys
import types
from pathlib import Path

import torch


def load(folder: str) -> types.ModuleType:
    """Imports quant/new_pack.py with a Triton whose decorators change nothing."""
    triton = types.ModuleType("triton")
    triton.jit = lambda function: function
    triton.language = types.ModuleType("triton.language")
    triton.language.constexpr = int
    sys.modules.setdefault("triton", triton)
    sys.modules.setdefault("triton.language", triton.language)
    module = types.ModuleType("new_pack")
    source = Path(folder, "quant", "new_pack.py").read_text(encoding="utf-8")
    exec(compile(source, "new_pack.py", "exec"), module.__dict__)  # noqa: S102 (the published code is what is compared)
    return module


def draw(shape: tuple[int, ...]) -> torch.Tensor:
    """The same numbers as in the test: a sine of the index."""
    count = math.prod(shape)
    return torch.tensor([math.sin(1.7 * i * i + 0.3 * i) for i in range(count)], dtype=torch.float32).reshape(
        shape
    )


def main() -> None:
    kivi = load(sys.argv[1])
    heads, tokens, channels, group = 1, 16, 16, 8
    x = draw((1, heads, tokens, channels))
    cases = []
    for bits in (2, 4, 8):
        keys = kivi.unpack_and_dequant_kcache(*kivi.quant_and_pack_kcache(x, group, bits), group, bits)
        values = kivi.unpack_and_dequant_vcache(*kivi.quant_and_pack_vcache(x, group, bits), group, bits)
        cases.append(
            {
                "bits": bits,
                "keys": [round(each, 6) for each in keys.flatten().tolist()],
                "values": [round(each, 6) for each in values.flatten().tolist()],
            }
        )
    fixture = {"heads": heads, "tokens": tokens, "channels": channels, "group": group, "cases": cases}
    path = Path(__file__).parents[2] / "test" / "fixtures" / "kivi.json"
    path.write_text(json.dumps(fixture) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
