"""
Gradients and steps of movement pruning (Sanh et al. 2020, section 3) by PyTorch's autograd: test/fixtures/movement.json.

    pip install torch
    python scripts/reference/movement.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "movement.json"
INPUTS, OUTPUTS, ROWS = 6, 4, 8


class StraightThrough(torch.autograd.Function):
    """The mask of the scores above a threshold, with the gradient of the scores."""

    @staticmethod
    def forward(ctx, scores, threshold):
        return (scores > threshold).to(scores.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def main():
    torch.manual_seed(2)
    torch.set_default_dtype(torch.float64)
    x = torch.randn(ROWS, INPUTS).float().double()
    y = torch.randn(ROWS, OUTPUTS).float().double()
    weight = torch.randn(INPUTS, OUTPUTS).float().double().requires_grad_()
    scores = torch.randn(INPUTS, OUTPUTS).float().double().requires_grad_()
    start = {"weight": weight.flatten().tolist(), "scores": scores.flatten().tolist()}
    # Two thirds are masked.
    threshold = scores.detach().flatten().sort().values[INPUTS * OUTPUTS * 2 // 3 - 1]
    optimizer = torch.optim.SGD([weight, scores], lr=0.02)
    steps = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = ((x @ (weight * StraightThrough.apply(scores, threshold)) - y) ** 2).sum()
        loss.backward()
        steps.append(
            {
                "loss": loss.item(),
                "weight": weight.grad.flatten().tolist(),
                "scores": scores.grad.flatten().tolist(),
            }
        )
        optimizer.step()
    figures = {
        "x": x.flatten().tolist(),
        "y": y.flatten().tolist(),
        "threshold": threshold.item(),
        "start": start,
        "steps": steps,
        "final": scores.flatten().tolist(),
    }
    PATH.write_text(json.dumps(figures) + "\n")


main()
