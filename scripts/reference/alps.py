"""
Masks and weights of ALPS (Meng et al. 2024, algorithm 1) on a small layer, in PyTorch's double precision: test/fixtures/alps.json.

    pip install torch
    python scripts/reference/alps.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "alps.json"
INPUTS, OUTPUTS, ROWS = 16, 24, 40


def keep_share(weights, kept):
    """The mask of the `kept` largest weights [inputs, outputs]."""
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[weights.abs().flatten().topk(kept).indices] = True
    return mask.view_as(weights)


def keep_pattern(weights, kept, of):
    """The mask of the `kept` largest of each `of` consecutive inputs of an output."""
    groups = weights.T.reshape(-1, of).abs()
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter(1, groups.topk(kept, dim=1).indices, True)
    return mask.reshape(weights.shape[1], weights.shape[0]).T


def conjugate_gradients(h, right, mask, start, steps):
    """Each output on its own, preconditioned by the diagonal of H."""
    weights = start * mask
    residual = (right - h @ weights) * mask
    scale = h.diagonal()[:, None]
    direction = residual / scale
    energy = (residual * direction).sum(0)
    for _ in range(steps):
        along = h @ direction
        length = energy / (direction * along).sum(0)
        weights = weights + length * direction
        residual = residual - length * along * mask
        following = (residual * residual / scale).sum(0)
        direction = residual / scale + following / energy * direction
        energy = following
    return weights


def alps(gram, dense, choose, steps=10, iterations=300, damping=0.01):
    damped = gram + damping * gram.diagonal().mean() * torch.eye(INPUTS)
    scale = damped.diagonal().sqrt()
    h = damped / scale[:, None] / scale[None, :]
    start = dense * scale[:, None]
    right = h @ start
    values, vectors = torch.linalg.eigh(h)
    rho, grows = 0.1, False
    mask = checked = choose(start)
    kept = int(mask.sum())
    sparse, dual = start * mask, torch.zeros_like(start)
    penalties = []
    for iteration in range(1, iterations + 1):
        inverse = vectors @ torch.diag(1 / (values + rho)) @ vectors.T
        weights = inverse @ (right - dual + rho * sparse)
        shifted = weights + dual / rho
        mask = choose(shifted)
        sparse = shifted * mask
        dual = dual + rho * (weights - sparse)
        if iteration % 3 > 0:
            continue
        changed = int((mask ^ checked).sum())
        checked = mask
        if changed == 0 and grows:
            break
        if changed == 0:
            rho /= 5
            mask = checked = choose(start)
            sparse, dual = start * mask, torch.zeros_like(start)
        else:
            grows = True
            rho *= 1.3 if changed >= 0.1 * kept else 1.2 if changed >= 0.005 * kept else 1.1
        penalties.append(rho)
    result = conjugate_gradients(h, right, mask, sparse, steps) / scale[:, None]
    return mask, result, len(penalties)


def main():
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    # Features that depend on each other, as those of text do.
    x = torch.randn(ROWS, 5) @ torch.randn(5, INPUTS) + 0.3 * torch.randn(ROWS, INPUTS)
    dense = torch.randn(INPUTS, OUTPUTS).float().double()
    gram = x.T @ x
    cases = {
        "0.5": lambda w: keep_share(w, INPUTS * OUTPUTS // 2),
        "0.75": lambda w: keep_share(w, INPUTS * OUTPUTS // 4),
        "2:4": lambda w: keep_pattern(w, 2, 4),
    }
    found = {}
    for name, choose in cases.items():
        mask, weights, updates = alps(gram, dense, choose)
        lost = weights - dense
        found[name] = {
            "mask": "".join(str(int(each)) for each in mask.flatten()),
            "weights": [round(each, 6) for each in weights[mask].tolist()],
            "error": float((lost * (gram @ lost)).sum()),
            "updates": updates,
        }
        print(name, found[name]["error"], updates)
    figures = {
        "gram": gram.flatten().tolist(),
        "dense": dense.flatten().tolist(),
        "cases": found,
    }
    PATH.write_text(json.dumps(figures) + "\n")


main()
