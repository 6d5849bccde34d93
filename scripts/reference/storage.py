"""
What PyTorch and Hugging Face's transformers make of weights in half precision, and whether they load what Lathe wrote.

    pip install torch transformers safetensors
    python scripts/reference/storage.py                # writes test/fixtures/models/storage.json
    python scripts/reference/storage.py check FOLDER   # loads every exported model in FOLDER/<model>-<dtype> and compares
    python scripts/reference/storage.py save FOLDER    # saves every model with transformers, in small files, to be read by Lathe

The weights are those of drawing.py. Of each tensor in each type the fixture holds the beginning of the SHA-256 of its bytes,
and of each model some logits, computed in float32 from the rounded weights.
"""

import hashlib
import json
import platform
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers import Phi3Config, Phi3ForCausalLM

from drawing import BOUND, fill, rounded
from make import FOLDER, plain

KINDS = {
    "gpt2": (GPT2LMHeadModel, GPT2Config),
    "llama": (LlamaForCausalLM, LlamaConfig),
    "llama-tied": (LlamaForCausalLM, LlamaConfig),
    "phi3": (Phi3ForCausalLM, Phi3Config),
}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def build(name: str, dtype: torch.dtype) -> torch.nn.Module:
    kind, config = KINDS[name]
    ours = json.loads((FOLDER / f"{name}.json").read_text())["config"]
    model = kind(config(**{key: value for key, value in ours.items() if key != "model_type"}))
    fill(model)
    # Only the weights: tables of rotary frequencies stay as the library computes them.
    for tensor in model.parameters():
        tensor.data = tensor.data.to(dtype)
    model.config.dtype = dtype
    return model.eval()


def hashes(model: torch.nn.Module) -> dict:
    return {
        name: hashlib.sha256(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()[:16]
        for name, tensor in model.named_parameters()
    }


def logits(model: torch.nn.Module) -> list:
    model.to(torch.float32)
    tokens = plain(model.config.vocab_size, 2, 12)["tokens"]
    with torch.no_grad():
        return rounded(model(input_ids=torch.tensor(tokens), use_cache=False).logits.reshape(-1)[::97].numpy())


def figures(model: torch.nn.Module) -> dict:
    return {"tensors": hashes(model), "logits": logits(model)}


def main() -> None:
    path = FOLDER / "storage.json"
    if len(sys.argv) == 1:
        fixture = {
            "made_with": {
                "transformers": transformers.__version__,
                "torch": torch.__version__.split("+")[0],
                "python": platform.python_version(),
            },
            "bound": BOUND,
            "models": {n: {d: figures(build(n, t)) for d, t in DTYPES.items()} for n in KINDS},
        }
        path.write_text(json.dumps(fixture, allow_nan=False) + "\n")
        print(path.name, path.stat().st_size, "bytes")
        return
    mode, folder = sys.argv[1], Path(sys.argv[2])
    expected = json.loads(path.read_text())["models"]
    for name in KINDS:
        for dtype, kind in DTYPES.items():
            place = folder / f"{name}-{dtype}"
            if mode == "save":
                build(name, kind).save_pretrained(place, max_shard_size="6KB")
                continue
            model = AutoModelForCausalLM.from_pretrained(place, dtype="auto")
            assert next(model.parameters()).dtype == kind, (name, dtype)
            assert figures(model) == expected[name][dtype], (name, dtype)
            print("transformers loads", place.name, "bit for bit, same logits")


if __name__ == "__main__":
    main()
