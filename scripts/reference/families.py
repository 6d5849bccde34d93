"""Saves a tiny model of every fixture with transformers, and compares it with Lathe before and after Lathe exports it.

    pip install torch transformers
    npm run build && python scripts/reference/families.py FOLDER

Each model is in FOLDER/<fixture>, with the weights of drawing.py, and FOLDER/<fixture>-exported is what `lathe export` makes of it.
Both are loaded with transformers and by Lathe, and the largest difference of their logits is printed.
"""

import argparse
import json
import subprocess
from pathlib import Path

import torch
import transformers
from drawing import fill
from exported import difference
from make import FOLDER

# Lathe alone has these.
OTHERS = {"configs", "storage"}


def save(name: str, folder: Path) -> bool:
    fixture = json.loads((FOLDER / f"{name}.json").read_text())["config"]
    config = {key: value for key, value in fixture.items() if key not in ("model_type", "num_labels")}
    if fixture["model_type"] == "kphi3" or "num_labels" in fixture:
        return False
    built = transformers.AutoConfig.for_model(fixture["model_type"], **config)
    masked = type(built) in transformers.MODEL_FOR_MASKED_LM_MAPPING and "Bert" in type(built).__name__
    masked = masked or fixture["model_type"] == "roberta"
    kind = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    model = kind.from_config(built, dtype=torch.float32)
    fill(model)
    model.save_pretrained(folder)
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    names = arguments.names or sorted(path.stem for path in FOLDER.glob("*.json") if path.stem not in OTHERS)
    for name in names:
        saved, exported = arguments.folder / name, arguments.folder / f"{name}-exported"
        if not save(name, saved):
            continue
        command = ["node", "dist/lathe.cjs", "export", saved, "--format", "safetensors", "--out", exported]
        subprocess.run(command, check=True, capture_output=True)
        print(name, *difference(saved, None), "exported", *difference(exported, None))


if __name__ == "__main__":
    main()
