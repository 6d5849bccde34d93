"""
Encodes seeded texts with Python's `tokenizers` under many configurations and writes a hash of the ids of each into
test/fixtures/tokenizers.json. The test generates the same texts and configurations from the same file.

    python scripts/reference/tokenizers.py
"""
import base64
import hashlib
import io
import json
import pathlib
import tempfile

import sentencepiece
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = 200

# Characters on which implementations differ: white space, marks, digits and letters of other scripts, controls.
ALPHABET = (
    "abcdeABCDE019 .,'-_<>[]{}/\\|!?#@=+~"
    "\t\n\r\u000b\u000c\u001c\u0085\u00a0\u00ad\u1680\u2000\u2009\u200b\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\ufffd"
    "\u0300\u0301\u0308\u0345\u0483\u20dd\ufe0f"
    "éßÄøİıſK\u212bÅµΣςσ"
    "١٢٣४५६๑२²½Ⅷ①"
    "жщЪ中文字々ひカｶ가힣각ڪاאก"
    "ﬁﬀ㎏㌔Ａ１｡"
    "\U0001d538\U0001f600\U0001f468\U0001f3fd\U00020000\U0001d7d9\U000e0001"
    "▁Ġ\u0000\u0007\u007f\u009f"
)
WORDS = [" the", " don't", "we'LL ", "<unk>", "<tok>", "<TOK>", " <s> ", "word<tok>word", "\r\n", "\n\n", "  ", "   \n"]


