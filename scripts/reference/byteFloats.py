"""
The number of each byte in the five 8-bit floating-point types of safetensors, as PyTorch widens them to float32.

    pip install torch
    python scripts/reference/byteFloats.py      # writes test/fixtures/byteFloats.json
"""

import json
import math
import sys
from pathlib import Path

import torch

TYPES = {
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
}
TARGET = Path(__file__).parents[2] / "test" / "fixtures" / "byteFloats.json"


def shown(number: float):
    if math.isfinite(number) and not (number == 0 and math.copysign(1, number) < 0):
        return number
    return "-0" if number == 0 else str(number)


def main() -> None:
    byte = torch.arange(256, dtype=torch.int64).to(torch.uint8)
    numbers = {name: [shown(each) for each in byte.view(dtype).to(torch.float32).tolist()] for name, dtype in TYPES.items()}
    TARGET.write_text(json.dumps({"torch": torch.__version__, "numbers": numbers}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
