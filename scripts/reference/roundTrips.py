"""
Each family there and back: a tiny checkpoint of transformers is read, measured, pruned by half (wanda), rounded to four bits
(rtn), measured again, exported and loaded by transformers.

    pip install torch transformers
    python scripts/reference/roundTrips.py FOLDER [FIXTURE...]

Prints for every fixture of a language model the loss before and after, and the largest differences between the logits of
Lathe and those of transformers: on the checkpoint, and on what Lathe exports. Fails if a tensor is missing or left over, or
if a difference exceeds 1e-4. The exports are in FOLDER/<fixture>-after.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import torch
from exported import LENGTH, load
from families import OTHERS, save
from make import FOLDER

SCRIPT = Path(__file__).with_name("roundTrips.ts")


def difference(folder: Path, ours: list) -> float:
    config = json.loads((folder / "config.json").read_text())
    model, report = load(folder, config, None)
    faults = {key: found for key, found in report.items() if found}
    if faults:
        raise SystemExit(f"{folder}: {faults}")
    tokens = torch.arange(LENGTH)[None] * 7 % config["vocab_size"]
    feeds = {"attention_mask": torch.ones_like(tokens)}
    # It would take a token with the number of padding for padding, wherever it is.
    if config["model_type"] == "roberta":
        feeds["position_ids"] = torch.arange(LENGTH)[None] + config["pad_token_id"] + 1
    with torch.no_grad():
        theirs = model.eval()(tokens, **feeds).logits[0].numpy()
    return float(numpy.abs(numpy.array(ours).reshape(theirs.shape) - theirs).max())


def main() -> None:
    root = Path(sys.argv[1])
    names = sys.argv[2:] or sorted(path.stem for path in FOLDER.glob("*.json") if path.stem not in OTHERS)
    for folder in root.glob("*-after"):
        shutil.rmtree(folder)
    folders = [root / name for name in names if save(name, root / name)]
    done = subprocess.run(["npx", "tsx", SCRIPT, *folders], check=True, stdout=subprocess.PIPE)
    worst = 0.0
    for folder, found in json.loads(done.stdout).items():
        kinds = [("before", Path(folder)), ("after", Path(f"{folder}-after"))]
        differences = [difference(path, found[kind]["logits"]) for kind, path in kinds]
        worst = max(worst, *differences)
        losses = " → ".join(f"{found[kind]['loss']:.4f}" for kind, _ in kinds)
        print(f"{Path(folder).name:24} loss {losses}  differences {differences[0]:.1e} {differences[1]:.1e}")
    assert worst < 1e-4, worst


if __name__ == "__main__":
    main()
