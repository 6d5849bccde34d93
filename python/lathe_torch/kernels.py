"""Kernels of composite operations, by the name in the graph catalog.

A composite operation without a kernel arrives as the primitives of its body, so that this table decides speed
and never what can be run. A kernel returns all outputs of the operation, changes no input, and may return
None for an output that the graph does not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .operations import IGNORED_LABEL

LATE_STEP = torch.tensor(1e30)
"""A step at which AdamW's own bias corrections are 1."""

NO_REDUCTION = 0
"""Of torch's losses: a loss for each row."""

HIDDEN = -1e9
"""Added to a score, it makes the attention weight zero."""

Results = tuple["Tensor | None", ...]


@dataclass(frozen=True)
class Reduced:
    """What a kernel takes and returns if products are in bfloat16."""

    inputs: tuple[int, ...]
    """Places of the inputs that are cast to bfloat16; the others come as they are."""
    results: tuple[str, ...]
    """The dtype of each output."""


@dataclass(frozen=True)
class Kernel:
    """A function of the inputs of an operation, with its attributes by name."""

    function: Callable[..., Results]
    devices: frozenset[str]
    """Types of devices that it is fast on; empty: all."""
    reduced: Reduced | None
    """None: its inputs and outputs are float32 in either precision."""


KERNELS: dict[str, Kernel] = {}


def kernel(
    name: str, *, devices: tuple[str, ...] = (), reduced: Reduced | None = None
) -> Callable[[Callable[..., Results]], Callable[..., Results]]:
    """Registers a function as the kernel of a composite operation."""

    def register(function: Callable[..., Results]) -> Callable[..., Results]:
        KERNELS[name] = Kernel(function, frozenset(devices), reduced)
        return function

    return register


def list_kernels(device: str) -> list[str]:
    """The composite operations that a type of device has kernels for."""
    return [name for name, each in KERNELS.items() if not each.devices or device in each.devices]


# Updates of optimizers.


@kernel("adamw")
def adamw(
    parameter: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    step_size: Tensor,
    epsilon: Tensor,
    keep: Tensor | None = None,
    *,
    beta1: float,
    beta2: float,
) -> Results:
    """The next parameter and moments. The scalars include bias corrections; `keep` is 1 - the decay."""
    # Its scalars are numbers, which a card would have to send first; a compiler fuses the passes by itself.
    if type(parameter) is Tensor and parameter.device.type == "cpu" and not torch.compiler.is_compiling():
        rate = step_size.item()
        decay = 0.0 if keep is None or rate == 0 else (1 - keep.item()) / rate
        copies = [each.clone() for each in (parameter, mean, square)]
        torch._fused_adamw_(
            *([each] for each in (copies[0], gradient.contiguous(), copies[1], copies[2])),
            [],
            [LATE_STEP],
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            weight_decay=decay,
            eps=epsilon.item(),
            amsgrad=False,
            maximize=False,
        )
        return tuple(copies)
    next_mean = torch.lerp(mean, gradient, 1 - beta1)
    next_square = (square * beta2).addcmul_(gradient, gradient, value=1 - beta2)
    change = next_square.sqrt().add_(epsilon).reciprocal_().mul_(next_mean).mul_(step_size)
    decayed = parameter if keep is None else parameter * keep
    return decayed - change, next_mean, next_square


# Activations.


@kernel("gelu", reduced=Reduced((0,), ("bfloat16",)))
def gelu(x: Tensor) -> Results:
    return (F.gelu(x),)


@kernel("geluGradient", reduced=Reduced((0, 1), ("bfloat16",)))
def gelu_gradient(x: Tensor, dy: Tensor) -> Results:
    return (torch.ops.aten.gelu_backward(dy, x),)


@kernel("geluTanhGradient", reduced=Reduced((0, 1, 2), ("bfloat16",)))
def gelu_tanh_gradient(x: Tensor, y: Tensor, dy: Tensor) -> Results:
    return (torch.ops.aten.gelu_backward(dy, x, approximate="tanh"),)


@kernel("siluGradient", reduced=Reduced((0, 1, 2), ("bfloat16",)))
def silu_gradient(x: Tensor, y: Tensor, dy: Tensor) -> Results:
    return (torch.ops.aten.silu_backward(dy, x),)


# Norms.


