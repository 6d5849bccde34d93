"""Writes test/fixtures/tasks: rows of the tasks in their published form with sentences of our own, two tokenizers, and what
lm-evaluation-harness finds on them with tiny seeded models: log-likelihoods, accuracies and standard errors, document by
document, with and without examples; and perplexities of a text by the protocols of papers.

Run once, by hand, with `pip install lm_eval==0.4.13 torch transformers accelerate`; it reads no network. Weights are those of
drawing.py, drawn on both sides.
"""

import json
import math
import os
import shutil
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", LMEVAL_DISABLE_MULTIPROC="1", DISABLE_MULTIPROC="1")

import lm_eval
import lm_eval.tasks
import torch
import yaml
from datasets import Dataset
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from drawing import draw, fill
from tiny import GPT2, LLAMA
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "tasks"
TASKS = Path(lm_eval.tasks.__file__).parent
PEOPLE = ["Ada", "Boris", "Chloé", "Dunja", "Emre", "Farah"]
THINGS = ["lantern", "kettle", "bicycle", "violin", "ladder", "notebook", "umbrella", "compass"]
PLACES = ["harbor", "orchard", "workshop", "library", "station", "greenhouse"]
VERBS = ["carries", "repairs", "paints", "hides", "borrows", "weighs"]
SUBJECTS = ["abstract_algebra", "anatomy", "philosophy"]
LETTERS = ["A", "B", "C", "D"]


def number(name: str, below: int) -> int:
    return int(draw(name, 1)[0]) % below


def pick(words: list[str], name: str) -> str:
    return words[number(name, len(words))]


def clause(name: str) -> str:
    """`Ada paints the ladder in the orchard`, sometimes without the place or with a number."""
    parts = [pick(PEOPLE, name + "a"), pick(VERBS, name + "b"), "the", pick(THINGS, name + "c")]
    if number(name + "d", 3):
        parts += ["in the", pick(PLACES, name + "e")]
    if number(name + "f", 4) == 0:
        parts += ["for", str(number(name + "g", 90) + 2), "minutes"]
    return " ".join(parts)


def several(name: str, count: int, separator: str = ". ") -> str:
    return separator.join(clause(f"{name} {i}") for i in range(count))


def piqa(name: str) -> dict:
    return {
        "goal": f"How does one {pick(VERBS, name)[:-1]} a {pick(THINGS, name)}?",
        "sol1": several(name + "1", 1 + number(name, 2)),
        "sol2": several(name + "2", 1 + number(name + "x", 3)) + ("  " if number(name, 5) == 0 else ""),
        "label": number(name + "label", 2),
    }


def winogrande(name: str) -> dict:
    a, b = pick(PEOPLE, name + "1"), pick(THINGS, name + "2")
    end = "." if number(name, 6) else ""
    rest = "" if name.endswith("train 3") else f" was left in the {pick(PLACES, name)}{end}"
    return {
        "sentence": f"{a} carried the {b} home because _{rest}",
        "option1": a,
        "option2": f"the {b}",
        "answer": str(1 + number(name + "answer", 2)),
    }


def hellaswag(name: str) -> dict:
    mark = " [title] How to start [step] " if number(name, 3) == 0 else " "
    return {
        "ind": number(name + "ind", 1000),
        "activity_label": pick(THINGS, name).capitalize(),
        "ctx_a": clause(name + "ctx") + "." + mark.rstrip(),
        "ctx_b": pick(["then she", "he QUICKLY", "", "élan", "the [substeps] crowd"], name + "b"),
        "endings": [clause(f"{name} {i}") + ("  slowly [header]." if i == 1 else ".") for i in range(4)],
        "label": str(number(name + "label", 4)),
    }


def arc(name: str) -> dict:
    count = 3 + number(name, 3)
    labels = LETTERS + ["E"] if number(name + "l", 2) else ["1", "2", "3", "4", "5"]
    return {
        "id": name,
        "question": f"Which of these does {clause(name)} need?",
        "choices": {"text": [several(f"{name} {i}", 1 + i % 2) for i in range(count)], "label": labels[:count]},
        "answerKey": labels[number(name + "key", count)],
    }


