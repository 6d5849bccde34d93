"""Writes test/fixtures/data/compressed.json: rows in Zstandard and Arrow files that JavaScript cannot write, in base64.

Run: python scripts/reference/compressedRows.py
"""

import base64
import io
import json
import pathlib

import pyarrow
import zstandard

# Long enough that LZ4 needs several blocks that refer to each other.
TEXTS = ["first", "zweitens: Größe 東京", None] + [f"row {i} " + "again and " * 40 for i in range(400)]
TABLE = pyarrow.table({
    "id": pyarrow.array(range(len(TEXTS)), pyarrow.int64()),
    "text": TEXTS,
    "label": pyarrow.array([i % 2 for i in range(len(TEXTS))], pyarrow.int8()),
    "kind": pyarrow.array([["a", "b"][i % 2] for i in range(len(TEXTS))]).dictionary_encode(),
})


def arrow(opening, compression):
    sink = io.BytesIO()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with opening(sink, TABLE.schema, options=options) as writer:
        writer.write_table(TABLE, max_chunksize=150)
    return sink.getvalue()


def zst(text, **options):
    return zstandard.ZstdCompressor(**options).compress(text.encode())


lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
half = len(lines) // 2
skippable = bytes.fromhex("502a4d18") + (3).to_bytes(4, "little") + b"abc"
# A frame whose header asks for a window of 1 GiB.
window = bytes.fromhex("28b52ffd00") + bytes([(30 - 10) << 3]) + bytes.fromhex("010000")
files = {
    "stream-lz4.arrow": arrow(pyarrow.ipc.new_stream, "lz4"),
    "stream-zstd.arrow": arrow(pyarrow.ipc.new_stream, "zstd"),
    "file-lz4.arrow": arrow(pyarrow.ipc.new_file, "lz4"),
    "rows.jsonl.zst": zst(lines),
    "frames.jsonl.zst": zst(lines[:half], write_checksum=True) + skippable + zst(lines[half:], level=19),
    "window.jsonl.zst": window,
}
path = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "data" / "compressed.json"
path.write_text(json.dumps({name: base64.b64encode(content).decode() for name, content in files.items()}, indent=2) + "\n")
