"""Writes test/fixtures/trajectories.json: ten losses of a training of each family, as PyTorch and transformers compute them.

AdamW with decay on matrices alone, clipping by global norm, warm-up and a cosine: everything that a training step does. The
batch is one text cut into all of its sequences, so that the order in which sequences are drawn changes nothing; an
encoder classifies texts of unequal length instead, since the tokens that a masked language model hides are drawn at random.
A family is one entry of `families`. Run by hand, with `pip install torch transformers numpy`.
"""

import json
import math
from pathlib import Path

import torch
from drawing import BOUND, draw, fill, rounded
from tiny import BERT, GPT2, LLAMA
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

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


CLASSES = ["ham", "spam", "other"]
# Ends a text, and fills up sequences.
PADDING = 256


class GroupedProduct(torch.nn.Module):
    """Each group of n inputs times a matrix of its own."""

    def __init__(self, groups: int, n: int, o: int):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(groups, n, o))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups, n, _ = self.weight.shape
        return torch.einsum("...gn,gno->...go", x.unflatten(-1, (groups, n)), self.weight).flatten(-2)


class GroupedPointwise(torch.nn.Module):
    """The grouped pointwise convolution of kphi-3: one product on the channels in order, one on a stride of them, added."""

    def __init__(self, inputs: int, outputs: int, least: int):
        super().__init__()
        most = max(1, min(inputs, outputs, inputs // least))
        self.groups = next(each for each in range(most, 0, -1) if inputs % each == 0 and outputs % each == 0)
        assert self.groups > 1, "a single group is a dense layer under another name"
        sizes = (self.groups, inputs // self.groups, outputs // self.groups)
        self.first_pointwise_conv, self.second_pointwise_conv = GroupedProduct(*sizes), GroupedProduct(*sizes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # New group a holds the channels that are a modulo the number of groups.
        strided = x.unflatten(-1, (-1, self.groups)).transpose(-1, -2).flatten(-2)
        return self.first_pointwise_conv(x) + self.second_pointwise_conv(strided)


class KPhi3ForCausalLM(Phi3ForCausalLM):
    def __init__(self, config: Phi3Config):
        super().__init__(config)
        for layer in self.model.layers:
            for block, names in ((layer.self_attn, ("qkv_proj", "o_proj")), (layer.mlp, ("gate_up_proj", "down_proj"))):
                for name in names:
                    dense = getattr(block, name)
                    grouped = GroupedPointwise(dense.in_features, dense.out_features, config.min_channels_per_group)
                    setattr(block, name, grouped)


def families():
    yield "gpt2", GPT2LMHeadModel, GPT2Config, GPT2
    yield "llama", LlamaForCausalLM, LlamaConfig, LLAMA
    yield "phi3", Phi3ForCausalLM, Phi3Config, {**LLAMA, "pad_token_id": None}
    # Projections of two groups and of four.
    yield "kphi3", KPhi3ForCausalLM, Phi3Config, {**LLAMA, "pad_token_id": None, "min_channels_per_group": 5}
    yield "qwen2", Qwen2ForCausalLM, Qwen2Config, LLAMA
    yield "qwen3", Qwen3ForCausalLM, Qwen3Config, {**LLAMA, "head_dim": 8}
    smollm3 = {**LLAMA, "no_rope_layer_interval": 2, "pad_token_id": None}
    yield "smollm3", SmolLM3ForCausalLM, SmolLM3Config, smollm3
    yield "mistral", MistralForCausalLM, MistralConfig, {**LLAMA, "sliding_window": 5}
    gemma = {**LLAMA, "head_dim": 8, "query_pre_attn_scalar": 6, "sliding_window": 5, "pad_token_id": None}
    yield "gemma2", Gemma2ForCausalLM, Gemma2Config, {**gemma, "attn_logit_softcapping": 2.0}
    yield "gemma3_text", Gemma3ForCausalLM, Gemma3TextConfig, {**gemma, "sliding_window_pattern": 2}
    plain = {key: value for key, value in LLAMA.items() if key not in ("rms_norm_eps", "num_key_value_heads")}
    yield "gpt_neox", GPTNeoXForCausalLM, GPTNeoXConfig, {**plain, "rotary_pct": 0.5}
    yield "phi", PhiForCausalLM, PhiConfig, {**plain, "num_key_value_heads": 1}
    opt = {key: value for key, value in plain.items() if key != "intermediate_size"}
    yield "opt", OPTForCausalLM, OPTConfig, {**opt, "ffn_dim": 24, "dropout": 0.0, "pad_token_id": None}
    yield "bert", BertForSequenceClassification, BertConfig, {**BERT, "id2label": dict(enumerate(CLASSES))}
    roberta = {**BERT, "id2label": dict(enumerate(CLASSES)), "max_position_embeddings": 18}
    yield "roberta", RobertaForSequenceClassification, RobertaConfig, roberta
    distilbert = {"vocab_size": 257, "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2}
    off = {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    distilbert = {**distilbert, **off, "max_position_embeddings": 16, "id2label": dict(enumerate(CLASSES))}
    yield "distilbert", DistilBertForSequenceClassification, DistilBertConfig, distilbert


def rate(step: int) -> float:
    """Of a step counted from 1, as get_cosine_schedule_with_warmup gives it."""
    done = step - 1
    if done < WARMUP:
        return OPTIONS["learning_rate"] * done / WARMUP
    return OPTIONS["learning_rate"] * (1 + math.cos(math.pi * (done - WARMUP) / (STEPS - WARMUP))) / 2


def next_token_loss(model: torch.nn.Module, stream: list) -> torch.Tensor:
    batch = torch.tensor([stream[at * LENGTH : (at + 1) * LENGTH + 1] for at in range(SEQUENCES)])
    logits = model(batch[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))


def class_loss(model: torch.nn.Module, rows: list) -> torch.Tensor:
    texts = [list(row["text"].encode()) for row in rows]
    tokens = torch.tensor([text + [PADDING] * (LENGTH - len(text)) for text in texts])
    mask = torch.tensor([[int(at < len(text)) for at in range(LENGTH)] for text in texts])
    labels = torch.tensor([CLASSES.index(row["label"]) for row in rows])
    return model(input_ids=tokens, attention_mask=mask, labels=labels).loss


def trajectory(model: torch.nn.Module, loss_of) -> tuple[list, list]:
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
        loss = loss_of(model)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["max_grad_norm"]).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def letters(name: str, count: int) -> str:
    return "".join(chr(97 + int(letter) % 12) for letter in draw(name, count))


def main() -> None:
    text = letters("trajectory", LENGTH * SEQUENCES)
    # Each text has as many letters as its place asks for, and the classes take turns.
    rows = [
        {"text": letters(f"row {at}", 5 + 3 * (at % 4)), "label": CLASSES[at % len(CLASSES)]} for at in range(SEQUENCES)
    ]
    found = {}
    for family, kind, config, ours in families():
        built = config(**ours)
        built._attn_implementation = "eager"
        model = kind(built).train()
        fill(model)
        classifies = "id2label" in ours
        stream = [*text.encode(), PADDING]
        losses, norms = trajectory(
            model.to(torch.float64),
            (lambda each: class_loss(each, rows)) if classifies else (lambda each: next_token_loss(each, stream)),
        )
        written = {"model_type": family, **ours, **({"num_labels": len(CLASSES)} if classifies else {})}
        found[family] = {"config": written, "losses": rounded(losses), "norms": rounded(norms)}
        print(family, [round(loss, 4) for loss in losses])
    fixture = {
        "bound": BOUND,
        "text": text,
        "rows": rows,
        "length": LENGTH,
        "train": {**OPTIONS, "max_steps": STEPS, "warmup_steps": WARMUP, "lr_scheduler_type": "cosine"},
        "families": found,
    }
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