class Draws:
    """The 32-bit generator of the test."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) % limit


def texts(seed):
    draws = Draws(seed)
    alphabet = list(ALPHABET)
    for _ in range(TEXTS):
        parts = []
        for _ in range(1 + draws.below(40)):
            kind = draws.below(8)
            if kind == 0:
                parts.append(WORDS[draws.below(len(WORDS))])
            elif kind < 5:
                parts.append(alphabet[draws.below(35)])
            else:
                parts.append(alphabet[draws.below(len(alphabet))])
        yield "".join(parts)


def byte_alphabet():
    printable = [b for b in range(256) if 32 < b < 127 or (b > 160 and b != 173)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + others.index(b)) for b in range(256)]


def added(content, id, **flags):
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": id, "content": content, **{name: flags.get(name, False) for name in names}}


SIMPLE = ["a", "b", "c", "d", "e", "A", "B", "0", "1", "9", " ", ".", "'", "t", "h", "▁", "\n", "é", "中", "文"]
PAIRS = ["a b", "ab c", "d e", "t h", "th e", "0 1", "▁ a", "▁ the", "▁ ▁", "' t", "中 文", "a a"]


def bpe(alphabet=SIMPLE, pairs=PAIRS, unk="<unk>", **options):
    tokens = ["<unk>", *alphabet]
    for pair in pairs:
        left, right = pair.split(" ")
        prefix = options.get("continuing_subword_prefix") or ""
        joined = left + (right[len(prefix):] if prefix and right.startswith(prefix) else right)
        if left in tokens and right in tokens and joined not in tokens:
            tokens.append(joined)
    merges = [p for p in pairs if all(x in tokens for x in p.split(" "))]
    return {"type": "BPE", "dropout": None, "unk_token": unk, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, **options,
            "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [m.split(" ") for m in merges]}


def byte_bpe(**options):
    pairs = ["a b", "Ġ a", "t h", "Ġ t", "Ġt h", "Ã ©", "Ċ Ċ", "Ġ Ġ", "0 1", "' t", "à ¤"]
    return bpe(byte_alphabet(), pairs, None, **options)


def unigram(**options):
    pieces = [["<unk>", 0.0], *[[t, -3.0 - i / 7] for i, t in enumerate(SIMPLE)], ["▁a", -2.0], ["▁the", -1.5],
              ["ab", -2.5], ["abc", -2.75], ["th", -2.6], ["▁▁", -4.0], ["中文", -2.2]]
    if options.get("byte_fallback"):
        pieces += [[f"<0x{b:02X}>", -9.0] for b in range(256)]
    return {"type": "Unigram", "unk_id": 0, "byte_fallback": False, **options, "vocab": pieces}


def word_level():
    words = ["<unk>", "the", "don", "t", "a", "b", "don't", "A", "word", "01", ".", "'", "中", "ab"]
    return {"type": "WordLevel", "unk_token": "<unk>", "vocab": {w: i for i, w in enumerate(words)}}


def word_piece(prefix="##"):
    words = ["<unk>", *SIMPLE, *[prefix + s for s in SIMPLE], "the", prefix + "ab", "don", "word", "0", prefix + "01"]
    return {"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": prefix, "max_input_chars_per_word": 20,
            "vocab": {w: i for i, w in enumerate(dict.fromkeys(words))}}


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def normalizers(*steps):
    return sequence("normalizers", *steps)


def pre(*steps):
    return sequence("pretokenizers", *steps)


def split(pattern, behavior="Isolated", invert=False, literal=False):
    return {"type": "Split", "pattern": {"String" if literal else "Regex": pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, literal=True):
    return {"type": "Replace", "pattern": {"String" if literal else "Regex": pattern}, "content": content}


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
RAW = {**LEVEL, "use_regex": False}
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def metaspace(scheme, splits=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": splits}


def bert(**options):
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True, **options}


def charsmap():
    """A table of SentencePiece that rewrites a few characters, compiled by SentencePiece itself."""
    rules = {"A": "a", "ﬁ": "fi", "Ⅷ": "VIII", "\u3000": " ", "e\u0301": "é", "\u200b": "", "ß": "ss"}
    code = lambda text: " ".join(f"{ord(c):X}" for c in text)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("".join(f"{code(a)}\t{code(b)}\n" for a, b in rules.items()))
        file.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["abc abd bcd acd the word"] * 30), model_writer=model, vocab_size=18,
            normalization_rule_tsv=file.name, minloglevel=2)
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


DECODERS = [
    None,
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "CTC", "pad_token": "<unk>", "word_delimiter_token": "|", "cleanup": True},
    {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
]


def configurations():
    """Name, model, normalizer, pre-tokenizer, added tokens, post-processor."""
    plain = [added("<tok>", 1000)]
    yield "byte level", byte_bpe(), None, LEVEL, plain
    yield "byte level with a prefix", byte_bpe(), None, {**LEVEL, "add_prefix_space": True}, plain
    yield "byte level without a pattern", byte_bpe(), None, RAW, plain
    yield "ignored merges", byte_bpe(ignore_merges=True), None, LEVEL, plain
    yield "cl100k", byte_bpe(), None, pre(split(CL100K), RAW), plain
    yield "deepseek", byte_bpe(), None, pre(split("[\r\n]"), split("\\s?\\p{L}+"), split("\\s?\\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), {"type": "Digits", "individual_digits": True}, RAW), plain
    for scheme in ("always", "first", "never"):
        for splits in (True, False):
            yield f"metaspace {scheme} {splits}", bpe(), None, metaspace(scheme, splits), plain
    yield "sentencepiece", bpe([*SIMPLE, *[f"<0x{b:02X}>" for b in range(256)]], byte_fallback=True, fuse_unk=True), normalizers({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), None, plain
    yield "fused unknown", bpe(fuse_unk=True), None, {"type": "Whitespace"}, plain
    prefixed = [*SIMPLE, *["##" + s for s in SIMPLE]]
    yield "subword prefix", bpe(prefixed, ["a ##b", "ab ##c", "##d ##e", "t ##h", "##0 ##1"], continuing_subword_prefix="##"), None, {"type": "Whitespace"}, plain
    suffixed = [*SIMPLE, *[s + "</w>" for s in SIMPLE]]
    yield "word suffix", bpe(suffixed, ["a b</w>", "t h", "th e</w>", "a b"], end_of_word_suffix="</w>"), {"type": "Lowercase"}, {"type": "WhitespaceSplit"}, plain
    yield "unigram", unigram(), None, metaspace("always"), plain
    yield "unigram without words", unigram(), replace(" ", "▁"), None, plain
    yield "unigram with bytes", unigram(byte_fallback=True), None, metaspace("first"), plain
    yield "word level", word_level(), None, {"type": "Whitespace"}, plain
    yield "word piece", word_piece(), bert(), {"type": "BertPreTokenizer"}, plain
    yield "word piece with case", word_piece(), bert(lowercase=False, strip_accents=True, clean_text=False), {"type": "BertPreTokenizer"}, plain
    for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
        yield kind, byte_bpe(), {"type": kind}, RAW, plain
    yield "accents", byte_bpe(), normalizers({"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}), LEVEL, plain
    yield "strip", byte_bpe(), {"type": "Strip", "strip_left": True, "strip_right": True}, RAW, plain
    yield "replace", byte_bpe(), normalizers(replace("\\s+", " ", False), replace("a", "bb")), RAW, plain
    yield "byte level normalizer", byte_bpe(), {"type": "ByteLevel"}, None, plain
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"split {behavior} {invert}", byte_bpe(), None, pre(split("\\s|\\p{P}", behavior, invert), RAW), plain
        yield f"punctuation {behavior}", byte_bpe(), None, pre({"type": "Punctuation", "behavior": behavior}, RAW), plain
    yield "split literal", byte_bpe(), None, pre(split("a", "MergedWithNext", False, True), RAW), plain
    for individual in (True, False):
        yield f"digits {individual}", byte_bpe(), None, pre({"type": "Digits", "individual_digits": individual}, RAW), plain
    yield "delimiter", byte_bpe(), None, pre({"type": "CharDelimiterSplit", "delimiter": "a"}, RAW), plain
    yield "scripts", byte_bpe(), None, pre({"type": "UnicodeScripts"}, RAW), plain
    yield "fixed length", byte_bpe(), None, pre({"type": "FixedLength", "length": 3}, RAW), plain
    for flag in ("single_word", "lstrip", "rstrip", "normalized", "special"):
        yield f"added {flag}", byte_bpe(), {"type": "Lowercase"}, LEVEL, [added("<tok>", 1000, **{flag: True}), added("don't", 1001, **{flag: True})]
    yield "added overlaps", byte_bpe(), None, LEVEL, [added("<t", 1000), added("<tok>", 1001), added("ok>w", 1002), added(" ", 1003, lstrip=True, rstrip=True)]
    yield "precompiled", unigram(), {"type": "Precompiled", "precompiled_charsmap": charsmap()}, metaspace("always"), plain
    yield "template", byte_bpe(), None, LEVEL, [*plain, added("<s>", 1001, special=True)]


def tokenizer_json(model, normalizer, pre_tokenizer, tokens, decoder):
    base = len(model["vocab"])
    numbered = [{**token, "id": base + token["id"] - 1000} for token in tokens]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": numbered, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": decoder, "model": model}


def main():
    cases, models = [], []
    for seed, (name, model, normalizer, pre_tokenizer, tokens) in enumerate(configurations(), 1):
        decoder = DECODERS[seed % len(DECODERS)]
        content = tokenizer_json(model, normalizer, pre_tokenizer, tokens, decoder)
        tokenizer = Tokenizer.from_str(json.dumps(content))
        digest, decoded = hashlib.sha256(), hashlib.sha256()
        count = 0
        for text in texts(seed):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            count += len(ids)
            digest.update((",".join(map(str, ids)) + "\n").encode())
            decoded.update((tokenizer.decode(ids, skip_special_tokens=True) + "\n").encode())
        if model not in models:
            models.append(model)
        cases.append({"name": name, "seed": seed, "model": models.index(model), "normalizer": normalizer,
                      "pre_tokenizer": pre_tokenizer, "added_tokens": content["added_tokens"], "tokens": count,
                      "decoder": decoder, "ids": digest.hexdigest(), "decoded": decoded.hexdigest()})
    # Compact: vocabularies as lists, because their ids are their places.
    for model in models:
        if isinstance(model["vocab"], dict):
            model["vocab"] = list(model["vocab"])
    fixture = {"texts": TEXTS, "alphabet": ALPHABET, "words": WORDS, "models": models, "cases": cases}
    path = ROOT / "test/fixtures/tokenizers.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    print(f"{len(cases)} configurations, {len(cases) * TEXTS} texts, {path.stat().st_size} bytes")


main()
