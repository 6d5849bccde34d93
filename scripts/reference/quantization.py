"""
Codes of GPTQ, AWQ, HQQ and of rounding to nearest, as the published algorithms give them in PyTorch on tiny matrices:
test/fixtures/quantization.json. The largest weight of some rows is exactly on a tie, which torch.round gives to the even code.

    pip install torch
    python scripts/reference/quantization.py
"""

import json
from pathlib import Path

import torch

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "quantization.json"
INPUTS, OUTPUTS = 12, 6


def find_params(rows, bits, symmetric):
    """Scale and zero point of each row [rows, n], with codes from 0 to 2^bits - 1."""
    low = rows.min(1).values.clamp(max=0)
    high = rows.max(1).values.clamp(min=0)
    steps = 2**bits - 1
    if symmetric:
        high = torch.maximum(low.abs(), high)
        low = -high
    scale = (high - low) / steps
    zero = torch.full_like(scale, (steps + 1) / 2) if symmetric else torch.round(-low / scale)
    return scale, zero


def encode(values, scale, zero, bits):
    return torch.clamp(torch.round(values / scale) + zero, 0, 2**bits - 1)


def round_to_nearest(weight, bits, symmetric, group):
    codes, scales, zeros = torch.zeros_like(weight), [], []
    for first in range(0, INPUTS, group):
        part = weight[:, first : first + group]
        scale, zero = find_params(part, bits, symmetric)
        codes[:, first : first + group] = encode(part, scale[:, None], zero[:, None], bits)
        scales.append(scale)
        zeros.append(zero)
    return codes, scales, zeros


