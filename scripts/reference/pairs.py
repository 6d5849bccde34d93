"""Writes test/fixtures/pairs.json: texts and pairs of texts with special tokens, token types, padding and truncation, as
transformers encodes them, and a BERT classifier's logits, accuracy, loss and gradients on them.

Run once, by hand, with `pip install torch transformers tokenizers`; weights are those of drawing.py, drawn on both sides.
"""

import json
from pathlib import Path

import torch
from drawing import BOUND, draw, fill, rounded
from make import summarize_gradients
from tiny import BERT
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "pairs.json"
ROWS = 24
LENGTH = 12
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>"]
SYLLABLES = ["ka", "lo", "mi", "nu", "re", "so", "ti", "va"]
LETTERS = sorted({letter for syllable in SYLLABLES for letter in syllable})
WORDS = [f"{a}{b}" for a in SYLLABLES for b in SYLLABLES][:40]
VOCABULARY = [*SPECIAL, ",", ".", *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
IDS = {token: i for i, token in enumerate(VOCABULARY)}
CLASSES = ["no", "maybe", "yes"]


def pair(name: str):
    return (name, IDS[name])


POST_PROCESSORS = {
    "template": processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[pair("[CLS]"), pair("[SEP]")],
    ),
    "bert": processors.BertProcessing(pair("[SEP]"), pair("[CLS]")),
    "roberta": processors.RobertaProcessing(pair("</s>"), pair("<s>"), trim_offsets=True, add_prefix_space=False),
    "opens": processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[pair("<s>")]
    ),
    "opens and closes": processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> <s>:1 $B:1 </s>:1", special_tokens=[pair("<s>"), pair("</s>")]
    ),
}


def tokenizer(post_processor):
    built = Tokenizer(models.WordPiece(IDS, unk_token="[UNK]"))
    built.normalizer = normalizers.BertNormalizer(lowercase=True)
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.add_special_tokens(SPECIAL)
    built.post_processor = post_processor
    return built


def text(name: str) -> str:
    """Words, also of letters that the vocabulary does not join, and one that names a special token."""
    count = 1 + int(draw(name + "#length", 1)[0]) % 9
    words = []
    for each in draw(name, count):
        word = WORDS[int(each) % len(WORDS)] if int(each) % 5 else "tok"
        words.append(word.upper() if int(each) % 7 == 0 else word)
    return " ".join(words) + (" [SEP]" if count == 4 else ".")


def encode(fast, side: str, rows, pairs: bool):
    fast.truncation_side = side
    second = [row["second"] for row in rows] if pairs else None
    return fast(
        [row["first"] for row in rows],
        second,
        truncation=True,
        max_length=LENGTH,
        padding="max_length",
        return_tensors="pt",
        return_token_type_ids=True,
    )


def main() -> None:
    rows = [
        {
            "first": text(f"first {i}"),
            "second": text(f"second {i}"),
            "label": CLASSES[int(each) % 3],
        }
        for i, each in enumerate(draw("labels", ROWS))
    ]
    labels = torch.tensor([CLASSES.index(row["label"]) for row in rows])
    found = {}
    for name, post_processor in POST_PROCESSORS.items():
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer(post_processor), pad_token="[PAD]")
        encoded = {}
        for kind in ("single", "pair"):
            for side in ("right", "left"):
                batch = encode(fast, side, rows, kind == "pair")
                encoded[f"{kind} {side}"] = {
                    "ids": [ids[mask == 1].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"])],
                    "types": [ids[mask == 1].tolist() for ids, mask in zip(batch["token_type_ids"], batch["attention_mask"])],
                }
        found[name] = {"post_processor": json.loads(tokenizer(post_processor).to_str())["post_processor"], "encoded": encoded}

    ours = {**BERT, "vocab_size": len(VOCABULARY)}
    config = BertConfig(**ours, id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)})
    config._attn_implementation = "eager"
    model = BertForSequenceClassification(config).train()
    fill(model)
    model = model.to(torch.float64)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer(POST_PROCESSORS["template"]), pad_token="[PAD]")
    results = {}
    for kind in ("single", "pair"):
        for side in ("right", "left"):
            model.zero_grad()
            output = model(**encode(fast, side, rows, kind == "pair"), labels=labels)
            output.loss.backward()
            results[f"{kind} {side}"] = {
                "logits": [rounded(each) for each in output.logits.detach().numpy()],
                "loss": rounded(output.loss.item())[0],
                "accuracy": (output.logits.argmax(1) == labels).double().mean().item(),
                "gradients": summarize_gradients(model),
            }
            print(kind, side, results[f"{kind} {side}"]["loss"], results[f"{kind} {side}"]["accuracy"])
    fixture = {
        "bound": BOUND,
        "length": LENGTH,
        "rows": rows,
        "tokenizer": json.loads(tokenizer(POST_PROCESSORS["template"]).to_str()),
        "post_processors": found,
        "model": {
            "config": {
                "model_type": "bert",
                **ours,
                "architectures": ["BertForSequenceClassification"],
                "id2label": config.id2label,
                "label2id": config.label2id,
            },
            "tensors": {name: list(tensor.shape) for name, tensor in model.named_parameters()},
            "results": results,
        },
    }
    PATH.write_text(json.dumps(fixture, allow_nan=False) + "\n")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
