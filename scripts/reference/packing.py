"""
How compressed-tensors packs codes of a few bits in 32-bit words; GPTQ packs in the same way.

    pip install torch compressed-tensors
    python scripts/reference/packing.py     # writes test/fixtures/packing.json

Codes are drawn as in drawing.py; signed ones [4, 21] are packed along the columns.
"""

import base64
import json
from importlib.metadata import version

import numpy
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

from drawing import draw
from make import FOLDER


def text(data) -> str:
    return base64.b64encode(numpy.ascontiguousarray(data).tobytes()).decode()


def words(bits: int) -> dict:
    codes = (draw(f"words{bits}", 84) % 2**bits).astype(numpy.int64) - 2 ** (bits - 1)
    codes = codes.astype(numpy.int8).reshape(4, 21)
    return {"codes": text(codes), "packed": text(pack_to_int32(torch.tensor(codes), bits).numpy())}


if __name__ == "__main__":
    fixture = {
        "compressed-tensors": version("compressed-tensors"),
        "words": {bits: words(bits) for bits in range(2, 9)},
    }
    (FOLDER.parent / "packing.json").write_text(json.dumps(fixture, indent=1) + "\n")
