"""Writes test/fixtures/lora.json: adapters of PEFT on tiny seeded models, with logits, ten losses, and files that PEFT saved.

Weights and adapters are drawn from the generator of drawing.py by the names that PEFT saves, magnitudes around 1 (so that DoRA's
norms matter). A training is that of trajectories.py, of the adapters and the head over classes alone. Run by hand, with
`pip install torch transformers peft numpy`.
"""

import base64
import json
import tempfile
from pathlib import Path

import numpy
import peft
import torch
from drawing import BOUND, fill, rounded, uniform
from peft import LoraConfig, TaskType, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from tiny import GPT2, LLAMA
from trajectories import LENGTH, OPTIONS, PADDING, SEQUENCES, STEPS, WARMUP, letters, next_token_loss, rate
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "lora.json"


def cases():
    attention = ["q_proj", "v_proj"]
    gpt2 = (GPT2LMHeadModel, GPT2Config, GPT2, "gpt2")
    llama = (LlamaForCausalLM, LlamaConfig, LLAMA, "llama")
    phi3 = (Phi3ForCausalLM, Phi3Config, {**LLAMA, "pad_token_id": None}, "phi3")
    yield "lora", *llama, {"r": 3, "lora_alpha": 5, "target_modules": attention}
    yield "rslora", *gpt2, {"r": 4, "lora_alpha": 6, "use_rslora": True, "target_modules": ["c_attn", "c_fc"]}
    yield "all-linear", *phi3, {"r": 2, "lora_alpha": 2, "target_modules": "all-linear"}
    yield "dora", *llama, {"r": 2, "lora_alpha": 4, "use_dora": True, "target_modules": "all-linear"}
    yield "dora of Conv1D", *gpt2, {"r": 2, "lora_alpha": 3, "use_dora": True, "target_modules": ["c_attn", "c_proj"]}


def draw_adapters(model: torch.nn.Module) -> None:
    state = get_peft_model_state_dict(model)
    drawn = {}
    for name, tensor in state.items():
        values = uniform(name.removeprefix("base_model.model."), tensor.numel())
        if name.endswith("lora_magnitude_vector"):
            values = values + 1
        drawn[name] = torch.from_numpy(values.astype(numpy.float32)).reshape(tensor.shape)
    loaded = set_peft_model_state_dict(model, drawn)
    assert not loaded.unexpected_keys


def trajectory(model: torch.nn.Module, stream: list) -> tuple[list, list]:
    """As that of trajectories.py, with decay on every tensor of an adapter, as transformers' Trainer has it."""
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(
        trained,
        lr=OPTIONS["learning_rate"],
        betas=(OPTIONS["adam_beta1"], OPTIONS["adam_beta2"]),
        eps=OPTIONS["adam_epsilon"],
        weight_decay=OPTIONS["weight_decay"],
    )
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        loss = next_token_loss(model, stream)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, OPTIONS["max_grad_norm"]).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def main() -> None:
    text = letters("trajectory", LENGTH * SEQUENCES)
    stream = [*text.encode(), PADDING]
    found = {}
    for name, kind, config, ours, family, settings in cases():
        built = config(**ours)
        built._attn_implementation = "eager"
        base = kind(built).train()
        fill(base)
        torch.manual_seed(0)
        model = get_peft_model(base, LoraConfig(task_type=TaskType.CAUSAL_LM, lora_dropout=0.0, **settings))
        # A fresh adapter: its magnitudes are the norms of the weights.
        fresh = {
            key.removeprefix("base_model.model."): rounded(tensor)
            for key, tensor in get_peft_model_state_dict(model).items()
            if key.endswith("lora_magnitude_vector")
        }
        draw_adapters(model)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, save_embedding_layers=False)
            weights = (Path(folder) / "adapter_model.safetensors").read_bytes()
            written = json.loads((Path(folder) / "adapter_config.json").read_text())
        model.to(torch.float64)
        tokens = torch.tensor([stream[:LENGTH], stream[LENGTH : 2 * LENGTH]])
        with torch.no_grad():
            logits = model(tokens, use_cache=False).logits
            merged = {}
            for module, layer in model.named_modules():
                if hasattr(layer, "base_layer") and not merged:
                    layer.merge()
                    merged = {
                        "name": module.removeprefix("base_model.model.") + ".weight",
                        "values": rounded(layer.base_layer.weight),
                    }
                    layer.unmerge()
        trainable, total = model.get_nb_trainable_parameters()
        losses, norms = trajectory(model, stream)
        found[name] = {
            "config": {"model_type": family, **ours},
            "settings": settings,
            "adapter_config": written,
            "adapter_model": base64.b64encode(weights).decode(),
            "trainable": trainable,
            "total": total,
            "magnitudes": fresh,
            "tokens": tokens.tolist(),
            "logits": rounded(logits[:, ::5, ::7]),
            "merged": merged,
            "losses": rounded(losses),
            "norms": rounded(norms),
        }
        print(name, trainable, [round(loss, 4) for loss in losses])
    fixture = {
        "peft": peft.__version__,
        "bound": BOUND,
        "text": text,
        "length": LENGTH,
        "train": {**OPTIONS, "max_steps": STEPS, "warmup_steps": WARMUP, "lr_scheduler_type": "cosine"},
        "cases": found,
    }
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
