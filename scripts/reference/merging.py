"""Writes test/fixtures/merging.json: what mergekit makes of three tiny models, and of values that are dropped at random.

Run once, by hand, with `pip install mergekit torch transformers`; it reads no network. Weights are those of drawing.py, drawn on
both sides: the base by `fill`, and the models a and b by adding numbers drawn for their name.
"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy
import torch
import yaml
from drawing import fill, rounded, uniform
from mergekit import sparsify
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

FILE = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "merging.json"
CONFIG = {
    "vocab_size": 13,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 16,
    "rms_norm_eps": 1e-5,
}
KEPT = 12


def models(names: list[str], **parameters) -> list[dict]:
    return [{"model": name, "parameters": {k: v[i] for k, v in parameters.items()}} for i, name in enumerate(names)]


CONFIGURATIONS = {
    "mean": {"merge_method": "linear", "models": models(["base", "a"], weight=[0.7, 0.2])},
    "sum": {
        "merge_method": "linear",
        "models": models(["base", "a", "b"], weight=[1, [0, 0.5], [{"filter": "mlp", "value": 0.25}, {"value": -0.5}]]),
        "parameters": {"normalize": False},
    },
    "arc": {
        "merge_method": "slerp",
        "base_model": "base",
        "models": [{"model": "base"}, {"model": "a"}],
        "parameters": {"t": 0.3},
    },
    "arc by layers": {
        "merge_method": "slerp",
        "base_model": "b",
        "slices": [{"sources": [{"model": "a", "layer_range": [0, 3]}, {"model": "b", "layer_range": [0, 3]}]}],
        "parameters": {
            "t": [
                {"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]},
                {"filter": "mlp", "value": [1, 0.5, 0.7, 0.3, 0]},
                {"value": 0.5},
            ]
        },
    },
    "tasks": {
        "merge_method": "task_arithmetic",
        "base_model": "base",
        "models": models(["a", "b"], weight=[0.6, -0.4]),
        "parameters": {"lambda": 0.7},
    },
    "mean of tasks": {
        "merge_method": "task_arithmetic",
        "base_model": "base",
        "models": models(["a", "b"], weight=[0.6, 0.3]),
        "parameters": {"normalize": True},
    },
    "signs": {
        "merge_method": "ties",
        "base_model": "base",
        "models": models(["a", "b"], weight=[1, [0.2, 0.8]], density=[0.4, [1, 0.7, 0.3]]),
    },
    "signs added": {
        "merge_method": "ties",
        "base_model": "base",
        "models": [{"model": "a"}, {"model": "b", "parameters": {"weight": [{"filter": "mlp", "value": 2}]}}],
        "parameters": {"normalize": False, "weight": 0.5, "density": 0.6, "lambda": 1.5},
    },
    "nothing dropped": {
        "merge_method": "dare_ties",
        "base_model": "base",
        "models": models(["a", "b"], weight=[0.5, 0.9], density=[1, 1]),
    },
}


def write_models(folder: Path) -> None:
    for name in ("base", "a", "b"):
        model = LlamaForCausalLM(LlamaConfig(**CONFIG))
        fill(model)
        if name != "base":
            for key, tensor in model.named_parameters():
                values = uniform(f"{name} {key}", tensor.numel()).astype(numpy.float32)
                with torch.no_grad():
                    tensor.add_(torch.from_numpy(values).reshape(tensor.shape))
        model.save_pretrained(folder / name)


def merge(folder: Path, name: str, configuration: dict) -> dict:
    text = yaml.safe_dump(configuration)
    for model in ("base", "a", "b"):
        text = text.replace(f"model: {model}\n", f"model: {folder / model}\n")
    out = folder / name.replace(" ", "-")
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), str(out), MergeOptions(copy_tokenizer=False))
    return {key: rounded(tensor.reshape(-1)[:KEPT].float()) for key, tensor in load_file(out / "model.safetensors").items()}


def drop() -> list[dict]:
    """Values of which those stay whose drawn number is below the density."""
    cases = []
    for density in (0.2, 0.5, 0.9):
        values = torch.from_numpy(uniform(f"values {density}", 40).astype(numpy.float32))
        chances = (uniform(f"chances {density}", 40) / 0.3 + 1) / 2
        original = torch.bernoulli
        torch.bernoulli = lambda p: torch.from_numpy((chances < density).astype(numpy.float32))
        try:
            kept = {
                "norm": sparsify.bernoulli(values, density, sparsify.RescaleNorm.l1),
                "none": sparsify.bernoulli(values, density, None),
            }
        finally:
            torch.bernoulli = original
        largest = sparsify.magnitude(values, density)
        cases.append({"density": density, "largest": rounded(largest), **{k: rounded(v) for k, v in kept.items()}})
    return cases


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_models(folder)
        merged = {
            name: {"configuration": configuration, "tensors": merge(folder, name, configuration)}
            for name, configuration in CONFIGURATIONS.items()
        }
    found = {"mergekit": version("mergekit"), "config": CONFIG, "merged": merged, "dropped": drop()}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
