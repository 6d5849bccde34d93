"""
Whether the programs of each format run what Lathe exports, with equal logits: llama.cpp a GGUF file, transformers the folders
of compressed-tensors, of GPTQ and of AWQ, the last in float16, as its kernels have no other type.

    pip install torch transformers gguf compressed-tensors gptqmodel optimum
    npm install --prefix PACKAGES node-llama-cpp
    lathe export RUN --format gguf --dtype q8_0 --out FOLDER
    python scripts/reference/formats.py PACKAGES FOLDER...

Prints for each folder the bytes of its weights and the largest difference between the logits of the program and those of
Lathe, which reads the same folder (scripts/reference/logits.ts), after the log-softmax. Every tensor of a GGUF file is also
decoded by the package `gguf`.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy

HERE = Path(__file__).parent
PACKAGES = Path(sys.argv[1])
ROWS, LENGTH = 1, 12


def ours(path: Path) -> tuple:
    done = subprocess.run(
        ["npx", "tsx", HERE / "logits.ts", path, str(ROWS), str(LENGTH)], check=True, capture_output=True
    )
    read = json.loads(done.stdout)
    logits = numpy.array(read["values"]).reshape(ROWS * LENGTH, -1)
    return logits - numpy.log(numpy.exp(logits).sum(1, keepdims=True)), numpy.arange(ROWS * LENGTH) * 7 % logits.shape[1]


PROGRAM = """
import { getLlama } from "node-llama-cpp";
const [file, tokens] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: 32 });
const inputs = JSON.parse(tokens).map((token) => [token, { generateNext: { probabilities: true } }]);
const outputs = await context.getSequence().controlledEvaluate(inputs);
const rows = outputs.map(({ next }) => [...next.probabilities].sort(([a], [b]) => a - b).map(([, each]) => each));
console.log(JSON.stringify(rows));
"""


def llama(path: Path, tokens: numpy.ndarray) -> numpy.ndarray:
    program = PACKAGES / "logits.mjs"
    program.write_text(PROGRAM)
    command = ["node", program.resolve(), path.resolve(), json.dumps(tokens.tolist())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return numpy.log(numpy.array(json.loads(done.stdout)))


def decoded(path: Path) -> int:
    import gguf

    reader = gguf.GGUFReader(path)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        assert numpy.isfinite(values).all(), tensor.name
        assert tuple(values.shape) == tuple(int(each) for each in tensor.shape[::-1]), tensor.name
    return sum(int(tensor.n_bytes) for tensor in reader.tensors)


def unpacked(folder: Path) -> dict:
    """The weights of a folder of compressed-tensors, by its own decompressor."""
    from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationScheme
    from safetensors.torch import load_file

    [group] = json.loads((folder / "config.json").read_text())["quantization_config"]["config_groups"].values()
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if name.endswith(".weight_packed")]:
        module = name.removesuffix("weight_packed")
        parts = {key.removeprefix(module): tensors.pop(key) for key in list(tensors) if key.startswith(module + "weight_")}
        parts["weight_scale"] = parts["weight_scale"].float()
        tensors[f"{module}weight"] = PackedQuantizationCompressor.decompress(parts, QuantizationScheme(**group))["weight"]
    return {name: tensor.float() for name, tensor in tensors.items()}


def hugging_face(folder: Path, tokens: numpy.ndarray) -> numpy.ndarray:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    quantization = json.loads((folder / "config.json").read_text())["quantization_config"]
    groups = quantization.get("config_groups", {}).values()
    if any(not group["weights"]["symmetric"] for group in groups):
        # transformers 5.24 expects zero points as compressed-tensors 0.20.1 has them before it packs them.
        config = AutoConfig.from_pretrained(folder)
        del config.quantization_config
        model = AutoModelForCausalLM.from_config(config).float()
        missing = model.load_state_dict(unpacked(folder), strict=False)
        report = {"unexpected": missing.unexpected_keys, "missing": set(missing.missing_keys) - {"lm_head.weight"}}
    else:
        dtype = torch.float16 if quantization["quant_method"] == "awq" else torch.float32
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, device_map="cpu"
        )
    faults = {key: found for key, found in report.items() if found}
    assert not faults, faults
    with torch.no_grad():
        return torch.log_softmax(model.eval()(torch.tensor(tokens)[None]).logits[0].float(), 1).numpy()


def check(folder: Path) -> None:
    file = folder / "model.gguf"
    path = file if file.exists() else folder
    logits, tokens = ours(path)
    if file.exists():
        size, theirs = decoded(file), llama(file, tokens)
    else:
        size = sum(each.stat().st_size for each in folder.glob("*.safetensors"))
        theirs = hugging_face(folder, tokens)
    print(
        f"{folder}: {size} bytes, largest difference {abs(theirs - logits).max():.2e} of {abs(logits).max():.2f}, "
        f"same first token in {(theirs.argmax(1) == logits.argmax(1)).mean():.0%}"
    )


if __name__ == "__main__":
    for name in sys.argv[2:]:
        check(Path(name))