@kernel("layerNormGradient")
def layer_norm_gradient(x: Tensor, weight: Tensor, dy: Tensor, *, epsilon: float) -> Results:
    """The gradients in x [..., width], weight and bias [width]."""
    shape = weight.shape
    _, mean, inverse = torch.ops.aten.native_layer_norm(x, shape, weight, None, epsilon)
    return torch.ops.aten.native_layer_norm_backward(
        dy, x, shape, mean, inverse, weight, torch.zeros_like(weight), [True, True, True]
    )


# Losses.


@kernel("crossEntropyGradient")
def cross_entropy_gradient(logits: Tensor, labels: Tensor, dy: Tensor) -> Results:
    """The gradient in the logits [n, classes]; nothing where the label is -100."""
    log_probabilities = torch.log_softmax(logits, -1)
    target = labels.long()
    zero = torch.zeros((), device=logits.device)
    flow = torch.ops.aten.nll_loss_backward(
        dy, log_probabilities, target, None, NO_REDUCTION, IGNORED_LABEL, zero
    )
    return (torch.ops.aten._log_softmax_backward_data(flow, log_probabilities, -1, logits.dtype),)


# Attention. q [batch, heads, rows, d], k and v [batch, kv_heads, keys, d]; groups of heads share one.


def repeat_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, kv_heads, keys, d] → [batch, heads, keys, d], each head as often as queries share it."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def sum_heads(x: Tensor, kv_heads: int) -> Tensor:
    """The gradient of `repeat_heads`."""
    return x if x.shape[1] == kv_heads else x.unflatten(1, (kv_heads, -1)).sum(2)


def find_mask(q: Tensor, k: Tensor, bias: Tensor | None, causal: bool) -> tuple[Tensor | None, bool]:
    """The mask to add, and whether the kernel hides later keys. The last query is at the last key."""
    rows, keys = q.shape[2], k.shape[2]
    if causal and (bias is not None or rows != keys):
        hidden = torch.ones(rows, keys, dtype=torch.bool, device=q.device).triu(keys - rows + 1)
        mask = torch.zeros(rows, keys, dtype=q.dtype, device=q.device).masked_fill(hidden, HIDDEN)
        return (mask if bias is None else mask + bias), False
    return bias, causal


@kernel("dotProductAttention", reduced=Reduced((0, 1, 2), ("bfloat16", "float32")))
def dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, *, scale: float, causal: bool
) -> Results:
    """softmax(scale · q·kᵀ + bias)·v; on processors also log Σ exp of each row of scores [..., rows, 1]."""
    mask, hides = find_mask(q, k, bias, causal)
    mask = None if mask is None else mask.to(q.dtype)
    heads = q.shape[1]
    k, v = repeat_heads(k, heads), repeat_heads(v, heads)
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=hides, scale=scale), None
    y, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, is_causal=hides, attn_mask=mask, scale=scale
    )
    return y, sums.unsqueeze(-1)


@torch.compiler.disable
def pull_back_attention(
    q: Tensor, k: Tensor, v: Tensor, dy: Tensor, mask: Tensor | None, hides: bool, scale: float
) -> tuple[Tensor, ...]:
    """The gradients in q, k and v by torch's own rule. The compiler splits the step here."""
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_() for each in (q, k, v)]
        y = F.scaled_dot_product_attention(*leaves, mask, is_causal=hides, scale=scale)
        return torch.autograd.grad(y, leaves, dy)


@kernel("dotProductAttentionGradient", reduced=Reduced((0, 1, 2, 3, 5), ("bfloat16", "bfloat16", "bfloat16")))
def dot_product_attention_gradient(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    y: Tensor,
    sums: Tensor | None,
    dy: Tensor,
    bias: Tensor | None = None,
    *,
    scale: float,
    causal: bool,
) -> Results:
    """The gradients in q, k and v. On cards the forward pass runs again."""
    mask, hides = find_mask(q, k, bias, causal)
    mask = None if mask is None else mask.to(q.dtype)
    heads, kv_heads = q.shape[1], k.shape[1]
    k, v = repeat_heads(k, heads), repeat_heads(v, heads)
    if q.device.type != "cpu" or sums is None:
        dq, dk, dv = pull_back_attention(q, k, v, dy, mask, hides, scale)
    else:
        dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            dy, q, k, v, y, sums.squeeze(-1), 0.0, hides, attn_mask=mask, scale=scale
        )
    return dq, sum_heads(dk, kv_heads), sum_heads(dv, kv_heads)
