"""Writes test/fixtures/models/*.json: logits, losses and gradients of tiny seeded models, as Hugging Face computes them.

Run once, by hand, with `pip install torch transformers numpy`; the tests read only the files. Weights are not stored:
both sides draw them (drawing.py). Gradients are stored as a norm and a product with value(name + "#probe")
for every tensor, and in full for a few small ones. Arithmetic is float64 where transformers does not force float32, and
float32 with padding: the mask of transformers, a large number of the model's own type, overflows where it forces float32.
"""

import copy
import json
import platform
from pathlib import Path

import numpy
import torch
import transformers
from drawing import BOUND, draw, fill, rounded, uniform
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GPTNeoXForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "models"
VOCABULARY = 48
IGNORED = -100


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


def run(model: torch.nn.Module, case: dict, first_position: int = 0) -> dict:
    """`first_position` is the number that the model gives to the first position."""
    feeds = {"input_ids": torch.tensor(case["tokens"])}
    for name in ("attention_mask", "position_ids"):
        if name in case:
            feeds[name] = torch.tensor(case[name]) + (first_position if name == "position_ids" else 0)
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
    "ffn_dim",
    "dim",
    "hidden_dim",
    "n_layers",
}


def list_changes(ours: dict):
    """The configuration without each of its keys, and without each key of the settings that it holds."""
    for key in ours.keys() - UNSEEN - SIZES:
        if ours[key] == "default":
            continue
        yield key, {each: value for each, value in ours.items() if each != key}
        if isinstance(ours[key], dict):
            for name, changed in list_changes(ours[key]):
                yield f"{key}.{name}", {**ours, key: changed}


def check_keys(name: str, kind, make_config, ours: dict, made: list, cases=None) -> None:
    """Each key, left out, changes a number or a shape of the fixture: one that our side ignores would be noticed."""
    shapes = {each: tuple(tensor.shape) for each, tensor in build(kind, make_config(ours)).named_parameters()}
    for key, changed_config in list_changes(ours):
        try:
            model = build(kind, make_config(copy.deepcopy(changed_config)))
            if {each: tuple(tensor.shape) for each, tensor in model.named_parameters()} != shapes:
                continue
            changed = made_cases(model, cases)
        except (KeyError, ValueError, RuntimeError, StrictDataclassError):
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


def write_checked(name: str, model_type: str, kind, config, ours: dict, cases=None, **more) -> None:
    """A fixture of which every key matters."""

    def make_config(given: dict):
        known = {key: value for key, value in given.items() if key not in ("model_type", "num_labels")}
        return config(**copy.deepcopy(known), **more)

    write(name, kind, make_config(ours), {"model_type": model_type, **ours}, cases, make_config)


LLAMA = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
}
SHORT, LONG = [1.1, 1.5, 2.0, 3.0], [1.5, 2.5, 4.0, 6.0]


def write_rotary() -> None:
    """Scaled rotary frequencies. Of longrope the plain case is long, and the padded one, of at most 9 positions, is short."""
    llama3 = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    yarn = {"factor": 4.0, "beta_fast": 4.0, "beta_slow": 0.5, "original_max_position_embeddings": 32}
    longrope = {"short_factor": SHORT, "long_factor": LONG}
    for name, extra in {
        "llama-linear": {"rope_theta": 50.0, "rope_scaling": {"type": "linear", "factor": 2.5}},
        "llama-llama3": {"rope_parameters": {"rope_type": "llama3", "rope_theta": 50.0, **llama3}},
        "llama-yarn": {"rope_theta": 50.0, "rope_scaling": {"type": "yarn", "factor": 4.0}},
        "llama-longrope": {
            "rope_parameters": {
                **{"rope_type": "longrope", "rope_theta": 50.0, "factor": 3.0, **longrope},
                "original_max_position_embeddings": 9,
            }
        },
    }.items():
        write_checked(name, "llama", LlamaForCausalLM, LlamaConfig, {**LLAMA, "rms_norm_eps": 1e-3, **extra})
    scaled = {"rope_type": "yarn", "rope_theta": 50.0, **yarn}
    scaled = {**scaled, "truncate": False, "mscale": 0.7, "mscale_all_dim": 1.3}
    ours = {**LLAMA, "rms_norm_eps": 1e-3, "rope_parameters": scaled}
    write_checked("qwen2-yarn", "qwen2", Qwen2ForCausalLM, Qwen2Config, ours)
    partial = {"type": "longrope", "short_factor": SHORT[:3], "long_factor": LONG[:3]}
    ours = {**LLAMA, "rms_norm_eps": 1e-3, "pad_token_id": None, "rope_theta": 50.0, "rope_scaling": partial}
    ours = {**ours, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 9}
    write_checked("phi3-longrope", "phi3", Phi3ForCausalLM, Phi3Config, ours)


