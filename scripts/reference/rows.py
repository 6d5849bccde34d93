"""Writes test/fixtures/data/rows.json: small CSV, TSV and JSON files, and the rows that Python's csv and json read from them.

Run: python scripts/reference/rows.py
"""

import csv
import io
import json
import math
import pathlib
import random

random.seed(20)
PARTS = ["a", "b c", "é", "🎉", '"', '""', "\n", "\r", "\r\n", "\u2028", "\u0085", "\ufeff", "'", "\\", " ", "x", "1"]
LINE_ENDS = ["\n", "\r\n", "\r"]
ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "utf-16"]


def field(delimiter, plain=False):
    parts = [part for part in PARTS + [delimiter] if not plain or not set(part) & set('"\r\n' + delimiter)]
    return "".join(random.choice(parts) for _ in range(random.randrange(4)))


def without_mark(text):
    """A mark at the start of a file belongs to the encoding."""
    return text.lstrip("\ufeff")


def written(delimiter, quoting):
    """A file as a program writes it; line ends of several kinds, blank lines and a missing last line end included."""
    width = random.randrange(1, 4)
    plain = quoting == csv.QUOTE_NONE
    out = []
    for _ in range(random.randrange(1, 6)):
        buffer = io.StringIO(newline="")
        style = csv.QUOTE_NONE if plain else random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        row = [field(delimiter, plain) for _ in range(width)]
        if plain:
            row = [each.replace("x", 'x"') or "e" for each in row]
            out.append(delimiter.join(row))
        else:
            csv.writer(buffer, delimiter=delimiter, quoting=style, lineterminator="\r\n").writerow(row)
            out.append(buffer.getvalue()[:-2])
        out.append(random.choice(LINE_ENDS) * random.choice([1, 1, 1, 2]))
    if random.random() < 0.3:
        out.pop()
    return without_mark("".join(out))


def soup(delimiter):
    parts = PARTS + [delimiter] * 5 + ["\n"] * 3
    return without_mark("".join(random.choice(parts) for _ in range(random.randrange(1, 30))))


def delimited(kind, delimiter, quoting, text):
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    return {
        "kind": kind,
        "format": "delimited",
        "delimiter": delimiter,
        "quoting": "none" if quoting == csv.QUOTE_NONE else "standard",
        "encoding": random.choice(ENCODINGS),
        "text": text,
        "rows": [row for row in reader if row],
    }


def value(depth=0):
    choice = random.randrange(9 if depth < 2 else 7)
    if choice < 3:
        return field(",")
    if choice == 7:
        return [value(depth + 1) for _ in range(random.randrange(3))]
    if choice == 8:
        return {field(","): value(depth + 1) for _ in range(random.randrange(3))}
    return random.choice([0, -1, 1.5, 1e-7, 2**53, None, True, False, math.nan, math.inf, -math.inf, "NaN", "\ud800"])


def row():
    return {key: value() for key in random.sample(["text", "a", "b", "é\n", "__proto__"], random.randrange(1, 4))}


def damaged(text):
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(['"', ",", "}", "{", "]", "\n", "\r", "x", "\u2028", "NaN", "\\"]) + text[at + random.randrange(2) :]


def plain(each):
    """As JSON, whose numbers are finite."""
    if isinstance(each, float) and not math.isfinite(each):
        return {"not finite": str(each)}
    if isinstance(each, list):
        return [plain(inner) for inner in each]
    if isinstance(each, dict):
        return {key: plain(inner) for key, inner in each.items()}
    return each


def read_json(format, text):
    """None where Python refuses the file, or where a row is not an object."""
    try:
        if format == "jsonl":
            lines = io.StringIO(text, newline=None).read().split("\n")
            rows = [json.loads(line) for line in lines if line.strip(" \t") != ""]
        else:
            rows = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        return None
    return [plain(each) for each in rows]


def structured(format):
    rows = [row() for _ in range(random.randrange(1, 4))]
    ascii = random.random() < 0.5 or any("\ud800" in str(each) for each in rows)
    indent = random.choice([None, 1]) if format == "json" else None
    texts = [json.dumps(each, ensure_ascii=ascii, indent=indent) for each in rows]
    text = f"[{', '.join(texts)}]\n" if format == "json" else "".join(each + random.choice(LINE_ENDS) for each in texts)
    kind = "written"
    if random.random() < 0.4:
        kind, text = "soup", damaged(text)
    if not ascii:
        text = text.replace("\ud800", "")
    encoding = random.choice(ENCODINGS)
    return {"kind": kind, "format": format, "encoding": encoding, "text": text, "rows": read_json(format, text)}


files = []
for _ in range(90):
    delimiter = random.choice([",", "\t", ";", "|"])
    files.append(delimited("written", delimiter, csv.QUOTE_MINIMAL, written(delimiter, csv.QUOTE_MINIMAL)))
    files.append(delimited("written", delimiter, csv.QUOTE_NONE, written(delimiter, csv.QUOTE_NONE)))
    files.append(delimited("soup", delimiter, csv.QUOTE_MINIMAL, soup(delimiter)))
    files.append(delimited("soup", delimiter, csv.QUOTE_NONE, soup(delimiter)))
    files.append(structured("jsonl"))
    files.append(structured("json"))
folder = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "data"
folder.mkdir(exist_ok=True)
(folder / "rows.json").write_text("[\n" + ",\n".join(json.dumps(file) for file in files) + "\n]\n")
