"""Prints the largest difference between our logits and those of transformers for exported folders.

    python scripts/reference/exported.py FOLDER…
    pip install "transformers==4.46.3"
    python scripts/reference/exported.py --code CODE FOLDER…

Each folder is one that `lathe export --format safetensors` wrote. The class is the one that its config.json names; a tensor
that is missing or left over is an error. With `--code`, transformers loads the model through the classes that `auto_map` names,
from the files in CODE: configuration_kphi3.py and modeling_kphi3.py from github.com/joaopauloschuler/less-parameters-llm
for a kphi3, which need that older transformers.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy
import torch
import transformers

SCRIPT = Path(__file__).with_name("logits.ts")
ROWS, LENGTH = 2, 12


def load(folder: Path, config: dict, code: Path | None) -> tuple:
    if code is None:
        kind = getattr(transformers, config["architectures"][0])
        return kind.from_pretrained(folder, output_loading_info=True)
    [task] = [name for name in config["auto_map"] if name != "AutoConfig"]
    with tempfile.TemporaryDirectory() as beside:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        for file in code.glob("*_kphi3.py"):
            shutil.copy(file, beside)
        kind = getattr(transformers, task)
        return kind.from_pretrained(
            beside, output_loading_info=True, trust_remote_code=True, attn_implementation="eager"
        )


def difference(folder: Path, code: Path | None) -> tuple:
    config = json.loads((folder / "config.json").read_text())
    model, report = load(folder, config, code)
    name = type(model).__name__
    if report["missing_keys"] or report["unexpected_keys"]:
        raise SystemExit(f"{folder}: {report}")
    done = subprocess.run(["npx", "tsx", SCRIPT, folder, str(ROWS), str(LENGTH)], check=True, capture_output=True)
    ours = json.loads(done.stdout)
    logits = numpy.array(ours["values"]).reshape(ROWS, LENGTH, -1)
    tokens = torch.tensor(numpy.arange(ROWS * LENGTH).reshape(ROWS, LENGTH) * 7 % config["vocab_size"])
    # A mask of ones, as a classifier otherwise looks for padding.
    # One text at a time, as a classifier without a padding token refuses more.
    feeds = {"attention_mask": torch.ones(1, LENGTH, dtype=torch.int64)}
    # It would take a token with the number of padding for padding, wherever it is.
    if name.startswith("Roberta"):
        feeds["position_ids"] = torch.arange(LENGTH)[None] + config["pad_token_id"] + 1
    outputs = [model.eval()(row[None], **feeds).logits for row in tokens]
    theirs = torch.cat(outputs).detach().numpy()
    if theirs.ndim == 2:  # a class for each text: of the first token, or of the last one that is not padding
        place = 0 if "ert" in name else LENGTH - 1
        if place:
            counted = tokens != (-1 if config.get("pad_token_id") is None else config["pad_token_id"])
            place = numpy.array([numpy.nonzero(row)[0].max() for row in counted.numpy()])
        logits = logits[numpy.arange(ROWS), place]
    return name, float(numpy.abs(logits - theirs).max())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--code", type=Path)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        print(folder, *difference(folder, arguments.code))


if __name__ == "__main__":
    main()