def write_decoders() -> None:
    """Decoders with RMS norms; no key has its default, so that leaving one out is seen."""
    base = {**LLAMA, "rms_norm_eps": 1e-3}
    default = {"rope_type": "default", "rope_theta": 50.0}
    # The length outside of the settings wins.
    yarn = {**default, "rope_type": "yarn", "factor": 4.0, "attention_factor": 0.8}
    ours = {**base, "hidden_act": "gelu", "sliding_window": 5, "rope_parameters": yarn, "num_key_value_heads": 2}
    ours = {**ours, "original_max_position_embeddings": 24}
    write_checked("mistral", "mistral", MistralForCausalLM, MistralConfig, ours)
    ours = {**base, "head_dim": 16, "tie_word_embeddings": True, "num_key_value_heads": 1}
    write_checked("mistral-full", "mistral", MistralForCausalLM, MistralConfig, ours)

    windows = {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}
    ours = {**base, "head_dim": 16, "attention_bias": True, "hidden_act": "gelu", "rope_parameters": default, **windows}
    write_checked("qwen3", "qwen3", Qwen3ForCausalLM, Qwen3Config, ours)
    ours = {**base, "head_dim": 8, "tie_word_embeddings": True, "num_key_value_heads": 4}
    write_checked("qwen3-tied", "qwen3", Qwen3ForCausalLM, Qwen3Config, ours)

    ours = {**base, "pad_token_id": None, "rope_theta": 50.0, "no_rope_layer_interval": 2, "tie_word_embeddings": False}
    ours = {**ours, "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu", "num_key_value_heads": 2}
    write_checked("smollm3", "smollm3", SmolLM3ForCausalLM, SmolLM3Config, ours)
    scaled = {"rope_type": "yarn", "rope_theta": 50.0, "factor": 4.0}
    ours = {**base, "pad_token_id": None, "rope_parameters": scaled, "no_rope_layers": [0, 1]}
    write_checked("smollm3-layers", "smollm3", SmolLM3ForCausalLM, SmolLM3Config, ours)

    gemma = {**base, "head_dim": 16, "query_pre_attn_scalar": 20, "sliding_window": 5, "pad_token_id": None}
    caps = {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0}
    ours = {**gemma, **caps, "attention_bias": True, "hidden_activation": "silu", "rope_parameters": default}
    write_checked("gemma2", "gemma2", Gemma2ForCausalLM, Gemma2Config, ours)
    none = {"final_logit_softcapping": None, "attn_logit_softcapping": None, "tie_word_embeddings": False}
    ours = {**gemma, **none, "layer_types": ["full_attention", "sliding_attention"]}
    write_checked("gemma2-types", "gemma2", Gemma2ForCausalLM, Gemma2Config, ours)

    bases = {"rope_theta": 60.0, "rope_local_base_freq": 30.0, "rope_scaling": {"rope_type": "linear", "factor": 2.5}}
    ours = {**gemma, **bases, "attention_bias": True, "hidden_activation": "silu", "sliding_window_pattern": 2}
    ours = {**ours, "final_logit_softcapping": 3.0}
    write_checked("gemma3_text", "gemma3_text", Gemma3ForCausalLM, Gemma3TextConfig, ours)
    both = {
        "full_attention": {"rope_type": "linear", "rope_theta": 60.0, "factor": 2.5},
        "sliding_attention": {**default, "rope_theta": 30.0},
    }
    ours = {**gemma, "layer_types": ["full_attention", "sliding_attention"], "rope_parameters": both}
    ours = {**ours, "tie_word_embeddings": False}
    write_checked("gemma3_text-types", "gemma3_text", Gemma3ForCausalLM, Gemma3TextConfig, ours)


