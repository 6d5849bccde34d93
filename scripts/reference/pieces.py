"""
Small SentencePiece models and what SentencePiece itself makes of texts with them: test/fixtures/pieces.json.

    pip install sentencepiece
    python scripts/reference/pieces.py

The models are trained on sentences of the generator below. The fixture has the model files in base64.
"""

import base64
import io
import json
import random
import tempfile
from pathlib import Path

import sentencepiece

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "pieces.json"
WORDS = (
    "a the one two river stone garden winter letter small green quick old walks finds carries writes opens over "
    "under beside into because while naïve café größer year 1984 3.14 x1 (yes) don't end."
).split()
CASES = [
    "",
    " ",
    "the old river",
    "  two  spaces   and three ",
    "the\tgarden\nopens\n\n a winter",
    "größer café naïve",
    "東京 🎉 unknown",
    "x1 = 3.14; // (yes) don't",
    "aaaaaaaa thethethe",
    "▁ under_beside",
    "🎉🎉東",
    " the<tok>river the <tok> ababthe",
    "a\n\n\n  b    c",
    "①② Ａ the ﬁnds\u3000old\u00a0stone",
]
# Parts of the random texts: pieces of the vocabulary, user-defined ones, and characters that a table rewrites.
SPACES = ["▁▁", "▁▁▁", "\n\n"]
PARTS = [*WORDS, " ", "  ", "   ", "\n", "\n\n", "<tok>", "ab", "th", "▁", "①", "Ａ", "ﬁ", "\u3000", "\u00a0", "東", "🎉", "\t", "x"]


def texts() -> list:
    draw = random.Random(11)
    return CASES + ["".join(draw.choice(PARTS) for _ in range(draw.randint(1, 9))) for _ in range(60)]


def sentences() -> list:
    draw = random.Random(7)
    return [" ".join(draw.choice(WORDS) for _ in range(draw.randint(4, 14))) for _ in range(4000)]


def train(kind: str, vocabulary: int, **options) -> dict:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()),
        model_writer=model,
        model_type=kind,
        vocab_size=vocabulary,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return {
        "model": base64.b64encode(model.getvalue()).decode(),
        "vocabulary": processor.vocab_size(),
        "cases": [[text, processor.encode(text), processor.decode(processor.encode(text))] for text in texts()],
    }


def main() -> None:
    plain = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    # A table of its own: those of SentencePiece take 240 kB each.
    rules = tempfile.NamedTemporaryFile("w", suffix=".tsv")
    for source, target in {"①": "1", "Ａ": "A", "ﬁ": "fi", "\u3000": " ", "\u00a0": " ", "\t": " ", "ö": "o"}.items():
        rules.write(f"{ord(source):X}\t{' '.join(f'{ord(each):X}' for each in target)}\n")
    rules.flush()
    table = {"normalization_rule_tsv": rules.name}
    fixture = {
        "made_with": {"sentencepiece": sentencepiece.__version__},
        "bpe with bytes": train("bpe", 380, byte_fallback=True, **plain),
        "unigram with bytes": train("unigram", 380, byte_fallback=True, hard_vocab_limit=False, **plain),
        "unigram": train("unigram", 120, hard_vocab_limit=False, **plain),
        "bpe without doubled spaces": train("bpe", 120, normalization_rule_name="identity"),
        "bpe without a first space": train("bpe", 120, add_dummy_prefix=False, **plain),
        "bpe with user-defined pieces": train("bpe", 140, user_defined_symbols=["<tok>", "ab", "th"], **plain),
        "bpe with user-defined spaces": train("bpe", 400, user_defined_symbols=SPACES, byte_fallback=True, **plain),
        "unigram with user-defined pieces": train(
            "unigram", 140, user_defined_symbols=["<tok>", "ab", "th"], hard_vocab_limit=False, **plain
        ),
        "unigram with user-defined spaces": train(
            "unigram", 140, user_defined_symbols=SPACES, hard_vocab_limit=False, **plain
        ),
        "bpe with a table": train("bpe", 140, **table),
        "unigram with a table": train("unigram", 140, hard_vocab_limit=False, **table),
    }
    PATH.write_text(json.dumps(fixture, ensure_ascii=False) + "\n")
    print(PATH.name, PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
