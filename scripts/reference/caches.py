"""Writes test/fixtures/caches.json: which tokens the published code of three cache policies keeps, after a prompt and each step.

    pip install torch
    python scripts/reference/caches.py FOLDER

FOLDER has clones of github.com/FMInference/H2O (H2O), github.com/FasterDecoding/SnapKV (SnapKV) and
github.com/d-matrix-ai/keyformer-llm (keyformer-llm). Their classes are executed as they are, without the imports of their files,
which need older versions of transformers. Queries, keys and noise are those of drawing.py, so that the fixture has positions
alone; the values of a token hold its position, by which it is recognized in the cache.

Keyformer is run a second time with one slice changed, because the published one is off by one: the mask has a column for the
next token, so that `-recent` leaves out the oldest of the recent tokens, which is also too recent for the best scores. Every
token that leaves the recent ones is therefore dropped. The fixture has both.
"""

import argparse
import ast
import contextlib
import copy
import json
import math
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy
import torch
from drawing import BOUND, draw, uniform

FIXTURE = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "caches.json"
HEADS, WIDTH, PROMPT, STEPS = 4, 8, 12, 24
# Bound of queries and keys; that of drawing.py makes all weights alike.
SPREAD = 12.0
# How much more each token is attended to than the one before, so that generated tokens displace those of the prompt.
DRIFT = 1.0
H2O_FILE = "H2O/h2o_hf/utils_real_drop/modify_llama.py"
SNAPKV_FILE = "SnapKV/snapkv/monkeypatch/snapkv_utils.py"
KEYFORMER_FILE = "keyformer-llm/models/gptj-keyformer-lib/modeling_gptj.py"
PUBLISHED_SLICE = "token_mask[:, : -req_tokens[0]] = 0"
REPAIRED_SLICE = "token_mask[:, : -req_tokens[0] - 1] = 0"


def load_class(file: Path, name: str, change: tuple[str, str] | None = None):
    """The class of a file, without executing the rest of the file."""
    text = file.read_text()
    if change is not None:
        assert text.count(change[0]) == 1, change
        text = text.replace(*change)
    [found] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name]
    # Annotations name classes of transformers.
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "math": math, "copy": copy}
    code = "from __future__ import annotations\n" + ast.unparse(found)
    exec(compile(code, str(file), "exec"), names)  # noqa: S102
    return names[name]


def tensor(name: str, *shape: int) -> torch.Tensor:
    return torch.tensor(uniform(name, math.prod(shape)) * SPREAD, dtype=torch.float32).reshape(1, *shape)


def values(start: int, count: int) -> torch.Tensor:
    return torch.arange(start, start + count, dtype=torch.float32).reshape(1, 1, count, 1).repeat(1, HEADS, 1, WIDTH)


def positions(cached: torch.Tensor) -> list[list[int]]:
    """The tokens in the cache of each head, by their values."""
    return [sorted(int(position) for position in head[:, 0]) for head in cached[0]]


