"""PyTorch's side of ``lathe bench --against torch``: times a training or a text generation for each line.

The first line of standard input is a JSON request; each further line starts a run. Every line is answered
with one JSON line. Models are those of PyTorch users, written without Lathe: a plain GPT-2, or the classes of
``transformers``.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Run = Callable[[], dict[str, Any]]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
}


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a safetensors file of float32 tensors, by name."""
    data = bytearray(Path(path).read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    weights = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(data[start:end], dtype=torch.float32)
        weights[name] = flat.reshape(entry["shape"])
    return weights


class Attention(nn.Module):
    """Causal self-attention with a packed projection."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["n_embd"]
        self.heads, self.dropout = config["n_head"], config["attn_pdrop"]
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, cache: tuple[Tensor, Tensor] | None, start: int) -> Tensor:
        """Attend from x [batch, time, width], whose first token has position ``start``."""
        batch, tokens, width = x.shape
        parts = self.c_attn(x).split(width, dim=2)
        shape = (batch, tokens, self.heads, width // self.heads)
        query, key, value = (part.view(shape).transpose(1, 2) for part in parts)
        if cache is not None:
            end = start + tokens
            cache[0][:, :, start:end], cache[1][:, :, start:end] = key, value
            key, value = cache[0][:, :, :end], cache[1][:, :, :end]
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=tokens > 1,
        )
        return self.c_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    """Attention and feed-forward network, each after its norm and added to the residual stream."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, epsilon = config["n_embd"], config["layer_norm_epsilon"]
        inner = config.get("n_inner") or 4 * width
        self.ln_1, self.ln_2 = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)
        self.attn = Attention(config)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, inner), "c_proj": nn.Linear(inner, width)})
        self.activate = ACTIVATIONS[config["activation_function"]]
        self.dropout = nn.Dropout(config["resid_pdrop"])

    def forward(self, x: Tensor, cache: tuple[Tensor, Tensor] | None = None, start: int = 0) -> Tensor:
        """Map [batch, time, width] to the same shape."""
        x = x + self.dropout(self.attn(self.ln_1(x), cache, start))
        inner = self.activate(self.mlp["c_fc"](self.ln_2(x)))
        return x + self.dropout(self.mlp["c_proj"](inner))


class Gpt2(nn.Module):
    """GPT-2 with tied embeddings and the parameter names of Hugging Face."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["n_embd"]
        self.wte = nn.Embedding(config["vocab_size"], width)
        self.wpe = nn.Embedding(config["n_positions"], width)
        self.h = nn.ModuleList([Block(config) for _ in range(config["n_layer"])])
        self.ln_f = nn.LayerNorm(width, config["layer_norm_epsilon"])
        self.dropout = nn.Dropout(config["embd_pdrop"])

    def load(self, weights: dict[str, Tensor]) -> None:
        """Load a checkpoint, whose projections are stored [inputs, outputs]."""
        state = {}
        for name, weight in weights.items():
            turned = name.endswith(".weight") and ".c_" in name
            state[name.removeprefix("transformer.")] = weight.T if turned else weight
        self.load_state_dict(state)

    def forward(
        self, tokens: Tensor, caches: list[tuple[Tensor, Tensor]] | None = None, start: int = 0
    ) -> Tensor:
        """Map tokens [batch, time] to logits [batch, time, vocabulary]."""
        x = self.wte(tokens) + self.wpe.weight[start : start + tokens.shape[1]]
        x = self.dropout(x)
        for layer, block in enumerate(self.h):
            x = block(x, None if caches is None else caches[layer], start)
        return functional.linear(self.ln_f(x), self.wte.weight)


def load_with_transformers(request: dict[str, Any]) -> nn.Module:
    """Build the model from its configuration with ``transformers``."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**request["config"])
    model = AutoModelForCausalLM.from_config(config)
    _, unexpected = model.load_state_dict(read_weights(request["weights"]), strict=False)
    if unexpected:
        raise ValueError(f"transformers has no tensor {unexpected[0]}.")
    return model


def find_transformers() -> str | None:
    """Return the version of ``transformers``, or None without it."""
    try:
        import transformers
    except ImportError:
        return None
    return transformers.__version__


def load_model(request: dict[str, Any]) -> nn.Module:
    """Build the model that a training times."""
    if request["config"]["model_type"] == "gpt2":
        plain = Gpt2(request["config"])
        plain.load(read_weights(request["weights"]))
        return plain
    if find_transformers() is None:
        raise ValueError(
            f"Without transformers, only gpt2 is compared, not {request['config']['model_type']}."
        )
    return load_with_transformers(request)


