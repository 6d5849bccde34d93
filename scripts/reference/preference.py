"""Writes test/fixtures/preference.json: ten losses, gradient norms and rewards of preference trainings, as TRL computes them.

Tiny models over bytes learn six pairs at once, so that the order of the pairs changes nothing; prompts and answers differ in
length, one answer is longer than a sequence, and DPO leaves out a seventh pair whose prompt fills one. Conservative DPO
(sigmoid with label smoothing), which TRL 1.16 has only under other names, is TRL's `aot` of a single pair. Arithmetic is
float64. Run by hand, with `pip install torch transformers trl`.
"""

import copy
import json
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from drawing import BOUND, draw, fill, rounded
from tiny import GPT2, LLAMA
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    TrainerCallback,
)
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "preference.json"
# A sequence and its last label.
LENGTH, STEPS, WARMUP = 24, 10, 3
MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig, {**LLAMA, "max_position_embeddings": 32}),
    "gpt2": (GPT2LMHeadModel, GPT2Config, {**GPT2, "n_positions": 32}),
}
TRAIN = {
    "learning_rate": 0.003,
    "weight_decay": 0.1,
    "adam_beta1": 0.9,
    "adam_beta2": 0.95,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 0.5,
    "max_steps": STEPS,
    "warmup_steps": WARMUP,
    "lr_scheduler_type": "cosine",
}
REPORTED = [
    *(f"rewards/{name}" for name in ("chosen", "rejected", "accuracies", "margins")),
    *(f"logps/{name}" for name in ("chosen", "rejected")),
]
CASES = {
    "sigmoid": {"family": "llama", "beta": 0.1},
    "sigmoid-gpt2": {"family": "gpt2", "beta": 0.5},
    "hinge": {"family": "llama", "beta": 0.5, "loss_type": "hinge"},
    "ipo": {"family": "llama", "beta": 0.3, "loss_type": "ipo"},
    "robust": {"family": "llama", "beta": 0.4, "loss_type": "robust", "label_smoothing": 0.2},
    "smoothed": {"family": "llama", "beta": 0.4, "label_smoothing": 0.2, "pairs": 1},
    "orpo": {"family": "llama", "beta": 0.1, "loss": "orpo"},
    "orpo-gpt2": {"family": "gpt2", "beta": 0.7, "loss": "orpo"},
}


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Each byte is its own number, and 256 ends a text."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    vocabulary = {chr(byte): byte for byte in shown} | {chr(256 + at): byte for at, byte in enumerate(hidden)}
    core = Tokenizer(models.BPE(vocab={**vocabulary, "<end>": 256}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<end>")


def letters(name: str, count: int) -> str:
    return "".join(chr(97 + int(letter) % 12) for letter in draw(name, count))


def pairs() -> list[dict]:
    lengths = [(5, 4, 9), (9, 20, 6), (3, 8, 8), (12, 5, 2), (7, 1, 13), (1, 15, 3), (30, 4, 4)]
    names = ("prompt", "chosen", "rejected")
    return [
        {name: letters(f"{name} {at}", count) for name, count in zip(names, sizes, strict=True)}
        for at, sizes in enumerate(lengths)
    ]


class Recorded:
    """Records each loss: the trainer rounds those that it logs."""

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.recorded.append((loss[0] if isinstance(loss, tuple) else loss).item())
        return loss


class RecordedDPO(Recorded, DPOTrainer):
    pass


class RecordedORPO(Recorded, ORPOTrainer):
    pass


class Logs(TrainerCallback):
    def __init__(self):
        self.lines = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.lines.append(dict(logs))


def run(case: dict, rows: list[dict], folder: str) -> dict:
    kind, config, ours = MODELS[case["family"]]
    is_orpo = case.get("loss") == "orpo"
    rows = rows[: case.get("pairs", 6 if is_orpo else 7)]
    built = config(**ours)
    built._attn_implementation = "eager"
    model = kind(built)
    fill(model)
    model = model.to(torch.float64)
    smoothed = case.get("label_smoothing") is not None and "loss_type" not in case
    own = (
        {}
        if is_orpo
        else {
            "loss_type": ["aot" if smoothed else case.get("loss_type", "sigmoid")],
            "label_smoothing": case.get("label_smoothing", 0.0),
        }
    )
    args = (ORPOConfig if is_orpo else DPOConfig)(
        output_dir=folder,
        per_device_train_batch_size=min(6, len(rows)),
        max_length=LENGTH + 1,
        beta=case["beta"],
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
        **TRAIN,
        **own,
    )
    logs = Logs()
    trainer = (RecordedORPO if is_orpo else RecordedDPO)(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=byte_tokenizer(),
        callbacks=[logs],
        **({} if is_orpo else {"ref_model": copy.deepcopy(model)}),
    )
    trainer.recorded = []
    trainer.train()
    assert len(trainer.recorded) == STEPS and len(logs.lines) == STEPS
    return {
        **case,
        "losses": rounded(trainer.recorded),
        "norms": rounded([float(line["grad_norm"]) for line in logs.lines]),
        "reported": {name: rounded([float(line[name]) for line in logs.lines]) for name in REPORTED},
    }


def main() -> None:
    rows = pairs()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            found[name] = run(case, rows, folder)
            print(name, [round(loss, 4) for loss in found[name]["losses"]], flush=True)
    fixture = {
        "bound": BOUND,
        "length": LENGTH,
        "rows": rows,
        "train": TRAIN,
        "models": {family: {"model_type": family, **ours} for family, (_, _, ours) in MODELS.items()},
        "cases": found,
    }
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