def weigh(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    scores = queries @ keys.transpose(2, 3) / math.sqrt(WIDTH)
    count, all_keys = scores.shape[2:]
    return scores.masked_fill(torch.ones(count, all_keys).triu(all_keys - count + 1).bool(), -1e9).softmax(-1)


def tokens(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys of the prompt (step 0) or of a generated token."""
    start, count = (0, PROMPT) if step == 0 else (PROMPT + step - 1, 1)
    queries, keys = tensor(f"queries.{step}", HEADS, count, WIDTH), tensor(f"keys.{step}", HEADS, count, WIDTH)
    queries[..., 0] = 1.0
    keys[..., 0] = DRIFT * torch.arange(start, start + count)
    return queries, keys


def run_h2o(folder: Path, hitters: int, recent: int) -> list:
    cache = load_class(folder / H2O_FILE, "H2OKVCache_LayerWise")(hh_size=hitters, recent_size=recent)
    queries, keys = tokens(0)
    held = cache((keys, values(0, PROMPT)), weigh(queries, keys))
    kept = [positions(held[1])]
    for step in range(1, STEPS + 1):
        query, key = tokens(step)
        keys = torch.cat([held[0], key], 2)
        held = cache((keys, torch.cat([held[1], values(PROMPT + step - 1, 1)], 2)), weigh(query, keys))
        kept.append(positions(held[1]))
    return kept


def run_snapkv(folder: Path, window: int, capacity: int, kernel: int, pooling: str) -> list:
    kind = load_class(folder / SNAPKV_FILE, "SnapKVCluster")
    cluster = kind(window_size=window, max_capacity_prompt=capacity, kernel_size=kernel, pooling=pooling)
    queries, keys = tokens(0)
    _, held = cluster.update_kv(keys, queries, values(0, PROMPT), None, 1)
    kept = [positions(held)]
    for step in range(2):
        held = torch.cat([held, values(PROMPT + step, 1)], 2)
        kept.append(positions(held))
    return kept


@contextlib.contextmanager
def gumbel_noise(noise: torch.Tensor):
    """Lets `gumbel_softmax`, which computes -log of exponential draws, have this noise."""
    with mock.patch.object(torch.Tensor, "exponential_", lambda self: self.copy_(torch.exp(-noise))):
        yield


def draw_noise(name: str, *shape: int) -> torch.Tensor:
    fractions = (draw(name, math.prod(shape)) + 0.5) / 2**32
    return torch.tensor(-numpy.log(-numpy.log(fractions)), dtype=torch.float32).reshape(1, *shape)


def run_keyformer(folder: Path, budget: float, recent: float, start: float, rise: float, noisy: bool, change) -> list:
    kind = load_class(folder / KEYFORMER_FILE, "GPTJAttention", change)
    size = PROMPT + STEPS
    layer = SimpleNamespace(
        bias=torch.ones(size, size).tril().bool().reshape(1, 1, size, size),
        scale_attn=torch.tensor(math.sqrt(WIDTH)),
        attn_dropout=torch.nn.Identity(),
    )
    all_keys, all_values = torch.empty(1, HEADS, 0, WIDTH), torch.empty(1, HEADS, 0, WIDTH)
    state = {"score_fn": None, "token_discard_mask": None, "itr_count": 0, "req_tokens": None}
    options = {"kv_cache": budget, "recent": recent, "tau_init": start, "tau_delta": rise}
    kept = []
    for step in range(STEPS + 1):
        queries, keys = tokens(step)
        count = queries.shape[2]
        all_keys = torch.cat([all_keys, keys], 2)
        all_values = torch.cat([all_values, values(all_values.shape[2], count)], 2)
        shape = (HEADS, count, all_keys.shape[2])
        noise = draw_noise(f"noise.{step}", *shape) if noisy else torch.zeros(1, *shape)
        with gumbel_noise(noise):
            result = kind._attn(layer, queries, all_keys, all_values, keyformer=True, **state, **options)
        state = dict(zip(("score_fn", "token_discard_mask", "itr_count", "req_tokens"), result[2:], strict=True))
        # The last column is for the token of the next step.
        masks = state["token_discard_mask"][0, :, 0, :-1]
        kept.append([[i for i, each in enumerate(mask) if each] for mask in masks.tolist()])
    return kept


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    cases = []
    for budget, recent in ((6, 0.5), (9, 0.25), (12, 0.75)):
        count = int(budget * recent)
        options = {"budget": budget, "recent": recent}
        cases.append({"policy": "h2o", "options": options, "kept": run_h2o(folder, budget - count, count)})
    for window, budget, kernel, pooling in ((3, 7, 5, "avg"), (3, 7, 5, "max"), (2, 6, 3, "avg"), (1, 4, 7, "max")):
        options = {"budget": budget, "window": window, "kernel_size": kernel, "pooling": pooling}
        kept = run_snapkv(folder, window, budget, kernel, f"{pooling}pool")
        cases.append({"policy": "snapkv", "options": options, "kept": kept})
    for share, recent, start, rise in ((50, 50, 1.0, 0.01), (70, 40, 0.5, 0.1)):
        for noise in ("none", "gumbel"):
            options = {"recent": recent / 100, "tau_init": start, "tau_delta": rise, "noise": noise}
            for repaired in (True, False):
                change = (PUBLISHED_SLICE, REPAIRED_SLICE) if repaired else None
                kept = run_keyformer(folder, share, recent, start, rise, noise == "gumbel", change)
                given = {**options, "budget": PROMPT * share // 100}
                cases.append({"policy": "keyformer", "options": given, "isRepaired": repaired, "kept": kept})
    fixture = {
        "made_with": {"torch": torch.__version__.split("+")[0]},
        **{"heads": HEADS, "headDim": WIDTH, "prompt": PROMPT, "steps": STEPS},
        **{"bound": BOUND, "spread": SPREAD, "drift": DRIFT, "cases": cases},
    }
    FIXTURE.write_text(json.dumps(fixture) + "\n")
    print(FIXTURE.name, FIXTURE.stat().st_size, "bytes,", len(cases), "cases")


if __name__ == "__main__":
    main()
