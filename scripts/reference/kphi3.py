"""Writes test/fixtures/kphi3.json: tiny kphi-3 models as their published code saves and computes them.

    pip install "transformers==4.46.3" torch
    python scripts/reference/kphi3.py CODE

CODE is the folder with the authors' configuration_kphi3.py and modeling_kphi3.py (github.com/joaopauloschuler/less-parameters-llm),
which need that older transformers. Each model is saved with `save_pretrained`. The fixture has its config.json as it is in the
folder, the names and shapes of the tensors in model.safetensors, and the logits in float64. Weights are those of drawing.py.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from drawing import BOUND, draw, fill, rounded
from safetensors import safe_open

FIXTURE = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "kphi3.json"
SIZES = {
    "vocab_size": 48,
    "embed_size": 32,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "original_max_position_embeddings": 64,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-3,
    "rope_theta": 50.0,
}
SHORT, LONG = [1.1, 1.5, 2.0, 3.0], [1.5, 2.5, 4.0, 6.0]
SCALED = {"type": "longrope", "short_factor": SHORT, "long_factor": LONG}
# 8 gives each projection several groups, 20 only the last of the feed-forward layer, and 64 none.
CASES = {
    "grouped": {"min_channels_per_group": 8},
    "shared-heads": {"min_channels_per_group": 4, "num_key_value_heads": 2, "hidden_act": "gelu_new"},
    "some-grouped": {"min_channels_per_group": 20},
    "single-groups": {"min_channels_per_group": 64, "tie_word_embeddings": True},
    "dense": {"min_channels_per_group": -1},
    "classes": {"min_channels_per_group": 8, "num_labels": 3, "architecture": "KPhi3ForSequenceClassification"},
    "scaled-short": {"min_channels_per_group": 8, "original_max_position_embeddings": 24, "rope_scaling": SCALED},
    "scaled-long": {"min_channels_per_group": 8, "original_max_position_embeddings": 9, "rope_scaling": SCALED},
}
BATCH, TIME = 2, 12


def import_code(folder: Path):
    """The two files refer to each other as parts of a package."""
    package = Path(tempfile.mkdtemp()) / "published"
    package.mkdir()
    for file in folder.glob("*_kphi3.py"):
        (package / file.name).write_text(file.read_text())
    (package / "__init__.py").write_text("")
    sys.path.insert(0, str(package.parent))
    from published import configuration_kphi3, modeling_kphi3

    return configuration_kphi3, modeling_kphi3


def make_case(name: str, configuration, modeling) -> dict:
    config = {**SIZES, **CASES[name]}
    kind = getattr(modeling, config.pop("architecture", "KPhi3ForCausalLM"))
    built = configuration.KPhi3Config(**config)
    built._attn_implementation = "eager"
    model = kind(built).eval()
    fill(model)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        saved = json.loads(Path(folder, "config.json").read_text())
        with safe_open(Path(folder, "model.safetensors"), "numpy") as file:
            tensors = {key: list(file.get_slice(key).get_shape()) for key in file.keys()}
    tokens = (draw("tokens", BATCH * TIME) % (config["vocab_size"] - 1) + 1).reshape(BATCH, TIME).astype(int)
    feeds = {"input_ids": torch.tensor(tokens), "attention_mask": torch.ones(BATCH, TIME, dtype=torch.int64)}
    with torch.no_grad():
        logits = model.double()(**feeds, use_cache=False).logits
    # A classifier has the logits of each text's last token, the others those of every token, of which some are kept.
    rows = list(range(TIME - 1, BATCH * TIME, TIME)) if logits.ndim == 2 else list(range(3, BATCH * TIME, 4))
    values = logits if logits.ndim == 2 else logits.flatten(0, 1)[rows]
    return {
        **{"name": name, "config": saved, "tensors": tensors, "tokens": tokens.tolist()},
        "logits": {"rows": rows, "values": rounded(values)},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("code", type=Path)
    configuration, modeling = import_code(parser.parse_args().code)
    fixture = {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "bound": BOUND,
        "cases": [make_case(name, configuration, modeling) for name in CASES],
    }
    largest = {case["name"]: float(numpy.abs(case["logits"]["values"]).max()) for case in fixture["cases"]}
    FIXTURE.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(FIXTURE.name, FIXTURE.stat().st_size, "bytes; largest logits", largest)


if __name__ == "__main__":
    main()
