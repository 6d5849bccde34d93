"""Writes test/fixtures/data/conversations.json: conversations, chat templates and small tokenizers, and the ids and the
mask of the assistant's answers that transformers gives.

Run: python scripts/reference/conversations.py
"""

import base64
import io
import json
import pathlib
import random
import re
import tempfile

import pyarrow
import pyarrow.parquet
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

random.seed(13)
SPECIAL = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>"]
WORDS = (
    "the a answer question is of to and model token small large prune weight why how what it has Hello world 1 23 4096 "
    "don't é ü naïve 日本 語 🎉 👩‍💻 ( ) . , ! ? : \n \n\n \t \"quoted\" <b> </b> {{ x }} {% y %} <s> [INST]"
).split(" ")

TEMPLATES = {
    # {% generation %} inside a loop, on lines of its own and inside a line, with every kind of white-space control.
    "chatml-marked": """{{ bos_token }}
{%- for message in messages %}
    {%- if message['role'] == 'assistant' %}
{{- '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}

    {%- else %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    "lines-marked": """{% for message in messages %}
{% if message.role == "assistant" %}
Assistant:
  {% generation %}
{{ message.content }}
  {% endgeneration %}
{% else %}
{{ message.role | upper }}: {{ message.content }}
{% endif %}
{% endfor %}
""",
    "trimmed-marked": """{% for message in messages %}
  {% if message.role == "assistant" %}
    A:   {%- generation -%}   {{ message.content }}{{ eos_token }}  {%- endgeneration -%}   |
  {% else %}[{{ message.content }}]{% endif %}
{% endfor %}""",
    "chatml": """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    # The system prompt is merged into the first question.
    "llama": """{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set turns = messages %}{% set system = false %}{% endif %}
{% for message in turns %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{% if loop.index0 == 0 and system %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}
{% endfor %}""",
    # An end of text after each last message: the text up to an answer does not begin the text of all.
    "closing": """{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% else %}{{ eos_token }}{% endif %}""",
}


def content():
    joined = ""
    for _ in range(random.randrange(1, 9)):
        joined += random.choice(WORDS) + random.choice(["", " ", " ", " ", "  "])
    return joined


def conversation():
    turns = random.randrange(1, 4)
    messages = [{"role": "system", "content": content()}] if random.random() < 0.4 else []
    for _ in range(turns):
        messages.append({"role": "user", "content": content()})
        messages.append({"role": "assistant", "content": content()})
    if random.random() < 0.2:
        messages.pop()
    return messages


def corpus():
    return [" ".join(random.choice(WORDS) for _ in range(12)) for _ in range(300)]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet))
    return tokenizer


def opening():
    """Opens a text with <s> itself, so that a template's <s> must not get a second one."""
    tokenizer = byte_level()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer


def metaspace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokens = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=480, special_tokens=tokens, limit_alphabet=60))
    # The 256 bytes are tokens of the model and not special ones.
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [each for each in written["added_tokens"] if each["content"] in SPECIAL]
    return Tokenizer.from_str(json.dumps(written))


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL))
    return tokenizer


def render(tokenizer, messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=False, **options)


def prefix_spans(tokenizer, messages):
    """None where the text of the first messages does not begin the text of all."""
    whole = render(tokenizer, messages)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = render(tokenizer, messages[:i], add_generation_prompt=True)
        after = render(tokenizer, messages[: i + 1])
        if not (whole.startswith(before) and whole.startswith(after) and len(before) <= len(after)):
            return None
        spans.append((len(before), len(after)))
    return spans


def masked(tokenizer, messages):
    if re.search(r"\{%-?\s*generation", tokenizer.chat_template):
        out = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        return out["input_ids"], out["assistant_masks"]
    spans = prefix_spans(tokenizer, messages)
    if spans is None:
        return None, None
    out = tokenizer(render(tokenizer, messages), add_special_tokens=False, return_offsets_mapping=True)
    mask = [int(any(end > first and start < last for first, last in spans)) for start, end in out["offset_mapping"]]
    return out["input_ids"], mask


def tables():
    """The same conversation in both forms, as pandas and datasets write them; the keys of all messages are in each."""
    messages = [
        {"role": "user", "content": "2 + 2?", "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "sum", "arguments": {"a": 2, "b": 2}}}]},
        {"role": "tool", "content": "4", "tool_calls": None},
        {"role": "assistant", "content": "It is 4.", "tool_calls": None},
    ]
    share_gpt = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "It is 4."}]
    table = pyarrow.table({"messages": [messages], "conversations": [share_gpt]})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pyarrow.parquet.write_table(table, parquet)
    with pyarrow.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    return {name: base64.b64encode(file.getvalue()).decode() for name, file in [("parquet", parquet), ("arrow", arrow)]}


def main():
    tokenizers = {"byte-level": byte_level(), "opening": opening(), "metaspace": metaspace(), "word-piece": word_piece()}
    cases = []
    for name, core in tokenizers.items():
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(core.to_str())
            file.flush()
            tokenizer = PreTrainedTokenizerFast(
                tokenizer_file=file.name, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
            )
        for title, template in TEMPLATES.items():
            tokenizer.chat_template = template
            for _ in range(4):
                messages = conversation()
                ids, mask = masked(tokenizer, messages)
                case = {"tokenizer": name, "template": title, "messages": messages}
                if ids is None:
                    case["refused"] = True
                else:
                    case |= {"text": render(tokenizer, messages), "ids": ids, "mask": "".join(map(str, mask))}
                cases.append(case)
    fixture = {
        "templates": TEMPLATES,
        "tokenizers": {name: json.loads(core.to_str()) for name, core in tokenizers.items()},
        "cases": cases,
        "tables": tables(),
    }
    target = pathlib.Path(__file__).parents[2] / "test/fixtures/data/conversations.json"
    target.write_text(json.dumps(fixture, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(target, target.stat().st_size, "bytes;", sum("refused" in case for case in cases), "of", len(cases), "refused")


main()