def write_layer_norm_decoders() -> None:
    base = {**LLAMA, "layer_norm_eps": 1e-2}
    del base["rms_norm_eps"]
    neox = {key: value for key, value in base.items() if key != "num_key_value_heads"}
    ours = {**neox, "hidden_act": "gelu_new", "rotary_pct": 0.5, "rotary_emb_base": 50.0}
    write_checked("gpt_neox", "gpt_neox", GPTNeoXForCausalLM, GPTNeoXConfig, ours)
    scaled = {"rope_type": "linear", "factor": 2.5, "rope_theta": 50.0, "partial_rotary_factor": 0.75}
    ours = {**neox, "use_parallel_residual": False, "attention_bias": False, "tie_word_embeddings": True}
    ours = {**ours, "rope_parameters": scaled}
    write_checked("gpt_neox-sequential", "gpt_neox", GPTNeoXForCausalLM, GPTNeoXConfig, ours)

    def classes(model):
        return [classified(model, padding=0, lengths=[9, 12, 5], time=12, vocabulary=48)]

    labels = {"id2label": {0: "first", 1: "second", 2: "third"}, "pad_token_id": 0}
    ours = {**neox, "rotary_emb_base": 50.0}
    config = GPTNeoXConfig(**ours, **labels)
    written = {"model_type": "gpt_neox", **ours, "num_labels": 3}
    write("gpt_neox-classes", GPTNeoXForSequenceClassification, config, written, classes)

    ours = {**base, "hidden_act": "gelu", "partial_rotary_factor": 0.75, "rope_theta": 50.0}
    write_checked("phi", "phi", PhiForCausalLM, PhiConfig, ours)
    ours = {**base, "tie_word_embeddings": True, "num_key_value_heads": 4}
    write_checked("phi-tied", "phi", PhiForCausalLM, PhiConfig, ours)

    opt = {"vocab_size": 48, "hidden_size": 32, "ffn_dim": 56, "num_hidden_layers": 2, "num_attention_heads": 4}
    opt = {**opt, "max_position_embeddings": 16, "dropout": 0.0, "pad_token_id": None}
    ours = {**opt, "activation_function": "gelu", "tie_word_embeddings": False}
    write_checked("opt", "opt", OPTForCausalLM, OPTConfig, ours)
    ours = {**opt, "enable_bias": False}
    write_checked("opt-plain", "opt", OPTForCausalLM, OPTConfig, ours)


def write_encoders() -> None:
    labels = {"id2label": {0: "first", 1: "second", 2: "third"}}
    shared = {"vocab_size": 48, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2}
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    # The first position has the number of padding plus one.
    roberta = {**shared, **off, "num_attention_heads": 4, "max_position_embeddings": 20, "pad_token_id": 3}

    def roberta_cases(model):
        return [run(model, hidden(case(48, 2, 12), padding=3), first_position=4) for case in (plain, padded)]

    def distilbert_cases(model):
        return [run(model, hidden(case(48, 2, 12), padding=0)) for case in (plain, padded)]

    def classes(padding):
        return lambda model: [
            classified(model, padding=padding, lengths=[9, 12, 5], time=12, vocabulary=48, first=True)
        ]

    ours = {**roberta, "type_vocab_size": 3, "hidden_act": "gelu_new", "layer_norm_eps": 1e-2}
    write_checked("roberta", "roberta", RobertaForMaskedLM, RobertaConfig, ours, roberta_cases)
    ours = {**roberta, "classifier_dropout": 0.0}
    written = {"model_type": "roberta", **ours, "num_labels": 3}
    kind = RobertaForSequenceClassification
    write("roberta-classes", kind, RobertaConfig(**ours, **labels), written, classes(3))

    distilbert = {"vocab_size": 48, "dim": 32, "hidden_dim": 56, "n_layers": 2, "n_heads": 4}
    distilbert = {**distilbert, "max_position_embeddings": 16, "dropout": 0.0, "attention_dropout": 0.0}
    ours = {**distilbert, "activation": "relu"}
    write_checked("distilbert", "distilbert", DistilBertForMaskedLM, DistilBertConfig, ours, distilbert_cases)
    ours = {**distilbert, "seq_classif_dropout": 0.0}
    written = {"model_type": "distilbert", **ours, "num_labels": 3}
    kind = DistilBertForSequenceClassification
    write("distilbert-classes", kind, DistilBertConfig(**ours, **labels), written, classes(0))


def main() -> None:
    write_rotary()
    write_encoders()
    write_decoders()
    write_layer_norm_decoders()
    gpt2 = {"vocab_size": 48, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4}
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    write("gpt2", GPT2LMHeadModel, GPT2Config(**gpt2, **off), {"model_type": "gpt2", **gpt2, **off})

    llama = LLAMA
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