def openbookqa(name: str) -> dict:
    row = arc(name)
    texts = [text + (" ünd weiter" if i == 1 else "") for i, text in enumerate(row["choices"]["text"])]
    return {
        "id": name,
        "question_stem": f"{clause(name + 'stem')} because",
        "choices": {**row["choices"], "text": texts},
        "answerKey": " " * number(name, 2) + row["answerKey"],
    }


def boolq(name: str) -> dict:
    return {
        "question": f"is the {pick(THINGS, name)} in the {pick(PLACES, name)}",
        "passage": several(name, 2 + number(name, 5)) + ".",
        "idx": number(name + "idx", 99),
        "label": number(name + "label", 2),
    }


def lambada(name: str) -> dict:
    return {"text": "word" if name.endswith("test 2") else several(name, 2 + number(name, 4))}


def wikitext(name: str) -> dict:
    title = pick(PLACES, name).capitalize()
    body = f" \n = {title} = \n \n The {title.lower()} 's \" old \" wall ( built 1 @,@ 204 ) is well @-@ known ; "
    page = body + several(name, 2 + number(name, 14), " . ") + " . \n = = Use = = \n It weighs 2 @.@ 5 N here , so they say : no ! \n"
    return {"page": page}


def mmlu(name: str) -> dict:
    return {
        "question": f" {clause(name)}. Why? ",
        "choices": [clause(f"{name} {i}") for i in range(4)],
        "answer": number(name + "answer", 4),
    }


def gsm8k(name: str) -> dict:
    total = 3 + number(name, 60)
    return {"question": f"{clause(name)}. How many?", "answer": f"{clause(name + 'x')}.\n#### {total}"}


ROWS = {
    "piqa": (piqa, {"train": 6, "validation": 8}),
    "winogrande": (winogrande, {"train": 5, "validation": 8}),
    "hellaswag": (hellaswag, {"train": 40, "validation": 6}),
    "arc_easy": (arc, {"train": 6, "validation": 1, "test": 7}),
    "arc_challenge": (arc, {"train": 6, "validation": 1, "test": 6}),
    "openbookqa": (openbookqa, {"train": 6, "validation": 1, "test": 6}),
    "boolq": (boolq, {"train": 5, "validation": 8}),
    "lambada_openai": (lambada, {"test": 8}),
    "lambada_standard": (lambada, {"validation": 6, "test": 6}),
    "wikitext": (wikitext, {"train": 3, "validation": 1, "test": 4}),
    "gsm8k": (gsm8k, {"train": 6, "test": 3}),
    **{f"mmlu/{subject}": (mmlu, {"test": 4 + i, "dev": 3}) for i, subject in enumerate(SUBJECTS)},
}
YAML = {
    "piqa": "piqa/piqa.yaml",
    "winogrande": "winogrande/default.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "lambada_openai": "lambada/lambada_openai.yaml",
    "lambada_standard": "lambada/lambada_standard.yaml",
    "wikitext": "wikitext/wikitext.yaml",
    "gsm8k": "gsm8k/gsm8k.yaml",
    **{f"mmlu_{subject}": f"mmlu/default/mmlu_{subject}.yaml" for subject in SUBJECTS},
}
NORMALIZED = ["piqa", "hellaswag", "arc_easy", "arc_challenge", "openbookqa"]


