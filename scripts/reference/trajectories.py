"""Writes test/fixtures/trajectories.json: ten losses of a training of each family, as PyTorch and transformers compute them.

AdamW with decay on matrices alone, clipping by global norm, warm-up and a cosine: everything that a training step does. The
batch is one text cut into all of its sequences, so that the order in which sequences are drawn changes nothing.
A family is one entry of `families`. Run by hand, with `pip install torch transformers numpy`.
"""

import json
import math
from pathlib import Path

import torch
from make import BOUND, draw, fill, rounded
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "trajectories.json"
LENGTH, SEQUENCES, STEPS, WARMUP = 16, 6, 10, 3
OPTIONS = {
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "adam_beta1": 0.9,
    "adam_beta2": 0.95,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 0.5,
}


def families():
    gpt2 = {"vocab_size": 257, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2}
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    llama = {
        "vocab_size": 257,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 16,
        "rms_norm_eps": 1e-5,
    }
    yield "gpt2", GPT2LMHeadModel, GPT2Config, {**gpt2, **off}
    yield "llama", LlamaForCausalLM, LlamaConfig, llama
    yield "phi3", Phi3ForCausalLM, Phi3Config, {**llama, "pad_token_id": None}


def rate(step: int) -> float:
    """Of a step counted from 1, as get_cosine_schedule_with_warmup gives it."""
    done = step - 1
    if done < WARMUP:
        return OPTIONS["learning_rate"] * done / WARMUP
    return OPTIONS["learning_rate"] * (1 + math.cos(math.pi * (done - WARMUP) / (STEPS - WARMUP))) / 2


def trajectory(model: torch.nn.Module, batch: torch.Tensor) -> tuple[list, list]:
    matrices = [tensor for tensor in model.parameters() if tensor.ndim > 1]
    others = [tensor for tensor in model.parameters() if tensor.ndim < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": OPTIONS["weight_decay"]},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=OPTIONS["learning_rate"],
        betas=(OPTIONS["adam_beta1"], OPTIONS["adam_beta2"]),
        eps=OPTIONS["adam_epsilon"],
    )
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        logits = model(batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["max_grad_norm"]).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def main() -> None:
    text = "".join(chr(97 + int(letter) % 12) for letter in draw("trajectory", LENGTH * SEQUENCES))
    stream = [*text.encode(), 256]
    batch = torch.tensor([stream[at * LENGTH : (at + 1) * LENGTH + 1] for at in range(SEQUENCES)])
    found = {}
    for family, kind, config, ours in families():
        built = config(**ours)
        built._attn_implementation = "eager"
        model = kind(built).train()
        fill(model)
        losses, norms = trajectory(model.to(torch.float64), batch)
        found[family] = {"config": {"model_type": family, **ours}, "losses": rounded(losses), "norms": rounded(norms)}
        print(family, [round(loss, 4) for loss in losses])
    fixture = {
        "bound": BOUND,
        "text": text,
        "length": LENGTH,
        "train": {**OPTIONS, "max_steps": STEPS, "warmup_steps": WARMUP, "lr_scheduler_type": "cosine"},
        "families": found,
    }
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
