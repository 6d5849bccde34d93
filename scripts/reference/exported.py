"""Prints the largest difference between our logits and those of transformers for exported folders.

    python scripts/reference/exported.py FOLDER…

Each folder is one that `lathe export --format safetensors` wrote. The class is the one that its config.json names; a tensor
that is missing or left over is an error.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy
import torch
import transformers

SCRIPT = Path(__file__).with_name("logits.ts")
ROWS, LENGTH = 2, 12


def difference(folder: Path) -> tuple:
    config = json.loads((folder / "config.json").read_text())
    kind = getattr(transformers, config["architectures"][0])
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    if report["missing_keys"] or report["unexpected_keys"]:
        raise SystemExit(f"{folder}: {report}")
    done = subprocess.run(["npx", "tsx", SCRIPT, folder, str(ROWS), str(LENGTH)], check=True, capture_output=True)
    ours = json.loads(done.stdout)
    logits = numpy.array(ours["values"]).reshape(ROWS, LENGTH, -1)
    tokens = torch.tensor(numpy.arange(ROWS * LENGTH).reshape(ROWS, LENGTH) * 7 % config["vocab_size"])
    # A mask of ones, as a classifier otherwise looks for padding.
    theirs = model.eval()(tokens, attention_mask=torch.ones_like(tokens)).logits.detach().numpy()
    if theirs.ndim == 2:  # a class for each text: of the first token, or of the last one that is not padding
        place = 0 if kind.__name__.startswith("Bert") else LENGTH - 1
        if place:
            counted = tokens != config.get("pad_token_id")
            place = numpy.array([numpy.nonzero(row)[0].max() for row in counted.numpy()])
        logits = logits[numpy.arange(ROWS), place]
    return kind.__name__, float(numpy.abs(logits - theirs).max())


for argument in sys.argv[1:]:
    print(argument, *difference(Path(argument)))