def write_rows() -> None:
    for task, (create, splits) in ROWS.items():
        folder = FOLDER / task
        folder.mkdir(parents=True)
        for split, count in splits.items():
            rows = [create(f"{task} {split} {i}") for i in range(count)]
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    # Nested fields and 64-bit labels, as on the hub.
    for task, split in (("arc_easy", "test"), ("piqa", "validation")):
        folder = FOLDER / "parquet" / task
        folder.mkdir(parents=True)
        lines = (FOLDER / task / f"{split}.jsonl").read_text().splitlines()
        rows = Dataset.from_list([json.loads(line) for line in lines])
        rows.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def read_texts() -> list[str]:
    def strings(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                yield from strings(each)

    files = sorted(FOLDER.rglob("*.jsonl"))
    return [text for file in files for line in file.read_text().splitlines() for text in strings(json.loads(line))]


def byte_level() -> Tokenizer:
    """As GPT-2: one special token that opens and closes, and none around a text."""
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    built.train_from_iterator(read_texts(), trainer)
    return built


def with_spaces() -> Tokenizer:
    """As Llama: spaces are part of the vocabulary, unknown characters are bytes, and <s> opens each text."""
    built = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    built.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    built.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, limit_alphabet=60, max_token_length=8, show_progress=False
    )
    built.train_from_iterator(read_texts(), trainer)
    # Only three of the tokens are special; the bytes belong to the model.
    file = json.loads(built.to_str())
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] in special[:3]]
    built = Tokenizer.from_str(json.dumps(file))
    built.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", built.token_to_id("<s>"))]
    )
    return built


def build(name: str):
    """A model and its tokenizer; the file's names of special tokens are beside it."""
    if name == "gpt2":
        core, special = byte_level(), {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
        config = GPT2Config(**{**GPT2, "vocab_size": core.get_vocab_size(), "n_positions": 400, "bos_token_id": 0, "eos_token_id": 0})
        model = GPT2LMHeadModel(config)
    else:
        core, special = with_spaces(), {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        sizes = {"vocab_size": core.get_vocab_size(), "max_position_embeddings": 96}
        config = LlamaConfig(**{**LLAMA, **sizes, "bos_token_id": 1, "eos_token_id": 2})
        model = LlamaForCausalLM(config)
    fill(model)
    folder = FOLDER / name
    folder.mkdir()
    (folder / "tokenizer.json").write_text(core.to_str(), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(special) + "\n", encoding="utf-8")
    fast = PreTrainedTokenizerFast(tokenizer_object=core, **special)
    return model.eval(), fast


def write_tasks(folder: Path) -> None:
    """The harness's own definitions, reading the rows above."""
    for task, path in YAML.items():
        rows = task.replace("mmlu_", "mmlu/", 1)
        splits = {split: str(FOLDER / rows / f"{split}.jsonl") for split in ROWS[rows][1]}
        override = {
            "include": str(TASKS / path),
            "task": task,
            "tag": [],
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": splits},
        }
        if task in NORMALIZED:
            override["metric_list"] = [
                {"metric": metric, "aggregation": "mean", "higher_is_better": True}
                for metric in ("acc", "acc_norm", "acc_bytes")
            ]
        (folder / f"{task}.yaml").write_text(yaml.safe_dump(override))
    group = {
        "group": "mmlu",
        "task": [f"mmlu_{subject}" for subject in SUBJECTS],
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
    }
    (folder / "mmlu.yaml").write_text(yaml.safe_dump(group))


def significant(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list | tuple):
        return [significant(each) for each in value]
    return value


def run(lm, folder: Path, names: list[str], shots: int) -> dict:
    manager = lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=lm, tasks=names, num_fewshot=shots, task_manager=manager, bootstrap_iters=1000, log_samples=True
    )
    tasks = {}
    for name, samples in found["samples"].items():
        documents: dict[int, dict] = {}
        for sample in samples:
            entry = documents.setdefault(sample["doc_id"], {})
            entry["resps"] = significant([part[0] if isinstance(part, list | tuple) else part for part in sample["resps"]])
            suffix = "" if sample["filter"] == "none" else "," + sample["filter"]
            for metric in sample["metrics"]:
                if isinstance(sample[metric], int | float):
                    entry[metric + suffix] = significant(float(sample[metric]))
        tasks[name] = [documents[i] for i in sorted(documents)]
    results = {
        name: {key: significant(value) for key, value in values.items() if isinstance(value, float)}
        for name, values in found["results"].items()
    }
    return {"num_fewshot": shots, "documents": tasks, "results": results}


def answer_gsm8k(lm, folder: Path, shots: int) -> None:
    """Gives the second row the answer that the model generates, so that not all are wrong."""
    manager = lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)
    found = lm_eval.simple_evaluate(model=lm, tasks=["gsm8k"], num_fewshot=shots, task_manager=manager, log_samples=True)
    extracted = {
        sample["doc_id"]: sample["filtered_resps"][0]
        for sample in found["samples"]["gsm8k"]
        if sample["filter"] == "flexible-extract"
    }
    file = FOLDER / "gsm8k" / "test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for i, row in enumerate(rows[:2]):
        row["answer"] = f"So it is.\n#### {extracted[i]}."
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def mean_nats(model, ids: torch.Tensor, scored: int) -> float:
    """Mean over the last `scored` tokens of one window."""
    labels = ids.clone()
    labels[:, :-scored] = -100
    with torch.no_grad():
        return model(ids, labels=labels).loss.item()


