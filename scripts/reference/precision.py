"""Writes test/fixtures/precision.json: fifty losses of a training in float32 and with `torch.autocast` in bfloat16.

Same models, text and options as in `trajectories.py`, at a lower rate, so that the losses stay far from zero. How far the
two curves are apart is what bfloat16 products cost in PyTorch itself. Run by hand, with `pip install torch transformers numpy`.
"""

import json
from pathlib import Path

import torch
import trajectories
from drawing import BOUND, fill, rounded
from trajectories import LENGTH, OPTIONS, PADDING, SEQUENCES, WARMUP, letters, next_token_loss, trajectory

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "precision.json"
STEPS = 50
FAMILIES = ("gpt2", "llama")


def losses(model: torch.nn.Module, stream: list, reduced: bool) -> list[float]:
    def loss_of(each: torch.nn.Module) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            return next_token_loss(each, stream)

    return trajectory(model, loss_of)[0]


def main() -> None:
    trajectories.STEPS = STEPS
    OPTIONS["learning_rate"] = 0.003
    text = letters("precision", LENGTH * SEQUENCES)
    stream = [*text.encode(), PADDING]
    found = {}
    for family, kind, config, ours in trajectories.families():
        if family not in FAMILIES:
            continue
        curves = {}
        for name, reduced in (("float32", False), ("bfloat16", True)):
            built = config(**ours)
            built._attn_implementation = "eager"
            model = kind(built).train()
            fill(model)
            curves[name] = losses(model, stream, reduced)
        found[family] = {
            "config": {"model_type": family, **ours},
            **{name: rounded(curve) for name, curve in curves.items()},
        }
        apart = max(abs(a - b) for a, b in zip(curves["float32"], curves["bfloat16"], strict=True))
        print(family, curves["float32"][0], "to", curves["float32"][-1], "largest difference", apart)
    fixture = {
        "bound": BOUND,
        "text": text,
        "length": LENGTH,
        "train": {**OPTIONS, "max_steps": STEPS, "warmup_steps": WARMUP, "lr_scheduler_type": "cosine"},
        "families": found,
    }
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
