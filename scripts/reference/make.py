"""Writes test/fixtures/models/*.json: logits, losses and gradients of tiny seeded models, as Hugging Face computes them.

Run once, by hand, with `pip install torch transformers numpy`; the tests read only the files. Weights are not stored:
both sides draw them from the generator below (test/support/referenceModel.ts is the other side).

    value(name, i) = (mix(fnv1a(name) + i * 0x9e3779b9) / 2^31 - 1) * bound        all integers modulo 2^32

rounded to float32; weights of norms get 1 added. Gradients are stored as a norm and a product with value(name + "#probe")
for every tensor, and in full for a few small ones. Arithmetic is float64 where transformers does not force float32, and
float32 with padding: the mask of transformers, a large number of the model's own type, overflows where it forces float32.
"""

import json
import platform
from pathlib import Path

import numpy
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
)

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "models"
BOUND = 0.3
VOCABULARY = 48
IGNORED = -100


def draw(name: str, count: int) -> numpy.ndarray:
    """`count` 32-bit integers that depend on the name and on their place alone."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        x = numpy.uint32(seed) + numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B9)
        x ^= x >> numpy.uint32(16)
        x *= numpy.uint32(0x85EBCA6B)
        x ^= x >> numpy.uint32(13)
        x *= numpy.uint32(0xC2B2AE35)
        x ^= x >> numpy.uint32(16)
    return x


def uniform(name: str, count: int) -> numpy.ndarray:
    return (draw(name, count).astype(numpy.float64) / 2**31 - 1) * BOUND


def fill(model: torch.nn.Module) -> None:
    for name, tensor in model.named_parameters():
        values = uniform(name, tensor.numel())
        if tensor.ndim == 1 and name.endswith("weight"):
            values = values + 1
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values.astype(numpy.float32)).reshape(tensor.shape))


def rounded(values) -> list:
    """Nine significant digits: more than any comparison of the tests asks for."""
    return [float(f"{value:.9g}") for value in numpy.asarray(values).reshape(-1)]


def summarize_gradients(model: torch.nn.Module) -> dict:
    """For each parameter the norm of its gradient and the product with a probe that both sides draw."""
    summary = {}
    for name, tensor in model.named_parameters():
        values = tensor.grad.double().numpy().reshape(-1)
        probe = uniform(name + "#probe", values.size).astype(numpy.float32).astype(numpy.float64)
        summary[name] = {"norm": rounded(numpy.linalg.norm(values))[0], "probe": rounded(values @ probe)[0]}
    return summary


def plain(vocabulary: int, batch: int, time: int) -> dict:
    tokens = (draw("tokens", batch * time) % vocabulary).reshape(batch, time).astype(int)
    labels = tokens.copy()
    labels[:, :2] = IGNORED
    return {"name": "plain", "tokens": tokens, "labels": labels}


def padded(vocabulary: int, batch: int, time: int) -> dict:
    """The first row is padded on the left, the second on the right; positions count the real tokens only."""
    case = {**plain(vocabulary, batch, time), "name": "padded"}
    mask = numpy.ones((batch, time), dtype=int)
    mask[0, :3] = 0
    mask[1, time - 4 :] = 0
    positions = numpy.maximum(numpy.cumsum(mask, axis=1) - 1, 0)
    # What padding says about the first real token is nobody's business.
    before = numpy.pad(mask[:, :-1], ((0, 0), (1, 0)))
    labels = numpy.where(mask * before == 1, case["labels"], IGNORED)
    return {**case, "labels": labels, "attention_mask": mask, "position_ids": positions}


def hidden(case: dict, padding: int) -> dict:
    """The same texts with some tokens to be found again where they are, as a masked language model learns them."""
    mask = case.get("attention_mask", numpy.ones_like(case["tokens"]))
    places = numpy.arange(mask.size).reshape(mask.shape)
    tokens = numpy.where(mask == 1, numpy.where(case["tokens"] == padding, padding + 1, case["tokens"]), padding)
    labels = numpy.where((mask == 1) & (places % 3 == 1), (tokens * 7 + 5) % VOCABULARY, IGNORED)
    return {**case, "tokens": tokens, "labels": labels, "in_place": True}


def run(model: torch.nn.Module, case: dict) -> dict:
    feeds = {"input_ids": torch.tensor(case["tokens"])}
    for name in ("attention_mask", "position_ids"):
        if name in case:
            feeds[name] = torch.tensor(case[name])
    model.to(torch.float32 if "attention_mask" in case else torch.float64)
    model.zero_grad()
    in_place = case.get("in_place", False)
    logits = model(**feeds, **({} if in_place else {"use_cache": False})).logits
    batch, time, vocabulary = logits.shape
    # Of a causal model the label of a place is the token that follows it: logits at t are scored against labels at t + 1.
    scored, labels = logits, torch.tensor(case["labels"])
    if not in_place:
        scored, labels = logits[:, :-1], labels[:, 1:]
    loss = torch.nn.functional.cross_entropy(
        scored.reshape(-1, vocabulary), labels.reshape(-1), ignore_index=IGNORED
    )
    loss.backward()
    rows = [row for row in range(batch * time) if case.get("attention_mask", numpy.ones((batch, time))).reshape(-1)[row]]
    rows = rows[:: max(1, len(rows) // 6)]
    gradients = summarize_gradients(model)
    if case["name"] == "plain":
        for name, tensor in model.named_parameters():
            if tensor.ndim == 1:
                gradients[name]["values"] = rounded(tensor.grad.double().numpy())
    return {
        **{key: value.tolist() if isinstance(value, numpy.ndarray) else value for key, value in case.items()},
        "loss": rounded(loss.item())[0],
        "logits": {"rows": rows, "values": rounded(logits.detach().reshape(-1, vocabulary)[rows].numpy())},
        "gradients": gradients,
    }


def classified(
    model: torch.nn.Module, padding: int, lengths: list, time: int, vocabulary: int, first: bool = False
) -> dict:
    """Texts of these lengths, padded on the right, each with one class that its last token has, or its first."""
    batch, classes = len(lengths), model.config.num_labels
    mask = numpy.array([[int(at < length) for at in range(time)] for length in lengths])
    tokens = (draw("tokens", batch * time) % (vocabulary - 1)).reshape(batch, time).astype(int)
    tokens = numpy.where(mask == 1, tokens + (tokens >= padding), padding)
    labels = (draw("classes", batch) % classes).astype(int)
    model.to(torch.float64)
    model.zero_grad()
    feeds = {"input_ids": torch.tensor(tokens), "attention_mask": torch.tensor(mask)}
    found = model(**feeds, labels=torch.tensor(labels))
    found.loss.backward()
    last = [0 if first else length - 1 for length in lengths]
    wanted = numpy.full((batch, time), IGNORED)
    wanted[range(batch), last] = labels
    gradients = summarize_gradients(model)
    return {
        "name": "classes",
        "in_place": True,
        "tokens": tokens.tolist(),
        "labels": wanted.tolist(),
        "attention_mask": mask.tolist(),
        "position_ids": [list(range(time))] * batch,
        "loss": rounded(found.loss.item())[0],
        "logits": {
            "rows": [row * time + at for row, at in enumerate(last)],
            "values": rounded(found.logits.detach().numpy()),
        },
        "gradients": gradients,
    }


def build(kind, config) -> torch.nn.Module:
    torch.manual_seed(0)
    config._attn_implementation = "eager"
    model = kind(config).train()
    fill(model)
    return model


def made_cases(model: torch.nn.Module, cases=None) -> list:
    return cases(model) if cases else [run(model, case(VOCABULARY, 2, 12)) for case in (plain, padded)]


# Without a limit that a sequence reaches, or with weights that are drawn anyway, these change nothing.
UNSEEN = {"model_type", "max_position_embeddings", "pad_token_id", "num_labels"}
# The tensors of the fixture have these sizes.
SIZES = {
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_key_value_heads",
    "head_dim",
    "type_vocab_size",
}


def check_keys(name: str, kind, make_config, ours: dict, made: list, cases=None) -> None:
    """Each key, left out, changes a number or a shape of the fixture: one that our side ignores would be noticed."""
    shapes = {each: tuple(tensor.shape) for each, tensor in build(kind, make_config(ours)).named_parameters()}
    for key in ours.keys() - UNSEEN - SIZES:
        try:
            model = build(kind, make_config({each: value for each, value in ours.items() if each != key}))
            if {each: tuple(tensor.shape) for each, tensor in model.named_parameters()} != shapes:
                continue
            changed = made_cases(model, cases)
        except (ValueError, RuntimeError, StrictDataclassError):
            continue  # The other keys do not fit the default.
        if all(abs(a["loss"] - b["loss"]) < 1e-6 * abs(b["loss"]) for a, b in zip(changed, made)):
            raise SystemExit(f"{name}: {key} can be left out without changing the loss; choose another value")


def write(name: str, kind, config, ours: dict, cases=None, make_config=None) -> None:
    """`ours` is the configuration as a config.json would hold it, for the reader of the fixture."""
    model = build(kind, config)
    made = made_cases(model, cases)
    if make_config is not None:
        check_keys(name, kind, make_config, ours, made, cases)
    fixture = {
        "made_with": {
            "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0],
            "python": platform.python_version(),
        },
        "bound": BOUND,
        "config": ours,
        "tensors": {name: list(tensor.shape) for name, tensor in model.named_parameters()},
        "cases": made,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(path.name, path.stat().st_size, "bytes, loss", fixture["cases"][0]["loss"])


def main() -> None:
    gpt2 = {"vocab_size": 48, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4}
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    write("gpt2", GPT2LMHeadModel, GPT2Config(**gpt2, **off), {"model_type": "gpt2", **gpt2, **off})

    llama = {
        "vocab_size": 48,
        "hidden_size": 32,
        "intermediate_size": 56,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
    }
    for name, extra in {
        "llama": {"tie_word_embeddings": False},
        "llama-tied": {
            "tie_word_embeddings": True,
            "attention_bias": True,
            "mlp_bias": True,
            "head_dim": 16,
            "num_key_value_heads": 1,
        },
    }.items():
        ours = {**llama, **extra}
        write(name, LlamaForCausalLM, LlamaConfig(**ours), {"model_type": "llama", **ours})

    phi3 = {**llama, "num_key_value_heads": 4, "pad_token_id": None}
    for name, extra in {"phi3": {}, "phi3-window": {"num_key_value_heads": 2, "sliding_window": 5}}.items():
        ours = {**phi3, **extra}
        write(name, Phi3ForCausalLM, Phi3Config(**ours), {"model_type": "phi3", **ours})

    # Three classes; the padding token is one of the vocabulary, as models without one of their own need.
    def classes(model):
        return [classified(model, padding=0, lengths=[9, 12, 5], time=12, vocabulary=48)]

    labels = {"id2label": {0: "first", 1: "second", 2: "third"}, "pad_token_id": 0}
    told = {"num_labels": 3}
    ours = {**gpt2, **off}
    config = GPT2Config(**ours, **labels)
    write("gpt2-classes", GPT2ForSequenceClassification, config, {"model_type": "gpt2", **ours, **told}, classes)
    config = LlamaConfig(**llama, **labels)
    write("llama-classes", LlamaForSequenceClassification, config, {"model_type": "llama", **llama, **told}, classes)

    # No key of these has its default, so that leaving one out is seen.
    qwen2 = {**llama, "rms_norm_eps": 1e-3, "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}, "hidden_act": "gelu"}
    windows = {
        "tie_word_embeddings": True,
        "head_dim": 16,
        "num_key_value_heads": 1,
        "use_sliding_window": True,
        "sliding_window": 5,
        "max_window_layers": 1,
    }
    typed = {**windows, "layer_types": ["sliding_attention", "full_attention"]}
    del typed["max_window_layers"]

    def make_qwen2(given: dict, **more):
        return Qwen2Config(**{key: value for key, value in given.items() if key != "num_labels"}, **more)

    for name, extra in {"qwen2": {}, "qwen2-window": windows, "qwen2-types": typed}.items():
        ours = {**qwen2, **extra}
        write(name, Qwen2ForCausalLM, make_qwen2(ours), {"model_type": "qwen2", **ours}, make_config=make_qwen2)
    config = make_qwen2({**llama, "num_key_value_heads": 2}, **labels)
    write("qwen2-classes", Qwen2ForSequenceClassification, config, {"model_type": "qwen2", **llama, **told}, classes)

    bert = {
        "vocab_size": 48,
        "hidden_size": 32,
        "intermediate_size": 56,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 16,
        "type_vocab_size": 3,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }

    def make_bert(given: dict):
        return BertConfig(**{key: value for key, value in given.items() if key != "num_labels"})

    def masked(model):
        return [run(model, hidden(case(48, 2, 12), padding=0)) for case in (plain, padded)]

    def first_classes(model):
        return [classified(model, padding=0, lengths=[9, 12, 5], time=12, vocabulary=48, first=True)]

    write("bert", BertForMaskedLM, make_bert(bert), {"model_type": "bert", **bert}, masked, make_bert)
    ours = {**bert, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "classifier_dropout": 0.0}
    write(
        "bert-classes",
        BertForSequenceClassification,
        BertConfig(**ours, **labels),
        {"model_type": "bert", **ours, **told},
        first_classes,
    )


if __name__ == "__main__":
    main()