def perplexities(lm, tokenizer) -> list[dict]:
    """A text by windows of 24 tokens: without overlap and rest, overlapping, and by the harness's rolling windows."""
    model, context, stride = lm.model, 24, 10
    pages = [json.loads(line)["page"] for line in (FOLDER / "wikitext" / "test.jsonl").read_text().splitlines()]
    text = "\n\n".join(pages)
    cases = []
    for add_bos in (None, True, False):
        ids = tokenizer.encode(text, add_special_tokens=False)
        usual = tokenizer.encode(text)
        first = [tokenizer.bos_token_id] if add_bos or (add_bos is None and len(usual) > len(ids)) else []
        tokens = torch.tensor([[*first, *ids]])
        count = tokens.shape[1] // context
        windows = [tokens[:, i * context : (i + 1) * context] for i in range(count)]
        gptq = math.exp(sum(mean_nats(model, window, context - 1) for window in windows) / count)
        total, scored, previous = 0.0, 0, 0
        for begin in range(0, tokens.shape[1], stride):
            end = min(begin + context, tokens.shape[1])
            fresh = min(end - previous, end - begin - 1)
            total += mean_nats(model, tokens[:, begin:end], fresh) * fresh
            scored += fresh
            previous = end
            if end == tokens.shape[1]:
                break
        # A tokenizer that is loaded with add_bos_token gets the rule that the harness relies on.
        opening = tokenizer
        if add_bos:
            core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
            bos = (tokenizer.bos_token, tokenizer.bos_token_id)
            core.post_processor = processors.TemplateProcessing(single=f"{bos[0]} $A", special_tokens=[bos])
            opening = PreTrainedTokenizerFast(tokenizer_object=core, **tokenizer.special_tokens_map)
        rolling = HFLM(pretrained=model, tokenizer=opening, batch_size=2, max_length=context, add_bos_token=add_bos)
        requests = [Instance("loglikelihood_rolling", {}, (page,), 0) for page in pages]
        sums = rolling.loglikelihood_rolling(requests, disable_tqdm=True)
        cases.append(
            {
                "add_bos": add_bos,
                "gptq": significant(gptq),
                "strided": significant(math.exp(total / scored)),
                "strided_scored": scored,
                "harness": significant([float(each) for each in sums]),
            }
        )
    return cases


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    write_rows()
    found = {"lm_eval": lm_eval.__version__, "models": {}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_tasks(folder)
        for name in ("gpt2", "llama"):
            model, tokenizer = build(name)
            lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=16)
            plain = [*(task for task in YAML if not task.startswith(("gsm8k", "mmlu"))), "mmlu"]
            runs = [run(lm, folder, plain, 0), run(lm, folder, plain, 2)]
            if name == "gpt2":
                answer_gsm8k(lm, folder, 2)
                runs.append(run(lm, folder, ["gsm8k"], 2))
            found["models"][name] = {
                "config": {key: value for key, value in model.config.to_dict().items() if key in {**GPT2, **LLAMA}},
                "runs": runs,
                "perplexities": perplexities(lm, tokenizer),
            }
    (FOLDER / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
