"""
Scores, masks and shares of pruning methods by their formulas in PyTorch, on small matrices: test/fixtures/pruning.json.
FLAP standardizes the scores of inputs, RIA adds relative importance to activations, OWL shares a sparsity over layers by
their outliers, and DSnoT exchanges weights of a mask. Matrices are [outputs, inputs].

    pip install torch
    python scripts/reference/pruning.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "pruning.json"


def rounded(tensor):
    return [round(float(each), 7) for each in tensor.flatten()]


def draw(seed, rows, outputs, inputs):
    torch.manual_seed(seed)
    x = torch.randn(rows, inputs) * torch.rand(inputs) * 3 + 0.5 * torch.randn(inputs)
    w = torch.randn(outputs, inputs)
    # What the tests read is what is computed with here.
    return (x * 1e3).round() / 1e3, (w * 1e3).round() / 1e3


def flap(kind, seed, units):
    """Variance times squared weights by input, squared for heads, standardized with the unbiased deviation."""
    x, w = draw(seed, 40, 5, 12)
    metric = x.var(dim=0, unbiased=False) * w.pow(2).sum(dim=0)
    if kind == "heads":
        metric = metric**2
    metric = (metric - metric.mean()) / metric.std()
    return {"kind": kind, "units": units, **saved(x, w), "scores": rounded(metric.reshape(units, -1).mean(dim=1))}


def saved(x, w):
    return {"x": rounded(x), "w": rounded(w), "outputs": w.shape[0], "inputs": w.shape[1]}


def ria(seed, power):
    x, w = draw(seed, 30, 6, 8)
    size = w.abs()
    relative = size / size.sum(dim=0) + size / size.sum(dim=1, keepdim=True)
    return {**saved(x, w), "power": power, "scores": rounded(relative * x.norm(dim=0) ** power)}


def owl(seed, layers, sparsity, limit, spread):
    """Shares of scores above `limit` times their mean, scaled to a range of 2 * spread around the density."""
    torch.manual_seed(seed)
    scores = [((torch.randn(60).abs() ** (1 + i)) * 1e3).round() / 1e3 for i in range(layers)]
    shares = torch.tensor([float((each > limit * each.mean()).sum()) / each.numel() * 100 for each in scores])
    scaled = (shares - shares.min()) / (shares.max() - shares.min()) * spread * 2
    density = scaled - scaled.mean() + (1 - sparsity)
    return {
        "scores": [rounded(each) for each in scores],
        "sparsity": sparsity,
        "limit": limit,
        "spread": spread,
        "outliers": rounded(shares),
        "sparsities": rounded(1 - density),
    }


def dsnot(seed, sparsity, cycles, threshold, power):
    """Grows the pruned weight that reduces the expected error most, and prunes the least one of the opposite effect."""
    x, w = draw(seed, 30, 8, 24)
    mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
    score = w.abs() * x.norm(dim=0)
    effect = w * mean
    outputs, inputs = w.shape
    count = int(inputs * sparsity)
    masks, before = [], []
    for row in range(outputs):
        order = torch.sort(score[row], stable=True)[1].tolist()
        pruned, kept = set(order[:count]), order[count:]
        before.append([int(i not in pruned) for i in range(inputs)])
        mask = list(before[-1])
        error = float(sum(effect[row, i] for i in pruned))
        sign = (error > 0) - (error < 0)
        growth = torch.sort(
            torch.tensor([float(effect[row, i] / variance[i] ** power) if i in pruned else 0.0 for i in range(inputs)]),
            stable=True,
        )[1].tolist()
        falling = [i for i in kept if effect[row, i] < 0]
        rising = [i for i in kept if effect[row, i] > 0]
        for _ in range(cycles):
            grown = growth.pop(-1 if error > 0 else 0)
            candidates = rising if error < 0 else falling
            if grown not in pruned or not candidates:
                break
            dropped = candidates.pop(0)
            after = error + float(effect[row, dropped]) - float(effect[row, grown])
            if abs(error) <= threshold or ((after > 0) - (after < 0)) != sign:
                break
            mask[grown], mask[dropped] = 1, 0
            error = after
        masks.append(mask)
    return {
        **saved(x, w),
        "cycles": cycles,
        "threshold": threshold,
        "power": power,
        "before": sum(before, []),
        "after": sum(masks, []),
    }


PATH.write_text(
    json.dumps(
        {
            "flap": [flap("heads", 1, 3), flap("channels", 2, 12)],
            "ria": [ria(3, 0.5), ria(4, 1.0)],
            "owl": [owl(5, 4, 0.5, 3, 0.08), owl(6, 3, 0.7, 5, 0.2)],
            "dsnot": [dsnot(7, 0.5, 50, 0.1, 1), dsnot(8, 0.75, 3, 0, 0)],
        }
    )
    + "\n"
)
