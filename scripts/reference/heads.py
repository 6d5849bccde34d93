"""Writes test/fixtures/heads.json: classifiers whose classes are in an order of their own, and regressions, as transformers
and SciPy compute them.

Run once, by hand, with `pip install torch transformers scipy numpy`; weights are those of drawing.py, drawn on both sides.
Texts are read as bytes, one at a time, so that nothing is padded.
"""

import json
from pathlib import Path

import numpy
import torch
from drawing import BOUND, draw, fill, rounded
from make import summarize_gradients
from scipy.stats import pearsonr, spearmanr
from tiny import GPT2, LLAMA
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
)

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "heads.json"
ROWS = 24
# In an order that is neither that of the alphabet nor that of the data, with another spelling than the rows have.
CLASSES = ["Spam", "not-sure", "HAM"]
IN_ROWS = ["ham", "not_sure", "spam"]


def text(name: str) -> str:
    letters = draw(name, 4 + int(draw(name + "#length", 1)[0]) % 8) % 26
    return "".join(chr(97 + int(letter)) for letter in letters)


def models():
    yield "gpt2", GPT2ForSequenceClassification, GPT2Config, GPT2
    yield "llama", LlamaForSequenceClassification, LlamaConfig, LLAMA


def build(kind, config, ours: dict, labels: dict):
    # transformers refuses batches without a padding token, and there is no padding in a text read alone.
    built = config(**ours, **labels, pad_token_id=256)
    built._attn_implementation = "eager"
    model = kind(built).train()
    fill(model)
    return model.to(torch.float64)


def describe(model, kind) -> dict:
    keys = ("num_labels", "id2label", "label2id", "problem_type")
    return {
        "config": {
            **{key: value for key, value in model.config.to_dict().items() if key in keys},
            "architectures": [kind.__name__],
        },
        "tensors": {name: list(tensor.shape) for name, tensor in model.named_parameters()},
    }


def main() -> None:
    found = {}
    texts = [text(f"row {i}") for i in range(ROWS)]
    labels = [IN_ROWS[int(i) % 3] for i in draw("labels", ROWS)]
    # Some scores are equal, as Spearman's ranks have to share.
    scores = [float(each % 11) / 2 for each in draw("scores", ROWS)]
    for family, kind, config, ours in models():
        named = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: i for i, name in enumerate(CLASSES)}}
        model = build(kind, config, ours, named)
        same = {name.lower().replace("-", "_"): i for i, name in enumerate(CLASSES)}
        truths = [same[label] for label in labels]
        logits = torch.cat([model(torch.tensor([list(row.encode())])).logits for row in texts])
        said = logits.argmax(1).tolist()
        confusion = [[0] * 3 for _ in CLASSES]
        for truth, each in zip(truths, said):
            confusion[truth][each] += 1
        classes = {
            **describe(model, kind),
            "accuracy": sum(a == b for a, b in zip(truths, said)) / ROWS,
            "loss": rounded(torch.nn.functional.cross_entropy(logits, torch.tensor(truths)).item())[0],
            "confusion": confusion,
        }
        model = build(kind, config, ours, {"num_labels": 1, "problem_type": "regression"})
        outputs = [
            model(torch.tensor([list(row.encode())]), labels=torch.tensor([score], dtype=torch.float64))
            for row, score in zip(texts, scores)
        ]
        loss = torch.stack([output.loss for output in outputs]).mean()
        loss.backward()
        numbers = numpy.array([output.logits.item() for output in outputs])
        regression = {
            **describe(model, kind),
            "mean_squared_error": rounded(loss.item())[0],
            "pearson": rounded(pearsonr(numbers, scores).statistic)[0],
            "spearman": rounded(spearmanr(numbers, scores).statistic)[0],
            "gradients": summarize_gradients(model),
        }
        found[family] = {"config": {"model_type": family, **ours}, "classes": classes, "regression": regression}
        print(family, classes["accuracy"], classes["loss"], regression["mean_squared_error"], regression["spearman"])
    # Correlations alone, with ties on both sides.
    a = [float(each % 5) for each in draw("a", 40)]
    b = [float(each % 7) - x for each, x in zip(draw("b", 40), a)]
    ties = {"a": a, "b": b, "pearson": rounded(pearsonr(a, b).statistic)[0], "spearman": rounded(spearmanr(a, b).statistic)[0]}
    fixture = {"bound": BOUND, "texts": texts, "labels": labels, "scores": scores, "families": found, "ties": ties}
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