def prepare_training(request: dict[str, Any]) -> tuple[Run, dict[str, Any]]:
    """Return a function that runs one training step, with AdamW in one fused pass."""
    model = load_model(request).train()
    options = request["optimizer"]
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices}, {"params": others, "weight_decay": 0.0}],
        lr=options["learningRate"],
        betas=(options["beta1"], options["beta2"]),
        eps=options["epsilon"],
        weight_decay=options["weightDecay"],
        fused=True,
    )
    rows, length = request["rows"], request["length"]
    vocabulary = request["config"]["vocab_size"]
    text = (torch.arange(rows * length + 1) * 31) % vocabulary
    tokens, labels = text[:-1].reshape(rows, length), text[1:]

    def compute_loss() -> Tensor:
        output = model(tokens)
        logits = output if isinstance(output, Tensor) else output.logits
        return functional.cross_entropy(logits.view(-1, vocabulary), labels)

    forward = torch.compile(compute_loss) if request["compiled"] else compute_loss

    def run() -> dict[str, Any]:
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = forward()
        loss.backward()
        if options["maxGradNorm"] > 0:
            nn.utils.clip_grad_norm_(model.parameters(), options["maxGradNorm"])
        optimizer.step()
        value = loss.item()
        return {"seconds": time.perf_counter() - started, "loss": value}

    return run, {"model": type(model).__name__}


class TokenClock:
    """A streamer of ``generate`` that notes when each token arrives."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, _: Tensor) -> None:
        """Called with the prompt, then with each new token."""
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Called after the last token."""


def summarize_times(started: float, times: list[float], ids: list[int]) -> dict[str, Any]:
    """Seconds until the first new token, and of each later one on average."""
    return {
        "promptSeconds": times[0] - started,
        "secondsPerToken": (times[-1] - times[0]) / (len(times) - 1),
        "ids": ids,
    }


def prepare_generation(request: dict[str, Any]) -> tuple[Run, dict[str, Any]]:
    """Return a function that continues the prompt with the most likely tokens, with a key-value cache."""
    prompt = torch.tensor([request["prompt"]])
    count = request["newTokens"]
    version = None if request["plain"] else find_transformers()
    if version is not None:
        model = load_with_transformers(request).eval()
        model.generation_config.eos_token_id = None

        def run_generate() -> dict[str, Any]:
            clock = TokenClock()
            started = time.perf_counter()
            with torch.inference_mode():
                output = model.generate(
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=count,
                    do_sample=False,
                    use_cache=True,
                    pad_token_id=0,
                    streamer=clock,
                )
            return summarize_times(started, clock.times[1:], output[0, prompt.shape[1] :].tolist())

        return run_generate, {"model": f"transformers {version}, generate"}

    if request["config"]["model_type"] != "gpt2":
        raise ValueError(
            f"Without transformers, only gpt2 is compared, not {request['config']['model_type']}."
        )
    plain = Gpt2(request["config"]).eval()
    plain.load(read_weights(request["weights"]))

    def run_plain() -> dict[str, Any]:
        started = time.perf_counter()
        times: list[float] = []
        ids: list[int] = []
        with torch.inference_mode():
            for token in continue_plainly(plain, prompt, count):
                times.append(time.perf_counter())
                ids.append(token)
        return summarize_times(started, times, ids)

    return run_plain, {"model": "plain PyTorch with a cache"}


def continue_plainly(model: Gpt2, prompt: Tensor, count: int) -> Iterator[int]:
    """Yield the most likely next tokens."""
    heads = model.h[0].attn.heads
    slots, width = prompt.shape[1] + count, model.wte.weight.shape[1]
    shape = (1, heads, slots, width // heads)
    caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in model.h]
    tokens, start = prompt, 0
    for _ in range(count):
        logits = model(tokens, caches, start)[0, -1]
        start += tokens.shape[1]
        token = int(logits.argmax())
        tokens = torch.tensor([[token]])
        yield token


def main() -> None:
    """Answer the request, then one line for each run."""
    # Libraries may print; only answers go to the real standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    request = json.loads(sys.stdin.readline())
    if request["threads"] > 0:
        torch.set_num_threads(request["threads"])
    prepare = prepare_training if request["task"] == "train" else prepare_generation
    try:
        run, description = prepare(request)
        answer({"torch": torch.__version__, "threads": torch.get_num_threads(), **description})
        for _ in sys.stdin:
            answer(run())
    except Exception as error:  # the caller reports any failure
        lines = str(error).strip().splitlines() or ["no message"]
        answer({"error": f"{type(error).__name__}: {lines[0]}"})


if __name__ == "__main__":
    main()
