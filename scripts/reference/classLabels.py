"""Writes test/fixtures/data/nli.parquet: rows with class numbers whose names are in the file, as `datasets` writes MNLI.

Run by hand, with `pip install pyarrow`.
"""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "data" / "nli.parquet"
NAMES = ["entailment", "neutral", "contradiction"]


def main() -> None:
    labels = [2, 0, 1, 1, 2, 0, -1, 0]
    text = {"dtype": "string", "_type": "Value"}
    features = {"premise": text, "hypothesis": text, "label": {"names": NAMES, "_type": "ClassLabel"}}
    table = pyarrow.table(
        {
            "premise": [f"premise {at}" for at in range(len(labels))],
            "hypothesis": [f"hypothesis {at}" for at in range(len(labels))],
            "label": pyarrow.array(labels, pyarrow.int64()),
        }
    )
    described = {"huggingface": json.dumps({"info": {"features": features}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(described), PATH, compression="none")
    print(PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
