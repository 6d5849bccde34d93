"""Writes test/fixtures/calibration.json: calibration errors of drawn logits and labels, as torchmetrics computes them.

Run once, by hand, with `pip install torch torchmetrics numpy`. Logits and labels are drawn on both sides (drawing.py).
"""

import json
from pathlib import Path

import numpy
import torch
import torchmetrics
from drawing import draw, uniform
from torchmetrics.functional.classification import multiclass_calibration_error

FILE = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "calibration.json"
ROWS, CLASSES, SCALE = 400, 7, 12


def main() -> None:
    logits = torch.from_numpy(uniform("logits", ROWS * CLASSES).reshape(ROWS, CLASSES) * SCALE)
    drawn = torch.from_numpy((draw("labels", ROWS) % CLASSES).astype(numpy.int64))
    # Every second label is the most likely class.
    labels = torch.where(torch.arange(ROWS) % 2 == 0, logits.argmax(1), drawn)
    cases = [
        {"bins": bins, **{name: multiclass_calibration_error(logits.softmax(1), labels, CLASSES, bins, norm).item() for name, norm in (("ece", "l1"), ("mce", "max"))}}
        for bins in (1, 5, 15, 100)
    ]
    document = {"torchmetrics": torchmetrics.__version__, "rows": ROWS, "classes": CLASSES, "scale": SCALE, "cases": cases}
    FILE.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
