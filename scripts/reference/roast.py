"""
Randomized parameter sharing (ROAST, Desai et al. 2023; STABLE-RPS, Desai and Shrivastava 2024) with given universal hash functions, in
PyTorch's double precision: places, weights, the fitted array, gradients, and steps of SGD. Writes test/fixtures/roast.json.

    pip install torch
    python scripts/reference/roast.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "roast.json"
PRIME = 2**31 - 1
INPUTS, OUTPUTS, ROWS = 12, 6, 5


def universal(constants, numbers, size):
    """((a · k + b) mod p) mod size."""
    a, b = constants
    return torch.tensor([((a * int(k) + b) % PRIME) % size for k in numbers.flatten()]).view_as(numbers)


def map_fold(runs, size):
    """RANDOMFOLD: runs of `size` weights, each rotated by its hash."""
    places = torch.arange(INPUTS * OUTPUTS)
    return (universal(runs, places // size, size) + places % size) % size


def map_blocks(runs, size, block):
    """ROAST: runs of `block` weights, each from its hashed place on."""
    places = torch.arange(INPUTS * OUTPUTS)
    return universal(runs, places // block, size - block + 1) + places % block


def main():
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    # Those that Lathe draws for seed 3 and the role layers.0.mlp.up_proj.
    signs = [(2048390197, 631284930), (734321568, 320289728)]
    row = 2 * universal(signs[0], torch.arange(INPUTS), 2) - 1
    column = 2 * universal(signs[1], torch.arange(OUTPUTS), 2) - 1
    sign = (row[:, None] * column[None, :]).double()
    x = torch.randn(ROWS, INPUTS).float().double()
    y = torch.randn(ROWS, OUTPUTS).float().double()
    dense = torch.randn(INPUTS, OUTPUTS).float().double()
    runs = (2052001846, 12808549)
    cases = {
        "fold 31": (31, 0.75, map_fold(runs, 31)),
        "fold 72": (72, 1.0, map_fold(runs, 72)),
        "blocks 20": (20, 2.0, map_blocks(runs, 20, 5)),
    }
    found = {}
    for name, (size, scale, flat) in cases.items():
        places = flat.view(INPUTS, OUTPUTS)
        uses = torch.zeros(size).scatter_add(0, flat, torch.ones(flat.numel()))
        array = torch.randn(size).float().double().requires_grad_()
        weights = array[places] * sign * scale
        loss = ((x @ weights - y) ** 2).sum()
        loss.backward()
        # Division by the sum of squared scales over the weights of an entry; entries without weights have no gradient.
        scaled = array.grad / (uses * scale**2).clamp(min=1e-12)
        # The least-squares array, by the normal equations of the 0/1 matrix of places.
        selects = torch.zeros(INPUTS * OUTPUTS, size)
        selects[torch.arange(INPUTS * OUTPUTS), flat] = (sign * scale).flatten()
        fitted = torch.linalg.lstsq(selects, dense.flatten()[:, None], driver="gelsd").solution[:, 0]
        found[name] = {
            "size": size,
            "scale": scale,
            "places": flat.tolist(),
            "array": array.tolist(),
            "weights": weights.flatten().tolist(),
            "loss": loss.item(),
            "sum": array.grad.tolist(),
            "mean": scaled.tolist(),
            "fitted": fitted.tolist(),
        }
    figures = {
        "runs": runs,
        "signs": signs,
        "row": row.tolist(),
        "column": column.tolist(),
        "x": x.flatten().tolist(),
        "y": y.flatten().tolist(),
        "dense": dense.flatten().tolist(),
        "cases": found,
    }
    PATH.write_text(json.dumps(figures) + "\n")


main()
