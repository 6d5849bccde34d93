"""
Products with ternary weights by the formulas of BitNet b1.58 in PyTorch, their straight-through gradients, and codes of QuantGPT
on ties: test/fixtures/ternary.json.

    pip install torch
    python scripts/reference/ternary.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "ternary.json"
ROWS, INPUTS, OUTPUTS = 5, 12, 6


def round_clip(x, low, high):
    return torch.clamp(torch.round(x), low, high)


def pass_through(value, rounded):
    """The rounded value with the gradient of the value."""
    return value + (rounded - value).detach()


def ternary(weight, epsilon=1e-5):
    scale = weight.abs().mean() + epsilon
    codes = round_clip(weight / scale, -1, 1)
    return codes, scale, pass_through(weight, codes * scale)


def by_token(x, bits=8):
    largest = 2 ** (bits - 1) - 1
    scale = x.abs().amax(1, keepdim=True) / largest
    return pass_through(x, round_clip(x / scale, -largest - 1, largest) * scale)


def quantgpt(weight, gamma, bits):
    """Codes of the clipped weights; the range is gamma times the mean magnitude."""
    n = 2 ** (bits - 1) - 1
    clip = gamma * weight.abs().mean()
    return torch.round(torch.clamp(weight / clip, -1, 1) * n)


def main():
    torch.manual_seed(2)
    weight = (torch.randn(OUTPUTS, INPUTS, dtype=torch.float64) / 4).float().double().requires_grad_()
    x = torch.randn(ROWS, INPUTS, dtype=torch.float64).float().double().requires_grad_()
    dy = torch.randn(ROWS, OUTPUTS, dtype=torch.float64).float().double()
    cases = []
    for activations in [False, True]:
        weight.grad = x.grad = None
        codes, scale, rounded = ternary(weight)
        y = (by_token(x) if activations else x) @ rounded.T
        (y * dy).sum().backward()
        cases.append(
            {
                "activations": activations,
                "y": y.flatten().tolist(),
                "dw": weight.grad.flatten().tolist(),
                "dx": x.grad.flatten().tolist(),
            }
        )
    # The mean magnitude is 7/4 and the range 7/2. With four bits, the step is 1/2, and six weights are between two codes.
    ties = torch.tensor([0.25, -0.25, 0.75, -0.75, 1.25, -1.25, 3.5, -3.5, 3.0, -3.0], dtype=torch.float64)
    content = {
        "weight": weight.flatten().tolist(),
        "x": x.flatten().tolist(),
        "dy": dy.flatten().tolist(),
        "codes": codes.int().flatten().tolist(),
        "scale": scale.item(),
        "cases": cases,
        "ties": {"weight": ties.tolist(), "gamma": 2, "bits": 4, "codes": quantgpt(ties, 2, 4).int().tolist()},
    }
    PATH.write_text(json.dumps(content) + "\n")


main()
