"""
Whether others run what Lathe exports: transformers the safetensors folder, ONNX Runtime the ONNX folder, with equal logits.

    pip install torch transformers safetensors onnx onnxruntime
    lathe export RUN --format safetensors --out FOLDER/safetensors
    lathe export RUN --format onnx --out FOLDER/onnx
    python scripts/reference/exports.py FOLDER...

Prints the sizes of the smaller configuration, the largest difference of the logits for inputs of three sizes, and that of a
text with padding on the left or on the right from the same text alone. Fails if transformers finds a tensor missing or left
over, if the checker of ONNX refuses the file, or if a difference exceeds 1e-3 of the largest logit.
"""

import json
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from transformers import AutoModelForCausalLM

SIZES = [(1, 1), (2, 7), (3, 24)]
KEYS = ["intermediate_size", "n_inner", "num_attention_heads", "n_head", "num_key_value_heads", "head_dim"]
KEYS += ["num_hidden_layers", "n_layer"]


def session(path: Path) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(graph: onnxruntime.InferenceSession, ids: numpy.ndarray, mask: numpy.ndarray) -> numpy.ndarray:
    feeds = {"input_ids": ids, "attention_mask": mask}
    if any(each.name == "position_ids" for each in graph.get_inputs()):
        feeds["position_ids"] = numpy.maximum(mask.cumsum(1) - 1, 0)
    return graph.run(["logits"], feeds)[0]


def check(folder: Path) -> None:
    model, info = AutoModelForCausalLM.from_pretrained(
        folder / "safetensors", dtype=torch.float32, output_loading_info=True
    )
    model.eval()
    faults = {key: found for key, found in info.items() if found}
    assert not faults, faults
    config = json.loads((folder / "safetensors" / "config.json").read_text())
    print(folder.name, {key: config[key] for key in KEYS if key in config})
    graph = session(folder / "onnx" / "model.onnx")
    random = numpy.random.default_rng(1)
    worst = 0.0
    for size in SIZES:
        ids = random.integers(3, config["vocab_size"], size, dtype=numpy.int64)
        with torch.no_grad():
            expected = model(input_ids=torch.tensor(ids), use_cache=False).logits.numpy()
        found = run(graph, ids, numpy.ones_like(ids))
        assert found.shape == expected.shape
        worst = max(worst, float(abs(found - expected).max()))
    text = ids[:1, :9]
    alone = run(graph, text, numpy.ones_like(text))
    padding = numpy.zeros((1, 4), dtype=numpy.int64)
    padded = numpy.concatenate([numpy.concatenate([padding, text], 1), numpy.concatenate([text, padding], 1)])
    mask = numpy.array([[0] * 4 + [1] * 9, [1] * 9 + [0] * 4], dtype=numpy.int64)
    rows = run(graph, padded, mask)
    shifted = max(float(abs(rows[0, 4:] - alone).max()), float(abs(rows[1, :9] - alone).max()))
    print(f"  largest difference from transformers {worst:.2e}, with padding {shifted:.2e}, of {abs(alone).max():.1f}")
    assert max(worst, shifted) < 1e-3 * abs(alone).max()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        check(Path(name))