def gptq(weight, gram, bits, symmetric, group, act_order, damping=0.01):
    """weight [outputs, inputs] float32. The curvature is in double precision, as Lathe computes it."""
    gram = gram.clone()
    order = torch.argsort(torch.diag(gram), descending=True) if act_order else torch.arange(INPUTS)
    static = [find_params(weight[:, i : i + group], bits, symmetric) for i in range(0, INPUTS, group)]
    work = weight.double()[:, order]
    gram = gram[order][:, order]
    gram += damping * torch.diag(gram).mean() * torch.eye(INPUTS, dtype=torch.float64)
    upper = torch.linalg.cholesky(torch.linalg.inv(gram), upper=True)
    codes, scales, zeros = torch.zeros_like(weight), [], []
    for place in range(INPUTS):
        if act_order:
            scale, zero = static[int(order[place]) // group]
        elif place % group == 0:
            scale, zero = find_params(work[:, place : place + group].float(), bits, symmetric)
            scales.append(scale)
            zeros.append(zero)
        value = work[:, place]
        code = encode(value.float(), scale, zero, bits)
        codes[:, order[place]] = code
        error = (value - (code - zero).double() * scale.double()) / upper[place, place]
        work[:, place + 1 :] -= error[:, None] * upper[place, place + 1 :][None]
    if act_order:
        scales, zeros = zip(*static)
    return codes, scales, zeros


def awq(weight, x, bits, symmetric, group, steps=20):
    """Scales of the inputs by powers of their mean magnitudes, and the codes of the scaled weights with the least error."""
    magnitudes = x.abs().mean(0)
    best = None
    for step in range(steps):
        scales = magnitudes.pow(step / steps).clamp(min=1e-4)
        scales = scales / (scales.max() * scales.min()).sqrt()
        result = round_to_nearest((weight.double() * scales).float(), bits, symmetric, group)
        codes, grid_scales, zeros = (r if isinstance(r, torch.Tensor) else torch.stack(r, 1) for r in result)
        spread = lambda each: each.repeat_interleave(group, 1).double()
        rounded = (codes.double() - spread(zeros)) * spread(grid_scales) / scales
        error = (x @ (rounded - weight.double()).T).square().sum()
        if best is None or error < best[0]:
            best = (error, result, scales)
    return best[1:]


def hqq_group(values, bits, rounds=20, beta=10.0, kappa=1.01, p=0.7):
    """
    Half-quadratic optimization of the zero point of one group: a part of the error shrinks with the l_p norm, the rest is
    quadratic. Codes from 0 to 2^bits - 1.
    """
    scale = ((values.max() - values.min()) / (2**bits - 1)).float().double()
    zero = -values.min() / scale
    encode_all = lambda z: torch.clamp(torch.round(values / scale + z), 0, 2**bits - 1)
    best, least = zero, None
    for _ in range(rounds):
        q = encode_all(zero)
        rest = values - (q - zero) * scale
        error = rest.abs().mean()
        # With as many errors above as below zero, their mean does not change, except by rounding.
        if least is not None and error >= least * (1 - 1e-9):
            break
        best, least = zero, error
        shrunk = torch.sign(rest) * torch.relu(rest.abs() - rest.abs().pow(p - 1) / beta)
        zero = torch.mean(q - (values - shrunk) / scale)
        beta *= kappa
    return encode_all(best), scale, best


def hqq(weight, bits, group):
    codes, scales, zeros = torch.zeros_like(weight), [], []
    for first in range(0, INPUTS, group):
        parts = [hqq_group(row[first : first + group].double(), bits) for row in weight]
        codes[:, first : first + group] = torch.stack([part[0] for part in parts]).float()
        scales.append(torch.stack([part[1] for part in parts]))
        zeros.append(torch.stack([part[2] for part in parts]))
    return codes, scales, zeros


def to_case(name, result, bits, **options):
    """Codes [inputs, outputs] and zero points with the offset of signed codes, scales [groups, outputs]."""
    codes, scales, zeros = result
    half = 2 ** (bits - 1)
    return {
        "method": name,
        "options": {"bits": bits, **options},
        "codes": (codes.T - half).int().flatten().tolist(),
        "scales": torch.stack(list(scales)).flatten().tolist(),
        "zeros": (torch.stack(list(zeros)) - half).int().flatten().tolist(),
    }


torch.manual_seed(0)
weight = (torch.randn(OUTPUTS, INPUTS) * 0.3).mul(4096).round().div(4096)
# Rows whose largest weights are +7/4 and −7/4: with three bits the step is 1/2, and they are 3.5 steps from zero.
weight[0, 3], weight[1, 5] = 1.75, -1.75
x = (torch.randn(40, 3) @ torch.randn(3, INPUTS) + 0.4 * torch.randn(40, INPUTS)).mul(1024).round().div(1024).double()
gram = x.T @ x
cases = []
for bits, symmetric, group in [(3, True, INPUTS), (3, False, INPUTS), (4, True, 4), (2, False, 4)]:
    given = {"symmetric": symmetric, **({} if group == INPUTS else {"group_size": group})}
    cases.append(to_case("rtn", round_to_nearest(weight, bits, symmetric, group), bits, **given))
    for act_order in [False, True]:
        codes = gptq(weight, gram, bits, symmetric, group, act_order)
        cases.append(to_case("gptq", codes, bits, act_order=act_order, **given))
for bits, symmetric, group in [(3, True, INPUTS), (3, False, 4), (2, False, INPUTS)]:
    given = {"symmetric": symmetric, **({} if group == INPUTS else {"group_size": group})}
    result, factors = awq(weight, x, bits, symmetric, group)
    cases.append({**to_case("awq", result, bits, **given), "factors": factors.tolist()})
for bits, group in [(3, INPUTS), (2, 4), (4, 6)]:
    result = hqq(weight, bits, group)
    given = {} if group == INPUTS else {"group_size": group}
    zeros = (torch.stack(result[2]) - 2 ** (bits - 1)).flatten().tolist()
    cases.append({**to_case("hqq", result, bits, **given), "zeros": zeros})
PATH.write_text(
    json.dumps({"inputs": INPUTS, "weight": weight.flatten().tolist(), "x": x.flatten().tolist(), "cases": cases}) + "\n"
)
