"""
Rounding of activations by token, a quantized product, and SmoothQuant's factors by the published formulas in PyTorch:
test/fixtures/activations.json.

    pip install torch
    python scripts/reference/activations.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "activations.json"


def round_by_token(x, bits, ratio):
    """Symmetric and dynamic: one scale for each row (QuaRot's activation quantizer; SmoothQuant's for 8 bits and ratio 1)."""
    largest = 2 ** (bits - 1) - 1
    scale = ratio * x.abs().amax(dim=1, keepdim=True) / largest
    scale[scale == 0] = 1
    return scale * torch.clamp(torch.round(x / scale), -largest - 1, largest)


def smooth(activations, weight, strength):
    """Equation 4 of SmoothQuant, from the largest magnitudes of each input."""
    peaks = activations.abs().amax(dim=0)
    of_weights = weight.abs().amax(dim=1).clamp(min=1e-5)
    return (peaks**strength / of_weights ** (1 - strength)).clamp(min=1e-5), peaks, of_weights


def main():
    torch.manual_seed(3)
    x = torch.randn(5, 8)
    x[:, 2] *= 30
    x[3] = 0
    weight = torch.randn(8, 3) / 8**0.5
    rounded = [
        {"bits": bits, "clip_ratio": ratio, "x": round_by_token(x, bits, ratio).flatten().tolist()}
        for bits, ratio in [(8, 1), (4, 1), (4, 0.9), (2, 0.5)]
    ]
    smoothed = []
    for strength in [0, 0.5, 0.85]:
        factors, peaks, of_weights = smooth(x, weight, strength)
        smoothed.append({"strength": strength, "factors": factors.tolist()})
    content = {
        "x": x.flatten().tolist(),
        "peaks": peaks.tolist(),
        "weightPeaks": of_weights.tolist(),
        "rounded": rounded,
        "smoothed": smoothed,
    }
    PATH.write_text(json.dumps(content) + "\n")


main()
