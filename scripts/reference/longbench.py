"""Writes the scores that LongBench's published code gives to predictions, to test/fixtures/longbench.json.

    python scripts/reference/longbench.py FOLDER

FOLDER has metrics.py and eval.py of https://github.com/THUDM/LongBench. Their function `scorer` is run as it is, but not rounded,
with `pip install rouge==1.0.1 fuzzywuzzy==0.18.0 numpy` and without python-Levenshtein, as its requirements have it.
The Chinese scores need jieba, which is replaced by an empty module.
"""

import importlib
import json
import random
import sys
import types
from pathlib import Path

WORDS = (
    "the fox a crow an cheese and tree forest river stone bridge night morning letter window garden bottle summer winter"
    " apple engine ship harbor silver copper"
).split()
QUESTIONS = [
    ("The Fox!", ["fox"]),
    ("a fox, a crow and the cheese", ["the crow", "cheese and a fox"]),
    ("theater of the absurd an", ["Theater absurd"]),
    ("", ["fox"]),
    ("The a an", ["the"]),
    ("crow crow crow fox", ["crow fox fox"]),
    ("Émile a l’école, naïve", ["émile l’école NAÏVE"]),
    ("é the_fox ªa a2 2a", ["é thefox ªa a2 2a"]),
    ("one\ttwo\u00a0three\u2003four\x1cfive", ["five four three two one"]),
    ("ΟΔΟΣ İstanbul", ["οδος i̇stanbul"]),
]
SUMMARIES = [
    ("The fox met the crow.", ["A fox met a crow."]),
    ("", ["A fox."]),
    ("...", ["A fox."]),
    (" . fox", ["fox . "]),
    ("A b c. D e f", ["D e c. A b f. c"]),
    ("a b c d a b c d", ["d c b a d c b a"]),
    ("a\nb  c\td. e.f", ["a b c d e f"]),
    ("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"]),
]
CODE = [
    ("\n\nreturn x", ["return x"]),
    ("# comment\n// another\nfor i in range(10):", ["for i in range(n):"]),
    ("```python\nprint(1)\n```", ["print(2)"]),
    ("``` # nothing", ["x = 1"]),
    ("", [""]),
    ("x", [""]),
    ("abcdefgh", ["a1234567"]),
    ("abc45678", ["abc12345"]),
    ("😀 = 1", ["😀 = 2"]),
]
CLASSES = ["Food", "Currency name", "Food and drink", "City", "Other location", "City of birth", "date"]
LABELS = [
    ("Food", ["Food"]),
    ("It is a City of birth, or a City.", ["City of birth"]),
    ("Food and drink, Food, date", ["Food and drink"]),
    ("City, Food", ["Food"]),
    ("Currency", ["Currency name"]),
    ("\n\nFood and drink\ndate", ["Food and drink"]),
    ("Food and drink and City of birth", ["City of birth"]),
]
PARAGRAPHS = [
    ("Paragraph 3", ["Paragraph 3"]),
    ("It is 3, not 13 or 30; 3.", ["Paragraph 3"]),
    ("none", ["Paragraph 3"]),
    ("٣ and 3", ["Paragraph 3"]),
    ("Paragraph 4", ["Paragraph 3", "Paragraph 4"]),
]
COUNTS = [("There are 12.", ["12"]), ("12, 12, or 13", ["12"]), ("a dozen", ["12"]), ("012", ["12"])]


def words(name: str, count: int) -> list[str]:
    return random.Random(name).choices(WORDS, k=count)


def sentences(name: str) -> str:
    return " ".join(" ".join(words(f"{name} {i}", 9)) + "." for i in range(4))


def lines(name: str, length: int) -> str:
    """A line of code, long enough that difflib leaves out frequent characters where it has 200 or more of them."""
    return "_".join(words(name, length))[: 40 * length]


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    sys.modules["jieba"] = types.ModuleType("jieba")
    module = importlib.import_module("eval")
    module.round = lambda number, _digits: number
    cases = [("hotpotqa", *each) for each in QUESTIONS]
    cases += [("gov_report", *each) for each in SUMMARIES]
    cases += [("lcc", *each) for each in CODE]
    cases += [("trec", *each) for each in LABELS]
    cases += [("passage_retrieval_en", *each) for each in PARAGRAPHS]
    cases += [("passage_count", *each) for each in COUNTS]
    for i in range(8):
        first, second = f"first {i}", f"second {i}"
        cases.append(("qasper", " ".join(words(first, 9)), [" ".join(words(second, 6)), sentences(second)]))
        cases.append(("qmsum", sentences(first), [sentences(second), sentences(f"third {i}")]))
        cases.append(("samsum", f"\n{sentences(first)}\n{sentences(second)}", [sentences(second)]))
        cases.append(("triviaqa", f"{' '.join(words(first, 3))}\nQuestion", [" ".join(words(second, 4))]))
        cases.append(("repobench-p", lines(first, 2 + 6 * i), [lines(second, 3 + 6 * i)]))
    document = [
        {
            "dataset": dataset,
            "prediction": prediction,
            "answers": answers,
            "percent": module.scorer(dataset, [prediction], [answers], CLASSES),
        }
        for dataset, prediction, answers in cases
    ]
    path = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "longbench.json"
    path.write_text(json.dumps({"classes": CLASSES, "cases": document}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
