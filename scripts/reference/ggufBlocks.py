"""
Blocks of GGUF types and their values, as the package `gguf` of llama.cpp encodes and decodes them.

    pip install gguf numpy
    python scripts/reference/ggufBlocks.py     # writes test/fixtures/gguf.json

The numbers are those of drawing.py (`uniform` of the type's name), two blocks of each type. The package encodes only the types
without super-blocks; blocks of the others are random bytes with scales between 1/64 and 1/32.
"""

import base64
import json
import sys
from importlib.metadata import version

import gguf
import numpy

from drawing import draw, uniform
from make import FOLDER

ENCODED = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
# The places of the float16 scales in a block.
RANDOM = {"Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}


def text(data: numpy.ndarray) -> str:
    return base64.b64encode(numpy.ascontiguousarray(data).tobytes()).decode()


def encoded(name: str) -> dict:
    kind = gguf.GGMLQuantizationType[name]
    size = 2 * max(gguf.GGML_QUANT_SIZES[kind][0], 16)
    numbers = uniform(name, size).astype(numpy.float32)
    numbers[3] = 0
    blocks = gguf.quantize(numbers.reshape(1, -1), kind)
    values = gguf.dequantize(blocks, kind).astype(numpy.float32)
    return {"numbers": text(numbers), "blocks": text(blocks), "values": text(values)}


def random(name: str, scales: tuple) -> dict:
    kind = gguf.GGMLQuantizationType[name]
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = (draw(name, 2 * size) & 0xFF).astype(numpy.uint8).reshape(2, size)
    for block, factor in zip(blocks, (1 / 64, 1 / 32)):
        for place in scales:
            block[place : place + 2] = numpy.frombuffer(numpy.float16(factor).tobytes(), numpy.uint8)
    values = gguf.dequantize(blocks.reshape(1, -1), kind).astype(numpy.float32)
    return {"blocks": text(blocks), "values": text(values)}


if __name__ == "__main__":
    types = {name: encoded(name) for name in ENCODED} | {name: random(name, places) for name, places in RANDOM.items()}
    path = FOLDER.parent / "gguf.json"
    path.write_text(json.dumps({"gguf": version("gguf"), "types": types}, indent=1) + "\n")
    print(path, path.stat().st_size, file=sys.stderr)
