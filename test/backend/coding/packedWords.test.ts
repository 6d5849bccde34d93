import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { countWords, readCode, type WordLine, writeCode } from "../../../src/backend/coding/packedWords";

interface Figures {
  readonly codes: string;
  readonly packed: string;
}

/** Written by scripts/reference/packing.py: signed codes [4, 21], packed along the columns. */
const { words } = JSON.parse(
  readFileSync(new URL("../../fixtures/packing.json", import.meta.url), "utf8"),
) as { words: Record<string, Figures> };
const [rows, columns] = [4, 21];

const toBuffer = (text: string) => new Uint8Array(Buffer.from(text, "base64")).buffer;

it.each(Object.keys(words))("packs and unpacks codes of %s bits as compressed-tensors does", (text) => {
  const bits = Number(text);
  const codes = Array.from(new Int8Array(toBuffer(words[text]!.codes)), (code) => code + 2 ** (bits - 1));
  const expected = new Int32Array(toBuffer(words[text]!.packed));
  const count = countWords(columns, bits);
  // The same codes with the words of a row one after the other, and with those of a column.
  const packed = [new Int32Array(rows * count), new Int32Array(rows * count)] as const;
  for (let row = 0; row < rows; row++) {
    const lines: WordLine[] = [
      { words: packed[0], at: row * count, stride: 1, bits },
      { words: packed[1], at: row, stride: rows, bits },
    ];
    for (const line of lines) {
      for (let i = 0; i < columns; i++) writeCode(line, i, codes[row * columns + i]!);
      for (let i = 0; i < columns; i++) expect(readCode(line, i)).toBe(codes[row * columns + i]);
    }
  }
  expect(packed[0]).toEqual(expected);
  expect(packed[1]).toEqual(expected.map((_, i) => expected[(i % rows) * count + Math.floor(i / rows)]!));
});
