"""Weights and tokens that scripts and tests draw alike, so that no fixture stores them (test/support/referenceModel.ts is the other side).

    value(name, i) = (mix(fnv1a(name) + i * 0x9e3779b9) / 2^31 - 1) * bound        all integers modulo 2^32

rounded to float32; weights of norms get 1 added.
"""

import numpy
import torch

BOUND = 0.3


def draw(name: str, count: int) -> numpy.ndarray:
    """`count` 32-bit integers that depend on the name and on their place alone."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        x = numpy.uint32(seed) + numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B9)
        x ^= x >> numpy.uint32(16)
        x *= numpy.uint32(0x85EBCA6B)
        x ^= x >> numpy.uint32(13)
        x *= numpy.uint32(0xC2B2AE35)
        x ^= x >> numpy.uint32(16)
    return x


def uniform(name: str, count: int) -> numpy.ndarray:
    return (draw(name, count).astype(numpy.float64) / 2**31 - 1) * BOUND


def fill(model: torch.nn.Module) -> None:
    for name, tensor in model.named_parameters():
        values = uniform(name, tensor.numel())
        if tensor.ndim == 1 and name.endswith("weight"):
            values = values + 1
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values.astype(numpy.float32)).reshape(tensor.shape))


def rounded(values) -> list:
    """Nine significant digits: more than any comparison of the tests asks for."""
    return [float(f"{value:.9g}") for value in numpy.asarray(values).reshape(-1)]
